"""Has the embedded model read what a bot's calls begin with, before the first call comes.

These are the bot's instructions, its tools and their examples: the same in every call. The model
keeps what it has read on disk, so that this takes time only for a bot that is new or was changed.
"""

import asyncio
import logging
from collections.abc import Sequence
from datetime import datetime
from typing import Any, cast
from uuid import UUID

import httpx2
from redis.exceptions import RedisError
from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError
from sqlmodel import col

from config.bots import CHANGES_CHANNEL, Bot, BotNotFoundError, load_bot
from config.settings import Settings
from config.tables import AgentConfig
from orchestrator.agent.job import Process
from orchestrator.agent.model_choice import resolve_llm
from orchestrator.agent.prompt import build_instructions
from orchestrator.agent.system_tools import model_schemas
from orchestrator.mcp_client.router import Identity
from orchestrator.mcp_client.tool import ToolInfo
from orchestrator.mcp_client.tool_cache import visible_tools

logger = logging.getLogger("antiphon.prefixes")

_MAX_BOTS = 16  # at the start; others are read when they are called or changed
_RETRY_SECONDS = 1.0
_LIST_SECONDS = 20.0  # that servers have to list their tools: they may start with the worker
_READ_SECONDS = 120.0  # a long prompt on two slow cores
_WAIT_SECONDS = 180.0  # for one bot: the models may have to be prepared first


def connect_models(settings: Settings) -> httpx2.AsyncClient:
    """Return a client of the embedded models; its owner closes it."""
    return httpx2.AsyncClient(
        base_url=f"{settings.models_url}/",
        timeout=httpx2.Timeout(_READ_SECONDS, connect=_RETRY_SECONDS),
        trust_env=False,
    )


async def read_prefix(models: httpx2.AsyncClient, bot: Bot, tools: Sequence[ToolInfo]) -> bool:
    """Have the model read a bot's prefix; return False if the model is not up yet.

    `tools` are those that a call shows its model.
    """
    try:
        answer = await models.post("prefixes", json=_request(bot, tools))
    except httpx2.HTTPError:
        return False
    if answer.is_client_error:
        logger.warning("the embedded model refuses a bot's prompt", extra={"bot_id": bot.id})
    return not answer.is_server_error


class PrefixReader:
    """Reads the prefixes of all bots that use the embedded model."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self._models = connect_models(process.settings)

    async def read_all(self) -> None:
        """Read the prefixes of the bots that were changed last; wait for servers and models."""
        try:
            bots = await self._newest_bots()
        except SQLAlchemyError:
            logger.warning("the bots could not be listed: their first calls take longer")
            return
        for business_id, bot_id in bots:
            await self._read(business_id, bot_id)

    async def watch(self) -> None:
        """Read the prefix of each bot that is changed, until cancelled.

        Whenever the connection to the cache is new, all are read: a change may have been missed.
        """
        while True:
            try:
                async with self._process.cache.pubsub() as channel:
                    await channel.subscribe(CHANGES_CHANNEL)
                    while True:
                        match cast(Any, await channel.get_message(timeout=None)):
                            case {"type": "subscribe"}:
                                await self.read_all()
                            case {"type": "message", "data": str(data)}:
                                business_id, _, bot_id = data.partition("/")
                                await self._read(UUID(business_id), UUID(bot_id))
                            case _:
                                pass
            except (RedisError, OSError):
                await asyncio.sleep(_RETRY_SECONDS)

    async def aclose(self) -> None:
        """Close the connection to the models."""
        await self._models.aclose()

    async def _read(self, business_id: UUID, bot_id: UUID) -> None:
        """Read one bot's prefix; give up after a while, for the others wait."""
        process = self._process
        try:
            async with asyncio.timeout(_WAIT_SECONDS):
                bot = await load_bot(process.database, process.cache, business_id, bot_id)
                if not resolve_llm(bot.llm, process.settings)[0].embedded:
                    return
                tools = await self._list_tools(Identity(f"bot:{bot.id}", business_id, bot))
                while True:
                    if await read_prefix(self._models, bot, tools):
                        return
                    await asyncio.sleep(_RETRY_SECONDS)
        except BotNotFoundError:
            return
        except (SQLAlchemyError, TimeoutError) as error:
            fields = {"bot_id": bot_id, "error": type(error).__name__}
            logger.warning("a bot's prompt was not read: its first call takes longer", extra=fields)

    async def _newest_bots(self) -> Sequence[tuple[UUID, UUID]]:
        """Return the ids of businesses and bots, those that were changed last first."""
        database = self._process.database
        columns = select(col(AgentConfig.updated_at), col(AgentConfig.id))
        found: list[tuple[datetime, UUID, UUID]] = []
        for business_id in await database.businesses():
            async with database.tenant(business_id) as session:
                rows = await session.execute(columns)
                found += [(updated_at, business_id, bot_id) for updated_at, bot_id in rows]
        newest = sorted(found, reverse=True)[:_MAX_BOTS]
        return [(business_id, bot_id) for _, business_id, bot_id in newest]

    async def _list_tools(self, identity: Identity) -> list[ToolInfo]:
        """Return what a call would show its model; wait for servers that do not answer yet."""
        bot, tool_cache = identity.required_bot, self._process.tool_cache
        listed: dict[str, tuple[ToolInfo, ...]] = {}
        deadline = asyncio.get_running_loop().time() + _LIST_SECONDS

        def add(server: str, tools: tuple[ToolInfo, ...]) -> None:
            listed[server] = tools

        while True:
            cached, refreshes = await tool_cache.get_and_refresh(identity, add)
            if refreshes:
                _, hanging = await asyncio.wait(refreshes, timeout=_LIST_SECONDS)
                for task in hanging:  # the next look asks anew
                    task.cancel()
            known = {**cached, **listed}
            late = asyncio.get_running_loop().time() > deadline
            if late or known.keys() >= set(bot.enabled_servers):
                return visible_tools(bot, known)
            await asyncio.sleep(_RETRY_SECONDS)


def _request(bot: Bot, tools: Sequence[ToolInfo]) -> dict[str, Any]:
    return {
        "messages": [{"role": "system", "content": build_instructions(bot)}],
        "tools": [{"type": "function", "function": schema} for schema in model_schemas(bot, tools)],
    }
