"""Which provider hears, thinks and speaks: the bot's own, or one that there is a key for."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from config.settings import Settings

AUTO = "auto"
EMBEDDED = "embedded"

_MODELS = (
    ("OPENAI_API_KEY", "openai/gpt-4.1-mini"),
    ("ANTHROPIC_API_KEY", "anthropic/claude-haiku-4-5"),
    ("GEMINI_API_KEY", "gemini/gemini-2.5-flash"),
    ("GROQ_API_KEY", "groq/llama-3.3-70b-versatile"),
)


@dataclass(frozen=True)
class Target:
    """One language model of a cascade, as litellm calls it."""

    name: str
    model: str
    options: dict[str, Any] = field(default_factory=dict[str, Any], repr=False)

    @property
    def embedded(self) -> bool:
        """Say whether it is the small model of this machine, which chooses but does not word."""
        return self.name == EMBEDDED


def hears(wanted: str, settings: Settings) -> str:
    """Return the provider of speech to text."""
    return _chosen(wanted, settings, "deepgram", "sarvam", "elevenlabs")


def speaks(wanted: str, settings: Settings) -> str:
    """Return the provider of text to speech."""
    return _chosen(wanted, settings, "elevenlabs", "sarvam")


def thinks(names: Sequence[str], settings: Settings) -> list[Target]:
    """Return the cascade of language models."""
    return [_target(_automatic(settings) if name == AUTO else name, settings) for name in names]


def needs_models(settings: Settings) -> bool:
    """Say whether a bot that leaves the choice to us would use an embedded model."""
    chosen = hears(AUTO, settings), speaks(AUTO, settings), thinks((AUTO,), settings)[0].name
    return EMBEDDED in chosen


def _chosen(wanted: str, settings: Settings, *providers: str) -> str:
    if wanted != AUTO:
        return wanted
    keys = {
        "deepgram": settings.deepgram_api_key,
        "elevenlabs": settings.elevenlabs_api_key,
        "sarvam": settings.sarvam_api_key,
    }
    return next((provider for provider in providers if keys[provider]), EMBEDDED)


def _automatic(settings: Settings) -> str:
    if settings.llm_model:
        return settings.llm_model
    return next((model for key, model in _MODELS if os.environ.get(key)), EMBEDDED)


def _target(name: str, settings: Settings) -> Target:
    if name == EMBEDDED:
        options = {"api_base": settings.models_url, "api_key": EMBEDDED}
        return Target(name, "openai/embedded", options)
    return Target(name, name)
