"""Opening hours of a week: parsing them, and the start times that they allow."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

from toolkit.moments import moments_at, utc

WEEK = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_STEP = 30  # minutes between the times that are offered
_INSTANT = timedelta.resolution
_RANGE = re.compile(r"([01]\d|2[0-3]):([0-5]\d)\s*-\s*([01]\d|2[0-3]):([0-5]\d)")

Week = Mapping[str, Sequence[Sequence[str]]]


@dataclass(frozen=True)
class OpeningHours:
    """The opening hours of a week in a time zone, as stored: `{"mon": [["09:00", "18:00"]]}`."""

    week: Week
    zone: ZoneInfo

    def bounds(self) -> tuple[time, time] | None:
        """Return the earliest opening and the latest closing time of the week; None if closed."""
        ranges = [each for day in self.week.values() for each in day]
        if not ranges:
            return None
        return (
            time.fromisoformat(min(opens for opens, _ in ranges)),
            time.fromisoformat(max(closes for _, closes in ranges)),
        )

    def starts(self, first: date, last: date, minutes: int) -> Iterator[datetime]:
        """Yield the times, in UTC, from `first` to `last` at which an appointment can start."""
        for offset in range((last - first).days + 1):
            day = first + timedelta(days=offset)
            yield from sorted(
                start
                for opens, closes in self._ranges(day)
                for at in _steps(opens, closes, minutes)
                for start in moments_at(day, at, self.zone)
                if self.contains(start, minutes)
            )

    def contains(self, start: datetime, minutes: int) -> bool:
        """Say whether an appointment at `start` lies within the opening hours.

        They are those that the clocks show: where these go back, an hour is longer by one.
        """
        end = utc(start) + timedelta(minutes=minutes)
        first, last = (each.astimezone(self.zone) for each in (start, end - _INSTANT))
        return first.date() == last.date() and any(
            opens <= min(first.time(), last.time()) and max(first.time(), last.time()) < closes
            for opens, closes in self._ranges(first.date())
        )

    def _ranges(self, day: date) -> Iterator[tuple[time, time]]:
        for opens, closes in self.week.get(WEEK[day.weekday()], ()):
            yield time.fromisoformat(opens), time.fromisoformat(closes)


def _steps(opens: time, closes: time, minutes: int) -> Iterator[time]:
    """Yield the times on the clock from `opens` on at which an appointment is offered."""
    step = min(_STEP, minutes)
    for minute in range(_minute(opens), _minute(closes), step):
        yield time(minute // 60, minute % 60)


def _minute(at: time) -> int:
    return at.hour * 60 + at.minute


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
    return {day: week[day] for day in WEEK if day in week}


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
            raise ValueError(f"{days}: {part!r} is not a range of hours like 09:00-18:00.")
        opens, closes = f"{match[1]}:{match[2]}", f"{match[3]}:{match[4]}"
        if opens >= closes:
            raise ValueError(f"{days}: {part!r} ends before it begins.")
        ranges.append([opens, closes])
    ranges.sort()
    if any(before[1] > after[0] for before, after in pairwise(ranges)):
        raise ValueError(f"{days}: {text!r} overlaps itself.")
    return ranges
