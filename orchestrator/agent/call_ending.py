"""How a phone call ends: the caller leaves, the agent says goodbye, or its time is up."""

import asyncio
from contextlib import suppress
from typing import Any

from livekit import api, rtc
from livekit.agents import AgentSession, JobContext

from config.protocol import EndReason
from orchestrator.agent.last_words import LastWords
from orchestrator.runtime.background_tasks import BackgroundTasks
from orchestrator.sentences import say

_RETURN_TIMEOUT = 15.0  # seconds that a caller whose connection broke has to come back

_HUNG_UP = frozenset(
    {
        rtc.DisconnectReason.CLIENT_INITIATED,
        rtc.DisconnectReason.PARTICIPANT_REMOVED,
        rtc.DisconnectReason.USER_REJECTED,
    }
)


class CallEnding:
    """Ends one call. `reason` is why it ends, once that is known."""

    def __init__(
        self, ctx: JobContext, caller: str, last_words: LastWords, background: BackgroundTasks
    ) -> None:
        self._ctx = ctx
        self._caller = caller
        self._last_words = last_words
        self._background = background
        self._returning: asyncio.Task[Any] | None = None
        self._hangs_up = False
        self.reason: EndReason | None = None

    def attach(self) -> None:
        """End the call when the caller leaves, or the room is closed by somebody else."""
        room = self._ctx.room
        room.on("participant_disconnected", self._participant_disconnected)
        room.on("participant_connected", self._participant_connected)
        room.on("disconnected", self._disconnected)

    def end_after_speech(self, reason: EndReason) -> None:
        """Have the call end once the agent has finished speaking; the first reason counts."""
        self.reason = self.reason or reason

    async def limit_duration(self, session: AgentSession[Any], seconds: float) -> None:
        """End the call after so many seconds, with a sentence that the caller cannot interrupt."""
        await asyncio.sleep(seconds)
        self.end_after_speech("max_duration")
        await session.say(say("time_is_up"), allow_interruptions=False)
        await self.hang_up()

    async def hang_up(self) -> None:
        """Have the last words recognized, delete the room, and shut the job down."""
        if self._hangs_up:
            return
        self._hangs_up = True
        await self._last_words.recognize()
        with suppress(api.TwirpError):  # it is gone already
            await self._ctx.api.room.delete_room(api.DeleteRoomRequest(room=self._ctx.room.name))
        self._ctx.shutdown(self.reason or "")

    def _participant_disconnected(self, participant: rtc.RemoteParticipant) -> None:
        if participant.identity != self._caller or self.reason:
            return
        if participant.disconnect_reason == rtc.DisconnectReason.ROOM_DELETED:
            self.end_after_speech("room_closed")
            self._background.start(self.hang_up())
        elif participant.disconnect_reason in _HUNG_UP:
            self._caller_left()
        else:
            self._returning = self._background.start(self._wait_for_return())

    def _participant_connected(self, participant: rtc.RemoteParticipant) -> None:
        if participant.identity == self._caller and self._returning:
            self._returning.cancel()

    def _disconnected(self, reason: rtc.DisconnectReason.ValueType) -> None:
        if reason == rtc.DisconnectReason.ROOM_DELETED:
            self.end_after_speech("room_closed")

    async def _wait_for_return(self) -> None:
        await asyncio.sleep(_RETURN_TIMEOUT)
        self._caller_left()

    def _caller_left(self) -> None:
        self.end_after_speech("caller_left")
        self._background.start(self.hang_up())
