"""Calls the Freshdesk API v2: https://developers.freshdesk.com/api/."""

import asyncio
import re
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from typing import Annotated, Any, TypeVar

import httpx2
from pydantic import Field, SecretStr

from config.columns import now
from config.security.vault import Account
from tickets.provider import BatchOutcome, Refusal
from tickets.providers.freshdesk import responses
from tickets.providers.freshdesk.refusals import read_refusal
from toolkit.errors import Conflict, NotFound, Rejected, ToolFailure
from toolkit.http.client import Model, Params, VendorApi
from toolkit.http.records import RecordList
from toolkit.tenancy import Credentials, ToolCall

A = TypeVar("A")
R = TypeVar("R")

PAGE_SIZE = 100  # records, the most that Freshdesk allows
MAX_PAGES = 3  # pages that are read to look through all records
CONCURRENCY = 4  # the smallest plans allow fifty requests a minute, all of an account's together
RETRY_WINDOW = timedelta(days=1)  # in which the earlier try of a call has been
BULK_BUDGET = 9.0  # seconds, after which a bulk call starts no other request
_CLOCK_SKEW = timedelta(seconds=60)  # between our clock and Freshdesk's
_OWN_AGENT_TTL = 300.0  # seconds
_NUMBER = re.compile(r"[1-9][0-9]{0,17}")
# Failures of one record, after which the others are still tried.
_RECORD_FAILURES = (Conflict, NotFound, Rejected)


class FreshdeskCredentials(Credentials):
    """What a tenant gives to connect Freshdesk: the `acme` of `acme.freshdesk.com`, and a key.

    Freshdesk signs no webhooks; `webhook_secret` is what the tenant has them send.
    """

    domain: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9-]*$")]
    api_key: SecretStr
    webhook_secret: SecretStr | None = None


class FreshdeskClient:
    """Sends requests for one tool call to one tenant's Freshdesk."""

    def __init__(
        self, account: Account, call: ToolCall, *, bulk_budget: float = BULK_BUDGET
    ) -> None:
        credentials = FreshdeskCredentials.model_validate(account.secrets)
        self.call = call
        self._account = account
        self._bulk_budget = bulk_budget
        self._api = VendorApi(
            "Freshdesk",
            account.base_url(f"https://{credentials.domain}.freshdesk.com"),
            call.vendor_connection(account),
            httpx2.BasicAuth(credentials.api_key.get_secret_value(), "X"),
            refusal=read_refusal,
        )

    async def get(self, returns: type[Model], *path: str, params: Params | None = None) -> Model:
        """Send a request that reads, and return the response as `returns`."""
        return await self._api.call("GET", ("api", "v2", *path), returns, params=params)

    async def send(self, method: str, returns: type[Model], *path: str, json: Any = None) -> Model:
        """Send a request that writes, and return the response as `returns`."""
        return await self._api.call(method, ("api", "v2", *path), returns, json=json)

    async def get_pages(
        self,
        returns: type[RecordList[R]],
        *path: str,
        params: Params | None = None,
        size: int = PAGE_SIZE,
        pages: int = MAX_PAGES,
        is_enough: Callable[[Sequence[R]], bool] = lambda _: False,
    ) -> tuple[list[R], bool]:
        """Return the records of the first pages, and whether there may be more.

        Reading ends when `is_enough` is true of the records so far.
        """
        records: list[R] = []
        for page in range(1, pages + 1):
            page_params = {**(params or {}), "page": page, "per_page": size}
            answer = await self.get(returns, *path, params=page_params)
            records += answer.root
            if answer.count < size:
                return records, False
            if is_enough(records):
                break
        return records, True

    async def run_each(
        self, write: Callable[[A], Awaitable[str]], records: Sequence[tuple[str, A]]
    ) -> BatchOutcome:
        """Write named records one by one: the first alone, the others a few at a time.

        `write` returns the id. Records that Freshdesk refuses are in the outcome. Any other
        failure, or the end of the budget, leaves the remaining records unwritten.

        Raises:
            ToolFailure: there is one record, and it fails; or the first one fails in a way that
                the others would, too.
        """
        if len(records) == 1:
            return BatchOutcome(done=(await write(records[0][1]),))
        clock = asyncio.get_running_loop().time
        done: list[str] = []
        refused: list[Refusal] = []
        deadline, tried, stopped = clock() + self._bulk_budget, 0, False
        while tried < len(records) and not stopped and clock() < deadline:
            chunk = records[tried : tried + (CONCURRENCY if tried else 1)]
            tried += len(chunk)
            results = await asyncio.gather(
                *(write(record) for _, record in chunk), return_exceptions=True
            )
            for (name, _), result in zip(chunk, results, strict=True):
                if isinstance(result, str):
                    done.append(result)
                    continue
                if not isinstance(result, ToolFailure):
                    raise result
                if not isinstance(result, _RECORD_FAILURES):
                    if tried == 1:
                        raise result
                    stopped = True
                refused.append(Refusal(record=name, reason=result.happened))
        refused += [Refusal(record=name, reason="It was not tried.") for name, _ in records[tried:]]
        return BatchOutcome(done=tuple(done), refused=tuple(refused))

    async def own_agent_id(self) -> int:
        """Return the id of the agent whose key we have, cached for five minutes."""
        return await self.cached("me", _OWN_AGENT_TTL, self.fetch_own_agent_id)

    async def fetch_own_agent_id(self) -> int:
        """Return the id of the agent whose key we have."""
        return (await self.get(responses.Created, "agents", "me")).id

    async def cached(self, key: str, seconds: float, fetch: Callable[[], Awaitable[R]]) -> R:
        """Return what was fetched for this account in the last `seconds`, or fetch it."""
        return await self.call.cached(self._account, key, seconds, fetch)


def is_number(id: str) -> bool:
    """Return whether an id can be one of Freshdesk's."""
    return _NUMBER.fullmatch(id) is not None


def to_number(id: str, what: str) -> int:
    """Return an id as the number that Freshdesk uses.

    Raises:
        NotFound: it is not a number; `what` is named in the message.
    """
    if not is_number(id):
        raise NotFound(f"Freshdesk has no such {what}.")
    return int(id)


def retry_window_start() -> datetime:
    """Return the moment since which an earlier try of a call can have written, by any clock."""
    return now() - RETRY_WINDOW - _CLOCK_SKEW


def is_since(moment: datetime | None, start: datetime) -> bool:
    """Return whether a moment is known, and not before `start`."""
    return moment is not None and moment >= start
