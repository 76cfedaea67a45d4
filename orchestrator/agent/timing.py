"""The latency of a turn, from the caller's last sound to the agent's first, and its parts."""

import time
from collections.abc import Generator
from contextlib import contextmanager
from typing import Literal

from livekit.agents.llm import ChatMessage

LatencyPart = Literal["hearing", "endpointing", "retrieval", "model", "tools", "speech"]


class TurnClock:
    """Adds up the parts of one turn's latency, in seconds. Points in time are Unix times."""

    def __init__(self) -> None:
        self._parts: dict[LatencyPart, float] = {}
        self._stopped_speaking: float | None = None
        self._answered = False

    def start_turn(self, stopped_speaking: float | None) -> None:
        """Start a turn, at the caller's last sound."""
        self._parts.clear()
        self._stopped_speaking = stopped_speaking
        self._answered = False

    def add(self, part: LatencyPart, seconds: float) -> None:
        """Count time for a part, unless the caller hears something already."""
        if not self._answered or part == "speech":
            self._parts[part] = self._parts.get(part, 0.0) + seconds

    @contextmanager
    def measure(self, part: LatencyPart) -> Generator[None]:
        """Count the time of a block for a part."""
        started = time.perf_counter()
        try:
            yield
        finally:
            self.add(part, time.perf_counter() - started)

    def mark_answered(self) -> None:
        """Note that the first words of an answer, or a filler, are on their way."""
        self._answered = True

    def finish_turn(self, started_speaking: float | None) -> dict[str, float] | None:
        """Return the parts, the rest (`ours`) and the total, or None if no turn is answered."""
        stopped = self._stopped_speaking
        if started_speaking is None or stopped is None or started_speaking < stopped:
            return None
        total = started_speaking - stopped
        self._stopped_speaking = None
        parts: dict[str, float] = {name: round(seconds, 3) for name, seconds in self._parts.items()}
        ours = max(0.0, total - sum(self._parts.values()))
        return {**parts, "ours": round(ours, 3), "total": round(total, 3)}

    def add_message(self, message: ChatMessage) -> dict[str, float] | None:
        """Count what LiveKit has measured of a message.

        Returns what `finish_turn` does, if it is the message that answers the caller.
        """
        metrics = message.metrics
        if message.role == "user":
            self.start_turn(metrics.get("stopped_speaking_at"))
            hearing = metrics.get("transcription_delay", 0.0)
            self.add("hearing", hearing)
            self.add("endpointing", max(0.0, metrics.get("end_of_turn_delay", 0.0) - hearing))
        elif message.role == "assistant":
            self.add("speech", metrics.get("tts_node_ttfb", 0.0))
            return self.finish_turn(metrics.get("started_speaking_at"))
        return None
