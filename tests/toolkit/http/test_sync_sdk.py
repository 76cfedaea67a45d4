"""Synchronous SDKs in threads, with plain `requests` as the SDK."""

import asyncio
import gzip
import io
import threading
from collections.abc import AsyncGenerator, Callable
from contextvars import ContextVar
from pathlib import Path
from typing import Any, TypeVar

import httpx2
import pytest
import requests

from toolkit.errors import NotFound, OutcomeUnknown, TimedOut, ToolFailure, Unavailable
from toolkit.http.circuit_breaker import CircuitBreaker
from toolkit.http.client import Timing, VendorApi, VendorConnection
from toolkit.http.sync_sdk import Threads, sync_session

URL = "https://vendor.example/v1/things"
CANARY = "sk_live_canary"
LONG = 30.0  # seconds, never waited for
SHORT = 0.2

T = TypeVar("T")
Work = Callable[[requests.Session], T]
caller: ContextVar[str] = ContextVar("caller", default="nobody")


@pytest.fixture
def threads() -> Threads:
    return Threads(workers=1, waiting=1)


async def run_with(work: Work[T], vendor: Callable[[httpx2.Request], httpx2.Response]) -> T:
    client = httpx2.AsyncClient(transport=httpx2.MockTransport(vendor))
    # Streamed, so that the adapter has to read what an exchange has left unread.
    http = sync_session(lambda request: client.send(request, stream=True), budget=LONG)
    return await Threads(1).run(lambda: work(http), budget=LONG)


async def sent_request(work: Work[Any]) -> httpx2.Request:
    received = asyncio.Queue[httpx2.Request]()

    def vendor(request: httpx2.Request) -> httpx2.Response:
        received.put_nowait(request)
        return httpx2.Response(204)

    await run_with(work, vendor)
    return received.get_nowait()


class Hanging:
    """An exchange that never ends by itself, and knows how often it began and was cancelled."""

    def __init__(self) -> None:
        self.begun, self.cancelled, self.count = asyncio.Event(), asyncio.Event(), 0

    async def __call__(self, _: httpx2.Request) -> httpx2.Response:
        self.count += 1
        self.begun.set()
        try:
            return await asyncio.Future[httpx2.Response]()
        finally:
            self.cancelled.set()


class CountingBreaker(CircuitBreaker):
    """A circuit breaker that counts the failures that it was told of."""

    def __init__(self) -> None:
        super().__init__()
        self.failures = 0

    def record_failure(self) -> None:
        self.failures += 1


def assert_clean(error: BaseException) -> None:
    assert (error.__cause__, error.__context__) == (None, None)
    assert CANARY not in f"{error} {error!r} {error.args} {vars(error)}"


async def test_get(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "netrc").write_text("machine vendor.example login me password x")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    params = {"q": "SELECT Id WHERE Name = 'Zoë'", "n": ["1", "2"]}
    headers = {"X-Name": "Zoë", "Accept-Encoding": "br", "Proxy-Authorization": "x", "TE": "x"}
    request = await sent_request(
        lambda http: http.get(f"{URL}/a%2Fb", params=params, headers=headers)
    )
    assert (request.method, request.content) == ("GET", b"")
    assert request.url.raw_path.startswith(b"/v1/things/a%2Fb?")
    assert request.url.params.multi_items() == [("q", params["q"]), ("n", "1"), ("n", "2")]
    assert (b"X-Name", "Zoë".encode("latin-1")) in request.headers.raw
    assert request.headers["Accept-Encoding"] == "gzip, deflate"
    assert {*request.headers} == {"host", "user-agent", "accept", "accept-encoding", "x-name"}


@pytest.mark.parametrize(
    ("body", "content", "kind"),
    [
        ({"json": {"a": "ü"}}, b'{"a": "\\u00fc"}', "application/json"),
        ({"data": {"a": "1 2", "b": "ü"}}, b"a=1+2&b=%C3%BC", "application/x-www-form-urlencoded"),
        ({"data": b"\x00\xff"}, b"\x00\xff", None),
        ({"data": "ü"}, "ü".encode(), None),
        ({"data": io.StringIO("ü")}, "ü".encode(), None),
        ({"data": iter([b"one", "two"])}, b"onetwo", None),
        ({"data": bytearray(b"array")}, b"array", None),
        ({}, b"", None),
    ],
)
async def test_post(body: dict[str, Any], content: bytes, kind: str | None) -> None:
    request = await sent_request(
        lambda http: http.post(URL, headers={"Content-Length": "99"}, **body)
    )
    assert (request.content, request.headers.get("Content-Type")) == (content, kind)
    assert request.headers["Content-Length"] == str(len(content))


async def test_multipart_upload() -> None:
    file = ("notes.txt", io.BytesIO(b"hello"), "text/plain")
    request = await sent_request(
        lambda http: http.post(URL, data={"to": "a"}, files={"file": file})
    )
    assert request.headers["Content-Type"].startswith("multipart/form-data; boundary=")
    assert b'name="to"\r\n\r\na\r\n' in request.content
    assert b'filename="notes.txt"\r\nContent-Type: text/plain\r\n\r\nhello\r\n' in request.content


