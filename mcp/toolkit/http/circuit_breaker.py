"""Spares a caller the wait for a vendor that does not answer, or has asked for patience."""

from collections import OrderedDict
from collections.abc import Callable
from time import monotonic
from uuid import UUID

from toolkit.errors import RateLimited, Unavailable

_FAILURES = 5  # in a row
_OPEN = 5.0  # seconds until one request may try again
_LONGEST = 600.0  # seconds that a vendor's own wish for patience is believed
_MOST = 10_000


class CircuitBreaker:
    """One business at one vendor: open after five failures in a row, then one probe at a time."""

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self._failures = 0
        self._open_until = 0.0
        self._quiet_until = 0.0

    def enter(self, vendor: str) -> None:
        """Let a request pass, or say why not.

        Raises:
            Limited: the vendor has asked to wait.
            Unavailable: it has not been answering.
        """
        now = self._clock()
        if now < self._quiet_until:
            raise RateLimited(f"{vendor} is limiting our requests.")
        if self._failures < _FAILURES:
            return
        if now < self._open_until:
            raise Unavailable(f"{vendor} has not been answering.")
        self._open_until = now + _OPEN  # this one is the probe; the others go on waiting

    def answered(self) -> None:
        """Note that the vendor is there, whatever it said."""
        self._failures = 0

    def failed(self) -> None:
        """Note that it was not, or was not itself."""
        self._failures += 1
        if self._failures >= _FAILURES:
            self._open_until = self._clock() + _OPEN

    def quiet_for(self, seconds: float) -> None:
        """Ask nothing for as long as the vendor has asked for."""
        self._quiet_until = max(self._quiet_until, self._clock() + min(seconds, _LONGEST))


class CircuitBreakers:
    """The breakers of a process, the least used forgotten."""

    def __init__(self) -> None:
        self._breakers: OrderedDict[tuple[UUID, str], CircuitBreaker] = OrderedDict()

    def of(self, business_id: UUID, provider: str) -> CircuitBreaker:
        """Return the breaker of one business at one provider."""
        key = business_id, provider
        breaker = self._breakers.setdefault(key, CircuitBreaker())
        self._breakers.move_to_end(key)
        if len(self._breakers) > _MOST:
            self._breakers.popitem(last=False)
        return breaker
