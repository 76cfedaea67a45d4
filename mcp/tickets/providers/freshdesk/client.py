"""Freshdesk API v2, and how one asks it: https://developers.freshdesk.com/api/."""

import asyncio
import re
from collections.abc import Awaitable, Callable, Sequence
from typing import Annotated, Any, TypeVar

import httpx2
from pydantic import Field, RootModel, SecretStr

from config.security.vault import Account
from tickets.provider import Batch, Refused
from tickets.providers.freshdesk import responses as records
from toolkit.errors import Conflict, NotFound, Rejected, ToolFailure
from toolkit.http.client import Model, Params, VendorApi
from toolkit.tenancy import Credentials, ToolCall

A = TypeVar("A")
R = TypeVar("R")

PAGE = 100  # records on the largest page
PAGES = 3  # that are read where nothing but looking through them helps
AT_ONCE = 4  # the smallest plans take fifty requests a minute, all of an account's together
_SPREAD = 9.0  # seconds after which no other record of a bulk call is begun
_ME_HOLDS = 300.0
_NUMBER = re.compile(r"[1-9][0-9]{0,17}")
_OF_ONE = (Conflict, NotFound, Rejected)  # another record may fare better


class FreshdeskCredentials(Credentials):
    """What a tenant pastes in to connect Freshdesk: the `acme` of `acme.freshdesk.com`, and a key.

    Freshdesk signs no webhooks; `webhook_secret` is what the tenant has them send.
    """

    domain: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9-]*$")]
    api_key: SecretStr
    webhook_secret: SecretStr | None = None


class FreshdeskApi:
    """One tenant's Freshdesk, asked for records one by one, page by page, or a few at a time."""

    def __init__(self, account: Account, call: ToolCall) -> None:
        given = FreshdeskCredentials.model_validate(account.secrets)
        self._account = account
        self.call = call
        self._api = VendorApi(
            "Freshdesk",
            account.base_url(f"https://{given.domain}.freshdesk.com"),
            call.vendor_connection(account),
            httpx2.BasicAuth(given.api_key.get_secret_value(), "X"),
        )

    async def get(self, returns: type[Model], *path: str, params: Params | None = None) -> Model:
        """Read one answer."""
        return await self._api.call("GET", ("api", "v2", *path), returns, params=params)

    async def send(self, method: str, returns: type[Model], *path: str, json: Any = None) -> Model:
        """Change something."""
        return await self._api.call(method, ("api", "v2", *path), returns, json=json)

    async def listed(
        self,
        returns: type[RootModel[list[R]]],
        *path: str,
        params: Params | None = None,
        size: int = PAGE,
        pages: int = PAGES,
        enough: Callable[[Sequence[R]], bool] = lambda _: False,
    ) -> tuple[list[R], bool]:
        """Return the records of the first pages, and whether there may be others on the next."""
        found: list[R] = []
        for page in range(1, pages + 1):
            asked = {**(params or {}), "page": page, "per_page": size}
            answer = (await self.get(returns, *path, params=asked)).root
            found += answer
            if len(answer) < size:
                return found, False
            if enough(found):
                break
        return found, True

    async def each(self, do: Callable[[A], Awaitable[str]], work: Sequence[tuple[str, A]]) -> Batch:
        """Do the work, the first alone and the others a few at a time; a single one fails as such.

        What is refused is told; whatever else goes wrong ends it, and so does the time.
        """
        if len(work) == 1:
            return Batch(done=(await do(work[0][1]),))
        done: list[str] = []
        refused: list[Refused] = []
        until = asyncio.get_running_loop().time() + _SPREAD
        reached, stopped = 0, False
        while reached < len(work) and not stopped and asyncio.get_running_loop().time() < until:
            some = work[reached : reached + (AT_ONCE if reached else 1)]
            reached += len(some)
            asked = (do(what) for _, what in some)
            for (which, _), answer in zip(
                some, await asyncio.gather(*asked, return_exceptions=True), strict=True
            ):
                if isinstance(answer, str):
                    done.append(answer)
                    continue
                if not isinstance(answer, ToolFailure):
                    raise answer
                if not isinstance(answer, _OF_ONE):
                    if reached == 1:
                        raise answer
                    stopped = True
                refused.append(Refused(which=which, reason=answer.happened))
        refused += [Refused(which=which, reason="It was not tried.") for which, _ in work[reached:]]
        return Batch(done=tuple(done), refused=tuple(refused))

    async def me(self) -> int:
        """Return the agent whose key we have."""
        return await self.call.cached(self._account, "me", _ME_HOLDS, self._me)

    async def kept(self, what: str, seconds: float, fetch: Callable[[], Awaitable[R]]) -> R:
        """Return what Freshdesk said in the last `seconds`, or ask."""
        return await self.call.cached(self._account, what, seconds, fetch)

    async def _me(self) -> int:
        return (await self.get(records.Created, "agents", "me")).id


def is_number(text: str) -> bool:
    """Say whether a text can be an id."""
    return _NUMBER.fullmatch(text) is not None


def number_of(text: str, what: str) -> int:
    """Return an id as Freshdesk takes it.

    Raises:
        NotFound: it is none.
    """
    if not is_number(text):
        raise NotFound(f"Freshdesk has no such {what}.")
    return int(text)
