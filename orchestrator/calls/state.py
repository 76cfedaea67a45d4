"""The state of each call in the cache: the job that serves it, and when that was last alive.

A call's state is the hash `conv:<conversation>:state`, and the sorted set `calls` has the time of
its job's last beat. Every time is the cache's own, in milliseconds. At most one job holds a call:
another one can take it only after three missed beats, or when the job has given it up.
"""

from dataclasses import dataclass
from typing import Any, Literal, cast
from uuid import UUID

from redis.asyncio import Redis

BEAT_SECONDS = 1.5
LEASE_SECONDS = 5.0  # without a beat, after which a job counts as dead
MAX_DISPATCHES = 2  # new agents for one call, until one of them has lived for a minute
_DISPATCH_SECONDS = 6.0  # that a dispatched agent has to come
_FORGET_SECONDS = 24 * 3600
_CALLS = "calls"

DispatchDecision = Literal["dispatch", "wait", "give_up"]

_NOW = "local t = redis.call('TIME'); local now = t[1] * 1000 + math.floor(t[2] / 1000)\n"

_ACQUIRE = f"""{_NOW}
local holder = redis.call('HGET', KEYS[1], 'job_id')
local beat = tonumber(redis.call('HGET', KEYS[1], 'beat') or 0)
if holder and holder ~= ARGV[1] and now - beat < tonumber(ARGV[2]) then return {{0, 0, 0}} end
local generation = redis.call('HINCRBY', KEYS[1], 'generation', 1)
redis.call('HSET', KEYS[1], 'job_id', ARGV[1], 'beat', now, 'since', now,
  'room', ARGV[3], 'metadata', ARGV[4])
redis.call('EXPIRE', KEYS[1], {_FORGET_SECONDS})
redis.call('ZADD', KEYS[2], now, ARGV[5])
redis.call('ZREM', KEYS[3], ARGV[5])
return {{1, generation, tonumber(redis.call('HGET', KEYS[1], 'next_index') or 0)}}
"""

_BEAT = f"""{_NOW}
local holder = redis.call('HGET', KEYS[1], 'job_id')
if holder and holder ~= ARGV[1] then return 0 end
redis.call('HSET', KEYS[1], 'job_id', ARGV[1], 'beat', now, 'room', ARGV[2], 'metadata', ARGV[3],
  'last_speech', ARGV[5], 'turns', ARGV[6], 'next_index', ARGV[7])
if now - tonumber(redis.call('HGET', KEYS[1], 'since') or now) > 60000 then
  redis.call('HSET', KEYS[1], 'dispatches', 0)
end
redis.call('EXPIRE', KEYS[1], {_FORGET_SECONDS})
redis.call('ZADD', KEYS[2], now, ARGV[4])
return 1
"""

_RELEASE = f"""{_NOW}
if redis.call('HGET', KEYS[1], 'job_id') ~= ARGV[1] then return 0 end
if ARGV[3] == 'end' then
  redis.call('DEL', KEYS[1])
  redis.call('ZREM', KEYS[2], ARGV[2])
else
  redis.call('HSET', KEYS[1], 'beat', 0, 'left', now)
  redis.call('HDEL', KEYS[1], 'job_id')
  redis.call('ZADD', KEYS[2], 0, ARGV[2])
end
return 1
"""

_EXPECT = f"""{_NOW}
redis.call('HSET', KEYS[1], 'room', ARGV[1], 'metadata', ARGV[2], 'expected', now)
redis.call('EXPIRE', KEYS[1], {_FORGET_SECONDS})
redis.call('ZADD', KEYS[2], now, ARGV[3])
"""

_SILENT = f"""{_NOW}
local before = now - tonumber(ARGV[1])
return {{now, redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', before, 'LIMIT', 0, 1000)}}
"""

_CLAIM_DISPATCH = f"""{_NOW}
if now - tonumber(redis.call('HGET', KEYS[1], 'dispatched') or 0) < tonumber(ARGV[1]) then
  return 'wait'
end
if tonumber(redis.call('HGET', KEYS[1], 'dispatches') or 0) >= tonumber(ARGV[2]) then
  return 'give_up'
end
redis.call('HINCRBY', KEYS[1], 'dispatches', 1)
redis.call('HSET', KEYS[1], 'dispatched', now)
return 'dispatch'
"""


@dataclass(frozen=True)
class Activity:
    """What is known of a running call: Unix time of the last speech, turns, and next index."""

    last_speech: float = 0.0
    turns: int = 0
    next_index: int = 0


@dataclass(frozen=True)
class Lease:
    """A job's hold on a call.

    `generation` counts the jobs that have held it; `next_index` is the index after the last turn
    that an earlier job has told of.
    """

    generation: int
    next_index: int


