"""API keys of a business.

A key is 32 random bytes, which cannot be guessed from their hash. So plain SHA-256 is safe. It is
also fast enough for every request, and its row can be found by an index, which a salted and slow
password hash would not allow.
"""

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime
from time import monotonic
from typing import NamedTuple
from uuid import UUID, uuid4
from weakref import WeakKeyDictionary

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from config.columns import now
from config.database import Database
from config.security.tokens import Grant
from config.tables import ApiKey

PREFIX = "ak_"
CACHE_SECONDS = 30.0  # for as long, other processes may accept a revoked key
_BYTES = 32
_MAX_LENGTH = 128
_FIND = text("select business_id, api_key_id from find_api_key(:hash)")


@dataclass(frozen=True)
class Rights:
    """The rights of a key. None stands for no limit; `tools` are named `<server>_<tool>`."""

    bots: tuple[UUID, ...] | None = None
    servers: tuple[str, ...] | None = None
    tools: tuple[str, ...] | None = None
    read_only: bool = False

    @property
    def is_limited(self) -> bool:
        """Say whether the key has any limit."""
        return self != UNLIMITED

    def includes_bot(self, bot_id: UUID) -> bool:
        """Say whether the key may act as this bot."""
        return self.bots is None or bot_id in self.bots

    def includes_server(self, server: str) -> bool:
        """Say whether the key may use tools of `server`."""
        return self.servers is None or server in self.servers

    def narrow(self, server: str, grant: Grant) -> Grant:
        """Return a grant on `server`, limited to the rights of this key."""
        if not self.includes_server(server):
            return Grant(tools=(), write=False)
        grant = grant.model_copy(update={"write": grant.write and not self.read_only})
        if self.tools is None:
            return grant
        prefix = f"{server}_"
        return grant.limited_to(
            [name.removeprefix(prefix) for name in self.tools if name.startswith(prefix)]
        )


UNLIMITED = Rights()


class FoundKey(NamedTuple):
    """The business, id and rights of a valid key."""

    business_id: UUID
    api_key_id: UUID
    rights: Rights = UNLIMITED


@dataclass(frozen=True)
class StoredKey:
    """A key as it is listed for its business."""

    id: UUID
    name: str
    rights: Rights
    created_at: datetime
    revoked_at: datetime | None


@dataclass(frozen=True)
class _CacheEntry:
    found: FoundKey
    expires_at: float


_cache: WeakKeyDictionary[Database, dict[bytes, _CacheEntry]] = WeakKeyDictionary()


async def create_key(
    database: Database, business_id: UUID, name: str, rights: Rights = UNLIMITED
) -> str:
    """Create a key of a business and return it; it cannot be read again."""
    key = PREFIX + secrets.token_urlsafe(_BYTES)
    row = ApiKey(
        id=uuid4(),
        business_id=business_id,
        name=name,
        key_hash=_hash(key),
        bots=None if rights.bots is None else [str(bot_id) for bot_id in rights.bots],
        servers=None if rights.servers is None else list(rights.servers),
        tools=None if rights.tools is None else list(rights.tools),
        read_only=rights.read_only,
    )
    async with database.tenant(business_id) as session:
        session.add(row)
    return key


async def list_keys(database: Database, business_id: UUID) -> list[StoredKey]:
    """Return every key of a business, oldest first, with the revoked ones."""
    query = select(ApiKey).order_by(col(ApiKey.created_at), col(ApiKey.id))
    async with database.tenant(business_id) as session:
        rows = await session.scalars(query)
    return [
        StoredKey(row.id, row.name, _rights(row), row.created_at, row.revoked_at) for row in rows
    ]


async def keys_naming(session: AsyncSession, server: str) -> list[str]:
    """Return the names of the keys that are limited to a server, or to tools of it."""
    rows = await session.scalars(select(ApiKey).where(col(ApiKey.revoked_at).is_(None)))
    prefix = f"{server}_"
    return sorted(
        row.name
        for row in rows
        if server in (row.servers or ()) or any(name.startswith(prefix) for name in row.tools or ())
    )


async def revoke_key(database: Database, business_id: UUID, key_id: UUID) -> None:
    """Revoke a key: here at once, in other processes once their cache entry expires."""
    async with database.tenant(business_id) as session:
        row = await session.get_one(ApiKey, key_id)
        row.revoked_at = row.revoked_at or now()
    cached = _cache.setdefault(database, {})
    for key_hash in [each for each, entry in cached.items() if entry.found.api_key_id == key_id]:
        del cached[key_hash]


def find_cached_key(database: Database, key: str) -> FoundKey | None:
    """Return the owner and rights of a key that was looked up lately; else None."""
    entry = _cache.setdefault(database, {}).get(_hash(key))
    return entry.found if entry is not None and entry.expires_at > monotonic() else None


async def find_key(database: Database, key: str) -> FoundKey | None:
    """Return the owner and rights of a key; None if it does not exist or was revoked."""
    if not key.startswith(PREFIX) or len(key) > _MAX_LENGTH:
        return None
    if (known := find_cached_key(database, key)) is not None:
        return known
    key_hash = _hash(key)
    # Only valid keys are cached, so that guessing cannot fill the memory.
    cached = _cache.setdefault(database, {})
    found = await _find_stored(database, key_hash)
    if found is None:
        cached.pop(key_hash, None)
        return None
    cached[key_hash] = _CacheEntry(found, monotonic() + CACHE_SECONDS)
    return found


async def _find_stored(database: Database, key_hash: bytes) -> FoundKey | None:
    async with database.unscoped() as session:
        ids = (await session.execute(_FIND, {"hash": key_hash})).one_or_none()
    if ids is None:
        return None
    async with database.tenant(ids.business_id) as session:
        row = await session.get(ApiKey, ids.api_key_id)
    if row is None or row.revoked_at is not None:
        return None
    return FoundKey(row.business_id, row.id, _rights(row))


def _rights(row: ApiKey) -> Rights:
    return Rights(
        bots=None if row.bots is None else tuple(UUID(bot_id) for bot_id in row.bots),
        servers=None if row.servers is None else tuple(row.servers),
        tools=None if row.tools is None else tuple(row.tools),
        read_only=row.read_only,
    )


def _hash(key: str) -> bytes:
    return hashlib.sha256(key.encode()).digest()
