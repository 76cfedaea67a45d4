"""Lists and calls the tools of a bot, as its operator."""

import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from redis.asyncio import Redis
from sqlalchemy import text

from config.bots import Bot, BotNotFoundError, load_bot
from config.database import Database
from config.security.tokens import Grant, Signer
from config.settings import Settings, required
from orchestrator.admin.declarations import open_stores
from orchestrator.agent.prefix_reader import connect_models, read_prefix
from orchestrator.agent.system_tools import model_schemas, without_examples
from orchestrator.mcp_client.external.directory import Directory
from orchestrator.mcp_client.router import Identity, Router
from orchestrator.mcp_client.tool import Outcome, ToolInfo
from orchestrator.mcp_client.tool_cache import ToolCache, visible_tools


@dataclass(frozen=True)
class ModelTool:
    """A tool as it is in the model's context, and how many tokens it takes."""

    name: str
    description: str
    arguments: tuple[str, ...]
    schema: dict[str, Any]
    tokens: int


async def list_model_tools(settings: Settings, business: str, bot_name: str) -> list[ModelTool]:
    """List the tools that the bot's model sees, with the number of tokens of each.

    Raises:
        BotNotFoundError: there is no such bot.
        ServerUnreachableError: a server does not answer.
    """
    async with _open_session(settings, business, bot_name) as session:
        tools = await _list_tools(session)
        schemas = model_schemas(session.bot, tools)
    return [_count_tokens(without_examples(schema)) for schema in schemas]


async def list_bot_tools(settings: Settings, business: str, bot_name: str) -> list[ToolInfo]:
    """List the tools of the bot's servers and cache them, so that its next call finds them.

    Raises:
        BotNotFoundError: there is no such bot.
        ServerUnreachableError: a server does not answer.
    """
    async with _open_session(settings, business, bot_name) as session:
        return await _list_tools(session)


async def read_bot_prefix(settings: Settings, business: str, bot_name: str) -> None:
    """Have the embedded model read what the bot's calls begin with, before the first one.

    Raises:
        BotNotFoundError: there is no such bot.
        ServerUnreachableError: a server does not answer.
    """
    async with (
        _open_session(settings, business, bot_name) as session,
        connect_models(settings) as models,
    ):
        await read_prefix(models, session.bot, await _list_tools(session))


async def call_tool(
    settings: Settings,
    business: str,
    bot_name: str,
    server: str,
    tool: str,
    arguments: dict[str, Any],
) -> Outcome:
    """Call any tool of a server, also one that the bot has not got.

    Raises:
        BotNotFoundError: there is no such bot.
    """
    async with _open_session(settings, business, bot_name) as session:
        use = session.bot.servers.get(server)
        claims = session.identity.claims(server)
        grant = Grant(integration=use.integration if use else None)
        unlimited = claims.model_copy(update={"grant": grant})
        return await session.router.call(server, tool, arguments, unlimited)


@dataclass(frozen=True)
class _BotSession:
    bot: Bot
    identity: Identity
    router: Router
    cache: Redis


@asynccontextmanager
async def _open_session(
    settings: Settings, business: str, bot_name: str
) -> AsyncGenerator[_BotSession]:
    key = required("SERVICE_TOKEN_PRIVATE_KEY", settings.service_token_private_key)
    async with open_stores(settings) as (database, cache):
        directory = Directory.from_settings(settings, database, cache)
        router = Router(Signer(key), settings.mcp_server_url, directory)
        try:
            bot = await _load_bot(database, cache, business, bot_name)
            yield _BotSession(bot, Identity("cli", bot.business_id, bot), router, cache)
        finally:
            await router.aclose()


async def _load_bot(database: Database, cache: Redis, business: str, name: str) -> Bot:
    async with database.unscoped() as session:
        query = text("select business_id, bot_id from find_bot(:business, :bot)")
        row = (await session.execute(query, {"business": business, "bot": name})).first()
    if row is None:
        raise BotNotFoundError
    return await load_bot(database, cache, row.business_id, row.bot_id)


async def _list_tools(session: _BotSession) -> list[ToolInfo]:
    tool_cache = ToolCache(session.router, session.cache)
    names = session.bot.enabled_servers
    tools = {name: await tool_cache.refresh(session.identity, name) for name in names}
    return visible_tools(session.bot, tools)


def _count_tokens(function: dict[str, Any]) -> ModelTool:
    schema: dict[str, Any] = {"type": "function", "function": function}
    arguments = tuple(function["parameters"].get("properties", {}))
    return ModelTool(function["name"], function["description"], arguments, schema, _tokens(schema))


def _tokens(schema: dict[str, Any]) -> int:
    # Imported here: it takes seconds, and only this command needs it.
    from orchestrator.agent.lite_llm import token_count

    return token_count(json.dumps(schema, ensure_ascii=False))
