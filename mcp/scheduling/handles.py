"""Handles: short names for free times, which a model passes on instead of a date.

`thu-10:30` is the next such time within seven days, today included; further away it carries the
date: `thu26nov-10:30`. Where a calendar has several services the handle begins with the service,
`guided-tour-thu-10:30`, so that one choice among handles decides what is booked and when. Where the
clocks go back they show a time twice: `sun-02:30` is the first one, `sun-02:30-second` the other.

Handles are not stored: they are parsed again in the calendar's own time zone.
"""

import re
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from config.language.english import MONTHS, WEEKDAYS
from toolkit.instants import moments_at, reading
from toolkit.speech.phrases import NEAR

_DAYS = [name[:3].lower() for name in WEEKDAYS]
_MONTHS = [name[:3].lower() for name in MONTHS]
_SECOND = "-second"
_HANDLE = re.compile(
    rf"(?:(?P<service>[a-z0-9][a-z0-9_-]*)-)?(?P<weekday>{'|'.join(_DAYS)})"
    rf"(?:(?P<day>\d{{1,2}})(?P<month>{'|'.join(_MONTHS)}))?-(?P<hour>\d\d):?(?P<minute>\d\d)"
    rf"(?P<second>{_SECOND})?"
)
_YEARS = 2  # how far ahead a date without a year is looked for


@dataclass(frozen=True)
class Handle:
    """A parsed handle. `service_id` is None where the handle names no service."""

    service_id: str | None
    starts_at: datetime


def format_handle(start: datetime, today: date, service_id: str | None) -> str:
    """Return the handle of a time that is in the calendar's zone."""
    day = start.date()
    name = _DAYS[day.weekday()]
    if not 0 <= (day - today).days < NEAR:
        name += f"{day.day}{_MONTHS[day.month - 1]}"
    handle = f"{name}-{start:%H:%M}{_SECOND if reading(start) == 'second' else ''}"
    return f"{service_id}-{handle}" if service_id else handle


def parse_handle(text: str, today: date, zone: ZoneInfo) -> Handle | None:
    """Return the service and the time of a handle in `zone`; None if `text` is no handle."""
    match = _HANDLE.fullmatch(text.strip().lower())
    if match is None or int(match["hour"]) > 23 or int(match["minute"]) > 59:
        return None
    day = _parse_day(match, today)
    if day is None:
        return None
    found = moments_at(day, time(int(match["hour"]), int(match["minute"])), zone)
    if match["second"]:
        found = found[1:]
    return Handle(match["service"], found[0].astimezone(zone)) if found else None


def _parse_day(match: re.Match[str], today: date) -> date | None:
    weekday = _DAYS.index(match["weekday"])
    if match["day"] is None:
        return today + timedelta(days=(weekday - today.weekday()) % 7)
    month, day = _MONTHS.index(match["month"]) + 1, int(match["day"])
    for year in range(today.year, today.year + _YEARS):
        try:
            candidate = date(year, month, day)
        except ValueError:
            continue
        if candidate >= today and candidate.weekday() == weekday:
            return candidate
    return None
