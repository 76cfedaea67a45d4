"""Handles: what a model passes on instead of a date.

`thu-10:30` is the next such time within seven days, today included; further away it carries the
date: `thu26nov-10:30`. Where a calendar has several services the handle begins with the service,
`guided-tour-thu-10:30`, so that one choice among handles decides what is booked and when.

A handle is not stored anywhere: it is read again in the calendar's own time zone.
"""

import re
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from toolkit.speech.phrases import MONTHS, NEAR, WEEKDAYS
from toolkit.speech.times import moment

_DAYS = [name[:3].lower() for name in WEEKDAYS]
_MONTHS = [name[:3].lower() for name in MONTHS]
_HANDLE = re.compile(
    rf"(?:(?P<service>[a-z0-9][a-z0-9_-]*)-)?(?P<weekday>{'|'.join(_DAYS)})"
    rf"(?:(?P<day>\d{{1,2}})(?P<month>{'|'.join(_MONTHS)}))?-(?P<hour>\d\d):?(?P<minute>\d\d)"
)
_YEARS = 2  # how far ahead a date without a year is looked for


@dataclass(frozen=True)
class Handle:
    """A service, where the handle names one, and a moment."""

    service_id: str | None
    starts_at: datetime


def handle(start: datetime, today: date, service_id: str | None) -> str:
    """Return the handle of a time, given in the calendar's zone."""
    day = start.date()
    name = _DAYS[day.weekday()]
    if not 0 <= (day - today).days < NEAR:
        name += f"{day.day}{_MONTHS[day.month - 1]}"
    written = f"{name}-{start:%H:%M}"
    return f"{service_id}-{written}" if service_id else written


def read(text: str, today: date, zone: ZoneInfo) -> Handle | None:
    """Return what a handle stands for in `zone`; None if it is not one."""
    match = _HANDLE.fullmatch(text.strip().lower())
    if match is None or int(match["hour"]) > 23 or int(match["minute"]) > 59:
        return None
    day = _day(match, today)
    if day is None:
        return None
    start = moment(day, time(int(match["hour"]), int(match["minute"])), zone)
    return Handle(match["service"], start) if start else None


def _day(match: re.Match[str], today: date) -> date | None:
    weekday = _DAYS.index(match["weekday"])
    if match["day"] is None:
        return today + timedelta(days=(weekday - today.weekday()) % 7)
    month, day = _MONTHS.index(match["month"]) + 1, int(match["day"])
    for year in range(today.year, today.year + _YEARS):
        try:
            named = date(year, month, day)
        except ValueError:
            continue
        if named >= today and named.weekday() == weekday:
            return named
    return None
