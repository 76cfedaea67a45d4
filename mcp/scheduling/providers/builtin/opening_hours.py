"""Opening hours of a week: parsing them, and the start times that they allow."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

from toolkit.instants import moments_at, utc

WEEK = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_STEP = 30  # minutes between the times that are offered
_INSTANT = timedelta.resolution
_DAY = timedelta(days=1)
_MIDNIGHT = "24:00"
_CLOCK = r"(?:[01]\d|2[0-3]):[0-5]\d"
_RANGE = re.compile(rf"({_CLOCK})\s*-\s*({_CLOCK}|{_MIDNIGHT})")

Week = Mapping[str, Sequence[Sequence[str]]]


@dataclass(frozen=True)
class OpeningHours:
    """The opening hours of a week in a time zone, as stored: `{"mon": [["09:00", "18:00"]]}`.

    Hours that end after midnight count on: `["20:00", "26:00"]` ends at two the next day.
    """

    week: Week
    zone: ZoneInfo

    def bounds(self) -> tuple[time, time] | None:
        """Return the earliest opening and the latest closing time of the week; None if closed."""
        ranges = [each for day in self.week.values() for each in day]
        if not ranges:
            return None
        last = max(closes for _, closes in ranges)
        return (
            time.fromisoformat(min(opens for opens, _ in ranges)),
            time.fromisoformat(last) if last < _MIDNIGHT else time(23, 59),
        )

    def nights(self) -> dict[int, time]:
        """Return until when it is open after midnight, by the weekday of the evening."""
        return {
            WEEK.index(day): time.fromisoformat(_shown(ranges[-1][1]))
            for day, ranges in self.week.items()
            if ranges and ranges[-1][1] > _MIDNIGHT
        }

    def starts(self, first: date, last: date, minutes: int) -> Iterator[datetime]:
        """Yield the times, in UTC, from `first` to `last` at which an appointment can start."""
        yield from sorted(
            start
            for opens, closes in self._ranges(first - _DAY, last)
            for at in _steps(opens, closes, minutes)
            if at.date() >= first
            for start in moments_at(at.date(), at.time(), self.zone)
            if self.contains(start, minutes)
        )

    def contains(self, start: datetime, minutes: int) -> bool:
        """Say whether an appointment at `start` lies within the opening hours.

        They are those that the clocks show: where these go back, an hour is longer by one.
        """
        end = utc(start) + timedelta(minutes=minutes)
        local = (each.astimezone(self.zone) for each in (start, end - _INSTANT))
        first, last = sorted(each.replace(tzinfo=None, fold=0) for each in local)
        ranges = self._ranges(first.date() - _DAY, last.date())
        return any(opens <= first and last < closes for opens, closes in _join(ranges))

    def _ranges(self, first: date, last: date) -> Iterator[tuple[datetime, datetime]]:
        """Yield from when until when it is open, by the clocks, of the days `first` to `last`."""
        for offset in range((last - first).days + 1):
            midnight = datetime.combine(first + timedelta(days=offset), time.min)
            for opens, closes in self.week.get(WEEK[midnight.weekday()], ()):
                yield midnight + _since_midnight(opens), midnight + _since_midnight(closes)


def _join(ranges: Iterator[tuple[datetime, datetime]]) -> list[tuple[datetime, datetime]]:
    """Join the ranges that follow each other without a break, as where a day ends at midnight."""
    joined: list[tuple[datetime, datetime]] = []
    for opens, closes in ranges:
        begins = joined.pop()[0] if joined and joined[-1][1] == opens else opens
        joined.append((begins, closes))
    return joined


def _steps(opens: datetime, closes: datetime, minutes: int) -> Iterator[datetime]:
    """Yield the times on the clocks from `opens` on at which an appointment is offered."""
    step = timedelta(minutes=min(_STEP, minutes))
    for number in range(-((opens - closes) // step)):
        yield opens + number * step


def _since_midnight(at: str) -> timedelta:
    hours, _, minutes = at.partition(":")
    return timedelta(hours=int(hours), minutes=int(minutes))


def parse_week(hours: Mapping[str, str]) -> dict[str, list[list[str]]]:
    """Parse declared opening hours: `{"mon-fri": "09:00-12:00, 14:00-18:00"}`.

    Raises:
        ValueError: they are not valid; the message says which and why.
    """
    week: dict[str, list[list[str]]] = {}
    for days, ranges in hours.items():
        for day in _parse_days(days):
            if day in week:
                raise ValueError(f"{day} is given twice.")
            week[day] = _parse_ranges(days, ranges)
    _check_nights(week)
    return {day: week[day] for day in WEEK if day in week}


def _check_nights(week: Week) -> None:
    for day, following in zip(WEEK, [*WEEK[1:], WEEK[0]], strict=True):
        if not week.get(day) or not week.get(following):
            continue
        until, opens = week[day][-1][1], week[following][0][0]
        if _since_midnight(until) - _DAY > _since_midnight(opens):
            raise ValueError(
                f"{day} is open until {_shown(until)} at night, but {following} opens at {opens}."
            )


def _parse_days(text: str) -> list[str]:
    first, _, last = (part.strip() for part in text.lower().partition("-"))
    for day in filter(None, (first, last)):
        if day not in WEEK:
            raise ValueError(
                f"{day!r} is not a day: use {', '.join(WEEK)} or a range like mon-fri."
            )
    if not first or (last and WEEK.index(last) < WEEK.index(first)):
        raise ValueError(f"{text!r} is not a range of days like mon-fri.")
    return list(WEEK[WEEK.index(first) : WEEK.index(last or first) + 1])


def _parse_ranges(days: str, text: str) -> list[list[str]]:
    ranges: list[list[str]] = []
    if text.strip().lower() == "closed":
        return ranges
    for part in (part.strip() for part in text.split(",")):
        match = _RANGE.fullmatch(part)
        if match is None:
            raise ValueError(
                f"{days}: {part!r} is not a range of hours like 09:00-18:00,"
                " or 20:00-02:00 for over midnight."
            )
        opens, closes = match[1], match[2]
        if opens == closes != "00:00":
            raise ValueError(
                f"{days}: {part!r} ends when it begins; a whole day is 00:00-{_MIDNIGHT}."
            )
        ranges.append([opens, closes if opens < closes else _next_day(closes)])
    ranges.sort()
    if any(before[1] > after[0] for before, after in pairwise(ranges)):
        raise ValueError(f"{days}: {text!r} overlaps itself.")
    return ranges


def _next_day(at: str) -> str:
    """Return a time of the next day as one that counts on: `26:00` for `02:00`."""
    return f"{int(at[:2]) + 24}{at[2:]}"


def _shown(at: str) -> str:
    """Return a time that counts on as the clocks show it."""
    return f"{int(at[:2]) % 24:02}{at[2:]}"
