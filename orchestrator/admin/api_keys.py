"""Creates, lists and revokes API keys by the names of bots, servers and tools."""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from config.constellation import constellation, load_object
from config.database import Database
from config.errors import UserError
from config.security.api_keys import Rights, StoredKey, create_key, list_keys, revoke_key
from config.settings import Settings
from config.tables import AgentConfig, McpServer
from orchestrator.admin.declarations import find_business_id, open_stores

_MAX_NAMES = 1000  # bytes of tool names per server; a token may have 4096


class KeyRefusedError(UserError):
    """A key cannot be created or found; the message says why."""


@dataclass(frozen=True)
class KeyLimits:
    """Names of bots, servers and tools that a key is limited to; an empty list is no limit."""

    bots: Sequence[str] = ()
    servers: Sequence[str] = ()
    tools: Sequence[str] = ()
    read_only: bool = False


NO_LIMITS = KeyLimits()


@dataclass(frozen=True)
class ApiKeyInfo:
    """A key as it is listed; `rights` is a text for people."""

    id: UUID
    name: str
    rights: str
    created_at: datetime
    revoked_at: datetime | None


async def create_api_key(
    settings: Settings, slug: str, name: str, limits: KeyLimits = NO_LIMITS
) -> str:
    """Create a key of a business, and return it.

    Raises:
        KeyRefusedError: there is no such business, bot, server or tool.
    """
    async with open_stores(settings) as (database, _):
        business_id = await _business(database, slug)
        async with database.tenant(business_id) as session:
            rights = await _rights(session, limits)
        return await create_key(database, business_id, name, rights)


async def list_api_keys(settings: Settings, slug: str) -> list[ApiKeyInfo]:
    """Return every key of a business, oldest first.

    Raises:
        KeyRefusedError: there is no such business.
    """
    async with open_stores(settings) as (database, _):
        business_id = await _business(database, slug)
        async with database.tenant(business_id) as session:
            bots = {bot_id: name for name, bot_id in (await _bots(session)).items()}
        return [_to_info(key, bots) for key in await list_keys(database, business_id)]


async def revoke_api_key(settings: Settings, slug: str, id_or_name: str) -> ApiKeyInfo:
    """Revoke the key with this id or name, and return it.

    Raises:
        KeyRefusedError: there is no such business or key, or there are several.
    """
    async with open_stores(settings) as (database, _):
        business_id = await _business(database, slug)
        keys = await list_keys(database, business_id)
        key = _find_key(keys, id_or_name)
        await revoke_key(database, business_id, key.id)
        return _to_info(key, {})


async def _business(database: Database, slug: str) -> UUID:
    business_id = await find_business_id(database, slug)
    if business_id is None:
        raise KeyRefusedError(f"there is no business {slug!r}; `antiphon apply FILE` makes one")
    return business_id


async def _rights(session: AsyncSession, limits: KeyLimits) -> Rights:
    bots, external = await _bots(session), await _external_servers(session)
    servers = [*constellation().servers, *external]
    for name in limits.bots:
        _require(name, bots, "bot")
    for name in limits.servers:
        _require(name, servers, "server")
    for server, names in _group_by_server(limits.tools).items():
        _require(server, limits.servers or servers, "server")
        tools = external[server] if server in external else _own_tools(server)
        for name in names:
            _require(name, [f"{server}_{tool}" for tool in tools], "tool")
        if len(json.dumps(names)) > _MAX_NAMES:
            raise KeyRefusedError(f"these are too many tools of {server}; try --server {server}")
    return Rights(
        bots=tuple(bots[name] for name in limits.bots) or None,
        servers=tuple(limits.servers) or None,
        tools=tuple(limits.tools) or None,
        read_only=limits.read_only,
    )


async def _bots(session: AsyncSession) -> dict[str, UUID]:
    query = select(col(AgentConfig.name), col(AgentConfig.id)).order_by(col(AgentConfig.name))
    return {row.name: row.id for row in await session.execute(query)}


async def _external_servers(session: AsyncSession) -> dict[str, Sequence[str]]:
    """Return the external servers, each with the names of its accepted tools."""
    query = select(McpServer).order_by(col(McpServer.name))
    return {row.name: list(row.tools) for row in await session.scalars(query)}


def _own_tools(server: str) -> Sequence[str]:
    tools: list[str] = load_object(constellation().servers[server]).catalogue()["tools"]
    return tools


def _group_by_server(tools: Sequence[str]) -> dict[str, list[str]]:
    by_server: dict[str, list[str]] = {}
    for name in tools:
        by_server.setdefault(name.partition("_")[0], []).append(name)
    return by_server


def _require(name: str, names: Collection[str], what: str) -> None:
    if name not in names:
        known = f"there are {', '.join(names)}" if names else "there is none yet"
        raise KeyRefusedError(f"there is no {what} {name!r}; {known}")


def _find_key(keys: Sequence[StoredKey], id_or_name: str) -> StoredKey:
    found = [key for key in keys if id_or_name == str(key.id)] or [
        key for key in keys if key.name == id_or_name and key.revoked_at is None
    ]
    if len(found) > 1:
        ids = ", ".join(str(key.id) for key in found)
        raise KeyRefusedError(f"several keys are called {id_or_name!r}; name one by its id: {ids}")
    if not found:
        raise KeyRefusedError(
            f"there is no key {id_or_name!r}; `antiphon keys list` shows those that are"
        )
    return found[0]


def _to_info(key: StoredKey, bots: Mapping[UUID, str]) -> ApiKeyInfo:
    rights = key.rights
    named = None if rights.bots is None else [bots.get(each, str(each)) for each in rights.bots]
    limits = {"bots": named, "servers": rights.servers, "tools": rights.tools}
    parts = [f"{what} {', '.join(names)}" for what, names in limits.items() if names is not None]
    parts += ["reading only"] if rights.read_only else []
    return ApiKeyInfo(
        key.id, key.name, "; ".join(parts) or "everything", key.created_at, key.revoked_at
    )
