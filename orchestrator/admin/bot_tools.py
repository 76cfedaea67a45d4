"""What a bot's model sees of its tools."""

import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from redis.asyncio import Redis
from sqlalchemy import text

from config.bots import Bot, BotNotFoundError, load
from config.database import Database
from config.security.tokens import Grant, Signer
from config.settings import Settings, required
from orchestrator.admin.declarations import stores
from orchestrator.agent.system_tools import own_tools, seen_by_model, without_examples
from orchestrator.mcp_client.external.directory import Directory
from orchestrator.mcp_client.router import Identity, Router
from orchestrator.mcp_client.tool import Outcome, ToolInfo
from orchestrator.mcp_client.tool_cache import ToolCache, offered


@dataclass(frozen=True)
class SeenTool:
    """One tool, as it stands in the model's context."""

    name: str
    description: str
    arguments: tuple[str, ...]
    schema: dict[str, Any]
    tokens: int


async def seen_tools(settings: Settings, business: str, bot_name: str) -> list[SeenTool]:
    """Ask the bot's servers, and return what its model sees, counted.

    Raises:
        BotNotFoundError: there is no such bot.
        ServerUnreachableError: a server does not answer.
    """
    async with _seat(settings, business, bot_name) as seat:
        cards = await _listed(seat)
        seen = [seen_by_model(card) for card in cards] + own_tools(seat.bot, cards)
    return [_counted(without_examples(each)) for each in seen]


async def listed_tools(settings: Settings, business: str, bot_name: str) -> list[ToolInfo]:
    """Ask the bot's servers for their tools, so that its next call finds them known.

    Raises:
        BotNotFoundError: there is no such bot.
        ServerUnreachableError: a server does not answer.
    """
    async with _seat(settings, business, bot_name) as seat:
        return await _listed(seat)


async def ask_server(
    settings: Settings,
    business: str,
    bot_name: str,
    server: str,
    tool: str,
    arguments: dict[str, Any],
) -> Outcome:
    """Call any tool of a server for a bot, as its operator.

    Raises:
        BotNotFoundError: there is no such bot.
    """
    async with _seat(settings, business, bot_name) as seat:
        use = seat.bot.servers.get(server)
        claims = seat.identity.claims(server)
        grant = Grant(integration=use.integration if use else None)
        mine = claims.model_copy(update={"grant": grant})
        return await seat.constellation.call(server, tool, arguments, mine)


@dataclass(frozen=True)
class _Seat:
    bot: Bot
    identity: Identity
    constellation: Router
    cache: Redis


@asynccontextmanager
async def _seat(settings: Settings, business: str, bot_name: str) -> AsyncGenerator[_Seat]:
    key = required("SERVICE_TOKEN_PRIVATE_KEY", settings.service_token_private_key)
    async with stores(settings) as (database, cache):
        registry = Directory.of(settings, database, cache)
        constellation = Router(Signer(key), settings.mcp_server_url, registry)
        try:
            bot = await _bot(database, cache, business, bot_name)
            yield _Seat(bot, Identity("cli", bot.business_id, bot), constellation, cache)
        finally:
            await constellation.aclose()


async def _bot(database: Database, cache: Redis, business: str, name: str) -> Bot:
    async with database.unscoped() as session:
        query = text("select business_id, bot_id from find_bot(:business, :bot)")
        row = (await session.execute(query, {"business": business, "bot": name})).first()
    if row is None:
        raise BotNotFoundError
    return await load(database, cache, row.business_id, row.bot_id)


async def _listed(seat: _Seat) -> list[ToolInfo]:
    catalogue = ToolCache(seat.constellation, seat.cache)
    names = seat.bot.enabled_servers
    listed = {name: await catalogue.refresh(seat.identity, name) for name in names}
    return offered(seat.bot, listed)


def _counted(function: dict[str, Any]) -> SeenTool:
    schema: dict[str, Any] = {"type": "function", "function": function}
    arguments = tuple(function["parameters"].get("properties", {}))
    return SeenTool(function["name"], function["description"], arguments, schema, _tokens(schema))


def _tokens(schema: dict[str, Any]) -> int:
    # Imported here: it takes seconds, which only this command should pay.
    from orchestrator.agent.llm import token_count

    return token_count(json.dumps(schema, ensure_ascii=False))
