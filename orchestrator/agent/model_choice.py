"""Which providers a bot uses for speech and language: its own choice, or one there is a key for."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from config.settings import Settings, environment

AUTO = "auto"
EMBEDDED = "embedded"


@dataclass(frozen=True)
class LLMSpec:
    """A language model of a bot's cascade, and how litellm calls it."""

    name: str
    model: str
    options: dict[str, Any] = field(default_factory=dict[str, Any], repr=False)

    @property
    def embedded(self) -> bool:
        """Return whether it is the small model of this machine."""
        return self.name == EMBEDDED

    def deployment(self) -> str:
        """Return a digest of what a request depends on: the model, its address and its key.

        litellm reads address and key from variables that begin with the provider's name.
        """
        variables = provider_variables(self.model.partition("/")[0])
        parts = json.dumps([self.model, self.options, variables], sort_keys=True)
        return hashlib.sha256(parts.encode()).hexdigest()[:16]


def resolve_stt(name: str, settings: Settings) -> str:
    """Return the provider of speech to text."""
    return _resolve(name, settings, "deepgram", "sarvam", "elevenlabs")


def resolve_tts(name: str, settings: Settings) -> str:
    """Return the provider of text to speech."""
    return _resolve(name, settings, "elevenlabs", "sarvam")


def resolve_llm(names: Sequence[str], settings: Settings) -> list[LLMSpec]:
    """Return the language models of a cascade, in its order."""
    return [_llm_spec(_default_llm(settings) if name == AUTO else name, settings) for name in names]


def needs_embedded_models(settings: Settings) -> bool:
    """Return whether a bot that leaves every choice to the platform uses an embedded model."""
    chosen = (
        resolve_stt(AUTO, settings),
        resolve_tts(AUTO, settings),
        resolve_llm((AUTO,), settings)[0].name,
    )
    return EMBEDDED in chosen


@cache
def provider_variables(provider: str) -> dict[str, str]:
    """Return what litellm may read for a provider: its key, its address and so on."""
    prefix = f"{provider.upper()}_"
    return {name: value for name, value in environment().items() if name.startswith(prefix)}


def _resolve(name: str, settings: Settings, *providers: str) -> str:
    if name != AUTO:
        return name
    keys = {
        "deepgram": settings.deepgram_api_key,
        "elevenlabs": settings.elevenlabs_api_key,
        "sarvam": settings.sarvam_api_key,
    }
    return next((provider for provider in providers if keys[provider]), EMBEDDED)


def _default_llm(settings: Settings) -> str:
    if settings.llm_model:
        return settings.llm_model
    models = (
        (settings.openai_api_key, "openai/gpt-4.1-mini"),
        (settings.anthropic_api_key, "anthropic/claude-haiku-4-5"),
        (settings.gemini_api_key, "gemini/gemini-2.5-flash"),
        (settings.groq_api_key, "groq/llama-3.3-70b-versatile"),
    )
    return next((model for key, model in models if key), EMBEDDED)


def _llm_spec(name: str, settings: Settings) -> LLMSpec:
    if name == EMBEDDED:
        options = {"api_base": settings.models_url, "api_key": EMBEDDED}
        return LLMSpec(name, "openai/embedded", options)
    return LLMSpec(name, name)