@dataclass(frozen=True)
class CallState:
    """A call whose job is silent. `generation` is 0 if no job has ever held it."""

    conversation_id: UUID
    room: str
    metadata: str  # of the dispatch
    generation: int
    expected_ms: int  # when the caller got a token for the room, 0 if that is not known
    silent_ms: int  # since the last beat, or since the token was given


class CallStates:
    """The states of all calls. Every method raises `redis.RedisError` without the cache."""

    def __init__(self, cache: Redis) -> None:
        self._cache = cache

    async def expect(self, conversation_id: UUID, room: str, metadata: str) -> None:
        """Note that a caller may now enter a room, and needs an agent there."""
        await self._run(
            _EXPECT, [_key(conversation_id), _CALLS], room, metadata, str(conversation_id)
        )

    async def acquire(
        self, conversation_id: UUID, job_id: str, room: str, metadata: str
    ) -> Lease | None:
        """Take a call for a job; None if another job that is alive has it."""
        keys = [_key(conversation_id), _CALLS, RESERVATIONS]
        lease = str(int(LEASE_SECONDS * 1000))
        taken, generation, next_index = await self._run(
            _ACQUIRE, keys, job_id, lease, room, metadata, str(conversation_id)
        )
        return Lease(int(generation), int(next_index)) if taken else None

    async def beat(
        self, conversation_id: UUID, job_id: str, room: str, metadata: str, activity: Activity
    ) -> bool:
        """Tell that a job is alive; return whether the call is still its own."""
        keys = [_key(conversation_id), _CALLS]
        known = (str(activity.last_speech), str(activity.turns), str(activity.next_index))
        values = (job_id, room, metadata, str(conversation_id), *known)
        return bool(await self._run(_BEAT, keys, *values))

    async def end(self, conversation_id: UUID, job_id: str) -> None:
        """Forget a call that is over, if it is still this job's."""
        await self._run(
            _RELEASE, [_key(conversation_id), _CALLS], job_id, str(conversation_id), "end"
        )

    async def give_up(self, conversation_id: UUID, job_id: str) -> None:
        """Leave a call that is not over to another job, at once."""
        await self._run(
            _RELEASE, [_key(conversation_id), _CALLS], job_id, str(conversation_id), "give_up"
        )

    async def silent(self, seconds: float = LEASE_SECONDS) -> list[CallState]:
        """Return the calls without a beat for so long, those that no job has held among them."""
        found = await self._run(_SILENT, [_CALLS], str(int(seconds * 1000)))
        now, ids = cast("tuple[int, list[str]]", found)
        states: list[CallState] = []
        for each in ids:
            fields = cast("dict[str, str]", await self._cache.hgetall(_key(UUID(each))))
            if "room" not in fields:
                await self._cache.zrem(_CALLS, each)
                continue
            since = max(float(fields.get(name, 0)) for name in ("beat", "expected", "left"))
            states.append(
                CallState(
                    conversation_id=UUID(each),
                    room=fields["room"],
                    metadata=fields["metadata"],
                    generation=int(fields.get("generation", 0)),
                    expected_ms=int(float(fields.get("expected", 0))),
                    silent_ms=now - int(since),
                )
            )
        return states

    async def claim_dispatch(self, conversation_id: UUID) -> DispatchDecision:
        """Return whether to bring a new agent now; each one is brought by one asker only."""
        seconds = str(int(_DISPATCH_SECONDS * 1000))
        decision = await self._run(
            _CLAIM_DISPATCH, [_key(conversation_id)], seconds, str(MAX_DISPATCHES)
        )
        return cast("DispatchDecision", decision)

    async def is_known(self, conversation_id: UUID) -> bool:
        """Say whether a call is looked after: a job has it, or one may still get it."""
        return bool(await self._cache.exists(_key(conversation_id)))

    async def forget(self, conversation_id: UUID) -> None:
        """Forget a call, whoever has it."""
        await self._cache.delete(_key(conversation_id))
        await self._cache.zrem(_CALLS, str(conversation_id))

    async def now_ms(self) -> int:
        """Return the cache's time, in milliseconds."""
        seconds, microseconds = await self._cache.time()
        return seconds * 1000 + microseconds // 1000

    async def _run(self, script: str, keys: list[str], *values: str) -> Any:
        return await self._cache.register_script(script)(keys=keys, args=[*values])


RESERVATIONS = "calls:reserved"  # admitted calls that no job has taken yet, by expiry


def _key(conversation_id: UUID) -> str:
    return f"conv:{conversation_id}:state"
