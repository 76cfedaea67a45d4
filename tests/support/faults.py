"""What can go wrong at a vendor, what a caller is to hear of it, and how each fault is met."""

from collections.abc import Awaitable, Callable, Collection, Hashable, Mapping, Sequence
from typing import TypeVar
from uuid import UUID

from tests.support.vendors import Fault, garbage, refused, reset, timed_out
from toolkit.http.circuit_breaker import CircuitBreaker, CircuitBreakers
from toolkit.http.ttl_cache import TtlCache

T = TypeVar("T")

FAULTS: Mapping[str, Fault] = {
    "403": refused(403),
    "404": refused(404),
    "409": refused(409),
    "422": refused(422),
    "429": refused(429, **{"Retry-After": "3600"}),
    "500": refused(500),
    "301": refused(301, Location="https://elsewhere.example"),
    "timeout": timed_out,
    "reset": reset,
    "garbage": garbage,
    "401": refused(401),
}
READ_ERRORS: Mapping[str, str] = {
    "403": "forbidden",
    "404": "not_found",
    "409": "conflict",
    "422": "rejected",
    "429": "rate_limited",
    "500": "unavailable",
    "301": "unavailable",
    "timeout": "timeout",
    "reset": "unavailable",
    "garbage": "unavailable",
    "401": "disconnected",
}
# What is not known to have failed must not be called a failure.
UNSURE = frozenset({"500", "timeout", "reset", "garbage"})
WRITE_ERRORS: Mapping[str, str] = {**READ_ERRORS, **dict.fromkeys(UNSURE, "outcome_unknown")}


def faults_for(tools: Sequence[str], reads: Collection[str]) -> list[tuple[str, str]]:
    """Return the pairs of a tool and a fault that a test tries, of all that there are.

    The first tool that reads and the first that writes meet every fault. Every other tool meets
    three, in rotation, so that each fault is met by several tools. That is enough, because a
    provider maps the statuses of its vendor in one place, whatever tool has sent the request.
    """
    names, pairs = list(FAULTS), list[tuple[str, str]]()
    for group in (
        [tool for tool in tools if tool in reads],
        [tool for tool in tools if tool not in reads],
    ):
        pairs += [(tool, fault) for tool in group[:1] for fault in names]
        pairs += [
            (tool, names[(3 * number + offset) % len(names)])
            for number, tool in enumerate(group[1:])
            for offset in range(3)
        ]
    return pairs


class SwitchableBreakers(CircuitBreakers):
    """Breakers that never open while they are `disabled`: one test tries many faults."""

    def __init__(self) -> None:
        super().__init__()
        self.disabled = True

    def get(
        self, business_id: UUID, provider: str, account_id: UUID | None = None
    ) -> CircuitBreaker:
        """Return a breaker, a new one for each call while they are disabled."""
        if self.disabled:
            return CircuitBreaker()
        return super().get(business_id, provider, account_id)


class UncachedCache(TtlCache):
    """Keeps nothing: every call asks the vendor, so that a fault is met."""

    async def get(self, key: Hashable, seconds: float, fetch: Callable[[], Awaitable[T]]) -> T:
        """Ask."""
        return await fetch()
