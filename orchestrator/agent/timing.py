"""Where the time between a caller's last word and the agent's first sound goes."""

import time
from collections.abc import Generator
from contextlib import contextmanager
from typing import Literal

Part = Literal["hearing", "endpointing", "retrieval", "model", "tools", "speech"]


class TurnClock:
    """Adds up the parts of one turn's latency, in seconds."""

    def __init__(self) -> None:
        self._parts: dict[Part, float] = {}
        self._stopped_speaking: float | None = None
        self._answered = False

    def caller_stopped(self, at: float | None) -> None:
        """Begin a turn: the caller's last sound was at `at`."""
        self._parts.clear()
        self._stopped_speaking = at
        self._answered = False

    def add(self, part: Part, seconds: float) -> None:
        """Count time for a part, unless the caller hears something already."""
        if not self._answered or part == "speech":
            self._parts[part] = self._parts.get(part, 0.0) + seconds

    @contextmanager
    def measuring(self, part: Part) -> Generator[None]:
        """Count the time of a block for a part."""
        started = time.perf_counter()
        try:
            yield
        finally:
            self.add(part, time.perf_counter() - started)

    def answered(self) -> None:
        """Take note that the first words of an answer, or a filler, are on their way."""
        self._answered = True

    def agent_started(self, at: float | None) -> dict[str, float] | None:
        """End the turn: return its parts, the rest, which is ours, and the whole."""
        if at is None or self._stopped_speaking is None or at < self._stopped_speaking:
            return None
        total = at - self._stopped_speaking
        self._stopped_speaking = None
        parts: dict[str, float] = {name: round(seconds, 3) for name, seconds in self._parts.items()}
        ours = max(0.0, total - sum(self._parts.values()))
        return {**parts, "ours": round(ours, 3), "total": round(total, 3)}
