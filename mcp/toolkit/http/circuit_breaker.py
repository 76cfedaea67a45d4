"""Circuit breakers: requests fail at once while a vendor does not respond or limits us."""

from collections import OrderedDict
from collections.abc import Callable
from time import monotonic
from uuid import UUID

from toolkit.errors import RateLimited, Unavailable

_FAILURE_THRESHOLD = 5  # failures in a row
_OPEN_SECONDS = 5.0  # until a probe is let through
_MAX_BACK_OFF = 600.0  # seconds; a vendor that asks for more is asked again sooner
_MAX_BREAKERS = 10_000


class CircuitBreaker:
    """The breaker of one account at one vendor.

    It opens after five failures in a row. Then it lets one request through every five seconds,
    and closes when one of these succeeds. `clock` returns seconds.
    """

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self._failures = 0
        self._open_until = 0.0
        self._back_off_until = 0.0

    def check(self, vendor: str) -> None:
        """Let a request pass, or refuse it.

        Raises:
            RateLimited: the vendor has asked us to wait.
            Unavailable: the vendor has not been responding.
        """
        now = self._clock()
        if now < self._back_off_until:
            left = self._back_off_until - now
            raise RateLimited(f"{vendor} is limiting our requests.", retry_after=left)
        if self._failures < _FAILURE_THRESHOLD:
            return
        if now < self._open_until:
            raise Unavailable(f"{vendor} has not been answering.")
        self._open_until = now + _OPEN_SECONDS  # this request is the probe; others still wait

    def record_success(self) -> None:
        """Note that the vendor responded, with whatever result."""
        self._failures = 0

    def record_failure(self) -> None:
        """Note that the vendor did not respond, or failed."""
        self._failures += 1
        if self._failures >= _FAILURE_THRESHOLD:
            self._open_until = self._clock() + _OPEN_SECONDS

    def back_off(self, seconds: float) -> None:
        """Refuse every request for as long as the vendor has asked, up to ten minutes."""
        until = self._clock() + min(seconds, _MAX_BACK_OFF)
        self._back_off_until = max(self._back_off_until, until)


class CircuitBreakers:
    """The breakers of a process; the least recently used ones are dropped."""

    def __init__(self) -> None:
        self._breakers: OrderedDict[tuple[UUID, str, UUID | None], CircuitBreaker] = OrderedDict()

    def get(
        self, business_id: UUID, provider: str, account_id: UUID | None = None
    ) -> CircuitBreaker:
        """Return the breaker of one account of a business: each may have a host and limits."""
        key = business_id, provider, account_id
        breaker = self._breakers.setdefault(key, CircuitBreaker())
        self._breakers.move_to_end(key)
        if len(self._breakers) > _MAX_BREAKERS:
            self._breakers.popitem(last=False)
        return breaker
