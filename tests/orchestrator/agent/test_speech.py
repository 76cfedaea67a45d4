"""Speech to text and text to speech through the providers' own plugins, against a double each."""

import logging
import traceback
from collections.abc import AsyncGenerator

import pytest
import pytest_asyncio
from livekit.agents import APIError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from config.bot_settings import Voice
from config.settings import MissingSettingError
from orchestrator.agent.speech import build_stt, build_tts
from tests.support.asgi import serve_app
from tests.support.audio import PER_CHARACTER
from tests.support.processes import in_one_task
from tests.support.speech_bots import bot, settings, sound_of, transcripts
from tests.support.speech_recognition import utterance
from tests.support.speech_socket import Opening
from tests.support.speech_vendors import SpeechVendors, serve_speech_vendors

STT_PROVIDERS = ["deepgram", "sarvam", "elevenlabs"]
TTS_PROVIDERS = ["elevenlabs", "sarvam"]
GREETING = "Welcome to the museum. The tour starts at ten."
WRONG = "sk-wrong-9c2f1e"


@pytest_asyncio.fixture
async def double() -> AsyncGenerator[SpeechVendors]:
    async with serve_speech_vendors(
        [utterance("Can I bring it tomorrow?"), utterance("At nine.")]
    ) as double:
        yield double


@pytest.fixture(params=["named", "auto"])
def chosen(request: pytest.FixtureRequest) -> bool:
    """Whether the bot names its provider, or leaves the choice to the keys there are."""
    return bool(request.param == "named")


@pytest.mark.parametrize("provider", STT_PROVIDERS)
async def test_understanding_grows_while_the_caller_speaks(
    double: SpeechVendors, provider: str, chosen: bool
) -> None:
    stt = build_stt(bot(stt=provider if chosen else "auto"), settings(double.url, provider))
    assert stt.provider == provider
    assert await transcripts(stt, 0.8, 0.4) == [
        ("interim", "Can"),
        ("interim", "Can I"),
        ("interim", "Can I bring"),
        ("interim", "Can I bring it"),
        ("final", "Can I bring it tomorrow?"),
        ("interim", "At"),
        ("interim", "At nine."),
        ("final", "At nine."),
    ]


@pytest.mark.parametrize(("voice", "asked"), [("v-of-elevenlabs", "joe"), ("joe-low", "joe-low")])
async def test_the_embedded_voice_is_used_for_one_that_it_has_not_got(
    voice: str, asked: str
) -> None:
    requests: list[dict[str, object]] = []

    async def speak(request: Request) -> Response:
        requests.append(await request.json())
        return Response(bytes(4800), media_type="audio/pcm")

    app = Starlette(routes=[Route("/v1/audio/speech", speak, methods=["POST"])])
    async with in_one_task(serve_app(app)) as url:
        without_keys = settings(None).model_copy(update={"models_url": f"{url}/v1"})
        tts = build_tts(bot(voice=Voice(voice_id=voice)), without_keys)
        try:
            await tts.tts.synthesize(GREETING).collect()
        finally:
            await tts.tts.aclose()
    assert [request["voice"] for request in requests] == [asked]


@pytest.mark.parametrize("provider", TTS_PROVIDERS)
async def test_what_is_said_sounds(double: SpeechVendors, provider: str, chosen: bool) -> None:
    tts = build_tts(bot(tts=provider if chosen else "auto"), settings(double.url, provider))
    assert tts.provider == provider
    seconds = await sound_of(tts, GREETING)
    assert " ".join(double.texts) == GREETING
    assert seconds == pytest.approx(len(GREETING) * PER_CHARACTER, rel=0.2)


def test_the_bot_s_own_choice_comes_before_the_keys_there_are() -> None:
    every = settings(None, "deepgram", "elevenlabs", "sarvam")
    assert build_stt(bot(stt="sarvam"), every).provider == "sarvam"
    assert build_tts(bot(tts="sarvam"), every).provider == "sarvam"
    assert build_stt(bot(), every).provider == "deepgram"
    assert build_tts(bot(), every).provider == "elevenlabs"


def test_without_a_key_the_machine_s_own_models_hear_and_speak() -> None:
    assert build_stt(bot(), settings(None)).provider == "embedded"
    assert build_tts(bot(), settings(None)).provider == "embedded"


@pytest.mark.parametrize("provider", STT_PROVIDERS)
def test_hearing_without_the_key_names_the_variable(provider: str) -> None:
    with pytest.raises(MissingSettingError, match=f"{provider.upper()}_API_KEY"):
        build_stt(bot(stt=provider), settings(None))


