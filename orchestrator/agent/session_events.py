"""Handlers of what happens in the session of a phone call: transcripts, states and errors."""

import asyncio
import logging
import time
from typing import Any

from livekit.agents import (
    AgentSession,
    AgentStateChangedEvent,
    ConversationItemAddedEvent,
    ErrorEvent,
    UserInputTranscribedEvent,
    UserStateChangedEvent,
)
from livekit.agents.llm import ChatMessage

from orchestrator.agent.agent import VoiceAgent
from orchestrator.agent.agent_parts import AgentParts
from orchestrator.agent.call_ending import CallEnding
from orchestrator.agent.client_events import ClientEvents
from orchestrator.agent.recorder import Recorder
from orchestrator.agent.speech import SpeechToText, TextToSpeech

logger = logging.getLogger("antiphon.call")

TYPED = "typed"  # the provider of a turn that needed no recognition


class TranscriptEvents:
    """Records what is said, publishes it to clients, and searches while the caller speaks."""

    def __init__(
        self,
        session: AgentSession[Any],
        parts: AgentParts,
        stt: SpeechToText,
        tts: TextToSpeech,
        recorder: Recorder,
        client_events: ClientEvents,
    ) -> None:
        self._session = session
        self._parts = parts
        self._stt = stt
        self._tts = tts
        self._recorder = recorder
        self._client_events = client_events
        self._language: str | None = None  # recognized since the last turn
        self.last_speech = 0.0  # Unix time, of either side

    def attach(self) -> None:
        """Handle the events of the session from now on."""
        self._session.on("user_input_transcribed", self._user_input_transcribed)
        self._session.on("conversation_item_added", self._conversation_item_added)

    def _user_input_transcribed(self, event: UserInputTranscribedEvent) -> None:
        if event.is_final and self._stt.detects_language:
            self._language = event.language or None
        if self._parts.toolset.wants_passages(event.transcript):
            self._parts.retrieval.prefetch(event.transcript)

    def _conversation_item_added(self, event: ConversationItemAddedEvent) -> None:
        message = event.item
        if not isinstance(message, ChatMessage):
            return
        text = message.text_content or ""
        self.last_speech = time.time()
        if message.role == "user" and text.strip():
            self._add_user_turn(message, text)
        elif message.role == "assistant" and text.strip():
            self._add_agent_response(message, text)
        self._parts.clock.add_message(message)

    def _add_user_turn(self, message: ChatMessage, text: str) -> None:
        self._recorder.add_user_turn(
            text,
            stt_provider=self._stt.provider,
            language=self._language,
            confidence=message.transcript_confidence,
        )
        self._language = None
        self._client_events.publish("user_transcript", {"text": text})

    def add_typed_turn(self, text: str) -> None:
        """Record what the caller has typed."""
        self._recorder.add_user_turn(text, stt_provider=TYPED)
        self._client_events.publish("user_transcript", {"text": text})
        self._parts.clock.start_turn(time.time())

    def _add_agent_response(self, message: ChatMessage, text: str) -> None:
        bot = self._parts.bot
        self._recorder.add_agent_response(
            text,
            llm_provider=self._parts.llm.answering.label,
            tts_provider=self._tts.provider,
            voice_id=bot.voice.voice_id,
            language=bot.default_language,
            interrupted=message.interrupted,
        )
        self._client_events.publish("agent_response", {"text": text})
        if message.interrupted:
            self._client_events.publish("interruption", {})


class StateEvents:
    """Hangs up after the last words, warms the model between turns, notes the errors of providers.

    `greeted` is set once the agent speaks for the first time.
    """

    def __init__(
        self,
        session: AgentSession[Any],
        parts: AgentParts,
        agent: VoiceAgent,
        ending: CallEnding,
    ) -> None:
        self._session = session
        self._parts = parts
        self._agent = agent
        self._ending = ending
        self.greeted = asyncio.Event()

    def attach(self) -> None:
        """Handle the events of the session from now on."""
        self._session.on("agent_state_changed", self._agent_state_changed)
        self._session.on("user_state_changed", self._user_state_changed)
        self._session.on("error", self._error)

    def _agent_state_changed(self, event: AgentStateChangedEvent) -> None:
        if event.new_state == "speaking":
            self.greeted.set()
        if event.new_state != "listening":
            return
        if self._ending.reason:
            self._parts.background.start(self._ending.hang_up())
        elif event.old_state == "speaking":
            self._parts.background.start(self._agent.warm())

    def _user_state_changed(self, event: UserStateChangedEvent) -> None:
        if event.new_state == "listening":
            self._parts.fillers.silent_since = event.created_at

    def _error(self, event: ErrorEvent) -> None:
        kind = type(event.error).__name__
        logger.error("a provider failed in a call", extra={"error": kind})
