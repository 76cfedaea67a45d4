"""The latency of a turn: from the caller's last sound to the agent's first, and to its answer's.

A sound begins where its first frame leaves for LiveKit. Each segment of speech is followed by
itself, so that a filler is told from the answer, be they two messages or two segments of one. The
caller's last sound is where the voice activity detector found it, or where a typed message came in.
What the caller hears is later by the way through LiveKit and by the silence that a voice begins
with. Held against the caller's own recording of calls on one machine, with the embedded voice, both
figures were 0.3 to 0.5 s too small (1.1 s, with three times more work than cores), and the time
between the two sounds right within 0.1 s.
"""

import time
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Callable, Generator
from contextlib import aclosing, contextmanager
from typing import Any, Literal, NamedTuple

from livekit import rtc
from livekit.agents.llm import ChatChunk, ChatMessage
from livekit.agents.types import USERDATA_TTS_STARTED_TIME

from orchestrator.agent.client_events import Publish

LatencyPart = Literal["hearing", "endpointing", "retrieval", "model", "tools", "speech", "filler"]
Since = Literal["speech", "text"]


class Filler(str):
    """A sentence that bridges a wait: the caller hears something, but no answer."""

    __slots__ = ()


class _Speech(NamedTuple):
    """How long the voice took to begin a segment, and since when it is ready, by the clock."""

    seconds: float
    ready_at: float


class TurnClock:
    """Measures one turn after the other, and publishes each when its answer begins to sound.

    Durations are in seconds, `at` and `_asked_at` are Unix times; `now` is a clock that never
    jumps.
    """

    def __init__(self, publish: Publish, now: Callable[[], float] = time.perf_counter) -> None:
        self._publish = publish
        self._now = now
        self._parts: dict[LatencyPart, float] = {}
        self._since: Since = "speech"
        self._asked_at: float | None = None  # until the turn is answered
        self._began = 0.0
        self._text_began: float | None = None  # the model's, until it goes to the voice
        self._speech: _Speech | None = None  # of the last segment
        self._first_sound: float | None = None
        self._is_filler = False  # what is spoken next

    def add_message(self, message: ChatMessage) -> None:
        """Start a turn, if the message is the caller's."""
        if message.role != "user":
            return
        metrics = message.metrics
        self.start_turn(metrics.get("stopped_speaking_at"), "speech")
        hearing = metrics.get("transcription_delay", 0.0)
        self.add("hearing", hearing)
        self.add("endpointing", max(0.0, metrics.get("end_of_turn_delay", 0.0) - hearing))

    def start_turn(self, asked_at: float | None, since: Since = "text") -> None:
        """Start a turn: at the caller's last sound (None: unknown), or where a text came in."""
        self._asked_at, self._since = asked_at, since
        self._began = self._now()
        self._parts.clear()
        self._text_began = self._speech = self._first_sound = None

    def add(self, part: LatencyPart, seconds: float) -> None:
        """Count time for a part."""
        self._parts[part] = self._parts.get(part, 0.0) + seconds

    @contextmanager
    def measure(self, part: LatencyPart) -> Generator[None]:
        """Count the time of a block for a part, as far as it is in the turn."""
        started = self._now()
        try:
            yield
        finally:
            self._add_since(part, started)

    async def count_model(self, chunks: AsyncGenerator[Any]) -> AsyncGenerator[Any]:
        """Pass on a model's chunks, and count the waits for them until its text begins."""
        async with aclosing(chunks):
            started = self._now()
            speaks = False
            async for chunk in chunks:
                if not speaks:
                    self._add_since("model", started)
                    speaks = _has_text(chunk)
                    self._text_began = self._now() if speaks else None
                yield chunk
                started = self._now()

    async def count_speech(
        self, frames: AsyncGenerator[rtc.AudioFrame]
    ) -> AsyncGenerator[rtc.AudioFrame]:
        """Pass on the audio of a segment, and note how long its first frame took.

        That begins when text goes to the voice, which takes whole sentences: the rest of the first
        one is the model's time.
        """
        async with aclosing(frames):
            started = self._now()
            waiting = True
            async for frame in frames:
                if waiting:
                    self._add_speech(frame.userdata.get(USERDATA_TTS_STARTED_TIME, started))
                    waiting = False
                yield frame

    async def next_segment(self, text: AsyncIterable[str]) -> AsyncIterator[str]:
        """Note whether the segment that is spoken next is a filler, and return its text."""
        deltas = aiter(text)
        first = await anext(deltas, None)
        self._is_filler = isinstance(first, Filler)
        return _chain(first, deltas)

    def add_sound(self, at: float) -> None:
        """Note that the segment begins to sound, and publish the latency if it is the answer."""
        if self._asked_at is None or at < self._asked_at:
            return
        seconds = at - self._asked_at
        follows_filler = self._first_sound is not None
        first_sound = self._first_sound = self._first_sound or seconds
        if self._is_filler:
            return
        self._asked_at = None
        if self._speech is not None:
            self.add("speech", self._speech.seconds)
        if self._speech is not None and follows_filler:
            self.add("filler", self._now() - self._speech.ready_at)
        figures = self._figures(first_sound, seconds)
        self._publish("latency", {"since": self._since, "seconds": figures})

    def _figures(self, first_sound: float, answer: float) -> dict[str, float]:
        """Return the parts of a turn, what is left of it (`ours`), and its two sounds."""
        figures: dict[str, float] = dict(self._parts.items())
        figures["ours"] = max(0.0, answer - sum(figures.values()))
        figures |= {"first_sound": first_sound, "answer": answer}
        return {name: round(seconds, 3) for name, seconds in figures.items()}

    def _add_since(self, part: LatencyPart, started: float) -> None:
        self.add(part, max(0.0, self._now() - max(started, self._began)))

    def _add_speech(self, started: float) -> None:
        self._speech = _Speech(self._now() - started, self._now())
        if self._text_began is not None and started >= self._text_began:
            self.add("model", started - self._text_began)
            self._text_began = None


def _has_text(chunk: Any) -> bool:
    if isinstance(chunk, ChatChunk):
        return chunk.delta is not None and bool(chunk.delta.content)
    return isinstance(chunk, str)


async def _chain(first: str | None, rest: AsyncIterator[str]) -> AsyncGenerator[str]:
    if first is not None:
        yield first
    async for delta in rest:
        yield delta
