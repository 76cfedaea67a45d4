"""An HTTP client for one vendor's API, over the connections that all tenants share.

Every failure becomes an exception of `toolkit.errors`, chosen by the status code. What a vendor
wrote into a body is never part of it.
"""

import asyncio
import json
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar
from urllib.parse import quote

import httpx2
from opentelemetry.trace import SpanKind, get_tracer
from pydantic import BaseModel

from config.protocol import CONNECT_BUDGET, READ_BUDGET, WRITE_BUDGET
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
from toolkit.http.deadline import remaining
from toolkit.http.retry import retry_after, sleep_before

Model = TypeVar("Model", bound=BaseModel)
Params = Mapping[str, str | int | bool | Sequence[str]]

_THREAD_GRACE = 0.25  # seconds
_MAX_BODY_BYTES = 5_000_000
_READ_METHODS = frozenset({"GET", "HEAD"})
_STATUS_ERRORS: Mapping[int, tuple[type[ToolFailure], str]] = {
    401: (Disconnected, "{vendor} refused our credentials; the account must be reconnected."),
    403: (Forbidden, "{vendor} does not let this account do that."),
    404: (NotFound, "{vendor} has no such record."),
    409: (Conflict, "{vendor} reports a conflict with what is stored there."),
    410: (NotFound, "{vendor} has no such record."),
    429: (RateLimited, "{vendor} is limiting our requests."),
}
# Behind a gateway that gave up, a write may have been done.
_UNCERTAIN_STATUSES = frozenset({500, 502, 504})
# It logs whole addresses: queries have what callers said, and the path of a hook is a secret.
logging.getLogger("httpx2").setLevel(logging.WARNING)
# They describe the body as it was transferred, not as it is after reading.
_TRANSFER_HEADERS = frozenset({"content-encoding", "content-length", "transfer-encoding"})
_tracer = get_tracer("antiphon.vendor")


class _LargeBodyError(httpx2.ReadError):
    """A response is larger than can be taken."""


# The vendor is not to blame for them: all tenants share the connections, and a request may ask for
# too much, or be none that HTTP can carry.
_OUR_FAULTS = (
    _LargeBodyError,
    httpx2.PoolTimeout,
    httpx2.LocalProtocolError,
    httpx2.UnsupportedProtocol,
)


@dataclass(frozen=True)
class Timing:
    """How long requests may take, with their retries, and how long to wait between; in seconds."""

    read_budget: float = READ_BUDGET
    write_budget: float = WRITE_BUDGET
    retry_pause: float = 0.1

    def budget(self, *, writes: bool) -> float:
        """Return the budget of a request that reads or writes."""
        return self.write_budget if writes else self.read_budget


@dataclass(frozen=True)
class VendorConnection:
    """What a provider needs to reach its vendor: the shared client, and its circuit breaker."""

    client: httpx2.AsyncClient = field(repr=False)
    breaker: CircuitBreaker = field(repr=False)
    timing: Timing = field(default_factory=Timing)


