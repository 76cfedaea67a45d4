"""API keys of a business.

A key is 32 random bytes, so it cannot be guessed from its hash: plain SHA-256 keeps it safe, is
fast enough for every request, and finds its row through an index, which a salted slow hash of a
password could not.
"""

import hashlib
import secrets
from dataclasses import dataclass
from time import monotonic
from typing import NamedTuple
from uuid import UUID, uuid4
from weakref import WeakKeyDictionary

from sqlalchemy import text

from config.database import Database
from config.tables import ApiKey

PREFIX = "ak_"
REMEMBERED = 30.0  # seconds; a revoked key works for that much longer at most
_BYTES = 32
_LONGEST = 128
_FIND = text("select business_id, api_key_id from find_api_key(:hash)")


class FoundKey(NamedTuple):
    """Whose key it is, and which one."""

    business_id: UUID
    api_key_id: UUID


@dataclass(frozen=True)
class _Remembered:
    found: FoundKey
    until: float


_remembered: WeakKeyDictionary[Database, dict[bytes, _Remembered]] = WeakKeyDictionary()


async def create_key(database: Database, business_id: UUID, name: str) -> str:
    """Store a new key of a business and return it: it can never be read again."""
    key = PREFIX + secrets.token_urlsafe(_BYTES)
    row = ApiKey(id=uuid4(), business_id=business_id, name=name, key_hash=_hash(key))
    async with database.business(business_id) as session:
        session.add(row)
    return key


async def find_key(database: Database, key: str) -> FoundKey | None:
    """Return whose key this is, or None for one that does not exist or was revoked."""
    if not key.startswith(PREFIX) or len(key) > _LONGEST:
        return None
    hashed = _hash(key)
    # Only keys that exist are remembered, so guessing cannot fill the memory.
    known = _remembered.setdefault(database, {})
    remembered = known.get(hashed)
    if remembered is not None and remembered.until > monotonic():
        return remembered.found
    async with database.nobody() as session:
        row = (await session.execute(_FIND, {"hash": hashed})).one_or_none()
    if row is None:
        known.pop(hashed, None)
        return None
    found = FoundKey(row.business_id, row.api_key_id)
    known[hashed] = _Remembered(found, monotonic() + REMEMBERED)
    return found


def _hash(key: str) -> bytes:
    return hashlib.sha256(key.encode()).digest()
