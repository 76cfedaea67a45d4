"""Runs vendors' synchronous SDKs: in bounded threads, with requests sent by our async client.

Such an SDK is built on `requests`. Its session gets an adapter that hands each request over to
the event loop, so that the connection pool, the egress guard and the time budgets apply to it.
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

Send = Callable[[httpx2.Request], Awaitable[httpx2.Response]]
T = TypeVar("T")

# They are about one connection, or are set anew for the body as it is sent.
_DROPPED_REQUEST_HEADERS = (
    *("Connection", "Keep-Alive", "Proxy-Authenticate", "Proxy-Authorization", "TE", "Trailer"),
    *("Upgrade", "Transfer-Encoding", "Content-Length"),
)
# httpx2 has undone these encodings already.
_DROPPED_RESPONSE_HEADERS = ("content-encoding", "content-length", "transfer-encoding")


@dataclass
class _Run:
    """One call of `Threads.run`, shared by its thread and the event loop."""

    deadline: float  # of time.monotonic()
    writes: bool
    pending: Future[httpx2.Response] | None = None

    def remaining(self) -> float:
        return self.deadline - time.monotonic()

    def deadline_failure(self) -> ToolFailure:
        if self.writes:
            return OutcomeUnknown("No answer came in time, and it may have been done.")
        return TimedOut("No answer came in time.")

    def perform(self, work: Callable[[], T]) -> T:
        if self.remaining() <= 0:
            raise TimedOut("Its turn did not come in time.")
        return work()

    def end(self) -> None:
        # In this order: a thread sets `pending` before it looks at the deadline.
        self.deadline = 0
        if self.pending is not None:
            self.pending.cancel()


_current_run: ContextVar[_Run] = ContextVar("current_run")


class Threads:
    """A bounded thread pool for blocking calls, each with its own deadline."""

    def __init__(self, workers: int = 16, waiting: int = 64) -> None:
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="blocking")
        self._slots = threading.BoundedSemaphore(workers + waiting)

    async def run(self, work: Callable[[], T], *, budget: float, writes: bool = False) -> T:
        """Run `work` in a thread, with the caller's context variables; `budget` is in seconds.

        At the deadline the thread's pending request is cancelled, and the thread is abandoned.

        Raises:
            Unavailable: every thread is busy and the queue is full.
            TimedOut: the deadline passed; work that had not begun will not begin any more.
            OutcomeUnknown: the deadline passed after work that `writes` had begun.
        """
        if not self._slots.acquire(blocking=False):
            raise Unavailable("Too many requests to that system are being made at once.")
        run = _Run(time.monotonic() + budget, writes)
        context = copy_context()
        context.run(_current_run.set, run)
        loop, done = asyncio.get_running_loop(), asyncio.Event()

        def release(_: Future[T]) -> None:
            self._slots.release()
            with suppress(RuntimeError):  # The loop may have closed since.
                loop.call_soon_threadsafe(done.set)

        future = self._pool.submit(context.run, run.perform, work)
        future.add_done_callback(release)
        try:
            async with asyncio.timeout(budget):
                await done.wait()
        except TimeoutError:
            if not future.cancel() and not future.done():
                raise run.deadline_failure() from None
        finally:
            future.cancel()
            run.end()
        if future.cancelled():
            raise TimedOut("Its turn did not come in time.")
        return future.result()

    def close(self) -> None:
        """Start no more work; what runs ends by itself, and Python's exit waits for it."""
        self._pool.shutdown(wait=False, cancel_futures=True)


def sync_session(send: Send, *, budget: float) -> requests.Session:
    """Return a session whose requests are sent by `send`, on the loop that is running now.

    Use it within `Threads.run`, whose deadline covers all of its requests; `budget` is how many
    seconds one of them may take. The environment is not read, and redirects are not followed. An
    SDK that has a session of its own can mount this one's adapter.
    """
    session, adapter = requests.Session(), _Adapter(send, asyncio.get_running_loop(), budget)
    session.trust_env = False
    session.mount("https://", adapter)
    session.mount("http://", adapter)
    return session


class _Response(requests.Response):
    """A response whose redirects no session follows."""

    @property
    def is_redirect(self) -> bool:
        return False


class _Adapter(HTTPAdapter):
    """Sends the requests of a session on an event loop in another thread."""

    def __init__(self, send: Send, loop: asyncio.AbstractEventLoop, budget: float) -> None:
        super().__init__()
        self._send, self._loop, self._budget = send, loop, budget
        self._loop_thread = threading.get_ident()

    def send(self, request: requests.PreparedRequest, *_: object, **__: object) -> _Response:
        """Send `request` and wait for its response; the SDK's timeouts and proxies are ignored.

        Raises:
            requests.exceptions.RequestException: it could not be sent, or no response came.
            ToolFailure: `send` raised it, or the deadline passed.
        """
        if threading.get_ident() == self._loop_thread:
            raise RuntimeError("This would block the event loop: call the SDK in Threads.run.")
        response = _Response()
        received = self._send_on_loop(_to_httpx2(request))
        vars(response).update(vars(self.build_response(request, received)))
        return response

    def _send_on_loop(self, request: httpx2.Request) -> urllib3.HTTPResponse:
        run = _current_run.get(None) or _Run(time.monotonic() + self._budget, writes=False)
        if run.remaining() <= 0:
            raise run.deadline_failure()
        pending = asyncio.run_coroutine_threadsafe(self._send_and_read(request), self._loop)
        run.pending = pending
        try:
            # Not `run.remaining()`: at the deadline the loop cancels, and is to be the first.
            return _to_urllib3(pending.result(self._budget if run.remaining() > 0 else 0))
        except (TimeoutError, CancelledError):
            pending.cancel()
            failure: Exception = run.deadline_failure()
        except httpx2.TimeoutException as error:
            failure = requests.exceptions.Timeout(type(error).__name__)
        except httpx2.HTTPError as error:
            failure = requests.exceptions.ConnectionError(type(error).__name__)
        # Raised out here it has no context, which would hold the request and its credentials.
        raise failure

    async def _send_and_read(self, request: httpx2.Request) -> httpx2.Response:
        response = await self._send(request)
        await response.aread()
        return response


def _to_httpx2(request: requests.PreparedRequest) -> httpx2.Request:
    try:
        headers = httpx2.Headers(dict(request.headers), encoding="latin-1")
        for name in _DROPPED_REQUEST_HEADERS:
            headers.pop(name, None)
        headers["Accept-Encoding"] = "gzip, deflate"  # These httpx2 can undo wherever it runs.
        method, url = str(request.method), str(request.url)
        return httpx2.Request(method, url, headers=headers, content=_read_body(request.body))
    except (httpx2.InvalidURL, UnicodeError) as error:
        failure = requests.exceptions.RequestException(type(error).__name__)
    raise failure


def _read_body(body: Any) -> bytes:
    """Read the whole body in this thread: an async client refuses one that blocks."""
    match body:
        case None:
            return b""
        case str():
            return body.encode()
        case bytes() | bytearray():
            return bytes(body)
        case _ if hasattr(body, "read"):
            return _read_body(body.read())
        case _:
            return b"".join(map(_read_body, body))


def _to_urllib3(response: httpx2.Response) -> urllib3.HTTPResponse:
    headers, message = urllib3.HTTPHeaderDict(), HTTPMessage()
    for name, value in response.headers.multi_items():
        if name.lower() not in _DROPPED_RESPONSE_HEADERS:
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
