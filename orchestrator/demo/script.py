"""Loads what the caller says: recordings, and their texts where a `.txt` file has them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from livekit import rtc

from orchestrator.demo.audio import RecordingError, Samples, read_wav, trim_silence
from orchestrator.demo.caller import SEND_RATE


@dataclass(frozen=True)
class Utterance:
    """A recording at `SEND_RATE`, and its text where that is known."""

    file: str
    text: str | None
    samples: Samples


def load_utterances(files: Sequence[Path]) -> list[Utterance]:
    """Read recordings; the text of `x.wav` is read from `x.txt` beside it, if that exists.

    Raises:
        RecordingError: a file cannot be played, or `files` is empty.
    """
    if not files:
        raise RecordingError("there is nothing to play: give recordings with --wav FILE…")
    return [_load_utterance(path) for path in files]


def find_recordings(declaration: Path) -> list[Path]:
    """Return the WAV files in the folder named like the declaration, sorted."""
    return sorted(declaration.with_suffix("").glob("*.wav"))


def _load_utterance(path: Path) -> Utterance:
    samples, rate = read_wav(path)
    words = path.with_suffix(".txt")
    text = words.read_text(encoding="utf-8").strip() if words.is_file() else None
    return Utterance(path.name, text, _resample(trim_silence(samples, rate), rate))


def _resample(samples: Samples, rate: int) -> Samples:
    if rate == SEND_RATE:
        return samples
    resampler = rtc.AudioResampler(rate, SEND_RATE, quality=rtc.AudioResamplerQuality.HIGH)
    frame = rtc.AudioFrame(samples.tobytes(), rate, 1, len(samples))
    parts = [*resampler.push(frame), *resampler.flush()]
    return np.concatenate([np.frombuffer(part.data, np.int16) for part in parts])
