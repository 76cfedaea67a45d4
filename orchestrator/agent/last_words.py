"""The caller's words that are not recognized yet when a call ends."""

import asyncio
import time
from contextlib import suppress

from livekit.agents import (
    AgentSession,
    ConversationItemAddedEvent,
    UserInputTranscribedEvent,
    UserStateChangedEvent,
)
from livekit.agents.llm import ChatMessage

_TRANSCRIPT_TIMEOUT = 5.0  # seconds that recognition has for its last transcript; nobody waits
_TURN_TIMEOUT = 1.0  # seconds from the transcript to the turn
_RECENT = 5.0  # seconds after which a sound that became no words is no speech
_SILENCE = 1.5  # seconds of silence that end an utterance for any recognition


class LastWords:
    """Has what the caller said last recognized and recorded before the session closes."""

    def __init__(self, session: AgentSession[None]) -> None:
        self._session = session
        self._heard_at: float | None = None  # the last sound or words that are in no turn yet
        self._turn_added = asyncio.Event()

    def attach(self) -> None:
        """Follow the caller's speech from now on."""
        self._session.on("user_state_changed", self._user_state_changed)
        self._session.on("user_input_transcribed", self._user_input_transcribed)
        self._session.on("conversation_item_added", self._conversation_item_added)

    async def recognize(self) -> None:
        """Wait until the open turn, if there is one, is in the conversation; 6 s at most."""
        if not self._is_open():
            return
        self._turn_added.clear()
        # Without audio from the room the recognition is given silence, which ends the utterance.
        self._session.input.set_audio_enabled(False)
        with suppress(RuntimeError, TimeoutError):  # the session is closed already, or too slow
            words = await self._session.commit_user_turn(
                transcript_timeout=_TRANSCRIPT_TIMEOUT,
                stt_flush_duration=_SILENCE,
                skip_reply=True,
            )
            if words.strip():
                async with asyncio.timeout(_TURN_TIMEOUT):
                    await self._turn_added.wait()

    def _is_open(self) -> bool:
        if self._session.user_state == "speaking":
            return True
        return self._heard_at is not None and time.monotonic() - self._heard_at < _RECENT

    def _user_state_changed(self, event: UserStateChangedEvent) -> None:
        if "speaking" in (event.old_state, event.new_state):
            self._heard_at = time.monotonic()

    def _user_input_transcribed(self, event: UserInputTranscribedEvent) -> None:
        if event.transcript.strip():
            self._heard_at = time.monotonic()

    def _conversation_item_added(self, event: ConversationItemAddedEvent) -> None:
        if isinstance(event.item, ChatMessage) and event.item.role == "user":
            self._heard_at = None
            self._turn_added.set()
