"""Hearing and speaking: the providers' own LiveKit plugins, or the embedded models."""

from dataclasses import dataclass
from typing import Any

from livekit.agents import inference, stt, tts, vad
from livekit.plugins import deepgram, elevenlabs, openai, sarvam

from config.bots import Bot
from config.settings import Settings, required

_SARVAM_LANGUAGES = {"en": "en-IN", "hi": "hi-IN", "ta": "ta-IN", "te": "te-IN", "bn": "bn-IN"}


@dataclass(frozen=True)
class Hearing:
    """How a bot hears."""

    provider: str
    stt: stt.STT[Any]


@dataclass(frozen=True)
class Speaking:
    """How a bot speaks."""

    provider: str
    tts: tts.TTS[Any]


def detector() -> vad.VAD:
    """Return the voice activity detector; its model comes with livekit-agents."""
    return inference.VAD(min_silence_duration=0.35, min_speech_duration=0.1)


def hearing(bot: Bot, settings: Settings) -> Hearing:
    """Return the bot's speech to text; `auto` is a provider that there is a key for."""
    provider = bot.stt
    if provider == "auto":
        provider = _first_with_key(settings, "deepgram", "sarvam", "elevenlabs")
    match provider:
        case "deepgram":
            key = required("DEEPGRAM_API_KEY", settings.deepgram_api_key)
            base = _given(base_url=settings.deepgram_base_url)
            language = bot.default_language
            return Hearing(
                provider, deepgram.STT(api_key=key, language=language, smart_format=True, **base)
            )
        case "sarvam":
            key = required("SARVAM_API_KEY", settings.sarvam_api_key)
            base = _given(base_url=settings.sarvam_base_url)
            return Hearing(provider, sarvam.STT(api_key=key, language=_sarvam(bot), **base))
        case "elevenlabs":
            key = required("ELEVENLABS_API_KEY", settings.elevenlabs_api_key)
            base = _given(base_url=settings.elevenlabs_base_url)
            return Hearing(provider, elevenlabs.STT(api_key=key, **base))
        case _:
            model = openai.STT(
                model="whisper-tiny.en", base_url=settings.models_url, api_key="embedded"
            )
            return Hearing("embedded", model)


def speaking(bot: Bot, settings: Settings) -> Speaking:
    """Return the bot's text to speech; `auto` is a provider that there is a key for."""
    provider = bot.tts
    if provider == "auto":
        provider = _first_with_key(settings, "elevenlabs", "sarvam")
    voice = bot.voice
    match provider:
        case "elevenlabs":
            key = required("ELEVENLABS_API_KEY", settings.elevenlabs_api_key)
            chosen = _given(
                voice_id=voice.voice_id,
                model=voice.tts_model_family,
                base_url=settings.elevenlabs_base_url,
            )
            return Speaking(
                provider,
                elevenlabs.TTS(api_key=key, voice_settings=_elevenlabs_voice(bot), **chosen),
            )
        case "sarvam":
            key = required("SARVAM_API_KEY", settings.sarvam_api_key)
            chosen = _given(
                speaker=voice.voice_id,
                model=voice.tts_model_family,
                pace=voice.speed,
                base_url=settings.sarvam_base_url,
                ws_url=_websocket(settings.sarvam_base_url),
            )
            language = _sarvam(bot)
            return Speaking(
                provider, sarvam.TTS(api_key=key, target_language_code=language, **chosen)
            )
        case _:
            model = openai.TTS(
                model="tts-1",
                voice=voice.voice_id or "joe",
                base_url=settings.models_url,
                api_key="embedded",
                response_format="pcm",
                **_given(speed=voice.speed),
            )
            return Speaking("embedded", model)


def needs_models(bot: Bot, settings: Settings) -> bool:
    """Say whether a bot hears or speaks with the embedded models."""
    hears = bot.stt if bot.stt != "auto" else _first_with_key(settings, "deepgram", "sarvam")
    speaks = bot.tts if bot.tts != "auto" else _first_with_key(settings, "elevenlabs", "sarvam")
    return "embedded" in (hears, speaks)


def _first_with_key(settings: Settings, *providers: str) -> str:
    keys = {
        "deepgram": settings.deepgram_api_key,
        "elevenlabs": settings.elevenlabs_api_key,
        "sarvam": settings.sarvam_api_key,
    }
    return next((provider for provider in providers if keys[provider]), "embedded")


def _given(**options: Any) -> dict[str, Any]:
    return {name: value for name, value in options.items() if value is not None}


def _sarvam(bot: Bot) -> str:
    language = bot.default_language
    return language if "-" in language else _SARVAM_LANGUAGES.get(language, f"{language}-IN")


def _websocket(url: str | None) -> str | None:
    return None if url is None else url.replace("http", "ws", 1) + "/text-to-speech/ws"


def _elevenlabs_voice(bot: Bot) -> elevenlabs.VoiceSettings:
    voice = bot.voice
    return elevenlabs.VoiceSettings(
        stability=0.5 if voice.stability is None else voice.stability,
        similarity_boost=0.75 if voice.similarity is None else voice.similarity,
        **_given(speed=voice.speed),
    )
