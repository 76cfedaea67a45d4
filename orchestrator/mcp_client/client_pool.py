"""A pool of open MCP clients; one that breaks is replaced at the next request."""

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from time import monotonic
from typing import TypeAlias, TypeVar

import httpx2
from mcp import Client
from mcp.client.session import ClientSession
from mcp.shared.exceptions import MCPError
from mcp_types import INVALID_PARAMS, METHOD_NOT_FOUND
from pydantic import ValidationError

from orchestrator.mcp_client.exchange import Exchange, current_exchange
from orchestrator.mcp_client.tool import ServerUnreachableError

R = TypeVar("R")

ClientFactory: TypeAlias = Callable[[], AbstractAsyncContextManager[Client]]
_CLOSE_TIMEOUT = 2.0  # seconds that requests in flight may take when the pool is closed
_RESEND_PAUSE = 0.1  # seconds: a server that is being restarted may be back


class ConnectError(Exception):
    """A client could not be opened."""


class _TryFailedError(Exception):
    """A request failed; with `resend`, it cannot have been done."""

    def __init__(self, *, resend: bool) -> None:
        super().__init__()
        self.resend = resend


class InvalidParamsError(ServerUnreachableError):
    """The server answered that the arguments are invalid."""


@dataclass(frozen=True)
class Endpoint:
    """A server's name for messages, the key of its client in the pool, and how to open one."""

    name: str
    key: Hashable
    connect: ClientFactory


@dataclass(eq=False)
class PooledClient:
    """An open client, the task that holds it open, and the event that ends the task."""

    client: Client
    closing: asyncio.Event
    task: asyncio.Task[None]
    last_used: float = 0.0
    requests: int = 0  # that are in flight


