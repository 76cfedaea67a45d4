"""Speech to text and text to speech: the providers' LiveKit plugins, or the embedded models.

A provider's base URL is its host alone, like `https://api.deepgram.com`: the paths are added here.
It is set where the provider is reached through a gateway or a regional host.
"""

from dataclasses import dataclass
from typing import Any, get_args

from livekit.agents import inference, stt, tts, vad
from livekit.plugins import deepgram, elevenlabs, openai, sarvam
from livekit.plugins.deepgram.models import DeepgramLanguages

from config.bots import Bot
from config.settings import Settings, required
from orchestrator.agent.model_choice import EMBEDDED, resolve_stt, resolve_tts
from orchestrator.embedded.piper import DEFAULT_VOICE, VOICES

MIN_SILENCE = 0.35  # seconds, which voice activity detection takes for the end of speech
_ELEVENLABS_SPEEDS = 0.7, 1.2  # of the speed, in its API


@dataclass(frozen=True)
class SpeechToText:
    """A bot's speech to text, and the name of its provider.

    Unless it `detects_language`, the language that it reports is the one that it was told.
    """

    provider: str
    stt: stt.STT[Any]
    detects_language: bool = False


@dataclass(frozen=True)
class TextToSpeech:
    """A bot's text to speech, and the name of its provider."""

    provider: str
    tts: tts.TTS[Any]


def build_vad() -> vad.VAD:
    """Return the voice activity detector; its model comes with livekit-agents."""
    return inference.VAD(min_silence_duration=MIN_SILENCE, min_speech_duration=0.1)


def build_stt(bot: Bot, settings: Settings) -> SpeechToText:
    """Return the bot's speech to text; `auto` is a provider that there is a key for."""
    provider = resolve_stt(bot.stt, settings)
    match provider:
        case "deepgram":
            key = required("DEEPGRAM_API_KEY", settings.deepgram_api_key)
            base = _options(base_url=_url(settings.deepgram_base_url, "/v1/listen"))
            language = _deepgram_language(bot)
            return SpeechToText(
                provider, deepgram.STT(api_key=key, language=language, smart_format=True, **base)
            )
        case "sarvam":
            key = required("SARVAM_API_KEY", settings.sarvam_api_key)
            # `sarvam.STT` gives no interim results, and its streams forget their base URL.
            base = _options(base_url=_url(settings.sarvam_base_url, "/speech-to-text-realtime/ws"))
            language = _sarvam_language(bot, odia="or-IN")
            return SpeechToText(
                provider, sarvam.STTRealtime(api_key=key, language=language, **base)
            )
        case "elevenlabs":
            key = required("ELEVENLABS_API_KEY", settings.elevenlabs_api_key)
            base = _options(base_url=_url(settings.elevenlabs_base_url, "/v1"))
            language = _bare_language(bot)
            # The other models hear whole files only.
            model = "scribe_v2_realtime"
            return SpeechToText(
                provider, elevenlabs.STT(api_key=key, model=model, language_code=language, **base)
            )
        case _:
            whisper = openai.STT(
                model="whisper-tiny.en", base_url=settings.models_url, api_key=EMBEDDED
            )
            return SpeechToText(EMBEDDED, whisper)


def build_tts(bot: Bot, settings: Settings) -> TextToSpeech:
    """Return the bot's text to speech; `auto` is a provider that there is a key for."""
    provider = resolve_tts(bot.tts, settings)
    voice = bot.voice
    match provider:
        case "elevenlabs":
            key = required("ELEVENLABS_API_KEY", settings.elevenlabs_api_key)
            chosen = _options(
                voice_id=voice.voice_id,
                model=voice.tts_model_family,
                base_url=_url(settings.elevenlabs_base_url, "/v1"),
            )
            return TextToSpeech(
                provider,
                elevenlabs.TTS(api_key=key, voice_settings=_elevenlabs_voice(bot), **chosen),
            )
        case "sarvam":
            key = required("SARVAM_API_KEY", settings.sarvam_api_key)
            chosen = _options(
                speaker=voice.voice_id,
                model=voice.tts_model_family,
                pace=voice.speed,
                base_url=_url(settings.sarvam_base_url, "/text-to-speech"),
                ws_url=_url(settings.sarvam_base_url, "/text-to-speech/ws"),
            )
            language = _sarvam_language(bot, odia="od-IN")
            return TextToSpeech(
                provider, sarvam.TTS(api_key=key, target_language_code=language, **chosen)
            )
        case _:
            model = openai.TTS(
                model="tts-1",
                voice=voice.voice_id if voice.voice_id in VOICES else DEFAULT_VOICE,
                base_url=settings.models_url,
                api_key=EMBEDDED,
                response_format="pcm",
                **_options(speed=voice.speed),
            )
            return TextToSpeech(EMBEDDED, model)


def _options(**options: Any) -> dict[str, Any]:
    return {name: value for name, value in options.items() if value is not None}


def _url(base: str | None, path: str) -> str | None:
    return None if base is None else base.rstrip("/") + path


def _bare_language(bot: Bot) -> str:
    return bot.default_language.partition("-")[0]


def _deepgram_language(bot: Bot) -> str:
    regional = bot.default_language in get_args(DeepgramLanguages)
    return bot.default_language if regional else _bare_language(bot)


def _sarvam_language(bot: Bot, *, odia: str) -> str:
    language = _bare_language(bot)
    return odia if language in {"or", "od"} else f"{language}-IN"


def _elevenlabs_voice(bot: Bot) -> elevenlabs.VoiceSettings:
    voice = bot.voice
    slowest, fastest = _ELEVENLABS_SPEEDS
    speed = None if voice.speed is None else min(max(voice.speed, slowest), fastest)
    return elevenlabs.VoiceSettings(
        stability=0.5 if voice.stability is None else voice.stability,
        similarity_boost=0.75 if voice.similarity is None else voice.similarity,
        **_options(speed=speed),
    )
