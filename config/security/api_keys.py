"""API keys of a business.

A key is 32 random bytes, so it cannot be guessed from its hash: plain SHA-256 keeps it safe, is
fast enough for every request, and finds its row through an index, which a salted slow hash of a
password could not.
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
from sqlmodel import col

from config.columns import now
from config.database import Database
from config.security.tokens import Grant
from config.tables import ApiKey

PREFIX = "ak_"
REMEMBERED = 30.0  # seconds; a revoked key works for that much longer at most
_BYTES = 32
_LONGEST = 128
_FIND = text("select business_id, api_key_id from find_api_key(:hash)")


@dataclass(frozen=True)
class Rights:
    """What a key may do. None is no limit; `tools` are joined names, `<server>_<tool>`."""

    bots: tuple[UUID, ...] | None = None
    servers: tuple[str, ...] | None = None
    tools: tuple[str, ...] | None = None
    read_only: bool = False

    @property
    def limited(self) -> bool:
        """Say whether there is anything that this key may not do."""
        return self != UNLIMITED

    def includes(self, bot_id: UUID) -> bool:
        """Say whether the key may act as this bot."""
        return self.bots is None or bot_id in self.bots

    def reaches(self, server: str) -> bool:
        """Say whether the key may use anything of `server`."""
        return self.servers is None or server in self.servers

    def narrowed(self, server: str, grant: Grant) -> Grant:
        """Return what this key leaves of a grant on `server`."""
        if not self.reaches(server):
            return Grant(tools=(), write=False)
        write = grant.write and not self.read_only
        if self.tools is None:
            return grant.model_copy(update={"write": write})
        prefix = f"{server}_"
        named = [name.removeprefix(prefix) for name in self.tools if name.startswith(prefix)]
        tools = tuple(name for name in named if grant.allows(name))
        confirm = tuple(name for name in grant.confirm if name in tools)
        narrower = {"tools": tools, "denied": (), "confirm": confirm, "write": write}
        return grant.model_copy(update=narrower)


UNLIMITED = Rights()


class FoundKey(NamedTuple):
    """Whose key it is, which one, and what it may do."""

    business_id: UUID
    api_key_id: UUID
    rights: Rights = UNLIMITED


@dataclass(frozen=True)
class StoredKey:
    """A key as its business sees it afterwards."""

    id: UUID
    name: str
    rights: Rights
    created_at: datetime
    revoked_at: datetime | None


@dataclass(frozen=True)
class _Remembered:
    found: FoundKey
    until: float


_remembered: WeakKeyDictionary[Database, dict[bytes, _Remembered]] = WeakKeyDictionary()


async def create_key(
    database: Database, business_id: UUID, name: str, rights: Rights = UNLIMITED
) -> str:
    """Store a new key of a business and return it: it can never be read again."""
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


async def keys_of(database: Database, business_id: UUID) -> list[StoredKey]:
    """Return every key of a business, oldest first, also those that were revoked."""
    query = select(ApiKey).order_by(col(ApiKey.created_at), col(ApiKey.id))
    async with database.tenant(business_id) as session:
        rows = await session.scalars(query)
    return [
        StoredKey(row.id, row.name, _rights(row), row.created_at, row.revoked_at) for row in rows
    ]


async def revoke_key(database: Database, business_id: UUID, key_id: UUID) -> None:
    """Make a key useless: here at once, in other processes once they have forgotten it."""
    async with database.tenant(business_id) as session:
        row = await session.get_one(ApiKey, key_id)
        row.revoked_at = row.revoked_at or now()
    known = _remembered.setdefault(database, {})
    for hashed in [each for each, one in known.items() if one.found.api_key_id == key_id]:
        del known[hashed]


async def find_key(database: Database, key: str) -> FoundKey | None:
    """Return whose key this is and what it may do; None if it does not exist or was revoked."""
    if not key.startswith(PREFIX) or len(key) > _LONGEST:
        return None
    hashed = _hash(key)
    # Only keys that exist are remembered, so guessing cannot fill the memory.
    known = _remembered.setdefault(database, {})
    remembered = known.get(hashed)
    if remembered is not None and remembered.until > monotonic():
        return remembered.found
    found = await _stored(database, hashed)
    if found is None:
        known.pop(hashed, None)
        return None
    known[hashed] = _Remembered(found, monotonic() + REMEMBERED)
    return found


async def _stored(database: Database, hashed: bytes) -> FoundKey | None:
    async with database.unscoped() as session:
        ids = (await session.execute(_FIND, {"hash": hashed})).one_or_none()
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
