"""One vendor's HTTP API, seen through a client that every tenant shares.

Every failure becomes one of the catalogue, by its number and never by its text: what a vendor
wrote into a body stays here.
"""

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar
from urllib.parse import quote

import httpx2
from opentelemetry.trace import SpanKind, get_tracer
from pydantic import BaseModel

from config.text import clean_all
from toolkit.errors import (
    Conflict,
    Disconnected,
    Forbidden,
    NotFound,
    OutcomeUnknown,
    RateLimited,
    Rejected,
    TimedOut,
    ToolFailure,
    Unavailable,
)
from toolkit.http.circuit_breaker import CircuitBreaker
from toolkit.http.retry import pause, retry_after

Model = TypeVar("Model", bound=BaseModel)
Params = Mapping[str, str | int | bool | Sequence[str]]

READ_BUDGET = 8.0  # seconds, everything that one call asks included
WRITE_BUDGET = 15.0
CONNECT_BUDGET = 1.0
_GRACE = 0.25  # seconds
_LARGEST = 5_000_000  # bytes of an answer
_PAUSE = 0.1  # seconds before a read is tried again
_READS = frozenset({"GET", "HEAD"})
_REFUSALS: Mapping[int, tuple[type[ToolFailure], str]] = {
    401: (Disconnected, "{vendor} refused our credentials; the account must be reconnected."),
    403: (Forbidden, "{vendor} does not let this account do that."),
    404: (NotFound, "{vendor} has no such record."),
    409: (Conflict, "{vendor} reports a conflict with what is stored there."),
    410: (NotFound, "{vendor} has no such record."),
    429: (RateLimited, "{vendor} is limiting our requests."),
}
# Behind a gateway that gave up, a write may have happened.
_UNCERTAIN = frozenset({500, 502, 504})
_DROPPED = frozenset({"content-encoding", "content-length", "transfer-encoding"})
_tracer = get_tracer("antiphon.vendor")


def thread_budget(*, writes: bool) -> float:
    """Return for how many seconds a vendor's SDK may keep a thread.

    It is a little more than the wire allows, whose deadline is to come first: it is what the
    breaker counts.
    """
    return (WRITE_BUDGET if writes else READ_BUDGET) + _GRACE


@dataclass(frozen=True)
class VendorConnection:
    """One business's way to one vendor: the shared client, and the breaker of the two."""

    client: httpx2.AsyncClient = field(repr=False)
    breaker: CircuitBreaker = field(repr=False)


