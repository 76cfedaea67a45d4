"""How fast the language model has answered lately."""

import statistics
import time
from collections import deque
from collections.abc import Callable

_RECENT = 60.0  # seconds
_FEW = 3  # answers, below which nothing is said of them: one of them may have had a long prompt


class AnswerSpeed:
    """The answers of the last minute. `clock` is in seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._waits: deque[tuple[float, float]] = deque(maxlen=20)  # when, and how long
        self.tokens_per_second: float | None = None  # of the last one that was long enough

    def add(self, wait: float | None, tokens_per_second: float | None) -> None:
        """Note an answer: seconds until it began, and how fast it was written then."""
        if wait is not None:
            self._waits.append((self._clock(), wait))
        self.tokens_per_second = tokens_per_second or self.tokens_per_second

    @property
    def wait(self) -> float | None:
        """Return how many seconds an answer takes to begin; None after too few of them."""
        recent = [wait for at, wait in self._waits if self._clock() - at < _RECENT]
        return statistics.median(recent) if len(recent) >= _FEW else None

    def report(self) -> dict[str, float | None]:
        """Return its part of `/health`."""
        return {
            "tokens_per_second": _rounded(self.tokens_per_second, 1),
            "wait_seconds": _rounded(self.wait, 2),
        }


def _rounded(value: float | None, digits: int) -> float | None:
    return None if value is None else round(value, digits)