@pytest.mark.parametrize("provider", TTS_PROVIDERS)
def test_speaking_without_the_key_names_the_variable(provider: str) -> None:
    with pytest.raises(MissingSettingError, match=f"{provider.upper()}_API_KEY"):
        build_tts(bot(tts=provider), settings(None))


def logged(caplog: pytest.LogCaptureFixture) -> str:
    """Return everything that was logged, with what a log collector would keep beside it."""
    records = [{**vars(record), "exc_info": None} for record in caplog.records]
    return f"{caplog.text}{records}"


@pytest.mark.parametrize("provider", STT_PROVIDERS)
async def test_a_wrong_key_to_hear_is_told_without_the_key(
    double: SpeechVendors, provider: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    stt = build_stt(bot(stt=provider), settings(double.url, provider, key=WRONG))
    with pytest.raises(APIError) as error:
        await transcripts(stt, 0.4)
    assert "401" in str(error.value)
    assert WRONG not in "".join(traceback.format_exception(error.value)) + logged(caplog)


@pytest.mark.parametrize("provider", TTS_PROVIDERS)
async def test_a_wrong_key_to_speak_is_told_without_the_key(
    double: SpeechVendors, provider: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    tts = build_tts(bot(tts=provider), settings(double.url, provider, key=WRONG))
    with pytest.raises(APIError) as error:
        await sound_of(tts, GREETING)
    assert "401" in str(error.value)
    assert WRONG not in "".join(traceback.format_exception(error.value)) + logged(caplog)


@pytest.mark.parametrize(
    ("provider", "language", "parameter", "code"),
    [
        ("deepgram", "en", "language", "en"),
        ("deepgram", "en-GB", "language", "en-GB"),
        ("deepgram", "hi-IN", "language", "hi"),
        ("sarvam", "en", "language_code", "en-IN"),
        ("sarvam", "en-US", "language_code", "en-IN"),
        ("sarvam", "or", "language_code", "or-IN"),
        ("elevenlabs", "pt-BR", "language_code", "pt"),
    ],
)
async def test_the_bot_s_language_in_the_provider_s_words(
    double: SpeechVendors, provider: str, language: str, parameter: str, code: str
) -> None:
    stt = build_stt(bot(stt=provider, language=language), settings(double.url, provider))
    await transcripts(stt, 0.2)
    assert opening(double)[parameter] == code


@pytest.mark.parametrize("language", ["en", "en-GB", "hi"])
async def test_the_language_that_sarvam_speaks(double: SpeechVendors, language: str) -> None:
    tts = build_tts(bot(tts="sarvam", language=language), settings(double.url, "sarvam"))
    await sound_of(tts, GREETING)
    _, configuration = double.record.received[0]
    assert configuration["data"]["target_language_code"] == f"{language[:2]}-IN"


async def test_the_bot_s_voice_at_elevenlabs(double: SpeechVendors) -> None:
    model = "eleven_flash_v2_5"
    calm = Voice(voice_id="v-1", tts_model_family=model, stability=0.3, similarity=0.6, speed=2)
    await sound_of(
        build_tts(bot(tts="elevenlabs", voice=calm), settings(double.url, "elevenlabs")), GREETING
    )
    assert opening(double).path == "/v1/text-to-speech/v-1/multi-stream-input"
    assert opening(double)["model_id"] == model
    _, first = double.record.received[0]
    wanted = {"stability": 0.3, "similarity_boost": 0.6, "speed": 1.2}
    assert first["voice_settings"] == wanted


async def test_the_bot_s_voice_at_sarvam(double: SpeechVendors) -> None:
    brisk = Voice(voice_id="ritu", tts_model_family="bulbul:v3", speed=1.3)
    await sound_of(
        build_tts(bot(tts="sarvam", voice=brisk), settings(double.url, "sarvam")), GREETING
    )
    assert opening(double)["model"] == "bulbul:v3"
    _, configuration = double.record.received[0]
    assert configuration["data"]["speaker"] == "ritu"
    assert configuration["data"]["pace"] == 1.3


async def test_a_base_url_may_end_in_a_slash(double: SpeechVendors) -> None:
    stt = build_stt(bot(stt="deepgram"), settings(f"{double.url}/", "deepgram"))
    assert (await transcripts(stt, 0.2))[-1] == ("final", "Can I bring it tomorrow?")


async def test_speech_that_no_one_scripted_is_understood_as_nothing(double: SpeechVendors) -> None:
    double.script.clear()
    double.script.append(utterance("Yes."))
    stt = build_stt(bot(stt="deepgram"), settings(double.url, "deepgram"))
    assert await transcripts(stt, 0.2) == [("interim", "Yes."), ("final", "Yes.")]
    assert not double.script


def opening(double: SpeechVendors) -> Opening:
    """Return how the double's only socket was opened."""
    [opening] = double.record.openings
    return opening
