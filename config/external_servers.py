"""MCP servers that others run, as businesses have added them: their rows, and sealed headers."""

from collections.abc import Mapping, Sequence
from uuid import UUID

from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from config.columns import now
from config.database import Database
from config.integrations import RotationCount
from config.security.encryption import Keyring, SealError
from config.settings import MissingSettingError
from config.tables import AgentConfig, McpConnection, McpServer


async def find(session: AsyncSession, name: str) -> McpServer | None:
    """Return the business's server with this name."""
    query = select(McpServer).where(col(McpServer.name) == name)
    row: McpServer | None = await session.scalar(query)
    return row


async def list_all(session: AsyncSession) -> Sequence[McpServer]:
    """Return the business's servers, by name."""
    return (await session.scalars(select(McpServer).order_by(col(McpServer.name)))).all()


async def bots_with(session: AsyncSession, server: str) -> Sequence[tuple[UUID, str]]:
    """Return id and name of each bot that names this server."""
    query = (
        select(col(AgentConfig.id), col(AgentConfig.name))
        .join(McpConnection, col(McpConnection.agent_config_id) == col(AgentConfig.id))
        .where(col(McpConnection.server) == server)
        .order_by(col(AgentConfig.name))
    )
    return [(row.id, row.name) for row in await session.execute(query)]


async def renew_bots(session: AsyncSession, server: str) -> list[UUID]:
    """Count a new version of each bot that names this server; returns those to announce."""
    ids = [bot_id for bot_id, _ in await bots_with(session, server)]
    newer = {"version": col(AgentConfig.version) + 1, "updated_at": now()}
    await session.execute(update(AgentConfig).where(col(AgentConfig.id).in_(ids)).values(newer))
    return ids


def associated_data(row: McpServer) -> str:
    """Return what the row's headers are bound to."""
    return f"{row.business_id}|mcp_server|{row.id}"


def seal(row: McpServer, headers: Mapping[str, str], keyring: Keyring | None) -> None:
    """Keep the headers in the row, sealed.

    Raises:
        MissingSettingError: there are some, and no key to seal them with.
    """
    if headers and keyring is None:
        raise MissingSettingError("VAULT_KEYS")
    row.auth = keyring.seal(headers, associated_data(row)) if headers and keyring else None


def unseal(row: McpServer, keyring: Keyring | None) -> dict[str, str]:
    """Return the headers that are put on the row's requests.

    Raises:
        MissingSettingError: there are some, and no key to open them with.
        SealError: they do not open.
    """
    if row.auth is None:
        return {}
    if keyring is None:
        raise MissingSettingError("VAULT_KEYS")
    return keyring.open(row.auth, associated_data(row))


async def rotate(database: Database, keyring: Keyring) -> RotationCount:
    """Bring every server's headers under the current master key, business by business."""
    done = lost = 0
    for business_id in await database.businesses():
        async with database.tenant(business_id) as session:
            current = func.jsonb_extract_path_text(col(McpServer.auth), "kid")
            query = select(McpServer).where(current != keyring.current).with_for_update()
            for row in await session.scalars(query):
                try:
                    rewrapped = keyring.rewrap(row.auth or {}, associated_data(row))
                except SealError:
                    lost += 1  # somebody has to give them again; the others need not wait
                    continue
                row.auth = rewrapped or row.auth
                done += 1
    return RotationCount(done, lost)
