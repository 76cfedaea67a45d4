"""Which filler sentence is spoken next, and when: the caller hears that somebody is there.

A turn's first one comes `soft_timeout_seconds` after the caller's last sound, others four seconds
after the one before. No sentence comes twice in a turn.
"""

import time
from collections.abc import Callable

from orchestrator.agent.timing import Filler
from orchestrator.sentences import say

INTERVAL = 4.0  # seconds between two of a turn
_GRACE = 0.4  # seconds that an answer has in any case: hearing alone may have taken too long
_VOICE_LEAD = 0.2  # seconds that the voice takes to begin
_WORK = {
    "scheduling": "filler_calendar",
    "knowledge": "filler_documents",
    "crm": "filler_customers",
    "tickets": "filler_tickets",
    "servicenow": "filler_tickets",
}
_GENERAL = ("filler", "filler_again", "filler_long", "filler_longer")


class Fillers:
    """The filler sentences of one call. `soft_timeout` is in seconds; below 0 there are none."""

    def __init__(self, soft_timeout: float, now: Callable[[], float] = time.time) -> None:
        self.soft_timeout = soft_timeout
        self._now = now
        self.silent_since: float | None = None  # Unix time of the caller's last sound
        self._used: set[str] = set()  # in this turn
        self._spoken: set[str] = set()  # in this call
        self._due = 0.0  # Unix time of the next one

    def start_turn(self, asked_at: float | None) -> None:
        """Begin a turn, at the Unix time of the caller's last sound or message."""
        self._used.clear()
        self._due = (asked_at or self._now()) + self.soft_timeout - _VOICE_LEAD

    @property
    def delay(self) -> float | None:
        """Return how many seconds an answer has until the next one; None if there is none."""
        if self.soft_timeout < 0 or self._unused() is None:
            return None
        return max(_GRACE, self._due - self._now())

    def take(self, *preferred: str | None) -> Filler | None:
        """Return the next sentence, a preferred one first, and note that it is spoken now."""
        sentence = next((each for each in preferred if each and each not in self._used), None)
        sentence = sentence or self._unused()
        if sentence is None:
            return None
        self._used.add(sentence)
        self._spoken.add(sentence)
        self._due = self._now() + INTERVAL
        return Filler(sentence)

    def remove_from(self, text: str) -> str:
        """Return what an agent has said without the fillers at its beginning."""
        rest = text.strip()
        while filler := next((each for each in self._spoken if rest.startswith(each)), None):
            rest = rest.removeprefix(filler).lstrip()
        return rest

    def _unused(self) -> str | None:
        return next((text for text in map(say, _GENERAL) if text not in self._used), None)


def name_work(server: str) -> str | None:
    """Return a sentence that names what a tool of this server does, where there is one."""
    sentence = _WORK.get(server)
    return say(sentence) if sentence else None


def all_sentences() -> list[str]:
    """Return every filler sentence of the platform's own."""
    return [say(sentence) for sentence in (*_GENERAL, *_WORK.values())]
