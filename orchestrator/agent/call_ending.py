"""How a phone call ends, unless the caller hangs up: after a goodbye, or when its time is up."""

import asyncio
from typing import Any

from livekit import api
from livekit.agents import AgentSession, JobContext

TIME_IS_UP = "I'm sorry, our time is up. Goodbye."


class CallEnding:
    """Ends one call. `reason` is why it ends, once that is known."""

    def __init__(self, ctx: JobContext) -> None:
        self._ctx = ctx
        self.reason: str | None = None

    def end_after_speech(self, reason: str) -> None:
        """Have the call end once the agent has finished speaking; the first reason counts."""
        self.reason = self.reason or reason

    async def limit_duration(self, session: AgentSession[Any], seconds: float) -> None:
        """End the call after so many seconds, with a sentence that the caller cannot interrupt."""
        await asyncio.sleep(seconds)
        self.end_after_speech("max_duration")
        await session.say(TIME_IS_UP, allow_interruptions=False)
        await self.hang_up()

    async def hang_up(self) -> None:
        """Delete the room, and shut the job down."""
        room = api.DeleteRoomRequest(room=self._ctx.room.name)
        await self._ctx.api.room.delete_room(room)
        self._ctx.shutdown(self.reason or "")
