"""Times of day as callers say them, and local times as datetimes."""

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from zoneinfo import ZoneInfo

_T = r"(\d{1,2})(?::(\d\d))?(?: ?(am|pm))?\b"
_PARTS = {
    "early morning": (time(0), time(10)),
    "late morning": (time(10), time(12)),
    "morning": (time(0), time(12)),
    "early afternoon": (time(12), time(15)),
    "late afternoon": (time(15), time(18)),
    "afternoon": (time(12), time(18)),
    "early evening": (time(17), time(20)),
    "evening": (time(17), None),
    "night": (time(17), None),
    "lunch": (time(11, 30), time(14)),
}
_PART = re.compile(rf"\b({'|'.join(_PARTS)})")
_REWRITES: tuple[tuple[str, str], ...] = (
    (r"\bafter lunch\b", "after 13:00"),
    (r"\bafter (?:work|school)\b", "after 17:00"),
    (r"\bbefore lunch\b", "before 12:00"),
    (r"\b(?:noon|mid ?day)\b", "12:00 pm"),
    (r"\b(\d{1,2}) (?:oh|o|0) ?(\d)\b(?! ?clock)", r"\1:0\2"),
    (r"\b(\d{1,2}) ?o ?clock\b", r"\1:00"),
    (r"\bhalf (?:past )?(\d{1,2})\b", r"\1:30"),
    (r"\b(?:a )?quarter (?:past|after) (\d{1,2})\b", r"\1:15"),
    (r"\b(\d{1,2})(?: minutes)? past (\d{1,2})\b", r"\2:\1"),
    (r"\b(\d{1,2}) ([0-5]\d)\b(?! (?:minutes|people|persons))", r"\1:\2"),
    (r"\b(?:not before|(?:no|not) earlier than)\b", "after"),
    (r"\b(?:not after|(?:no|not) later than)\b", "before"),
)
_MINUTES_TO = re.compile(r"\b(?:a )?(quarter|5|20|25)(?: minutes)? (?:to|before|of) (\d{1,2})\b")
_RANGE = re.compile(rf"\b(?:(?:between|from) )?{_T} ?(?:and|to|until|till|through|-) ?{_T}")
_AFTER = re.compile(rf"\b(?:after|from|past|later than|since|starting(?: at)?) {_T}")
_OR_LATER = re.compile(rf"\b{_T} (?:or later|or after|on ?wards?)")
_BEFORE = re.compile(rf"\b(?:before|until|till|by|earlier than|up to) {_T}")
_OR_EARLIER = re.compile(rf"\b{_T} or (?:earlier|before)")
_AT = re.compile(rf"\b(?:at|around|about|near|towards?) {_T}")
_EXACT = re.compile(r"\b(\d{1,2}):(\d\d)(?: ?(am|pm))?\b|\b(\d{1,2}) ?(am|pm)\b")
# A bare number is a time only where nothing else could be counted; "one" is mostly a pronoun.
_BARE = re.compile(r"(?<!for )(?<!number )\b([2-9]|1\d|2[0-3])(?=\s*$| in the | on\b| please\b)")


@dataclass(frozen=True)
class PartOfDay:
    """A part of the day, `earliest` to before `latest`, or the exact time `at`."""

    earliest: time = time.min
    latest: time | None = None
    at: time | None = None


@dataclass(frozen=True)
class _HourReader:
    """Reads hours, and decides between morning and afternoon by opening hours and context."""

    opens: time
    closes: time
    part: str | None

    def read(self, hour: str, minute: str | None, half: str | None) -> time | None:
        number, minutes = int(hour), int(minute or 0)
        if number > 23 or minutes > 59:
            return None
        if 1 <= number <= 12:
            number = number % 12 + (12 if self._afternoon(number % 12, minutes, half) else 0)
        return time(number, minutes)

    def _afternoon(self, hour: int, minute: int, half: str | None) -> bool:
        if half:
            return half == "pm"
        if self.part:
            return "morning" not in self.part and (self.part != "lunch" or hour < 3)
        early, late = time(hour, minute), time(hour + 12, minute)
        if self.opens <= early <= self.closes:
            return False
        return self.opens <= late <= self.closes or hour < 7


def parse_part_of_day(said: str, opens: time, closes: time) -> PartOfDay:
    """Return the part of the day that `said` names, or the whole day.

    A bare hour is taken to be within the opening hours where it can be.
    """
    for pattern, replacement in _REWRITES:
        said = re.sub(pattern, replacement, said)
    said = _MINUTES_TO.sub(_minutes_to, said)
    part = _PART.search(said)
    reader = _HourReader(opens, closes, part[1] if part else None)
    earliest, latest = _PARTS[part[1]] if part else (time.min, None)
    if match := _RANGE.search(said):
        first, last = reader.read(*match.groups()[:3]), reader.read(*match.groups()[3:])
        if first and last and first < last:
            return PartOfDay(first, last)
    after = _first(reader, said, _AFTER, _OR_LATER)
    before = _first(reader, said, _BEFORE, _OR_EARLIER)
    if after or before:
        return PartOfDay(max(earliest, after or time.min), before or latest)
    if at := _at(reader, said):
        return PartOfDay(at=at)
    return PartOfDay(earliest, latest)


def _at(reader: _HourReader, said: str) -> time | None:
    if exact := _EXACT.search(said):
        hour, minute, half, plain_hour, plain_half = exact.groups()
        return reader.read(hour or plain_hour, minute, half or plain_half)
    if at := _first(reader, said, _AT):
        return at
    bare = _BARE.search(said)
    return reader.read(bare[1], None, None) if bare else None


def _first(reader: _HourReader, said: str, *patterns: re.Pattern[str]) -> time | None:
    for pattern in patterns:
        if match := pattern.search(said):
            hour, minute, half = match.groups()
            return reader.read(hour, minute, half)
    return None


def _minutes_to(match: re.Match[str]) -> str:
    minutes = 15 if match[1] == "quarter" else int(match[1])
    return f"{(int(match[2]) - 2) % 12 + 1}:{60 - minutes}"


def format_utc(when: datetime) -> str:
    """Return `2026-11-26T09:00:00Z`."""
    return when.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def local_datetime(day: date, at: time, zone: ZoneInfo) -> datetime | None:
    """Return a day and time in a zone; None for a time that the zone's clocks skip."""
    start = datetime.combine(day, at, zone)
    exists = datetime.fromtimestamp(start.timestamp(), zone).time() == at
    return start if exists else None
