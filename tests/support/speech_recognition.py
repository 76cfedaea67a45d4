"""A caller's script and the ear that follows it: what is heard depends on the audio alone."""

from collections import deque
from dataclasses import dataclass
from typing import Literal

import numpy as np

LOUD = 300  # root mean square of 16-bit samples; a line that is silent stays far below
PACE = 0.2  # seconds of speech per interim transcript
PAUSE = 0.4  # seconds of silence that end an utterance


@dataclass(frozen=True)
class Utterance:
    """What the caller says without a pause: how it is understood on the way, and at the end."""

    text: str
    interims: tuple[str, ...]
    confidence: float


def utterance(text: str, *interims: str, confidence: float = 0.98) -> Utterance:
    """Return an utterance; unless they are given, its interim transcripts grow word by word."""
    words = text.split()
    growing = tuple(" ".join(words[:count]) for count in range(1, len(words) + 1))
    return Utterance(text, interims or growing, confidence)


@dataclass(frozen=True)
class Recognition:
    """One thing that the ear has noticed, at a second of the audio."""

    kind: Literal["start", "interim", "final"]
    at: float
    text: str = ""
    confidence: float = 0.0


class Recognizer:
    """Listens to one stream of 16-bit audio, and understands what the script says.

    Speech brings the next utterance's interim transcripts, one per `PACE`. A pause brings its
    final one, unless `pause` is None: then only `finish` does. Speech after the script's
    end is understood as nothing.
    """

    def __init__(
        self,
        script: deque[Utterance],
        sample_rate: int,
        pause: float | None = PAUSE,
    ) -> None:
        self._script = script
        self._sample_rate = sample_rate
        self._pause = pause
        self._understood = 0
        self.seconds = 0.0
        self._speech = 0.0
        self._silence = 0.0

    def hear(self, audio: bytes) -> list[Recognition]:
        """Listen to the next piece of audio."""
        samples = np.frombuffer(audio, dtype=np.int16).astype(np.float64)
        if not samples.size:
            return []
        length = samples.size / self._sample_rate
        self.seconds += length
        if float(np.sqrt(np.mean(samples**2))) > LOUD:
            return self._speaking(length)
        return self._pausing(length)

    def finish(self) -> list[Recognition]:
        """End the utterance, whatever follows."""
        if not self._speech:
            return []
        self._speech = self._silence = 0.0
        self._understood = 0
        if not self._script:
            return [Recognition("final", self.seconds)]
        utterance = self._script.popleft()
        return [Recognition("final", self.seconds, utterance.text, utterance.confidence)]

    def _speaking(self, length: float) -> list[Recognition]:
        started = [] if self._speech else [Recognition("start", self.seconds)]
        self._speech += length
        self._silence = 0.0
        return [*started, *self._next_interim()]

    def _next_interim(self) -> list[Recognition]:
        interims = self._script[0].interims if self._script else ()
        due = int(self._speech / PACE + 1e-6)
        if self._understood >= min(due, len(interims)):
            return []
        self._understood += 1
        text = interims[self._understood - 1]
        return [Recognition("interim", self.seconds, text, self._script[0].confidence)]

    def _pausing(self, length: float) -> list[Recognition]:
        self._silence += length
        if self._pause is None or self._silence < self._pause:
            return []
        return self.finish()
