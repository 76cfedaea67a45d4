"""Limits how many changes may be asked for in a minute, counted in the cache for all processes.

What is sent counts, whether it succeeds or not. A repeat under the idempotency key of a write that
was done is answered from the first one, so that it does not count.
"""

import hashlib
import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from redis.asyncio import Redis
from redis.exceptions import RedisError

from config.security.tokens import Claims

logger = logging.getLogger("antiphon.limits")

_WINDOW = 60_000  # milliseconds
_REPLAY_WINDOW = 24 * 3600  # seconds for which servers answer repeats, at most

# Counts under all keys, or under none: it returns the milliseconds until the last of those windows
# ends that have no room left. A write of more changes than a limit has passes an unused window.
_TAKE = f"""
local changes, wait = tonumber(ARGV[1]), 0
for i, key in ipairs(KEYS) do
  local limit, count = tonumber(ARGV[i + 1]), tonumber(redis.call('GET', key) or '0')
  if count + changes > limit and (count > 0 or limit == 0) then
    wait = math.max(wait, redis.call('PTTL', key), 1000)
  end
end
if wait > 0 then return wait end
for _, key in ipairs(KEYS) do
  redis.call('INCRBY', key, changes)
  if redis.call('PTTL', key) < 0 then redis.call('PEXPIRE', key, {_WINDOW}) end
end
return 0
"""


@dataclass(frozen=True)
class ClientWrite:
    """A write that a client has named with an idempotency key, as servers tell writes apart."""

    claims: Claims
    tool: str  # with its server
    key: str

    def digest(self) -> str:
        """Return what the write is noted under."""
        claims = self.claims
        parts = json.dumps([claims.sub, str(claims.conversation_id), self.tool, self.key])
        return hashlib.sha256(parts.encode()).hexdigest()


class WriteLimit:
    """The counts of one business's writes. Without the cache, writes go uncounted."""

    def __init__(self, cache: Redis, business_id: UUID) -> None:
        self._cache = cache
        self._prefix = f"writes:{{{business_id}}}"

    async def take(
        self, changes: int, limits: Mapping[str, int], write: ClientWrite | None = None
    ) -> float | None:
        """Count changes under each name in `limits`, which has the most for a minute.

        A `write` that was noted before is not counted again. Returns the seconds to wait if one of
        the limits is reached; then nothing is counted or noted.
        """
        keys = [f"{self._prefix}:{name}" for name in limits]
        script = self._cache.register_script(_TAKE)
        try:
            if write is not None and not await self._note(write):
                return None
            milliseconds = int(await script(keys=keys, args=[changes, *limits.values()]))
            if milliseconds and write is not None:
                await self.forget(write)
        except RedisError:
            logger.warning("writes are not being counted: the cache does not answer")
            return None
        return milliseconds / 1000 if milliseconds else None

    async def forget(self, write: ClientWrite) -> None:
        """Have the next attempt at a write count: this one was not done."""
        try:
            await self._cache.delete(self._key(write))
        except RedisError:
            logger.warning("a write could not be forgotten: the cache does not answer")

    async def _note(self, write: ClientWrite) -> bool:
        """Note a write; return False if it repeats one that was noted before."""
        return bool(await self._cache.set(self._key(write), "1", nx=True, ex=_REPLAY_WINDOW))

    def _key(self, write: ClientWrite) -> str:
        return f"{self._prefix}:{write.digest()}"
