"""The external MCP servers of businesses: their rows, and the headers of their requests."""

from collections.abc import Mapping, Sequence
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from config.columns import now
from config.security.encryption import Keyring
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


async def bots_using(session: AsyncSession, server: str) -> Sequence[tuple[UUID, str]]:
    """Return id and name of every bot that uses this server."""
    query = (
        select(col(AgentConfig.id), col(AgentConfig.name))
        .join(McpConnection, col(McpConnection.agent_config_id) == col(AgentConfig.id))
        .where(col(McpConnection.server) == server)
        .order_by(col(AgentConfig.name))
    )
    return [(row.id, row.name) for row in await session.execute(query)]


async def bump_bot_versions(session: AsyncSession, server: str) -> list[UUID]:
    """Raise the version of every bot that uses this server, and return their ids."""
    ids = [bot_id for bot_id, _ in await bots_using(session, server)]
    newer = {"version": col(AgentConfig.version) + 1, "updated_at": now()}
    await session.execute(update(AgentConfig).where(col(AgentConfig.id).in_(ids)).values(newer))
    return ids


def seal_headers(row: McpServer, headers: Mapping[str, str], keyring: Keyring | None) -> None:
    """Store the headers in the row, sealed.

    Raises:
        MissingSettingError: there are headers, and no key to seal them with.
    """
    if headers and keyring is None:
        raise MissingSettingError("VAULT_KEYS")
    row.auth = keyring.seal(headers, row.associated_data) if headers and keyring else None


def open_headers(row: McpServer, keyring: Keyring | None) -> dict[str, str]:
    """Return the headers of the server's requests.

    Raises:
        MissingSettingError: there are headers, and no key to open them with.
        SealError: they cannot be decrypted.
    """
    if row.auth is None:
        return {}
    if keyring is None:
        raise MissingSettingError("VAULT_KEYS")
    return keyring.open(row.auth, row.associated_data)