class ClientPool:
    """Keeps one client per key. A client that was idle for `idle_timeout` seconds is closed."""

    def __init__(self, *, idle_timeout: float | None = None) -> None:
        self._idle_timeout = idle_timeout
        self._clients: dict[Hashable, PooledClient] = {}
        self._evicted: set[PooledClient] = set()  # those with requests in flight
        self._locks: dict[Hashable, asyncio.Lock] = {}

    async def request(
        self,
        endpoint: Endpoint,
        send: Callable[[ClientSession], Awaitable[R]],
        deadline: float,
        *,
        retry: bool,
    ) -> R:
        """Send a request; `deadline` is a time of the event loop's clock.

        A request that cannot have been done is sent once more: it did not go out, or its session
        had ended. With `retry`, so is one that failed in transport.

        Raises:
            ServerUnreachableError: there was no answer in time, or no valid one.
            InvalidParamsError: the server refused the arguments.
        """
        exchange = current_exchange.get() or Exchange()
        reset = current_exchange.set(exchange)
        try:
            for attempt in (1, 2):
                try:
                    async with asyncio.timeout_at(deadline):
                        return await self._try_once(endpoint, send, exchange)
                except TimeoutError:
                    raise _late(endpoint, exchange) from None
                except _TryFailedError as failed:
                    if attempt == 2 or not (failed.resend or retry):
                        raise _unavailable(endpoint, exchange) from None
                    await _pause(deadline)
        finally:
            current_exchange.reset(reset)
        raise AssertionError("unreachable: both attempts return or raise")

    async def _try_once(
        self,
        endpoint: Endpoint,
        send: Callable[[ClientSession], Awaitable[R]],
        exchange: Exchange,
    ) -> R:
        """Send a request once.

        Raises:
            _TryFailedError: there was no answer, or no valid one.
            InvalidParamsError: the server refused the arguments.
        """
        exchange.begin()
        try:
            pooled = await self._acquire(endpoint)
        except ConnectError:
            exchange.sent = False  # whatever opened the session
            raise _TryFailedError(resend=True) from None
        except asyncio.CancelledError:
            exchange.sent = False
            raise
        exchange.begin()  # opening a session takes requests of its own
        try:
            return await self._send(pooled, send)
        except (MCPError, httpx2.HTTPError, OSError, ValidationError) as error:
            if isinstance(error, MCPError) and error.code == INVALID_PARAMS:
                raise InvalidParamsError(
                    f"{endpoint.name} does not take these arguments."
                ) from None
            if isinstance(error, MCPError) and error.code == METHOD_NOT_FOUND:
                exchange.sent = False  # nothing has been done
            unreached = exchange.lost and not exchange.sent  # it may be elsewhere by now
            if exchange.session_lost or unreached or pooled.task.done():
                self._evict(endpoint.key, pooled)
            raise _TryFailedError(resend=exchange.session_lost or unreached) from None

    async def _acquire(self, endpoint: Endpoint) -> PooledClient:
        async with self._locks.setdefault(endpoint.key, asyncio.Lock()):
            current = self._clients.get(endpoint.key)
            if current is None or current.task.done():
                self._evict_idle()
                self._clients[endpoint.key] = await _connect(endpoint.connect)
            pooled = self._clients[endpoint.key]
            pooled.last_used = monotonic()
            return pooled

    async def _send(self, pooled: PooledClient, send: Callable[[ClientSession], Awaitable[R]]) -> R:
        pooled.requests += 1
        try:
            return await send(pooled.client.session)
        finally:
            pooled.requests -= 1
            if not pooled.requests and pooled in self._evicted:
                self._evicted.discard(pooled)
                pooled.closing.set()

    def _evict(self, key: Hashable, pooled: PooledClient) -> None:
        """Have the next request get a new client; close this one once nobody waits for it.

        One request may fail where the others, which may be of other tenants, are answered.
        """
        if self._clients.get(key) is pooled:
            del self._clients[key]
        if pooled.requests:
            self._evicted.add(pooled)
        else:
            pooled.closing.set()

    async def aclose(self) -> None:
        """Close every client."""
        clients = [*self._clients.values(), *self._evicted]
        tasks = [pooled.task for pooled in clients]
        for pooled in clients:
            pooled.closing.set()
        self._clients.clear()
        self._evicted.clear()
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=_CLOSE_TIMEOUT)
            for task in late:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def _evict_idle(self) -> None:
        if self._idle_timeout is None:
            return
        before = monotonic() - self._idle_timeout
        for key, pooled in [*self._clients.items()]:
            if pooled.last_used < before:
                self._evict(key, pooled)
                self._locks.pop(key, None)


def _late(endpoint: Endpoint, exchange: Exchange) -> ServerUnreachableError:
    message = f"{endpoint.name} did not answer in time."
    return ServerUnreachableError(message, late=True, maybe_done=exchange.maybe_done)


def _unavailable(endpoint: Endpoint, exchange: Exchange) -> ServerUnreachableError:
    message = f"{endpoint.name} is not available."
    return ServerUnreachableError(message, maybe_done=exchange.maybe_done)


async def _pause(deadline: float) -> None:
    left = deadline - asyncio.get_running_loop().time()
    await asyncio.sleep(max(0.0, min(_RESEND_PAUSE, left)))


async def _connect(factory: ClientFactory) -> PooledClient:
    opened: asyncio.Future[Client] = asyncio.get_running_loop().create_future()
    closing = asyncio.Event()
    # A client's cancel scopes must be left by the task that entered them, so it has its own task.
    task = asyncio.create_task(_run_client(factory, opened, closing))
    task.add_done_callback(lambda _: opened.cancel())
    task.add_done_callback(_retrieve_exception)
    try:
        return PooledClient(await opened, closing, task)
    except asyncio.CancelledError:
        if not opened.cancelled() or not task.done():
            task.cancel()
            raise
        raise ConnectError from None


async def _run_client(
    factory: ClientFactory, opened: "asyncio.Future[Client]", closing: asyncio.Event
) -> None:
    async with factory() as client:
        if not opened.cancelled():
            opened.set_result(client)
        await closing.wait()


def _retrieve_exception(task: "asyncio.Task[None]") -> None:
    """Mark the task's exception as retrieved: the request that used the client has reported it."""
    if not task.cancelled():
        task.exception()
