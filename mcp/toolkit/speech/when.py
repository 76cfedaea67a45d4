"""Parses when a caller wants to come: "Thursday after three" becomes days and a part of the day.

Nothing is guessed: where no day is named, there is no result, and the caller is asked.
"""

import re
from dataclasses import dataclass
from datetime import MAXYEAR, MINYEAR, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from toolkit.speech.days import SOON, parse_days
from toolkit.speech.numbers import words_to_digits
from toolkit.speech.times import PartOfDay, parse_part_of_day

_MAX_LENGTH = 300  # characters that are read
_YEARS = range(-50, 6)  # from now; any other year was misheard
_GREETING = re.compile(r"\bgood (?:morning|afternoon|evening|day)\b")
_SOONEST = re.compile(
    r"\b(?:asap|as soon as|as early as|soonest|earliest|right away|straight ?away|immediately|now"
    r"|(?:first|next) (?:available|free|possible|opening|slot|appointment|time))\b"
)
_ANY = re.compile(r"\b(?:any ?(?:time|day|(?=morning|afternoon|evening))|when ?ever)")
_REWRITES: tuple[tuple[str, str], ...] = (
    (r"\b([ap])\.? ?m\b\.?", r"\1m"),
    (r"o'clock", "o clock"),
    (r"['\u2019]", ""),
    (r"\b(\d{1,2})\.([0-5]\d)\b(?!\.)", r"\1:\2"),
    (r"\b(\d\d?)(am|pm)\b", r"\1 \2"),
    (r"\.(?!\d)|(?<!\d)\.|[^\w\s:./-]", " "),
    (r"(?<=[a-z])-|-(?=[a-z])", " "),
    (r"\s+", " "),
)


@dataclass(frozen=True)
class TimeRequest:
    """The days and the part of the day that a caller asks for.

    `soonest` says that the caller wants the first time there is.
    """

    days: tuple[date, ...]
    daytime: PartOfDay
    soonest: bool = False

    def includes(self, start: datetime) -> bool:
        """Say whether a local time fits; a request for an exact time fits the whole day."""
        earliest, latest = self.daytime.earliest, self.daytime.latest
        at = start.time()
        return start.date() in self.days and earliest <= at and (latest is None or at < latest)


def parse_when(
    text: str, now: datetime, zone: ZoneInfo, opens: time = time(8), closes: time = time(18)
) -> TimeRequest | None:
    """Return the days and times that `text` names, in words or in ISO 8601; None without a day."""
    today = now.astimezone(zone).date()
    request = _parse_iso(text.strip(), zone)
    request = request or _parse_spoken(text[:_MAX_LENGTH], today, opens, closes)
    if request is None or not request.days:
        return None
    return request if request.days[-1].year - today.year in _YEARS else None


def _parse_spoken(text: str, today: date, opens: time, closes: time) -> TimeRequest | None:
    said = _normalize(text)
    soonest = _SOONEST.search(said) is not None
    if reading := parse_days(said, today):
        days, rest = reading
    elif soonest or _ANY.search(said):
        days, rest = tuple(today + timedelta(days=n) for n in range(SOON)), said
        soonest = True
    else:
        return None
    daytime = parse_part_of_day(_SOONEST.sub(" ", rest), opens, closes)
    return TimeRequest(days, daytime, soonest)


def _parse_iso(text: str, zone: ZoneInfo) -> TimeRequest | None:
    """Read ISO 8601; a time without an offset is in `zone`."""
    try:
        start = datetime.fromisoformat(text)
    except ValueError:
        return None
    if not MINYEAR < start.year < MAXYEAR:
        return None
    start = start.astimezone(zone) if start.tzinfo else start.replace(tzinfo=zone)
    # Models write midnight where they mean the day.
    at = start.time().replace(second=0, microsecond=0)
    return TimeRequest((start.date(),), PartOfDay(at=at if at != time.min else None))


def _normalize(text: str) -> str:
    said = text.lower()
    for pattern, replacement in _REWRITES:
        said = re.sub(pattern, replacement, said)
    return words_to_digits(_GREETING.sub(" ", said)).strip()
