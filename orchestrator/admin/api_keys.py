"""API keys as a person at a terminal asks for them: by the names of bots, servers and tools."""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from config.constellation import constellation, load
from config.database import Database
from config.errors import UserError
from config.security.api_keys import Rights, StoredKey, create_key, keys_of, revoke_key
from config.settings import Settings
from config.tables import AgentConfig, McpServer
from orchestrator.admin.declarations import business_called, stores

_LONGEST_NAMES = 1000  # bytes per server, of the 4096 that a token may have


class KeyRefusedError(UserError):
    """A key cannot be made or found as it was asked for."""


@dataclass(frozen=True)
class Asked:
    """What a new key is limited to; nothing named is no limit."""

    bots: Sequence[str] = ()
    servers: Sequence[str] = ()
    tools: Sequence[str] = ()
    read_only: bool = False


NO_LIMITS = Asked()


@dataclass(frozen=True)
class ShownKey:
    """A key, as a person reads about it."""

    id: UUID
    name: str
    rights: str
    created_at: datetime
    revoked_at: datetime | None


async def created_key(settings: Settings, slug: str, name: str, asked: Asked = NO_LIMITS) -> str:
    """Make a key of a business, limited as `asked`.

    Raises:
        KeyRefusedError: there is no such business, bot, server or tool.
    """
    async with stores(settings) as (database, _):
        business_id = await _business(database, slug)
        async with database.tenant(business_id) as session:
            rights = await _rights(session, asked)
        return await create_key(database, business_id, name, rights)


async def shown_keys(settings: Settings, slug: str) -> list[ShownKey]:
    """Return every key of a business, oldest first.

    Raises:
        KeyRefusedError: there is no such business.
    """
    async with stores(settings) as (database, _):
        business_id = await _business(database, slug)
        async with database.tenant(business_id) as session:
            bots = {bot_id: name for name, bot_id in (await _bots(session)).items()}
        return [_shown(key, bots) for key in await keys_of(database, business_id)]


async def revoked_key(settings: Settings, slug: str, which: str) -> ShownKey:
    """Revoke the key with this id or name, and return it.

    Raises:
        KeyRefusedError: there is no such business or key, or there are several.
    """
    async with stores(settings) as (database, _):
        business_id = await _business(database, slug)
        keys = await keys_of(database, business_id)
        key = _meant(keys, which)
        await revoke_key(database, business_id, key.id)
        return _shown(key, {})


async def _business(database: Database, slug: str) -> UUID:
    business_id = await business_called(database, slug)
    if business_id is None:
        raise KeyRefusedError(f"there is no business {slug!r}; `antiphon apply FILE` makes one")
    return business_id


async def _rights(session: AsyncSession, asked: Asked) -> Rights:
    bots, added = await _bots(session), await _added(session)
    servers = [*constellation().servers, *added]
    for name in asked.bots:
        _require(name, bots, "bot")
    for name in asked.servers:
        _require(name, servers, "server")
    for server, names in _by_server(asked.tools).items():
        _require(server, asked.servers or servers, "server")
        there = added[server] if server in added else _own_tools(server)
        for name in names:
            _require(name, [f"{server}_{tool}" for tool in there], "tool")
        if len(json.dumps(names)) > _LONGEST_NAMES:
            raise KeyRefusedError(f"these are too many tools of {server}; try --server {server}")
    return Rights(
        bots=tuple(bots[name] for name in asked.bots) or None,
        servers=tuple(asked.servers) or None,
        tools=tuple(asked.tools) or None,
        read_only=asked.read_only,
    )


async def _bots(session: AsyncSession) -> dict[str, UUID]:
    query = select(col(AgentConfig.name), col(AgentConfig.id)).order_by(col(AgentConfig.name))
    return {row.name: row.id for row in await session.execute(query)}


async def _added(session: AsyncSession) -> dict[str, Sequence[str]]:
    """Return the servers of others, each with the tools that were accepted."""
    query = select(McpServer).order_by(col(McpServer.name))
    return {row.name: list(row.tools) for row in await session.scalars(query)}


def _own_tools(server: str) -> Sequence[str]:
    tools: list[str] = load(constellation().servers[server]).catalogue()["tools"]
    return tools


def _by_server(tools: Sequence[str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name in tools:
        found.setdefault(name.partition("_")[0], []).append(name)
    return found


def _require(name: str, there: Collection[str], what: str) -> None:
    if name not in there:
        known = f"there are {', '.join(there)}" if there else "there is none yet"
        raise KeyRefusedError(f"there is no {what} {name!r}; {known}")


def _meant(keys: Sequence[StoredKey], which: str) -> StoredKey:
    found = [key for key in keys if which == str(key.id)] or [
        key for key in keys if key.name == which and key.revoked_at is None
    ]
    if len(found) > 1:
        ids = ", ".join(str(key.id) for key in found)
        raise KeyRefusedError(f"several keys are called {which!r}; name one by its id: {ids}")
    if not found:
        raise KeyRefusedError(
            f"there is no key {which!r}; `antiphon keys list` shows those that are"
        )
    return found[0]


def _shown(key: StoredKey, bots: Mapping[UUID, str]) -> ShownKey:
    rights = key.rights
    named = None if rights.bots is None else [bots.get(each, str(each)) for each in rights.bots]
    limits = {"bots": named, "servers": rights.servers, "tools": rights.tools}
    said = [f"{what} {', '.join(names)}" for what, names in limits.items() if names is not None]
    said += ["reading only"] if rights.read_only else []
    return ShownKey(
        key.id, key.name, "; ".join(said) or "everything", key.created_at, key.revoked_at
    )
