"""What the caller says: recordings, with their words beside them where they are known."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from livekit import rtc

from orchestrator.demo.audio import RecordingError, Samples, read_wav, trimmed
from orchestrator.demo.caller import RATE


@dataclass(frozen=True)
class Utterance:
    """One recording, ready to be played."""

    file: str
    text: str | None
    samples: Samples


def utterances(files: Sequence[Path]) -> list[Utterance]:
    """Read recordings; the words of `x.wav` are in `x.txt` beside it, where there is one.

    Raises:
        RecordingError: a file cannot be played, or there is none.
    """
    if not files:
        raise RecordingError("there is nothing to play: give recordings with --wav FILE…")
    return [_utterance(path) for path in files]


def recordings_beside(declaration: Path) -> list[Path]:
    """Return the recordings in the folder that is called like the declaration, in order."""
    return sorted(declaration.with_suffix("").glob("*.wav"))


def _utterance(path: Path) -> Utterance:
    samples, rate = read_wav(path)
    words = path.with_suffix(".txt")
    text = words.read_text(encoding="utf-8").strip() if words.is_file() else None
    return Utterance(path.name, text, _resampled(trimmed(samples, rate), rate))


def _resampled(samples: Samples, rate: int) -> Samples:
    if rate == RATE:
        return samples
    resampler = rtc.AudioResampler(rate, RATE, quality=rtc.AudioResamplerQuality.HIGH)
    frame = rtc.AudioFrame(samples.tobytes(), rate, 1, len(samples))
    parts = [*resampler.push(frame), *resampler.flush()]
    return np.concatenate([np.frombuffer(part.data, np.int16) for part in parts])
