"""Which servers a bot uses, and how. Calls that run take a change at once."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from config import external_servers
from config.columns import now
from config.constellation import constellation
from config.declarations.schema import ServerUse
from config.tables import AgentConfig, McpConnection
from orchestrator.api.bots import bot_called
from orchestrator.api.errors import not_found
from orchestrator.api.models import Answer
from orchestrator.api.operations import Ask, Nothing, Operation
from orchestrator.api.servers import Removed, changing


class ServerUses(Answer):
    """The servers that a bot names, and how it uses each."""

    servers: Mapping[str, ServerUse]


async def get_bot_servers(ask: Ask[Nothing]) -> ServerUses:
    """List the servers that a bot names, and how it uses them."""
    name = str(ask.request.path_params["bot"])
    bot = await bot_called(ask.dependencies, ask.known.business_id, name)
    return ServerUses(servers=bot.servers)


async def put_bot_server(ask: Ask[ServerUse]) -> ServerUse:
    """Have a bot use a server in exactly this way."""
    server = str(ask.request.path_params["server"])
    async with _bot(ask) as (session, bot):
        if server not in constellation().servers and not await external_servers.find(
            session, server
        ):
            raise not_found("server")
        await _without(session, bot, server)
        use: dict[str, Any] = ask.given.model_dump(mode="json")
        mine: dict[str, Any] = {"business_id": bot.business_id, "agent_config_id": bot.id}
        session.add(McpConnection(**mine, server=server, **use))
    return ask.given


async def remove_bot_server(ask: Ask[Nothing]) -> Removed:
    """Have a bot no longer use a server."""
    server = str(ask.request.path_params["server"])
    async with _bot(ask) as (session, bot):
        if not await _without(session, bot, server):
            raise not_found("server")
    return Removed(removed=server)


@asynccontextmanager
async def _bot(ask: Ask[Any]) -> AsyncGenerator[tuple[AsyncSession, AgentConfig]]:
    """Hold a bot, and count a new version of it."""
    name = str(ask.request.path_params["bot"])
    query = select(AgentConfig).where(col(AgentConfig.name) == name).with_for_update()
    async with changing(ask) as (session, bots):
        bot = await session.scalar(query)
        if bot is None:
            raise not_found("bot")
        yield session, bot
        bot.version, bot.updated_at = bot.version + 1, now()
        bots.append(bot.id)


async def _without(session: AsyncSession, bot: AgentConfig, server: str) -> bool:
    statement = (
        delete(McpConnection)
        .where(col(McpConnection.agent_config_id) == bot.id, col(McpConnection.server) == server)
        .returning(col(McpConnection.id))
    )
    return await session.scalar(statement) is not None


_PATH = "/api/bots/{bot}/servers"
OPERATIONS = (
    Operation("GET", _PATH, get_bot_servers, Nothing, ServerUses),
    Operation("PUT", f"{_PATH}/{{server}}", put_bot_server, ServerUse, ServerUse),
    Operation("DELETE", f"{_PATH}/{{server}}", remove_bot_server, Nothing, Removed),
)
