"""Opening hours of a week: parsing them, and the start times that they allow."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

from toolkit.speech.times import local_datetime

WEEK = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_STEP = 30  # minutes between the times that are offered
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
        """Yield the times from `first` to `last` at which an appointment can start, in order."""
        for offset in range((last - first).days + 1):
            day = first + timedelta(days=offset)
            for opens, closes in self._opening_ranges(day):
                yield from self._starts_between(opens, closes, minutes)

    def contains(self, start: datetime, minutes: int) -> bool:
        """Say whether an appointment at `start` lies within the opening hours."""
        end = start.astimezone(UTC) + timedelta(minutes=minutes)
        day = start.astimezone(self.zone).date()
        return any(opens <= start and end <= closes for opens, closes in self._opening_ranges(day))

    def _opening_ranges(self, day: date) -> Iterator[tuple[datetime, datetime]]:
        for opens, closes in self.week.get(WEEK[day.weekday()], ()):
            yield (
                datetime.combine(day, time.fromisoformat(opens), self.zone).astimezone(UTC),
                datetime.combine(day, time.fromisoformat(closes), self.zone).astimezone(UTC),
            )

    def _starts_between(
        self, opens: datetime, closes: datetime, minutes: int
    ) -> Iterator[datetime]:
        """Yield start times in steps of local time; a local time that does not exist is skipped."""
        length, step = timedelta(minutes=minutes), timedelta(minutes=min(_STEP, minutes))
        local = opens.astimezone(self.zone).replace(tzinfo=None)
        closing = closes.astimezone(self.zone).replace(tzinfo=None)
        while local < closing:
            start = local_datetime(local.date(), local.time(), self.zone)
            if start and start.astimezone(UTC) + length <= closes:
                yield start
            local += step


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
