"""The providers' plugins as the bots use them, against servers that refuse what is not allowed."""

from collections.abc import AsyncGenerator
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from livekit.agents import APIError
from livekit.plugins import deepgram, elevenlabs, sarvam

from config.bot_settings import Voice
from orchestrator.agent.speech import SpeechToText, TextToSpeech, build_stt, build_tts
from tests.contracts.specifications import Specifications
from tests.contracts.speech_vendors import UNSPECIFIED, Vendors
from tests.support.speech_bots import bot, settings, sound_of, transcripts
from tests.support.speech_recognition import utterance
from tests.support.speech_socket import BROKEN, KEY
from tests.support.speech_vendors import (
    DEEPGRAM_LISTEN,
    ELEVENLABS_SPEAK,
    SpeechVendors,
    serve_speech_vendors,
)

GREETING = "Welcome to the museum. The tour starts at ten."


@pytest.fixture(scope="session")
def vendors(specifications: Specifications) -> Vendors:
    return Vendors(specifications)


@pytest_asyncio.fixture
async def double(vendors: Vendors) -> AsyncGenerator[SpeechVendors]:
    async with serve_speech_vendors([utterance("Can I bring it tomorrow?")] * 2, vendors) as double:
        yield double


@pytest.mark.parametrize("provider", ["deepgram", "sarvam", "elevenlabs"])
@pytest.mark.parametrize("language", ["en", "hi"])
async def test_hearing_is_allowed(double: SpeechVendors, provider: str, language: str) -> None:
    ear = build_stt(bot(stt=provider, language=language), settings(double.url, provider))
    heard = await transcripts(ear, 0.6, 0.4)
    assert heard.count(("final", "Can I bring it tomorrow?")) == 2
    assert double.record.violations == []


@pytest.mark.parametrize("provider", ["elevenlabs", "sarvam"])
@pytest.mark.parametrize("voice", [Voice(), Voice(stability=0.3, similarity=0.6, speed=1.5)])
async def test_speaking_is_allowed(double: SpeechVendors, provider: str, voice: Voice) -> None:
    mouth = build_tts(bot(tts=provider, voice=voice), settings(double.url, provider))
    assert await sound_of(mouth, GREETING)
    assert double.record.violations == []


async def test_only_what_is_known_goes_beyond_the_contract(
    double: SpeechVendors, specifications: Specifications
) -> None:
    await transcripts(build_stt(bot(stt="deepgram"), settings(double.url, "deepgram")), 0.2)
    [opening] = double.record.openings
    socket = specifications.socket("deepgram/asyncapi.yml", DEEPGRAM_LISTEN, client="subscribe")
    named = frozenset({"filler_words"})  # specified for Deepgram's HTTP operation
    assert socket.opening(opening.query, opening.headers, also=named) == [
        f"{name} is no parameter" for name in UNSPECIFIED
    ]


async def test_the_double_itself_answers_as_the_vendors_do(
    double: SpeechVendors, vendors: Vendors
) -> None:
    await transcripts(build_stt(bot(stt="deepgram"), settings(double.url, "deepgram")), 0.4)
    await sound_of(build_tts(bot(tts="elevenlabs"), settings(double.url, "elevenlabs")), GREETING)
    sent = double.record.sent
    assert {DEEPGRAM_LISTEN, ELEVENLABS_SPEAK} == {route for route, _ in sent}
    assert [reason for answer in sent for reason in vendors.answer(*answer)] == []


async def test_a_model_that_deepgram_does_not_have_is_refused(double: SpeechVendors) -> None:
    ear = deepgram.STT(model="nova-99", base_url=f"{double.url}/v1/listen", api_key=KEY)
    with pytest.raises(APIError, match="400"):
        await transcripts(SpeechToText("deepgram", ear), 0.2)
    assert double.record.violations[0].startswith("model=nova-99: 'nova-99' is not one of")


async def test_a_format_that_elevenlabs_does_not_have_is_refused(double: SpeechVendors) -> None:
    wrong: Any = "opus_48000_24"
    mouth = elevenlabs.TTS(encoding=wrong, base_url=f"{double.url}/v1", api_key=KEY)
    with pytest.raises(APIError, match="400"):
        await sound_of(TextToSpeech("elevenlabs", mouth), GREETING)
    assert double.record.violations[0].startswith("output_format=opus_48000_24: ")


async def test_a_language_that_sarvam_does_not_hear_is_refused(double: SpeechVendors) -> None:
    url = f"{double.url}/speech-to-text-realtime/ws"
    ear = sarvam.STTRealtime(language="kok-IN", base_url=url, api_key=KEY)
    with pytest.raises(APIError, match="400"):
        await transcripts(SpeechToText("sarvam", ear), 0.2)
    assert double.record.violations[0].startswith("target_language_code=kok-IN is none of")


async def test_a_language_that_sarvam_does_not_speak_is_refused(double: SpeechVendors) -> None:
    mouth = build_tts(bot(tts="sarvam", language="fr"), settings(double.url, "sarvam"))
    with pytest.raises(APIError):
        await sound_of(mouth, GREETING)
    assert "'fr-IN' is not one of" in double.record.violations[0]


@pytest.mark.parametrize(
    ("query", "headers", "reason"),
    [
        ("modle=nova-3", {"Authorization": f"Token {KEY}"}, "modle is no parameter"),
        ("punctuate=yes", {"Authorization": f"Token {KEY}"}, "'yes' is not one of"),
    ],
)
async def test_a_wrong_parameter_is_refused(
    double: SpeechVendors, query: str, headers: dict[str, str], reason: str
) -> None:
    async with aiohttp.ClientSession() as client:
        with pytest.raises(aiohttp.WSServerHandshakeError, match="400"):
            await client.ws_connect(f"{double.url}/v1/listen?{query}", headers=headers)
    assert reason in double.record.violations[0]


@pytest.mark.parametrize(
    "message",
    [
        {"txt": "Welcome. ", "context_id": "c"},
        {"text": 5, "context_id": "c"},
        {"context_id": "c", "close": True},
        {"text": " ", "context_id": "c", "voice_settings": {"stability": "much"}},
    ],
)
async def test_a_wrong_message_ends_the_conversation(
    double: SpeechVendors, message: dict[str, Any]
) -> None:
    url = f"{double.url}/v1/text-to-speech/v/multi-stream-input?output_format=mp3_22050_32"
    async with (
        aiohttp.ClientSession() as client,
        client.ws_connect(url, headers={"xi-api-key": KEY}) as socket,
    ):
        await socket.send_json(message)
        ending = await socket.receive(timeout=5)
        assert (ending.type, ending.data) == (aiohttp.WSMsgType.CLOSE, BROKEN)
    assert len(double.record.violations) == 1
