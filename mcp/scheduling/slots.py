"""Chooses which few of the free times are offered: a caller remembers about three."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from scheduling.provider import Nights
from toolkit.instants import elapsed, first_moment, utc
from toolkit.speech.when import TimeRequest

MAX_OFFERED = 3
_DAY = timedelta(days=1)


def evening_of(start: datetime, nights: Nights) -> date:
    """Return the day that a local time belongs to: in a night, the day of the evening before."""
    before = start.date() - _DAY
    until = nights.get(before.weekday())
    return before if until and start.time() < until else start.date()


def end_of(day: date, zone: ZoneInfo, nights: Nights) -> datetime:
    """Return when a day ends: at midnight, or when its night does."""
    return first_moment(day + _DAY, nights.get(day.weekday(), time.min), zone)


def is_wanted(request: TimeRequest, start: datetime, nights: Nights, today: date) -> bool:
    """Say whether a local time fits a request, or one of its alternatives.

    Who says Friday means the night after it, and not the one before. That one is meant by who says
    an exact time of Friday, or speaks while it lasts.
    """
    if request.others:
        each = (replace(request, others=()), *request.others)
        return any(is_wanted(one, start, nights, today) for one in each)
    evening = evening_of(start, nights)
    if evening == start.date():
        return request.includes(start)
    literally = request.daytime.at or request.soonest or start.date() == today
    late = datetime.combine(evening, time.max)
    return request.includes(late) or (bool(literally) and request.includes(start))


def choose_slots(
    free: Sequence[datetime], request: TimeRequest, nights: Nights, today: date
) -> list[datetime]:
    """Return at most three of the free times, all of which fit the request and are in order.

    For an exact time these are the nearest ones, for the soonest time the first ones, otherwise
    they are spread over the whole. Of each of several alternatives there is one.
    """
    if request.others:
        each = (replace(request, others=()), *request.others)
        wanted = [choose_slots(free, one, nights, today) for one in each]
        first = {utc(start): start for starts in wanted for start in starts[:1]}
        return sorted(first.values(), key=utc)[:MAX_OFFERED]
    free = [start for start in free if is_wanted(request, start, nights, today)]
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
