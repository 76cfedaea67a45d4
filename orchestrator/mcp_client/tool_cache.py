"""Caches the tool lists of each bot in Valkey, so that no call waits for a server's list."""

import asyncio
import hashlib
import logging
import time
from collections.abc import Callable, Sequence

from pydantic import BaseModel, ConfigDict, ValidationError
from redis.asyncio import Redis
from redis.exceptions import RedisError

from config.bots import Bot
from config.security.tokens import Grant
from orchestrator.mcp_client.router import Identity, Router
from orchestrator.mcp_client.tool import ServerUnreachableError, ToolInfo

logger = logging.getLogger("antiphon.catalogue")

_LIFETIME = 7 * 24 * 3600  # seconds
_CALL_WAITS = (0.5, 1.0, 2.0, 4.0, 8.0, 16.0)  # seconds before a call asks a server again


class _Listing(BaseModel):
    model_config = ConfigDict(frozen=True)

    listed_at: float
    tools: tuple[ToolInfo, ...]


class ToolCache:
    """Tool lists by bot, version, server and grant, refreshed once older than `fresh_for` seconds.

    A list holds the granted tools: as the model sees them, because a call reads it before its
    greeting, or, with `complete`, with everything that outside clients see.
    """

    def __init__(
        self, router: Router, cache: Redis, *, complete: bool = False, fresh_for: float = 60.0
    ) -> None:
        self._router = router
        self._cache = cache
        self._complete = complete
        self._fresh_for = fresh_for

    async def get_cached(self, identity: Identity) -> dict[str, tuple[ToolInfo, ...]]:
        """Return the cached lists by server; asks no server."""
        listings = await self._read(identity)
        return {server: listing.tools for server, listing in listings.items()}

    async def get_and_refresh(
        self, identity: Identity, on_update: Callable[[str, tuple[ToolInfo, ...]], None]
    ) -> tuple[dict[str, tuple[ToolInfo, ...]], list[asyncio.Task[None]]]:
        """Return the cached lists by server, and the tasks that refresh missing and old ones.

        `on_update` is called with each list that was missing or has changed. A server that never
        answers costs its own tools and nothing else.
        """
        listings = await self._read(identity)
        now = time.time()
        refreshes = [
            asyncio.create_task(self._update(identity, server, listings.get(server), on_update))
            for server in identity.servers
            if server not in listings or now - listings[server].listed_at > self._fresh_for
        ]
        return {server: listing.tools for server, listing in listings.items()}, refreshes

    async def refresh(self, identity: Identity, server: str) -> tuple[ToolInfo, ...]:
        """List a server's tools, store the list, and return it.

        Raises:
            ServerUnreachableError: it does not answer.
        """
        tools = await self._router.list_tools(server, identity.claims(server))
        if not self._complete and identity.bot is not None:
            visible = visible_tools(identity.bot, {server: tuple(tools)})
            tools = [tool.for_model() for tool in visible]
        listing = _Listing(listed_at=time.time(), tools=tuple(tools))
        try:
            content = listing.model_dump_json(exclude_defaults=True)
            await self._cache.set(self._key(identity, server), content, ex=_LIFETIME)
        except RedisError:
            logger.warning("a tool list could not be kept", extra={"server": server})
        return listing.tools

    async def _update(
        self,
        identity: Identity,
        server: str,
        before: _Listing | None,
        on_update: Callable[[str, tuple[ToolInfo, ...]], None],
    ) -> None:
        # A call goes on for minutes: a server that comes back meanwhile is wanted.
        waits = _CALL_WAITS if before is None and not self._complete else ()
        for wait in (*waits, None):
            try:
                tools = await self.refresh(identity, server)
            except ServerUnreachableError:
                logger.warning("a server did not list its tools", extra={"server": server})
                if wait is None:
                    return
                await asyncio.sleep(wait)
                continue
            if before is None or before.tools != tools:
                on_update(server, tools)
            return

    async def _read(self, identity: Identity) -> dict[str, _Listing]:
        names = identity.servers
        if not names:
            return {}
        try:
            stored = await self._cache.mget([self._key(identity, name) for name in names])
        except RedisError:
            return {}
        listings: dict[str, _Listing] = {}
        for name, value in zip(names, stored, strict=True):
            if value is None:
                continue
            try:
                listings[name] = _Listing.model_validate_json(value)
            except ValidationError:
                continue  # stored by another version of this program
        return listings

    def _key(self, identity: Identity, server: str) -> str:
        kind = "every" if self._complete else "tools"
        version = identity.bot.version if identity.bot else 0
        bot_id = identity.bot.id if identity.bot else None
        granted = identity.claims(server).grant.model_dump_json()
        digest = hashlib.sha256(granted.encode()).hexdigest()[:16]
        return f"{kind}:{identity.business_id}:{bot_id}:{version}:{server}:{digest}"


def visible_tools(bot: Bot, tools: dict[str, tuple[ToolInfo, ...]]) -> list[ToolInfo]:
    """Return the tools that the model sees: those that the bot is granted.

    An external server has no profiles: all of its accepted tools are voice tools.
    """
    return [
        tool
        for server in bot.enabled_servers
        for tool in granted_tools(bot.grant(server), tools.get(server, ()))
    ]


def granted_tools(grant: Grant, tools: Sequence[ToolInfo]) -> list[ToolInfo]:
    """Return the granted ones of a server's tools, in the order in which the grant names them.

    The server has listed no others, but perhaps for an earlier grant.
    """
    granted = {tool.tool: tool for tool in tools if tool.is_granted(grant)}
    names = granted if grant.tools is None else [name for name in grant.tools if name in granted]
    return [granted[name] for name in names]
