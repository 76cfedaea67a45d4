"""Which tools a bot has: known before its calls start, so that no call waits for a list."""

import asyncio
import logging
import time
from collections.abc import Callable, Sequence

from pydantic import BaseModel, ConfigDict, ValidationError
from redis.asyncio import Redis
from redis.exceptions import RedisError

from config.bots import Bot
from config.declarations.schema import ServerUse
from orchestrator.mcp_client.router import Identity, Router
from orchestrator.mcp_client.tool import ServerUnreachableError, ToolInfo

logger = logging.getLogger("antiphon.catalogue")

_FRESH = 60.0  # seconds: older lists are used, and read again behind the call's back
_LIFETIME = 7 * 24 * 3600


class _Listing(BaseModel):
    model_config = ConfigDict(frozen=True)

    listed_at: float
    cards: tuple[ToolInfo, ...]


class ToolCache:
    """Tool lists per bot and version, in the cache; servers are asked behind the call's back.

    A list holds what a model can see, for a call reads it before its greeting; `whole` lists hold
    every tool that is granted, with all that outside clients are shown.
    """

    def __init__(self, constellation: Router, cache: Redis, *, whole: bool = False) -> None:
        self._constellation = constellation
        self._cache = cache
        self._whole = whole

    async def known(self, identity: Identity) -> dict[str, tuple[ToolInfo, ...]]:
        """Return what is known now, per server; asks no server."""
        return {server: listing.cards for server, listing in (await self._cached(identity)).items()}

    async def tools(
        self, identity: Identity, arrived: Callable[[str, tuple[ToolInfo, ...]], None]
    ) -> tuple[dict[str, tuple[ToolInfo, ...]], list[asyncio.Task[None]]]:
        """Return what is known now, and the tasks that ask for the rest.

        `arrived` is called with each list that was missing or has changed. A server that never
        answers costs its own tools and nothing else.
        """
        listings = await self._cached(identity)
        now = time.time()
        asked = [
            asyncio.create_task(self._ask(identity, server, listings.get(server), arrived))
            for server in identity.servers
            if server not in listings or now - listings[server].listed_at > _FRESH
        ]
        return {server: listing.cards for server, listing in listings.items()}, asked

    async def refresh(self, identity: Identity, server: str) -> tuple[ToolInfo, ...]:
        """Ask a server for its tools, and keep the answer.

        Raises:
            ServerUnreachableError: it does not answer.
        """
        cards = await self._constellation.list_tools(server, identity.claims(server))
        if not self._whole and identity.bot is not None:
            cards = [card.for_model() for card in offered(identity.bot, {server: tuple(cards)})]
        listing = _Listing(listed_at=time.time(), cards=tuple(cards))
        try:
            written = listing.model_dump_json(exclude_defaults=True)
            await self._cache.set(self._key(identity, server), written, ex=_LIFETIME)
        except RedisError:
            logger.warning("a tool list could not be kept", extra={"server": server})
        return listing.cards

    async def _ask(
        self,
        identity: Identity,
        server: str,
        before: _Listing | None,
        arrived: Callable[[str, tuple[ToolInfo, ...]], None],
    ) -> None:
        try:
            cards = await self.refresh(identity, server)
        except ServerUnreachableError:
            logger.warning("a server did not list its tools", extra={"server": server})
            return
        if before is None or before.cards != cards:
            arrived(server, cards)

    async def _cached(self, identity: Identity) -> dict[str, _Listing]:
        names = identity.servers
        if not names:
            return {}
        try:
            stored = await self._cache.mget([self._key(identity, name) for name in names])
        except RedisError:
            return {}
        found: dict[str, _Listing] = {}
        for name, value in zip(names, stored, strict=True):
            if value is None:
                continue
            try:
                found[name] = _Listing.model_validate_json(value)
            except ValidationError:
                continue  # written by another version of ours
        return found

    def _key(self, identity: Identity, server: str) -> str:
        kind = "every" if self._whole else "tools"
        version = identity.bot.version if identity.bot else 0
        bot_id = identity.bot.id if identity.bot else None
        return f"{kind}:{identity.business_id}:{bot_id}:{version}:{server}"


def offered(bot: Bot, listed: dict[str, tuple[ToolInfo, ...]]) -> list[ToolInfo]:
    """Return what the model sees: the tools that the bot names, else the voice profile.

    A server of somebody else has no profiles: all of its tools that were accepted are seen.
    """
    cards: list[ToolInfo] = []
    for server in bot.enabled_servers:
        cards += _chosen(bot.servers[server], listed.get(server, ()))
    return cards


def _chosen(use: ServerUse, cards: Sequence[ToolInfo]) -> list[ToolInfo]:
    allowed = {card.tool: card for card in cards if card.tool not in use.denied_tools}
    if use.tools:
        return [allowed[name] for name in use.tools if name in allowed]
    return [card for card in allowed.values() if card.voice]
