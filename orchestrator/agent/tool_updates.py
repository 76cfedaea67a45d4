"""Changes the tools of a running call: with lists that arrive late, and with changes of its bot."""

import asyncio
import logging
from collections.abc import Callable, Collection, Coroutine, Iterable, Mapping
from dataclasses import replace
from typing import Any

from livekit.agents import llm
from sqlalchemy import select
from sqlmodel import col

from config.bots import Bot, BotNotFoundError, read_bot
from config.database import UNREACHABLE
from config.tables import AgentConfig
from orchestrator.agent.bot_updates import RECONNECT_SECONDS, watch_bot
from orchestrator.agent.job import Process
from orchestrator.agent.toolset import Toolset
from orchestrator.mcp_client.router import Identity
from orchestrator.mcp_client.tool import ToolInfo
from orchestrator.mcp_client.tool_cache import visible_tools
from orchestrator.runtime.background_tasks import BackgroundTasks

logger = logging.getLogger("antiphon.call")

_FIRST_LIST_TIMEOUT = 3.0  # seconds that the caller's first turn waits for lists of tools
UpdateTools = Callable[[list[llm.Tool | llm.Toolset]], Coroutine[Any, Any, None]]


class ToolUpdates:
    """Keeps a call's tools in line with its bot and the bot's servers.

    Of a bot that is changed meanwhile, servers and policies count at once, and nothing else.
    `update` is called with all tools each time that they change; `listed` are the servers' tools
    that the call has begun with.
    """

    def __init__(
        self,
        process: Process,
        bot: Bot,
        identity: Identity,
        toolset: Toolset,
        background: BackgroundTasks,
        *,
        update: UpdateTools,
        listed: Mapping[str, tuple[ToolInfo, ...]],
    ) -> None:
        self._process = process
        self._bot = bot
        self._identity = identity
        self._toolset = toolset
        self._background = background
        self._update = update
        self._listed = dict(listed)

    async def connect_servers(self, others: Iterable[str] = ()) -> None:
        """List what is not listed yet, and connect to the bot's servers and to `others`."""
        try:
            requests = await self._refresh()
            for name in {*self._identity.servers, *others}:
                claims = self._identity.claims(name)
                self._background.start(self._process.router.connect(name, claims))
            if requests:
                await asyncio.wait(requests, timeout=_FIRST_LIST_TIMEOUT)
        finally:
            self._toolset.listed.set()

    async def follow_changes(self, *, reconnect_seconds: float = RECONNECT_SECONDS) -> None:
        """Apply changes of the bot's servers, until this is cancelled."""
        await watch_bot(
            self._process.cache,
            self._bot.business_id,
            self._bot.id,
            self._apply_change,
            reconnect_seconds=reconnect_seconds,
        )

    async def _apply_change(self) -> None:
        try:
            bot = await self._read_newer_bot()
        except (*UNREACHABLE, BotNotFoundError):
            logger.warning("a bot that has changed could not be read")
            return
        if bot is None:
            return
        self._bot = self._bot.model_copy(update={"servers": bot.servers, "version": bot.version})
        self._identity = replace(self._identity, bot=self._bot)
        self._toolset.update_bot(self._bot, self._identity)
        self._process.router.forget(self._bot.business_id)
        self._update_tools()
        await self._refresh()

    async def _read_newer_bot(self) -> Bot | None:
        """Return the bot, if there is a newer version: not from the cache, which may be late."""
        query = select(col(AgentConfig.version)).where(col(AgentConfig.id) == self._bot.id)
        async with self._process.database.tenant(self._bot.business_id) as session:
            if await session.scalar(query) == self._bot.version:
                return None
            return await read_bot(session, self._bot.id)

    async def _refresh(self) -> Collection[asyncio.Task[Any]]:
        """Take what is listed; return the requests for the rest, which run in the background."""
        listed, requests = await self._process.tool_cache.get_and_refresh(
            self._identity, self._add_list
        )
        for task in requests:
            self._background.add(task)
        for server, tools in listed.items():
            if tools != self._listed.get(server):  # another call has listed it meanwhile
                self._add_list(server, tools)
        return requests

    def _add_list(self, server: str, tools: tuple[ToolInfo, ...]) -> None:
        """Take the tools of one server."""
        self._listed[server] = tools
        self._update_tools()

    def _update_tools(self) -> None:
        tools = self._toolset.function_tools(visible_tools(self._bot, self._listed))
        self._background.start(self._update([*tools]))
