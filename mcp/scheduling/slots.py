"""Chooses which few of the free times are offered: a caller remembers about three."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, time, timedelta

from toolkit.moments import elapsed, utc
from toolkit.speech.when import TimeRequest

MAX_OFFERED = 3


def choose_slots(free: Sequence[datetime], request: TimeRequest) -> list[datetime]:
    """Return at most three of the free times, all of which fit the request and are in order.

    For an exact time these are the nearest ones, for the soonest time the first ones, otherwise
    they are spread over the whole. Of each of several alternatives there is one.
    """
    if request.others:
        wanted = [_choose(free, each) for each in (request, *request.others)]
        first = {utc(start): start for starts in wanted for start in starts[:1]}
        return sorted(first.values(), key=utc)[:MAX_OFFERED]
    return _choose(free, request)


def _choose(free: Sequence[datetime], request: TimeRequest) -> list[datetime]:
    free = [start for start in free if replace(request, others=()).includes(start)]
    if request.daytime.at:
        return _nearest_to_time(free, request.daytime.at)
    if request.soonest or len(free) <= MAX_OFFERED:
        return list(free[:MAX_OFFERED])
    return [free[0], free[len(free) // 2], free[len(free) * 5 // 6]]


def nearest_slots(free: Sequence[datetime], start: datetime, count: int) -> list[datetime]:
    """Return the `count` times closest to `start`, in order."""
    return sorted(sorted(free, key=lambda each: abs(elapsed(each, start)))[:count], key=utc)


def _nearest_to_time(free: Sequence[datetime], at: time) -> list[datetime]:
    """Return the times closest to `at`, in order, but a time that is exactly `at` first."""
    nearest = sorted(free, key=lambda start: _distance(start, at))[:MAX_OFFERED]
    return sorted(nearest, key=lambda start: (start.time() != at, utc(start)))


def _distance(start: datetime, at: time) -> timedelta:
    there = (start.replace(hour=at.hour, minute=at.minute, fold=fold) for fold in (0, 1))
    return min(abs(elapsed(start, each)) for each in there)
