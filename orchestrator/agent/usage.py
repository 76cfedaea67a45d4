"""What each request to a provider of speech or language will be billed by."""

from collections.abc import Mapping
from typing import Any
from uuid import uuid4

from livekit.agents.metrics import AgentMetrics, LLMMetrics, STTMetrics, TTSMetrics
from livekit.agents.metrics.base import Metadata

from orchestrator.agent.llm_cascade import LLMCascade
from orchestrator.agent.recorder import Recorder
from orchestrator.agent.speech import SpeechToText, TextToSpeech


class UsageEvents:
    """Records the usage of a call's providers as they measure it."""

    def __init__(
        self, recorder: Recorder, stt: SpeechToText, tts: TextToSpeech, llm: LLMCascade
    ) -> None:
        self._recorder = recorder
        self._stt = stt
        self._tts = tts
        self._llm = llm

    def attach(self) -> None:
        """Record usage from now on."""
        self._stt.stt.on("metrics_collected", self._stt_measured)
        self._tts.tts.on("metrics_collected", self._tts_measured)
        self._llm.on("metrics_collected", self._llm_measured)

    def _stt_measured(self, metrics: AgentMetrics) -> None:
        self._record(metrics, self._stt.provider, self._stt.stt.model)

    def _tts_measured(self, metrics: AgentMetrics) -> None:
        self._record(metrics, self._tts.provider, self._tts.tts.model)

    def _llm_measured(self, metrics: LLMMetrics) -> None:
        """Record a request to a model, which need not be the one that has answered in the end."""
        model = metrics.metadata or Metadata()
        self._record(
            metrics,
            model.model_provider or self._llm.provider,
            model.model_name or self._llm.model,
        )

    def _record(self, metrics: AgentMetrics, provider: str, model: str) -> None:
        row = usage_row(metrics, provider, model)
        if row is not None:
            self._recorder.add_usage([row])


def usage_row(metrics: AgentMetrics, provider: str, model: str) -> Mapping[str, Any] | None:
    """Return the row of one request, or None for what no provider bills."""
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
