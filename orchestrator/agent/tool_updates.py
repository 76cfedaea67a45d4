"""The tools of a call: known at its start, completed behind its back, changed while it runs."""

import logging
from collections.abc import Callable, Coroutine, Iterable
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import select
from sqlmodel import col

from config.bots import Bot, BotNotFoundError, stored_bot
from config.database import UNREACHABLE
from config.tables import AgentConfig
from orchestrator.agent.background_tasks import Background
from orchestrator.agent.bot_updates import watch
from orchestrator.agent.job import Process
from orchestrator.agent.toolset import CallTools, Raw
from orchestrator.mcp_client.router import Identity
from orchestrator.mcp_client.tool import ToolInfo
from orchestrator.mcp_client.tool_cache import offered

logger = logging.getLogger("antiphon.call")


@dataclass(frozen=True)
class Seen:
    """Who is told of the tools: `update` with all of them, each time that they change."""

    tools: CallTools
    update: Callable[[list[Raw]], Coroutine[Any, Any, None]]


class LiveTools:
    """Keeps what the model of a call can use in line with its bot and the bot's servers.

    Of a bot that is changed meanwhile, servers and policies count at once, and nothing else.
    """

    def __init__(
        self, process: Process, bot: Bot, identity: Identity, seen: Seen, background: Background
    ) -> None:
        self._process = process
        self._bot = bot
        self._identity = identity
        self._seen = seen
        self._background = background
        self._listed: dict[str, tuple[ToolInfo, ...]] = {}

    async def known(self) -> list[Raw]:
        """Return what is known when the call begins; asks no server."""
        self._listed = await self._process.catalogue.known(self._identity)
        return self._function_tools()

    async def meet(self, others: Iterable[str] = ()) -> None:
        """List what is not known, and open the ways to the bot's servers and to `others`."""
        await self._list()
        for name in {*self._identity.servers, *others}:
            claims = self._identity.claims(name)
            self._background.start(self._process.constellation.connect(name, claims))

    async def follow(self) -> None:
        """Take what is changed of the bot's servers, until this is cancelled."""
        await watch(self._process.cache, self._bot.business_id, self._bot.id, self._changed)

    async def _changed(self) -> None:
        try:
            bot = await self._newer()
        except (*UNREACHABLE, BotNotFoundError):
            logger.warning("a bot that has changed could not be read")
            return
        if bot is None:
            return
        self._bot = self._bot.model_copy(update={"servers": bot.servers, "version": bot.version})
        self._identity = replace(self._identity, bot=self._bot)
        self._seen.tools.take(self._bot, self._identity)
        self._process.constellation.forget(self._bot.business_id)
        self._show()
        await self._list()

    async def _newer(self) -> Bot | None:
        """Return the bot, if there is a newer version: not from the cache, which may be late."""
        query = select(col(AgentConfig.version)).where(col(AgentConfig.id) == self._bot.id)
        async with self._process.database.tenant(self._bot.business_id) as session:
            if await session.scalar(query) == self._bot.version:
                return None
            return await stored_bot(session, self._bot.id)

    async def _list(self) -> None:
        listed, asked = await self._process.catalogue.tools(self._identity, self._arrived)
        for task in asked:
            self._background.keep(task)
        for server, cards in listed.items():
            if cards != self._listed.get(server):  # another call has listed it meanwhile
                self._arrived(server, cards)

    def _arrived(self, server: str, cards: tuple[ToolInfo, ...]) -> None:
        """Take a list that came while the call runs."""
        self._listed[server] = cards
        self._show()

    def _show(self) -> None:
        self._background.start(self._seen.update(self._function_tools()))

    def _function_tools(self) -> list[Raw]:
        return self._seen.tools.function_tools(offered(self._bot, self._listed))
