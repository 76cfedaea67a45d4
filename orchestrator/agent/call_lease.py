"""A job's hold on its call: taken before it greets, renewed by beats, given back at the end."""

import asyncio
import logging
from collections.abc import Callable
from uuid import UUID

from redis.exceptions import RedisError

from orchestrator.calls.state import BEAT_SECONDS, Activity, CallStates, Lease

logger = logging.getLogger("antiphon.call")

# Without the cache a call is served all the same: a caller waits.
_UNKNOWN = Lease(generation=0, next_index=0)


class CallLease:
    """The lease of one job on one conversation. Without the cache, the job has it."""

    def __init__(
        self, states: CallStates, conversation_id: UUID, job_id: str, room: str, metadata: str
    ) -> None:
        self._states = states
        self._conversation_id = conversation_id
        self._job_id = job_id
        self._room = room
        self._metadata = metadata

    async def acquire(self) -> Lease | None:
        """Take the lease; None if another job that is alive has it."""
        try:
            return await self._states.acquire(
                self._conversation_id, self._job_id, self._room, self._metadata
            )
        except RedisError:
            logger.warning("the lease of a call could not be taken: the cache does not answer")
            return _UNKNOWN

    async def keep(self, activity: Callable[[], Activity]) -> None:
        """Renew the lease until another job has it; then return."""
        while True:
            try:
                if not await self._beat(activity()):
                    return
            except RedisError:
                logger.warning("a call's beat was not heard: the cache does not answer")
            await asyncio.sleep(BEAT_SECONDS)

    async def end(self) -> None:
        """Forget the call, which is over."""
        try:
            await self._states.end(self._conversation_id, self._job_id)
        except RedisError:
            logger.warning("the end of a call was not noted: the cache does not answer")

    async def give_up(self) -> None:
        """Leave the call, which is not over, to another job."""
        try:
            await self._states.give_up(self._conversation_id, self._job_id)
        except RedisError:
            logger.warning("a call was not handed on: the cache does not answer")

    async def _beat(self, activity: Activity) -> bool:
        return await self._states.beat(
            self._conversation_id, self._job_id, self._room, self._metadata, activity
        )
