"""What a session says of itself becomes turns: in which language, if anybody has recognized one."""

from typing import cast
from unittest.mock import Mock

import pytest
from livekit.agents import (
    AgentSession,
    ConversationItemAddedEvent,
    LanguageCode,
    UserInputTranscribedEvent,
)
from livekit.agents.llm import ChatMessage
from livekit.rtc import EventEmitter

from orchestrator.agent.recorder import Recorder
from orchestrator.agent.session_events import TranscriptEvents
from orchestrator.agent.speech import SpeechToText, build_stt
from tests.support.speech_bots import bot, settings


class Session:
    """A session whose events a test decides, and the turns that are recorded of it."""

    def __init__(self, *, detects_language: bool) -> None:
        self._emitter: EventEmitter[str] = EventEmitter()
        self._recorder = Mock(spec=Recorder)
        parts = Mock(bot=bot(language="pt"))
        stt = SpeechToText("deepgram", Mock(), detects_language=detects_language)
        session = cast("AgentSession[None]", self._emitter)
        TranscriptEvents(session, parts, stt, Mock(), self._recorder, Mock()).attach()

    def hear(self, *languages: str | None) -> None:
        """Have the caller say a sentence in each of these languages, as one turn."""
        for language in languages:
            self._transcribe("en", is_final=False)
            self._transcribe(language, is_final=True)
        message = ChatMessage(role="user", content=["Hello."])
        event = ConversationItemAddedEvent(item=message)
        self._emitter.emit("conversation_item_added", event)

    def _transcribe(self, language: str | None, *, is_final: bool) -> None:
        code = None if language is None else LanguageCode(language)
        event = UserInputTranscribedEvent(transcript="Hello.", is_final=is_final, language=code)
        self._emitter.emit("user_input_transcribed", event)

    @property
    def languages(self) -> list[str | None]:
        """Return the language of each turn."""
        return [call.kwargs["language"] for call in self._recorder.add_user_turn.mock_calls]


def test_a_turn_is_in_the_language_that_was_recognized_last() -> None:
    session = Session(detects_language=True)
    session.hear("fr")
    session.hear("fr", "de-CH")
    session.hear()
    session.hear("")
    session.hear(None)
    assert session.languages == ["fr", "de-CH", None, None, None]


def test_what_the_recognition_was_told_is_not_recognized() -> None:
    session = Session(detects_language=False)
    session.hear("pt")
    assert session.languages == [None]


@pytest.mark.parametrize("provider", ["deepgram", "sarvam", "elevenlabs", "embedded"])
def test_each_provider_is_told_the_bots_language(provider: str) -> None:
    known = settings(None, "deepgram", "elevenlabs", "sarvam")
    assert not build_stt(bot(stt=provider), known).detects_language