async def test_answer() -> None:
    headers = [("Content-Type", "text/plain; charset=utf-16"), ("X-Many", "1"), ("x-many", "2")]
    headers += [("Set-Cookie", "a=1; Path=/"), ("Set-Cookie", "b=2; Path=/")]
    made = httpx2.Response(201, headers=headers, content="Zoë".encode("utf-16"))

    answer, jar = await run_with(
        lambda http: (http.get(f"{URL}?q=1"), http.cookies), lambda _: made
    )
    assert jar.get_dict() == answer.cookies.get_dict() == {"a": "1", "b": "2"}
    assert (answer.status_code, answer.reason, answer.text) == (201, "Created", "Zoë")
    assert answer.headers["x-MANY"] == "1, 2"
    assert answer.url == answer.request.url == f"{URL}?q=1"


async def test_compressed_and_chunked_answer_is_undone_once() -> None:
    async def chunks() -> AsyncGenerator[bytes]:
        yield gzip.compress(b'{"name": "Zo\xc3\xab"}')

    headers = {"Content-Encoding": "gzip", "Content-Type": "application/json"}
    headers |= {"Content-Length": "9", "Transfer-Encoding": "chunked"}
    zipped = httpx2.Response(200, headers=headers, content=chunks())
    answer = await run_with(lambda http: http.get(URL), lambda _: zipped)
    assert answer.json() == {"name": "Zoë"}
    assert {name.lower() for name in answer.headers} == {"content-type"}


async def test_answer_read_raw_and_empty() -> None:
    content = httpx2.Response(200, content=b"abcde")
    answer = await run_with(lambda http: http.get(URL, stream=True), lambda _: content)
    assert [answer.raw.read(2), *answer.iter_content(2)] == [b"ab", b"cd", b"e"]
    empty = await run_with(lambda http: http.delete(URL), lambda _: httpx2.Response(204))
    assert (empty.status_code, empty.reason, empty.content) == (204, "No Content", b"")


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_redirect_is_an_answer(status: int) -> None:
    def vendor(request: httpx2.Request) -> httpx2.Response:
        assert str(request.url) == URL
        return httpx2.Response(status, headers={"Location": f"{URL}/new"})

    def work(http: requests.Session) -> list[requests.Response]:
        own_session = requests.Session()  # of an SDK that brings its own
        own_session.mount("https://", http.get_adapter(URL))
        return [http.get(URL), http.get(URL, allow_redirects=False), own_session.get(URL)]

    for answer in await run_with(work, vendor):
        assert (answer.status_code, answer.headers["location"]) == (status, f"{URL}/new")


async def test_catalogue_passes_unchanged() -> None:
    failure = NotFound("There is no such lead.")

    def vendor(_: httpx2.Request) -> httpx2.Response:
        raise failure

    with pytest.raises(NotFound) as caught:
        await run_with(lambda http: http.get(URL), vendor)
    assert caught.value is failure
    assert_clean(failure)


@pytest.mark.parametrize("kind", [httpx2.ReadTimeout, httpx2.ConnectError, httpx2.DecodingError])
async def test_transport_error_holds_no_secret(kind: type[httpx2.RequestError]) -> None:
    def vendor(request: httpx2.Request) -> httpx2.Response:
        raise kind(f"{URL}?key={CANARY}", request=request)

    expected = requests.Timeout if kind is httpx2.ReadTimeout else requests.ConnectionError
    with pytest.raises(expected, match=kind.__name__) as caught:
        await run_with(lambda http: http.post(URL, headers={"Key": CANARY}, data=CANARY), vendor)
    assert_clean(caught.value)


@pytest.mark.parametrize("asked", [{"headers": {"Key": f"“{CANARY}”"}}, {"params": CANARY * 9999}])
async def test_what_cannot_be_sent_holds_no_secret(asked: dict[str, Any]) -> None:
    with pytest.raises(requests.exceptions.RequestException) as caught:
        await sent_request(lambda http: http.get(URL, **asked))
    assert_clean(caught.value)


@pytest.mark.parametrize(("writes", "failure"), [(False, TimedOut), (True, OutcomeUnknown)])
async def test_deadline(threads: Threads, writes: bool, failure: type[ToolFailure]) -> None:
    """All requests share it: an abandoned SDK that tries again is told so, and asks nobody."""
    hanging, failures = Hanging(), list[type[ToolFailure]]()
    http = sync_session(hanging, budget=LONG)

    def stubborn() -> None:
        for _ in range(3):
            try:
                http.get(URL)
            except ToolFailure as told:
                failures.append(type(told))

    with pytest.raises(failure):
        await threads.run(stubborn, budget=SHORT, writes=writes)
    await asyncio.wait_for(hanging.cancelled.wait(), LONG)
    # The only thread serves again once it has done with the first.
    assert await threads.run(lambda: failures, budget=LONG) == [failure] * 3
    assert hanging.count == 1


