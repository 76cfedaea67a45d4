"""Which servers a bot uses, and how. Running calls take a change at once."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Annotated, Any
from uuid import UUID

from fastapi import Body
from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from config import external_servers
from config.bot_settings import ServerUse
from config.columns import now
from config.constellation import constellation
from config.references import find_unknown_name, find_unknown_tool
from config.tables import AgentConfig, McpConnection
from orchestrator.api.credentials import KeyCaller
from orchestrator.api.dependencies import ApiDependencies, Dependencies
from orchestrator.api.errors import invalid, not_found
from orchestrator.api.identities import get_bot_by_name
from orchestrator.api.requests import LARGE_BODY_SIZE
from orchestrator.api.routing import ApiRouter
from orchestrator.api.schemas import Removed, ServerUses
from orchestrator.api.servers import changing_servers

router = ApiRouter()

_PATH = "/api/bots/{bot}/servers"


@router.get(_PATH)
async def get_bot_servers(bot: str, caller: KeyCaller, dependencies: ApiDependencies) -> ServerUses:
    """List the servers that a bot names, and how it uses them."""
    found = await get_bot_by_name(dependencies, caller.business_id, bot)
    return ServerUses(servers=found.servers)


@router.put(_PATH + "/{server}", max_body_size=LARGE_BODY_SIZE)
async def put_bot_server(
    bot: str,
    server: str,
    body: Annotated[ServerUse, Body(default_factory=ServerUse)],
    caller: KeyCaller,
    dependencies: ApiDependencies,
) -> ServerUse:
    """Have a bot use a server in exactly this way."""
    unknown = await find_unknown_tool(server, body)
    async with _changing_bot(dependencies, caller.business_id, bot) as (session, row):
        builtin = server in constellation().servers
        if not builtin and not await external_servers.find(session, server):
            raise not_found("server")
        unknown = unknown or await find_unknown_name(session, server, body)
        if unknown is not None:
            raise invalid(f"{'.'.join(map(str, unknown.at))}: {unknown.message}.")
        await _delete_use(session, row, server)
        use: dict[str, Any] = body.model_dump(mode="json")
        owner: dict[str, Any] = {"business_id": row.business_id, "agent_config_id": row.id}
        session.add(McpConnection(**owner, server=server, **use))
    return body


@router.delete(_PATH + "/{server}")
async def remove_bot_server(
    bot: str, server: str, caller: KeyCaller, dependencies: ApiDependencies
) -> Removed:
    """Have a bot no longer use a server."""
    async with _changing_bot(dependencies, caller.business_id, bot) as (session, row):
        if not await _delete_use(session, row, server):
            raise not_found("server")
    return Removed(removed=server)


@asynccontextmanager
async def _changing_bot(
    dependencies: Dependencies, business_id: UUID, name: str
) -> AsyncGenerator[tuple[AsyncSession, AgentConfig]]:
    """Lock a bot's row in a transaction, and count a new version of the bot."""
    query = select(AgentConfig).where(col(AgentConfig.name) == name).with_for_update()
    async with changing_servers(dependencies, business_id) as (session, changed_bots):
        bot = await session.scalar(query)
        if bot is None:
            raise not_found("bot")
        yield session, bot
        bot.version, bot.updated_at = bot.version + 1, now()
        changed_bots.append(bot.id)


async def _delete_use(session: AsyncSession, bot: AgentConfig, server: str) -> bool:
    """Delete how a bot uses a server; say whether it used it."""
    statement = (
        delete(McpConnection)
        .where(col(McpConnection.agent_config_id) == bot.id, col(McpConnection.server) == server)
        .returning(col(McpConnection.id))
    )
    return await session.scalar(statement) is not None
