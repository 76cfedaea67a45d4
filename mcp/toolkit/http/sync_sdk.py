"""Vendors' synchronous SDKs in our asyncio servers: threads to wait in, our client to send with.

An SDK rides on `requests`. Its session gets an adapter that hands each request to the event loop,
where the pool, the guard and the budgets of every other vendor are.
"""

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from contextlib import suppress
from contextvars import ContextVar, copy_context
from dataclasses import dataclass
from http.client import HTTPMessage, HTTPResponse
from io import BytesIO
from types import SimpleNamespace
from typing import Any, TypeVar, cast

import httpx2
import requests
import urllib3
from requests.adapters import HTTPAdapter

from toolkit.errors import OutcomeUnknown, TimedOut, ToolFailure, Unavailable

Exchange = Callable[[httpx2.Request], Awaitable[httpx2.Response]]
T = TypeVar("T")

# About one connection only, or set anew for the content as it is sent.
_NOT_PASSED_ON = (
    *("Connection", "Keep-Alive", "Proxy-Authenticate", "Proxy-Authorization", "TE", "Trailer"),
    *("Upgrade", "Transfer-Encoding", "Content-Length"),
)
# What httpx2 has undone by the time that requests looks.
_UNDONE = ("content-encoding", "content-length", "transfer-encoding")


@dataclass
class _Run:
    """One piece of work, as its thread and the event loop both see it."""

    deadline: float
    writes: bool
    flight: Future[httpx2.Response] | None = None

    def left(self) -> float:
        return self.deadline - time.monotonic()

    def late(self) -> ToolFailure:
        if self.writes:
            return OutcomeUnknown("No answer came in time, and it may have been done.")
        return TimedOut("No answer came in time.")

    def perform(self, work: Callable[[], T]) -> T:
        if self.left() <= 0:
            raise TimedOut("Its turn did not come in time.")
        return work()

    def end(self) -> None:
        # In this order: a thread sets its flight before it looks at the deadline.
        self.deadline = 0
        if self.flight is not None:
            self.flight.cancel()


_current: ContextVar[_Run] = ContextVar("current_run")


class Threads:
    """A bounded pool of threads for calls that block; each has a deadline of its own."""

    def __init__(self, workers: int = 16, waiting: int = 64) -> None:
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="blocking")
        self._places = threading.BoundedSemaphore(workers + waiting)

    async def run(self, work: Callable[[], T], *, budget: float, writes: bool = False) -> T:
        """Run `work` in a thread, with the caller's context; `budget` is in seconds.

        At the deadline what the thread has on the wire is cancelled, and the thread abandoned.

        Raises:
            Unavailable: every thread is busy and the waiting room full.
            TimedOut: the deadline came; work that had not begun by then never will.
            OutcomeUnknown: the deadline came when work that `writes` had begun.
        """
        if not self._places.acquire(blocking=False):
            raise Unavailable("Too many requests to that system are being made at once.")
        run = _Run(time.monotonic() + budget, writes)
        context = copy_context()
        context.run(_current.set, run)
        loop, done = asyncio.get_running_loop(), asyncio.Event()

        def ended(_: Future[T]) -> None:
            self._places.release()
            with suppress(RuntimeError):  # The loop may have closed since.
                loop.call_soon_threadsafe(done.set)

        future = self._pool.submit(context.run, run.perform, work)
        future.add_done_callback(ended)
        try:
            async with asyncio.timeout(budget):
                await done.wait()
        except TimeoutError:
            if not future.cancel() and not future.done():
                raise run.late() from None
        finally:
            future.cancel()
            run.end()
        if future.cancelled():
            raise TimedOut("Its turn did not come in time.")
        return future.result()

    def close(self) -> None:
        """Take up nothing more; what runs ends by itself, which Python's exit waits for."""
        self._pool.shutdown(wait=False, cancel_futures=True)


