"""Chooses which few of the free times are offered: a caller remembers about three."""

from collections.abc import Sequence
from datetime import datetime, time, timedelta

from toolkit.speech.when import TimeRequest

MAX_OFFERED = 3


def choose_slots(free: Sequence[datetime], request: TimeRequest) -> list[datetime]:
    """Return at most three of the free times, all of which fit the request and are in order.

    For an exact time these are the nearest ones, for the soonest time the first ones, otherwise
    they are spread over the whole.
    """
    if request.daytime.at:
        return _nearest_to_time(free, request.daytime.at)
    if request.soonest or len(free) <= MAX_OFFERED:
        return list(free[:MAX_OFFERED])
    return [free[0], free[len(free) // 2], free[len(free) * 5 // 6]]


def nearest_slots(free: Sequence[datetime], start: datetime, count: int) -> list[datetime]:
    """Return the `count` times closest to `start`, in order."""
    return sorted(sorted(free, key=lambda each: abs(each - start))[:count])


def _nearest_to_time(free: Sequence[datetime], at: time) -> list[datetime]:
    """Return the times closest to `at`, in order, but a time that is exactly `at` first."""
    nearest = sorted(sorted(free, key=lambda start: _distance(start, at))[:MAX_OFFERED])
    return sorted(nearest, key=lambda start: start.time() != at)


def _distance(start: datetime, at: time) -> timedelta:
    return abs(start - start.replace(hour=at.hour, minute=at.minute))
