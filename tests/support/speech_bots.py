"""Bots that hear and speak with a provider, and what one hears and says."""

import asyncio
from uuid import uuid4

import numpy as np
from livekit import rtc
from livekit.agents import APIConnectOptions, stt
from livekit.agents.utils import http_context

from config.bot_settings import Voice
from config.bots import Bot
from config.settings import Settings
from orchestrator.agent.speech import SpeechToText, TextToSpeech
from tests.support.audio import tone
from tests.support.speech_socket import KEY

ONCE = APIConnectOptions(max_retry=0, timeout=5)
RATE = 16_000
PATIENCE = 10.0  # seconds that a test waits for what must come


_PLAIN = Voice()


def bot(stt: str = "auto", tts: str = "auto", language: str = "en", voice: Voice = _PLAIN) -> Bot:
    """Return a bot of these providers."""
    return Bot(
        id=uuid4(),
        business_id=uuid4(),
        business_name="A business",
        time_zone="Europe/Berlin",
        name="bot",
        version=1,
        system_prompt="You answer the phone.",
        first_message_inbound="Hello.",
        first_message_outbound=None,
        default_language=language,
        stt=stt,
        tts=tts,
        llm=("embedded",),
        voice=voice,
        knowledge_base_id=None,
        servers={},
        system_tools=(),
        eagerness="normal",
        soft_timeout_seconds=1.5,
        llm_cascade_timeout_seconds=8.0,
        max_turn_seconds=60,
        max_turn_writes=20,
        max_call_writes=50,
        max_minute_writes=120,
        max_conversation_duration_seconds=600,
        allow_anonymous=True,
        allowed_origins=(),
        client_events=(),
    )


def settings(url: str | None, *providers: str, key: str = KEY) -> Settings:
    """Return settings that have a key for these providers alone, all of them at `url`."""
    known = "deepgram", "elevenlabs", "sarvam"
    keys = {f"{name}_api_key": key if name in providers else None for name in known}
    urls = {f"{name}_base_url": url for name in known}
    return Settings.model_validate(keys | urls)


async def transcripts(hearing: SpeechToText, *seconds: float) -> list[tuple[str, str]]:
    """Say something for each of these times, with pauses; return what is heard."""
    finals = 0
    heard: list[tuple[str, str]] = []
    async with http_context.open(), asyncio.timeout(PATIENCE):
        stream = hearing.stt.stream(conn_options=ONCE)
        try:
            for length in seconds:
                stream.push_frame(_frame(tone(length, RATE)))
                stream.push_frame(_frame(np.zeros(RATE // 2, dtype=np.int16)))
                stream.flush()
            while finals < len(seconds):
                event = await anext(stream)
                match event.type:
                    case stt.SpeechEventType.INTERIM_TRANSCRIPT:
                        heard.append(("interim", event.alternatives[0].text))
                    case stt.SpeechEventType.FINAL_TRANSCRIPT:
                        heard.append(("final", event.alternatives[0].text))
                        finals += 1
                    case _:
                        pass
        finally:
            await stream.aclose()
            await hearing.stt.aclose()
    return heard


async def sound_of(speaking: TextToSpeech, text: str) -> float:
    """Have this said; return how many seconds it sounds."""
    seconds = 0.0
    async with http_context.open(), asyncio.timeout(PATIENCE):
        try:
            async with speaking.tts.stream(conn_options=ONCE) as stream:
                stream.push_text(text)
                stream.end_input()
                async for audio in stream:
                    if np.any(np.frombuffer(audio.frame.data, dtype=np.int16)):
                        seconds += audio.frame.duration
        finally:
            await speaking.tts.aclose()
    return seconds


def _frame(samples: np.typing.NDArray[np.int16]) -> rtc.AudioFrame:
    return rtc.AudioFrame(samples.tobytes(), RATE, 1, samples.size)