def session(exchange: Exchange, *, budget: float) -> requests.Session:
    """Return a session that sends through `exchange` on the loop that is running now.

    It is for `Threads.run`, whose deadline holds for all of its requests together; `budget` is how
    many seconds a single one may take. Nothing is taken from the environment, and a redirect is
    an answer like any other. An SDK with a session of its own can mount this one's adapter.
    """
    new, adapter = requests.Session(), _Adapter(exchange, asyncio.get_running_loop(), budget)
    new.trust_env = False
    new.mount("https://", adapter)
    new.mount("http://", adapter)
    return new


class _Answer(requests.Response):
    """A response that no session follows elsewhere."""

    @property
    def is_redirect(self) -> bool:
        return False


class _Adapter(HTTPAdapter):
    """Sends what requests has prepared on an event loop in another thread."""

    def __init__(self, exchange: Exchange, loop: asyncio.AbstractEventLoop, budget: float) -> None:
        super().__init__()
        self._exchange, self._loop, self._budget = exchange, loop, budget
        self._loops_thread = threading.get_ident()

    def send(self, request: requests.PreparedRequest, *_: object, **__: object) -> _Answer:
        """Send `request` and wait for its answer; timeouts and proxies of the SDK do not count.

        Raises:
            requests.exceptions.RequestException: it cannot be sent, or no answer came.
            ToolFailure: from the exchange as it is, or because the deadline came.
        """
        if threading.get_ident() == self._loops_thread:
            raise RuntimeError("This would block the event loop: call the SDK in Threads.run.")
        answer = _Answer()
        vars(answer).update(vars(self.build_response(request, self._sent(_prepared(request)))))
        return answer

    def _sent(self, request: httpx2.Request) -> urllib3.HTTPResponse:
        run = _current.get(None) or _Run(time.monotonic() + self._budget, writes=False)
        if run.left() <= 0:
            raise run.late()
        flight = asyncio.run_coroutine_threadsafe(self._fly(request), self._loop)
        run.flight = flight
        try:
            # Not `run.left()`: the loop cancels the flight then, and is to be the first to know.
            return _received(flight.result(self._budget if run.left() > 0 else 0))
        except (TimeoutError, CancelledError):
            flight.cancel()
            failure: Exception = run.late()
        except httpx2.TimeoutException as error:
            failure = requests.exceptions.Timeout(type(error).__name__)
        except httpx2.HTTPError as error:
            failure = requests.exceptions.ConnectionError(type(error).__name__)
        # Raised out here it has no context, which would hold the request and its credentials.
        raise failure

    async def _fly(self, request: httpx2.Request) -> httpx2.Response:
        response = await self._exchange(request)
        await response.aread()
        return response


def _prepared(request: requests.PreparedRequest) -> httpx2.Request:
    try:
        headers = httpx2.Headers(dict(request.headers), encoding="latin-1")
        for name in _NOT_PASSED_ON:
            headers.pop(name, None)
        headers["Accept-Encoding"] = "gzip, deflate"  # These httpx2 can undo wherever it runs.
        method, url = str(request.method), str(request.url)
        return httpx2.Request(method, url, headers=headers, content=_content(request.body))
    except (httpx2.InvalidURL, UnicodeError) as error:
        failure = requests.exceptions.RequestException(type(error).__name__)
    raise failure


def _content(body: Any) -> bytes:
    """Return the whole body, read in this thread: an async client refuses one that blocks."""
    match body:
        case None:
            return b""
        case str():
            return body.encode()
        case bytes() | bytearray():
            return bytes(body)
        case _ if hasattr(body, "read"):
            return _content(body.read())
        case _:
            return b"".join(map(_content, body))


def _received(response: httpx2.Response) -> urllib3.HTTPResponse:
    headers, message = urllib3.HTTPHeaderDict(), HTTPMessage()
    for name, value in response.headers.multi_items():
        if name.lower() not in _UNDONE:
            headers.add(name, value)
            message.add_header(name, value)
    # A session looks for cookies in the message of http.client's response.
    original = SimpleNamespace(msg=message, isclosed=lambda: True, close=lambda: None)
    return urllib3.HTTPResponse(
        BytesIO(response.content),
        headers=headers,
        status=response.status_code,
        reason=response.reason_phrase,
        preload_content=False,
        original_response=cast(HTTPResponse, original),
    )