@dataclass(frozen=True)
class VendorApi:
    """Sends requests to one vendor within the time budget of a tool call.

    Reads are tried twice. A write is repeated only where the vendor refused it for its load.
    `refusal` reads the vendor's own code from a response that is no success, and returns what it
    means; None if it means nothing more than its status. A refusal is an answer: it is final, and
    never opens the breaker, and neither does what is our own fault. A 429 is none: it says how
    long to wait.
    """

    vendor: str
    base_url: str
    connection: VendorConnection
    auth: httpx2.Auth | None = field(default=None, repr=False)
    refusal: Callable[[httpx2.Response], ToolFailure | None] | None = field(
        default=None, repr=False
    )

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
        """Send one request and return the response's JSON as a `returns`.

        `path` is in segments, which are quoted, because a caller dictates ids. `reads` says that
        a POST changes nothing, so that it may be repeated.

        Raises:
            ToolFailure: the request failed; the subclass says how.
        """
        if not {"", ".", ".."}.isdisjoint(path):
            raise NotFound(f"{self.vendor} has no such record.")
        request = self.connection.client.build_request(
            method,
            "/".join([self.base_url, *(quote(part, safe="") for part in path)]),
            params=params,
            json=json,
            data=form,
            headers=headers,
        )
        response = await self.send(request, reads=reads)
        is_read = _is_read(request, reads)
        return self.parse(self._parse_json(response, reads=is_read), returns, reads=is_read)

    async def send(self, request: httpx2.Request, *, reads: bool | None = None) -> httpx2.Response:
        """Send a request and return its response, whose status is below 300.

        Raises:
            ToolFailure: the request failed; the subclass says how.
        """
        is_read = _is_read(request, reads)
        timing = self.connection.timing
        budget = remaining(timing.budget(writes=not is_read))
        deadline = asyncio.get_running_loop().time() + budget
        request.extensions["timeout"] = httpx2.Timeout(budget, connect=CONNECT_BUDGET).as_dict()
        for may_retry in (True, False):
            self.connection.breaker.check(self.vendor)
            try:
                response = await self._send_once(request, deadline)
            except (TimeoutError, httpx2.RequestError) as error:
                if not isinstance(error, _OUR_FAULTS):
                    self.connection.breaker.record_failure()
                if may_retry and is_read and not isinstance(error, TimeoutError):
                    await sleep_before(deadline, timing.retry_pause, jitter=timing.retry_pause)
                    continue
                # These errors hold the request, and with it the credentials.
                raise self._transport_failure(error, reads=is_read) from None
            if refused := self._refusal(response):
                self.connection.breaker.record_success()
                raise refused
            self._record_status(response.status_code)
            if not may_retry or not await self._wait_to_retry(response, deadline, reads=is_read):
                self._raise_for_status(response, reads=is_read)
                return response
        raise AssertionError("unreachable: the second attempt returns or raises")

    async def send_json(
        self, request: httpx2.Request, *, reads: bool | None = None
    ) -> httpx2.Response:
        """Send a request of a vendor's SDK, and return a response whose body is JSON or empty.

        Raises:
            ToolFailure: the request failed; the subclass says how.
        """
        response = await self.send(request, reads=reads)
        if not response.content:
            return response
        document = self._parse_json(response, reads=_is_read(request, reads))
        return httpx2.Response(
            response.status_code,
            headers={**response.headers, "content-type": "application/json"},
            content=json.dumps(document).encode(),
            request=request,
        )

    def parse(self, document: object, returns: type[Model], *, reads: bool = True) -> Model:
        """Validate the JSON of a response as a `returns`; `reads` says that it was read only.

        Raises:
            Unavailable: it has another form.
            OutcomeUnknown: it has another form, and the request was a write.
        """
        try:
            return returns.model_validate(document)
        except (ValueError, RecursionError):  # pydantic's ValidationError is a ValueError
            raise self._format_failure(reads=reads) from None

    def thread_budget(self, *, writes: bool) -> float:
        """Return for how many seconds a vendor's SDK may occupy a thread.

        It is a little longer than the request's own budget: that deadline has to pass first,
        because it is the one that the circuit breaker counts.
        """
        return remaining(self.connection.timing.budget(writes=writes)) + _THREAD_GRACE

    async def _send_once(self, request: httpx2.Request, deadline: float) -> httpx2.Response:
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
                response = await self.connection.client.send(request, auth=self.auth, stream=True)
                try:
                    content = await _read_body(response)
                finally:
                    await response.aclose()
            current.set_attribute("http.response.status_code", response.status_code)
        headers = [
            (name, value)
            for name, value in response.headers.multi_items()
            if name not in _TRANSFER_HEADERS
        ]
        return httpx2.Response(
            response.status_code, headers=headers, content=content, request=response.request
        )

    def _refusal(self, response: httpx2.Response) -> ToolFailure | None:
        if self.refusal is None or response.status_code < 300 or response.status_code == 429:
            return None
        return self.refusal(response)

    def _record_status(self, status: int) -> None:
        if status >= 500:
            self.connection.breaker.record_failure()
        elif status != 429:
            self.connection.breaker.record_success()

    async def _wait_to_retry(
        self, response: httpx2.Response, deadline: float, *, reads: bool
    ) -> bool:
        """Say whether to send the request again, having waited for as long as the vendor asks."""
        status = response.status_code
        if status < 500 and status != 429:
            return False
        pause = self.connection.timing.retry_pause
        requested = retry_after(response)
        # What was refused for the vendor's load has not been done, so a write may be repeated, too.
        if requested is None or status not in (429, 503):
            return status >= 500 and reads and await sleep_before(deadline, pause, jitter=pause)
        if await sleep_before(deadline, requested, jitter=pause):
            return True
        self.connection.breaker.back_off(requested)
        return False

    def _raise_for_status(self, response: httpx2.Response, *, reads: bool) -> None:
        status = response.status_code
        if status < 300:
            return
        if status == 429 and (requested := retry_after(response)) is not None:
            self.connection.breaker.back_off(requested)
        if status in _UNCERTAIN_STATUSES and not reads:
            raise OutcomeUnknown(f"{self.vendor} failed, and did not say whether it was done.")
        if status >= 500:
            raise Unavailable(f"{self.vendor} is having trouble.")
        if status < 400:
            raise Unavailable(f"{self.vendor} has moved; the account's address is not right.")
        error, message = _STATUS_ERRORS.get(status, (Rejected, "{vendor} rejected the request."))
        raise error(message.format(vendor=self.vendor))

    def _parse_json(self, response: httpx2.Response, *, reads: bool) -> Any:
        try:
            # Much of it is user input: invisible characters are dropped before anybody reads it.
            return clean_all(json.loads(response.content or b"{}"))
        except (ValueError, RecursionError):
            raise self._format_failure(reads=reads) from None

    def _transport_failure(self, error: Exception, *, reads: bool) -> ToolFailure:
        """Return the failure that stands for a request without a response."""
        unsent = isinstance(error, httpx2.ConnectError | httpx2.ConnectTimeout | httpx2.PoolTimeout)
        if not reads and not unsent:
            return OutcomeUnknown(f"{self.vendor} did not say whether it was done.")
        if isinstance(error, TimeoutError | httpx2.TimeoutException):
            return TimedOut(f"{self.vendor} did not answer in time.")
        return Unavailable(f"{self.vendor} could not be reached.")

    def _format_failure(self, *, reads: bool) -> ToolFailure:
        """Return the failure that stands for a response in an unexpected form."""
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


def _is_read(request: httpx2.Request, reads: bool | None) -> bool:
    return request.method in _READ_METHODS if reads is None else reads


async def _read_body(response: httpx2.Response) -> bytes:
    body = bytearray()
    async for chunk in response.aiter_bytes():
        body += chunk
        if len(body) > _MAX_BODY_BYTES:
            raise _LargeBodyError("The answer is larger than can be taken.")
    return bytes(body)
