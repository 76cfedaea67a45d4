"""Arithmetic on moments.

To an aware datetime Python adds by the wall clock, and by the wall clock it subtracts and compares
two of one zone: where the clocks change an hour is lost or gained, and the two readings of a time
that comes twice are equal. Such a reading is never equal to a datetime of another zone either. In
UTC none of this happens.
"""

from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, AwareDatetime

Reading = Literal["only", "first", "second"]

_MINUTE = timedelta(minutes=1)


def utc(moment: datetime) -> datetime:
    """Return a moment in UTC, in which moments can be compared, added to and subtracted."""
    return moment.astimezone(UTC)


# A moment that a model holds in UTC.
UtcDatetime = Annotated[AwareDatetime, AfterValidator(utc)]


def add(moment: datetime, length: timedelta) -> datetime:
    """Return the moment that is `length` later, in the same time zone."""
    return (utc(moment) + length).astimezone(moment.tzinfo)


def elapsed(start: datetime, end: datetime) -> timedelta:
    """Return the time from one moment to another."""
    return utc(end) - utc(start)


def moments_at(day: date, at: time, zone: ZoneInfo) -> list[datetime]:
    """Return the moments, in UTC, at which the clocks of a zone show a time of a day.

    There are none where the clocks skip it, and two where they show it twice.
    """
    shown = datetime.combine(day, at)
    moments = {utc(shown.replace(tzinfo=zone, fold=fold)) for fold in (0, 1)}
    return sorted(each for each in moments if _wall_clock(each, zone) == shown)


def first_moment(day: date, at: time, zone: ZoneInfo) -> datetime:
    """Return the moment, in UTC, at which the clocks of a zone first show a time, or skip it."""
    shown = datetime.combine(day, at)
    moment = min(utc(shown.replace(tzinfo=zone, fold=fold)) for fold in (0, 1))
    while _wall_clock(moment, zone) < shown:  # for a time that is skipped only
        moment += _MINUTE
    return moment


def reading(local: datetime) -> Reading:
    """Say which one a local datetime is of those at which the clocks show its time."""
    if local.utcoffset() == local.replace(fold=1 - local.fold).utcoffset():
        return "only"
    return "second" if local.fold else "first"


def _wall_clock(moment: datetime, zone: ZoneInfo) -> datetime:
    return moment.astimezone(zone).replace(tzinfo=None, fold=0)
