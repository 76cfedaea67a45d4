"""Calls Zendesk through its SDK zenpy, in threads and over the HTTP client of every vendor.

zenpy is under the GPL and part of the `zendesk` extra alone: it is imported when it is used.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from importlib import import_module
from itertools import islice
from typing import Any, cast

import httpx2
from pydantic import Field, SecretStr

from config.security.vault import Account
from tickets.provider import BatchOutcome, Refusal
from tickets.providers.zendesk.mapping import to_outcome
from tickets.providers.zendesk.refusals import read_refusal
from tickets.providers.zendesk.responses import JobRecord, OwnUserRecord
from toolkit.errors import Disconnected, ToolFailure
from toolkit.http.client import Model, Params, VendorApi
from toolkit.http.polling import poll_until
from toolkit.http.sync_sdk import sync_session
from toolkit.tenancy import Credentials, ToolCall

# A function of zenpy's client and of the module with its models, which runs in a thread.
Work = Callable[[Any, Any], object]

_JOB_BUDGET = 11.0  # seconds to start a job and wait for it: the tool has not many more
_OWN_ID_TTL = 3600.0  # seconds
_FORWARDED_HEADERS = ("accept", "content-type")


class ZendeskCredentials(Credentials):
    """What a tenant pastes in to connect Zendesk: `acme` is the subdomain of acme.zendesk.com."""

    subdomain: str = Field(pattern=r"^[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?$")
    email: str
    api_token: SecretStr
    webhook_secret: SecretStr | None = None


class ZendeskClient:
    """Sends requests for one tool call to one tenant's Zendesk.

    Every method raises a `ToolFailure` for whatever went wrong.
    """

    def __init__(self, account: Account, call: ToolCall) -> None:
        credentials = ZendeskCredentials.model_validate(account.secrets)
        self.call = call
        self._account = account
        self._api = VendorApi(
            "Zendesk",
            account.base_url(f"https://{credentials.subdomain}.zendesk.com"),
            call.vendor_connection(account),
            httpx2.BasicAuth(
                f"{credentials.email}/token", credentials.api_token.get_secret_value()
            ),
            refusal=read_refusal,
        )

    async def get(
        self, path: Sequence[str], returns: type[Model], params: Params | None = None
    ) -> Model:
        """Read below `/api/v2` without zenpy, which does not know all of the API."""
        return await self._api.call("GET", ("api", "v2", *path), returns, params=params)

    async def run(
        self,
        work: Work,
        returns: type[Model],
        *,
        writes: bool = False,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Model:
        """Run `work` with zenpy, and read its result as `returns`.

        `query` and `headers` are added to each request: zenpy has no arguments for them.
        """
        budget = self._api.thread_budget(writes=writes)
        http = sync_session(partial(self._exchange, query or {}, headers or {}), budget=budget)
        result = await self.call.runtime.threads.run(
            lambda: _run_with_zenpy(work, http), budget=budget, writes=writes
        )
        return self._api.parse(result, returns, reads=not writes)

    async def run_job(
        self,
        work: Work,
        records: Sequence[str],
        refused: tuple[Refusal, ...] = (),
        *,
        created: bool = False,
    ) -> BatchOutcome:
        """Start a job with `work`, wait for its end within the budget, and return what it did.

        `records` are the ids or positions of what is sent, and `refused` those that could not be
        sent. `created` says that the job creates records.
        """
        if not records:
            return BatchOutcome(refused=refused)
        clock = asyncio.get_running_loop().time
        deadline = clock() + _JOB_BUDGET
        started = await self.run(work, JobRecord, writes=True)
        job = started if started.is_finished else await self._wait(started, deadline - clock())
        if job is None:
            return BatchOutcome(refused=refused, job=started.id)
        outcome = to_outcome(job, records, created=created)
        return outcome.model_copy(update={"refused": (*refused, *outcome.refused)})

    async def own_user_id(self) -> int | None:
        """Return the id of the user whose token we have, cached for an hour."""
        return await self.call.cached(self._account, "us", _OWN_ID_TTL, self.fetch_own_user_id)

    async def fetch_own_user_id(self) -> int | None:
        """Return the id of the user whose token we have; None if the token is no longer valid."""
        return (await self.run(lambda zenpy, _: zenpy.users.me(), OwnUserRecord)).id

    async def _wait(self, job: JobRecord, budget: float) -> JobRecord | None:
        fetch = partial(self.run, lambda zenpy, _: zenpy.job_status(id=job.id), JobRecord)
        try:
            return await poll_until(
                fetch,
                lambda state: state.is_finished,
                budget=budget,
                first_pause=self.call.runtime.first_poll_pause,
            )
        except ToolFailure:
            # Zendesk has accepted the job and runs it, whether or not its state can be read.
            return None

    async def _exchange(
        self, query: Mapping[str, str], headers: Mapping[str, str], request: httpx2.Request
    ) -> httpx2.Response:
        """Send a request of zenpy's to the account's own address, which zenpy does not know."""
        path = request.url.raw_path.decode().partition("?")[0].removesuffix(".json")
        # zenpy writes None for parameters that were not passed.
        params = {name: value for name, value in request.url.params.items() if value != "None"}
        forwarded = {
            name: request.headers[name] for name in _FORWARDED_HEADERS if name in request.headers
        }
        return await self._api.send_json(
            self._api.connection.client.build_request(
                request.method,
                f"{self._api.base_url}{path}",
                params={**params, **query},
                headers={**forwarded, **headers},
                content=request.content,
            )
        )


def take(results: Any, limit: int) -> list[Any] | None:
    """Return the first of zenpy's results; None if the response was not a list."""
    return [*islice(results, limit)] if hasattr(results, "__next__") else None


def _run_with_zenpy(work: Work, http: Any) -> object:
    try:
        module = import_module("zenpy")
    except ModuleNotFoundError:
        raise Disconnected(
            "Zendesk cannot be used here: antiphon[zendesk] is not installed."
        ) from None
    # Its debug log holds what callers said, and what Zendesk answered.
    logging.getLogger("zenpy").setLevel(logging.WARNING)
    zenpy = module.Zenpy(subdomain="here", session=http, anonymous=True, disable_cache=True)
    failures = import_module("zenpy.lib.exception")
    try:
        return _to_plain(work(zenpy, import_module("zenpy.lib.api_objects")))
    except (failures.ZenpyException, AttributeError, KeyError, TypeError, ValueError):
        # zenpy raises these at a response of an unknown form; None fits no model, so that the
        # client reports an unreadable response.
        return None


def _to_plain(result: Any) -> object:
    """Return records as dicts: zenpy's objects would request whatever they lack when read."""
    if isinstance(result, list):
        return [_to_plain(each) for each in cast("list[object]", result)]
    return result.to_dict() if hasattr(result, "to_dict") else {}
