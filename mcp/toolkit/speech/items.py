"""What a sentence about time is made of: days, times, and the words that join them.

A reader finds these items one after the other; `when` puts them together.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, time
from typing import Literal
from zoneinfo import ZoneInfo

Dates = tuple[date, ...]


@dataclass(frozen=True)
class Today:
    """The day and time that something is said, and whether it tells of the past."""

    now: datetime
    past: bool = False

    @property
    def date(self) -> date:
        """Return the day."""
        return self.now.date()


@dataclass(frozen=True)
class Days:
    """Certain days: one, such as tomorrow, or a span, such as next week."""

    dates: Dates
    span: bool = False


@dataclass(frozen=True)
class Weekdays:
    """A day of the week, or several, from Monday, 0, on."""

    indices: frozenset[int]


@dataclass(frozen=True)
class DayNumber:
    """A day of a month that is not named: the fifth."""

    number: int


@dataclass(frozen=True)
class CalendarDay:
    """A day of a month that is named, and perhaps its year."""

    month: int
    number: int
    year: int | None = None


Day = Days | Weekdays | DayNumber | CalendarDay


@dataclass(frozen=True)
class Clock:
    """A time on a clock; `half` is what was said of the half of the day, `am` or `pm`."""

    hour: int
    minute: int = 0
    half: str | None = None


@dataclass(frozen=True)
class Window:
    """A time that has a beginning, an end, or both."""

    after: Clock | None = None
    before: Clock | None = None


@dataclass(frozen=True)
class Part:
    """A part of the day by its name: morning, lunch, late afternoon."""

    name: str


@dataclass(frozen=True)
class Moment:
    """A day and a time in one: in two hours."""

    at: datetime


Time = Clock | Window | Part


@dataclass(frozen=True)
class Zone:
    """Another time zone than the business's."""

    zone: ZoneInfo


Joint = Literal[
    "or",
    "and",
    "comma",
    "to",
    "until",
    "from",
    "between",
    "not",
    "not that",
    "correction",
    "soonest",
    "any",
]


@dataclass(frozen=True)
class Number:
    """A number of which it is not clear what it counts: perhaps an hour."""

    value: int


@dataclass(frozen=True)
class Word:
    """A word that joins or changes what stands beside it.

    `not` excludes what comes after it, `not that` what came before. A `correction` takes back what
    came before, as far as it is said again.
    """

    kind: Joint


@dataclass(frozen=True)
class Unclear:
    """Words that belong to a time, and that cannot be read."""

    words: str


Item = Day | Time | Moment | Zone | Number | Word | Unclear
# Makes an item of the words that a pattern has found.
Build = Callable[[re.Match[str], Today], Item | list[Item]]


@dataclass(frozen=True)
class PartOfDay:
    """A part of the day, `earliest` to before `latest`, or the exact time `at`."""

    earliest: time = time.min
    latest: time | None = None
    at: time | None = None


@dataclass(frozen=True)
class Alternative:
    """Days and a part of the day that would do."""

    days: Dates
    daytime: PartOfDay


def unclear(match: re.Match[str], today: Today) -> Item:
    """Return what belongs to a time and cannot be read."""
    del today
    return Unclear(match[0])


def talk(match: re.Match[str], today: Today) -> list[Item]:
    """Return nothing: what was said is about something else."""
    del match, today
    return []
