"""What each request to a provider will be billed by."""

from collections.abc import Mapping
from typing import Any
from uuid import uuid4

from livekit.agents.metrics import AgentMetrics, LLMMetrics, STTMetrics, TTSMetrics


def usage_row(metrics: AgentMetrics, provider: str, model: str) -> Mapping[str, Any] | None:
    """Return the row of one request, or None for what nobody bills."""
    match metrics:
        case LLMMetrics():
            operation = "llm"
            amounts: dict[str, Any] = {
                "prompt_tokens": metrics.prompt_tokens,
                "cached_tokens": metrics.prompt_cached_tokens,
                "completion_tokens": metrics.completion_tokens,
            }
        case STTMetrics():
            operation = "stt"
            amounts = {"audio_seconds": round(metrics.audio_duration, 3)}
        case TTSMetrics():
            operation = "tts"
            amounts = {
                "characters": metrics.characters_count,
                "audio_seconds": round(metrics.audio_duration, 3),
            }
        case _:
            return None
    return {
        "provider": provider,
        "operation": operation,
        # Streaming providers reuse the id of their connection for every utterance.
        "request_id": f"{operation}-{metrics.request_id}-{uuid4().hex[:8]}",
        "metadata": {"model": model, **amounts},
    }
