"""Which few of the free times are offered: a caller keeps three in mind."""

from collections.abc import Sequence
from datetime import datetime, time, timedelta

from toolkit.speech.when import TimeRequest

OFFERED = 3


def chosen(free: Sequence[datetime], wish: TimeRequest) -> list[datetime]:
    """Return at most three of the wished-for times, which are in order."""
    if wish.daytime.at:
        return _near(free, wish.daytime.at)
    if wish.soonest or len(free) <= OFFERED:
        return list(free[:OFFERED])
    return [free[0], free[len(free) // 2], free[len(free) * 5 // 6]]


def nearest(free: Sequence[datetime], start: datetime, count: int) -> list[datetime]:
    """Return the times closest to `start`, in order."""
    return sorted(sorted(free, key=lambda each: abs(each - start))[:count])


def _near(free: Sequence[datetime], at: time) -> list[datetime]:
    """Return the times closest to `at`; a time that is exactly that comes first."""
    near = sorted(sorted(free, key=lambda start: _distance(start, at))[:OFFERED])
    return sorted(near, key=lambda start: start.time() != at)


def _distance(start: datetime, at: time) -> timedelta:
    return abs(start - start.replace(hour=at.hour, minute=at.minute))
