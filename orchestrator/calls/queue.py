"""How many calls the workers can take, and the queue of callers while that is none.

Each worker tells its free slots every second. A caller who is admitted has a slot reserved until a
job holds the call. Those who wait come back every few seconds with their ticket; a ticket that is
not shown for a while is dropped. Every time is the cache's own, in milliseconds; the queue's is in
microseconds.
"""

from dataclasses import dataclass
from typing import Any, Literal
from uuid import UUID

from redis.asyncio import Redis

from orchestrator.calls.state import RESERVATIONS

BEAT_SECONDS = 1.0  # between two reports of a worker
RETRY_SECONDS = 2  # after which a caller who waits is to ask again
_ALIVE_SECONDS = 4.0  # without a report, after which a worker counts as dead
_RESERVED_SECONDS = 15.0
_SEEN_SECONDS = 8.0
_WORKERS, _SLOTS, _QUEUE, _SEEN = "workers", "workers:free", "calls:queue", "calls:queue:seen"

_NOW = "local t = redis.call('TIME'); local now = t[1] * 1000 + math.floor(t[2] / 1000)\n"

_REPORT = f"""{_NOW}
redis.call('ZADD', KEYS[1], now, ARGV[1])
redis.call('HSET', KEYS[2], ARGV[1], ARGV[2])
"""

_ALIVE = f"""{_NOW}
for _, id in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now - tonumber(ARGV[1]))) do
  redis.call('ZREM', KEYS[1], id)
  redis.call('HDEL', KEYS[2], id)
end
"""

_ADMIT = f"""{_ALIVE}
local free = 0
for _, count in ipairs(redis.call('HVALS', KEYS[2])) do free = free + tonumber(count) end
redis.call('ZREMRANGEBYSCORE', KEYS[3], '-inf', now)
free = free - redis.call('ZCARD', KEYS[3])
for _, id in ipairs(redis.call('ZRANGEBYSCORE', KEYS[5], '-inf', now - tonumber(ARGV[2]))) do
  redis.call('ZREM', KEYS[4], id)
  redis.call('ZREM', KEYS[5], id)
end
local function leave()
  redis.call('ZREM', KEYS[4], ARGV[6])
  redis.call('ZREM', KEYS[5], ARGV[6])
end
local since = redis.call('ZSCORE', KEYS[4], ARGV[6])
if not since then
  if redis.call('ZCARD', KEYS[4]) >= math.max(tonumber(ARGV[5]), free) then return {{'full', 0}} end
  since = t[1] * 1000000 + t[2]  -- two callers of one millisecond keep their order
  redis.call('ZADD', KEYS[4], since, ARGV[6])
end
redis.call('ZADD', KEYS[5], now, ARGV[6])
local ahead = redis.call('ZRANK', KEYS[4], ARGV[6])
if ahead < free then
  leave()
  redis.call('ZADD', KEYS[3], now + tonumber(ARGV[3]), ARGV[7])
  return {{'admitted', 0}}
end
if now - since / 1000 >= tonumber(ARGV[4]) then
  leave()
  return {{'expired', 0}}
end
return {{'waiting', ahead + 1}}
"""


@dataclass(frozen=True)
class Admission:
    """Whether a call can begin. `place` is 1 for the caller who is next."""

    outcome: Literal["admitted", "waiting", "full", "expired"]
    place: int = 0


class WorkerSlots:
    """The free slots of all workers. Every method raises `redis.RedisError` without the cache."""

    def __init__(self, cache: Redis) -> None:
        self._cache = cache

    async def report(self, worker_id: str, free: int) -> None:
        """Tell that a worker is alive, and how many calls it can take now."""
        script = self._cache.register_script(_REPORT)
        await script(keys=[_WORKERS, _SLOTS], args=[worker_id, str(free)])

    async def withdraw(self, worker_id: str) -> None:
        """Tell that a worker is gone."""
        await self._cache.zrem(_WORKERS, worker_id)
        await self._cache.hdel(_SLOTS, worker_id)

    async def count_free(self) -> int:
        """Return how many calls all workers that are alive can take."""
        script = self._cache.register_script(
            f"""{_ALIVE}
local free = 0
for _, count in ipairs(redis.call('HVALS', KEYS[2])) do free = free + tonumber(count) end
return free
"""
        )
        return int(await script(keys=[_WORKERS, _SLOTS], args=[_milliseconds(_ALIVE_SECONDS)]))

    async def count_workers(self) -> int:
        """Return how many workers are alive."""
        script = self._cache.register_script(f"{_ALIVE} return redis.call('ZCARD', KEYS[1])")
        alive = await script(keys=[_WORKERS, _SLOTS], args=[_milliseconds(_ALIVE_SECONDS)])
        return int(alive)


class CallQueue:
    """Admits a call when a worker can take it. `max_wait` is in seconds, `max_length` in callers.

    Every method raises `redis.RedisError` without the cache.
    """

    def __init__(self, cache: Redis, *, max_wait: float, max_length: int) -> None:
        self._cache = cache
        self._max_wait = max_wait
        self._max_length = max_length

    async def has(self, ticket: UUID) -> bool:
        """Return whether a ticket is in the queue."""
        return await self._cache.zscore(_QUEUE, str(ticket)) is not None

    async def leave(self, ticket: UUID) -> None:
        """Take a ticket out of the queue."""
        for key in (_QUEUE, _SEEN):
            await self._cache.zrem(key, str(ticket))

    async def admit(self, ticket: UUID, conversation_id: UUID) -> Admission:
        """Admit the caller with a ticket, or tell their place; a slot is reserved for the call."""
        script = self._cache.register_script(_ADMIT)
        answer: Any = await script(
            keys=[_WORKERS, _SLOTS, RESERVATIONS, _QUEUE, _SEEN],
            args=[
                _milliseconds(_ALIVE_SECONDS),
                _milliseconds(_SEEN_SECONDS),
                _milliseconds(_RESERVED_SECONDS),
                _milliseconds(self._max_wait),
                str(self._max_length),
                str(ticket),
                str(conversation_id),
            ],
        )
        outcome, place = answer
        return Admission(outcome, int(place))


def _milliseconds(seconds: float) -> str:
    return str(int(seconds * 1000))