@dataclass(frozen=True)
class VendorApi:
    """Sends requests within a caller's patience, and turns every failure into the catalogue's."""

    vendor: str
    base_url: str
    wire: VendorConnection
    auth: httpx2.Auth | None = field(default=None, repr=False)

    async def call(
        self,
        method: str,
        path: tuple[str, ...],
        returns: type[Model],
        *,
        params: Params | None = None,
        json: Any = None,
        form: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        reads: bool | None = None,
    ) -> Model:
        """Send one request and read the answer as `returns`.

        `path` is in segments because some of them are ids that a caller dictated. `reads` says
        that a POST changes nothing, so that it may be sent again.

        Raises:
            ToolFailure: whatever went wrong, in the catalogue's words.
        """
        if not {"", ".", ".."}.isdisjoint(path):
            raise NotFound(f"{self.vendor} has no such record.")
        request = self.wire.client.build_request(
            method,
            "/".join([self.base_url, *(quote(part, safe="") for part in path)]),
            params=params,
            json=json,
            data=form,
            headers=headers,
        )
        response = await self.exchange(request, reads=reads)
        answer = self._json(response, reads=_reads(request, reads))
        return self.read(answer, returns, reads=_reads(request, reads))

    async def exchange(
        self, request: httpx2.Request, *, reads: bool | None = None
    ) -> httpx2.Response:
        """Send a request, and return an answer that is not a refusal.

        Raises:
            ToolFailure: whatever went wrong, in the catalogue's words.
        """
        safe = _reads(request, reads)
        budget = READ_BUDGET if safe else WRITE_BUDGET
        deadline = asyncio.get_running_loop().time() + budget
        request.extensions["timeout"] = httpx2.Timeout(budget, connect=CONNECT_BUDGET).as_dict()
        for may_try_again in (True, False):
            self.wire.breaker.enter(self.vendor)
            try:
                response = await self._send(request, deadline)
            except (TimeoutError, httpx2.RequestError) as error:
                self.wire.breaker.failed()
                if may_try_again and safe and not isinstance(error, TimeoutError):
                    await pause(_PAUSE, deadline, spread=_PAUSE)
                    continue
                # These errors hold the request, and with it the credentials.
                raise self._lost(error, safe=safe) from None
            self._note(response.status_code)
            if not may_try_again or not await self._waited(response, deadline, safe=safe):
                self._refuse(response, safe=safe)
                return response
        raise AssertionError("unreachable: the second attempt returns or raises")

    async def exchange_json(
        self, request: httpx2.Request, *, reads: bool | None = None
    ) -> httpx2.Response:
        """Send a request of a vendor's SDK, and return an answer that is JSON, or empty.

        Raises:
            ToolFailure: whatever went wrong, in the catalogue's words.
        """
        response = await self.exchange(request, reads=reads)
        if not response.content:
            return response
        answer = self._json(response, reads=_reads(request, reads))
        return httpx2.Response(
            response.status_code,
            headers={**response.headers, "content-type": "application/json"},
            content=json.dumps(answer).encode(),
            request=request,
        )

    async def _send(self, request: httpx2.Request, deadline: float) -> httpx2.Response:
        span = _tracer.start_as_current_span(
            f"{self.vendor} {request.method}",
            kind=SpanKind.CLIENT,
            # Neither path nor query: they hold what callers said.
            attributes={
                "http.request.method": request.method,
                "server.address": request.url.host,
                "antiphon.vendor": self.vendor,
            },
            record_exception=False,
            set_status_on_exception=False,
        )
        with span as current:
            async with asyncio.timeout_at(deadline):
                response = await self.wire.client.send(request, auth=self.auth, stream=True)
                try:
                    content = await self._content(response)
                finally:
                    await response.aclose()
            current.set_attribute("http.response.status_code", response.status_code)
        headers = [pair for pair in response.headers.multi_items() if pair[0] not in _DROPPED]
        return httpx2.Response(
            response.status_code, headers=headers, content=content, request=response.request
        )

    async def _content(self, response: httpx2.Response) -> bytes:
        content = bytearray()
        async for chunk in response.aiter_bytes():
            content += chunk
            if len(content) > _LARGEST:
                raise httpx2.ReadError("The answer is larger than can be taken.")
        return bytes(content)

    def _note(self, status: int) -> None:
        if status >= 500:
            self.wire.breaker.failed()
        elif status != 429:
            self.wire.breaker.answered()

    async def _waited(self, response: httpx2.Response, deadline: float, *, safe: bool) -> bool:
        """Say whether to ask again, having waited for as long as the vendor wishes."""
        status = response.status_code
        if status < 500 and status != 429:
            return False
        wish = retry_after(response)
        # What was refused for being too much has not been done, so even a write may come again.
        if wish is None or status not in (429, 503):
            return status >= 500 and safe and await pause(_PAUSE, deadline, spread=_PAUSE)
        if await pause(wish, deadline, spread=_PAUSE):
            return True
        self.wire.breaker.quiet_for(wish)
        return False

    def _lost(self, error: Exception, *, safe: bool) -> ToolFailure:
        """Return what it means that no answer came."""
        unsent = isinstance(error, httpx2.ConnectError | httpx2.ConnectTimeout | httpx2.PoolTimeout)
        if not safe and not unsent:
            return OutcomeUnknown(f"{self.vendor} did not say whether it was done.")
        if isinstance(error, TimeoutError | httpx2.TimeoutException):
            return TimedOut(f"{self.vendor} did not answer in time.")
        return Unavailable(f"{self.vendor} could not be reached.")

    def _refuse(self, response: httpx2.Response, *, safe: bool) -> None:
        status = response.status_code
        if status < 300:
            return
        if status == 429 and (wish := retry_after(response)) is not None:
            self.wire.breaker.quiet_for(wish)
        if status in _UNCERTAIN and not safe:
            raise OutcomeUnknown(f"{self.vendor} failed, and did not say whether it was done.")
        if status >= 500:
            raise Unavailable(f"{self.vendor} is having trouble.")
        if status < 400:
            raise Unavailable(f"{self.vendor} has moved; the account's address is not right.")
        error, message = _REFUSALS.get(status, (Rejected, "{vendor} rejected the request."))
        raise error(message.format(vendor=self.vendor))

    def read(self, answer: object, returns: type[Model], *, reads: bool = True) -> Model:
        """Read what the vendor said as `returns`; `reads` says that nothing was to be changed.

        Raises:
            Unavailable: it is something else.
            OutcomeUnknown: it is something else, and the answer to a write.
        """
        try:
            return returns.model_validate(answer)
        except (ValueError, RecursionError):  # pydantic's ValidationError is a ValueError
            raise self._strange(reads=reads) from None

    def _json(self, response: httpx2.Response, *, reads: bool) -> Any:
        try:
            # Much of it was typed by strangers: what nobody could see is dropped at the door.
            return clean_all(json.loads(response.content or b"{}"))
        except (ValueError, RecursionError):
            raise self._strange(reads=reads) from None

    def _strange(self, *, reads: bool) -> ToolFailure:
        if not reads:
            return OutcomeUnknown(
                f"{self.vendor} took the request, and answered in a form we do not know."
            )
        return Unavailable(f"{self.vendor} answered in a form we do not know.")


@dataclass(frozen=True)
class HeaderAuth(httpx2.Auth):
    """A fixed credential in one header."""

    name: str
    value: str = field(repr=False)

    def auth_flow(self, request: httpx2.Request) -> Any:
        """Add the header."""
        request.headers[self.name] = self.value
        yield request


def _reads(request: httpx2.Request, reads: bool | None) -> bool:
    return request.method in _READS if reads is None else reads
