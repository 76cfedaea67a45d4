"""MCP clients that stay open, each in the task that entered it; a broken one is replaced."""

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
from mcp_types import INVALID_PARAMS
from pydantic import ValidationError

from orchestrator.mcp_client.tool import ServerUnreachableError

R = TypeVar("R")

Open: TypeAlias = Callable[[], AbstractAsyncContextManager[Client]]
_PATIENCE = 2.0  # seconds that the last requests of a client may take when all are closed


class NotOpenedError(Exception):
    """A client could not be opened."""


class RefusedError(ServerUnreachableError):
    """A server answered that it does not take such a request."""


@dataclass(frozen=True)
class Endpoint:
    """A way to a server: what it is called, whose client it is, and how that is opened."""

    name: str
    key: Hashable
    open: Open


@dataclass
class PooledClient:
    """A client that is open."""

    client: Client
    leave: asyncio.Event
    owner: asyncio.Task[None]
    used: float = 0.0


class ClientPool:
    """One client for each key. With `idle`, one that nobody has used for so long is closed."""

    def __init__(self, *, idle: float | None = None) -> None:
        self._idle = idle
        self._clients: dict[Hashable, PooledClient] = {}
        self._connecting: dict[Hashable, asyncio.Lock] = {}

    async def ask(
        self,
        way: Endpoint,
        send: Callable[[ClientSession], Awaitable[R]],
        deadline: float,
        *,
        retry: bool,
    ) -> R:
        """Send a request until `deadline`, by the loop's clock; only what may `retry` goes twice.

        Raises:
            ServerUnreachableError: nobody answered, or not what was asked.
        """
        for attempt in (1, 2):
            pooled: PooledClient | None = None
            try:
                async with asyncio.timeout_at(deadline):
                    pooled = await self._client(way)
                    return await send(pooled.client.session)
            except TimeoutError:
                raise ServerUnreachableError(f"{way.name} did not answer in time.") from None
            except NotOpenedError:
                raise ServerUnreachableError(f"{way.name} is not available.") from None
            except (MCPError, httpx2.HTTPError, OSError, ValidationError) as error:
                if isinstance(error, MCPError) and error.code == INVALID_PARAMS:
                    raise RefusedError(f"{way.name} does not take these arguments.") from None
                if pooled is not None:
                    self._evict(way.key, pooled)
                if attempt == 2 or not retry:
                    raise ServerUnreachableError(f"{way.name} is not available.") from None
        raise AssertionError("unreachable: both attempts return or raise")

    async def _client(self, way: Endpoint) -> PooledClient:
        async with self._connecting.setdefault(way.key, asyncio.Lock()):
            known = self._clients.get(way.key)
            if known is None or known.owner.done():
                self._forget_idle()
                self._clients[way.key] = await _open(way.open)
            pooled = self._clients[way.key]
            pooled.used = monotonic()
            return pooled

    def _evict(self, key: Hashable, pooled: PooledClient) -> None:
        """Close a client, so that the next request gets a new one."""
        if self._clients.get(key) is pooled:
            del self._clients[key]
        pooled.leave.set()

    async def aclose(self) -> None:
        """Close every client."""
        owners = [pooled.owner for pooled in self._clients.values()]
        for pooled in self._clients.values():
            pooled.leave.set()
        self._clients.clear()
        if owners:
            _, late = await asyncio.wait(owners, timeout=_PATIENCE)
            for owner in late:
                owner.cancel()
            await asyncio.gather(*owners, return_exceptions=True)

    def _forget_idle(self) -> None:
        if self._idle is None:
            return
        before = monotonic() - self._idle
        for key, pooled in [*self._clients.items()]:
            if pooled.used < before:
                self._evict(key, pooled)
                self._connecting.pop(key, None)


async def _open(enter: Open) -> PooledClient:
    entered: asyncio.Future[Client] = asyncio.get_running_loop().create_future()
    leave = asyncio.Event()
    # The client's scopes must be left by the task that entered them, so it has an owner.
    owner = asyncio.create_task(_own(enter, entered, leave))
    owner.add_done_callback(lambda _: entered.cancel())
    owner.add_done_callback(_heard)
    try:
        return PooledClient(await entered, leave, owner)
    except asyncio.CancelledError:
        if not entered.cancelled() or not owner.done():
            owner.cancel()
            raise
        raise NotOpenedError from None


async def _own(enter: Open, entered: "asyncio.Future[Client]", leave: asyncio.Event) -> None:
    async with enter() as client:
        if not entered.cancelled():
            entered.set_result(client)
        await leave.wait()


def _heard(owner: "asyncio.Task[None]") -> None:
    """Take note of how a client ended: whoever used it has been told."""
    if not owner.cancelled():
        owner.exception()