@pytest.mark.parametrize(("writes", "failure"), [(False, TimedOut), (True, OutcomeUnknown)])
async def test_a_vendor_that_hangs_is_noted(
    threads: Threads, writes: bool, failure: type[ToolFailure]
) -> None:
    """The request's deadline comes before the thread's, which the breaker would not count."""
    breaker = CountingBreaker()
    client = httpx2.AsyncClient(transport=httpx2.MockTransport(Hanging()))
    timing = Timing(read_budget=SHORT, write_budget=SHORT)
    api = VendorApi("Vendor", URL, VendorConnection(client, breaker, timing))
    budget = api.thread_budget(writes=writes)
    http = sync_session(api.send_json, budget=budget)
    with pytest.raises(failure):
        await threads.run(
            lambda: http.request("POST" if writes else "GET", URL), budget=budget, writes=writes
        )
    assert breaker.failures == 1


async def test_exchange_is_cancelled_with_its_call_or_its_own_budget(threads: Threads) -> None:
    hanging, slow = Hanging(), Hanging()
    http, impatient = sync_session(hanging, budget=LONG), sync_session(slow, budget=SHORT)
    call = asyncio.create_task(threads.run(lambda: http.get(URL), budget=LONG))
    await hanging.begun.wait()
    call.cancel()
    await asyncio.wait_for(hanging.cancelled.wait(), LONG)
    loop = asyncio.get_running_loop()

    def work() -> None:
        with pytest.raises(TimedOut):
            impatient.get(URL)
        asyncio.run_coroutine_threadsafe(slow.cancelled.wait(), loop).result(LONG)

    await threads.run(work, budget=LONG)


async def test_overload_and_turns_that_come_too_late(threads: Threads) -> None:
    release, ran = threading.Event(), list[str]()
    with pytest.raises(TimedOut):  # Its thread goes on: it cannot be stopped.
        await threads.run(lambda: release.wait(LONG), budget=SHORT)
    left = asyncio.create_task(threads.run(lambda: ran.append("left"), budget=LONG))
    await asyncio.sleep(0)
    left.cancel()
    late = asyncio.create_task(threads.run(lambda: ran.append("late"), budget=SHORT, writes=True))
    await asyncio.sleep(0)
    with pytest.raises(Unavailable):
        await threads.run(lambda: ran.append("too many"), budget=LONG)
    with pytest.raises(TimedOut):  # A write, but it certainly never began.
        await late
    stuck = asyncio.create_task(threads.run(lambda: ran.append("stuck"), budget=SHORT))
    await asyncio.sleep(0)
    threading.Timer(SHORT * 2, release.set).start()
    threading.Event().wait(SHORT * 3)  # The loop cannot see the deadline pass.
    with pytest.raises(TimedOut):
        await stuck
    assert await threads.run(lambda: ran, budget=LONG) == []


async def test_loop_goes_on_while_threads_wait() -> None:
    pool, at_once, most, full = Threads(16, waiting=184), 0, 0, asyncio.Event()

    async def exchange(request: httpx2.Request) -> httpx2.Response:
        nonlocal at_once, most
        at_once += 1
        most = max(most, at_once)
        if at_once == 16:
            full.set()
        await full.wait()  # The loop has seen sixteen threads wait, and goes on.
        at_once -= 1
        return httpx2.Response(200, json={"n": request.url.params["n"]})

    http = sync_session(exchange, budget=LONG)

    def call(n: int) -> Callable[[], int]:
        return lambda: int(http.get(URL, params={"n": n}).json()["n"])

    answers = await asyncio.gather(*(pool.run(call(n), budget=LONG) for n in range(200)))
    assert (answers, most) == (list(range(200)), 16)


async def test_context_goes_along(threads: Threads) -> None:
    async def exchange(_: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(200, text=caller.get())

    http = sync_session(exchange, budget=LONG)
    caller.set("me")
    seen = await threads.run(lambda: (caller.get(), http.get(URL).text), budget=LONG)
    assert seen == ("me", "me")


async def test_failures_of_the_work_and_of_its_caller(threads: Threads) -> None:
    with pytest.raises(ZeroDivisionError):
        await threads.run(lambda: 1 // 0, budget=LONG)
    with pytest.raises(RuntimeError, match="StopIteration"):
        await threads.run(lambda: next(iter(())), budget=LONG)
    with pytest.raises(RuntimeError, match=r"Threads\.run"):  # on the loop's own thread
        sync_session(Hanging(), budget=LONG).get(URL)


async def test_closing_ends_what_waits(threads: Threads) -> None:
    release = threading.Event()
    running = asyncio.create_task(threads.run(lambda: release.wait(LONG), budget=LONG))
    waiting = asyncio.create_task(threads.run(lambda: None, budget=LONG))
    await asyncio.sleep(0)
    threads.close()
    with pytest.raises(TimedOut):
        await waiting
    release.set()
    assert await running
