"""Reads, writes and cuts recordings: 16 bit mono samples."""

import io
import wave
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from config.errors import UserError

Samples = NDArray[np.int16]

_SILENCE = 300  # of 32768: a frame below it counts as silence


class RecordingError(UserError):
    """A file cannot be played as a recording."""


def read_wav(path: Path) -> tuple[Samples, int]:
    """Return the samples of a 16 bit WAV, mixed to one channel, and their rate in Hz.

    Raises:
        RecordingError: the file is missing, is no such WAV, or is empty.
    """
    try:
        with wave.open(str(path), "rb") as file:
            if file.getsampwidth() != 2:
                raise RecordingError(f"{path}: must have 16 bit samples")
            channels, rate = file.getnchannels(), file.getframerate()
            data = np.frombuffer(file.readframes(file.getnframes()), np.int16)
    except FileNotFoundError:
        raise RecordingError(f"{path}: there is no such file") from None
    except (wave.Error, EOFError):
        raise RecordingError(f"{path}: is not a WAV file with PCM samples") from None
    if not len(data):
        raise RecordingError(f"{path}: is empty")
    return data.reshape(-1, channels).mean(axis=1).astype(np.int16), rate


def write_wav(path: Path, samples: Samples, rate: int) -> None:
    """Write samples to a WAV file."""
    path.write_bytes(wav_bytes(samples, rate))


def wav_bytes(samples: Samples, rate: int) -> bytes:
    """Return the content of a WAV file with these samples."""
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(samples.tobytes())
    return buffer.getvalue()


def loudness(samples: Samples) -> float:
    """Return the standard deviation of the samples."""
    return float(samples.astype(np.float32).std()) if len(samples) else 0.0


def is_voice(samples: Samples) -> bool:
    """Say whether the samples are louder than silence."""
    return loudness(samples) > _SILENCE


def split_sentences(samples: Samples, rate: int = 16_000, pause: float = 0.8) -> list[Samples]:
    """Split samples at silences of `pause` seconds or more; `rate` is in Hz."""
    frame = rate // 50
    voiced = [i for i in range(0, len(samples), frame) if is_voice(samples[i : i + frame])]
    if not voiced:
        return []
    spans = [[voiced[0], voiced[0]]]
    for start in voiced[1:]:
        if start - spans[-1][1] > pause * rate:
            spans.append([start, start])
        spans[-1][1] = start
    margin = rate // 5
    return [samples[max(0, first - margin) : last + frame + margin] for first, last in spans]


def trim_silence(samples: Samples, rate: int) -> Samples:
    """Return samples without leading and trailing silence, so that they end with speech."""
    loud = np.nonzero(np.abs(samples.astype(np.int32)) > _SILENCE)[0]
    if not len(loud):
        return samples
    before, after = rate // 20, rate // 50
    return samples[max(0, loud[0] - before) : loud[-1] + after]
