"""Times and lists in the words of a spoken reply: parts of other sentences."""

import re
from collections.abc import Sequence
from datetime import date, datetime, time
from functools import reduce
from typing import Literal

from config.language.catalogue import Catalogue

NEAR = 7  # days within which the weekday alone names a day
_YEAR_NEEDED = 300  # days from which on the year is said, too

say = Catalogue("toolkit")


def day_label(day: date, today: date) -> str:
    """Return `today`, `Thursday`, or `Thursday the 26th of November` for one further away."""
    if day == today:
        return say("today")
    if 0 <= (day - today).days < NEAR:
        return say("near_day", day=day)
    name = "day" if abs((day - today).days) < _YEAR_NEEDED else "day_and_year"
    return say(name, day=day, number=day.day)


def clock_time(at: time) -> str:
    """Return `ten thirty`."""
    if at == time(12):
        return say("noon")
    minutes = "none" if at.minute == 0 else "one_digit" if at.minute < 10 else "two_digits"
    hour = at.hour % 12 or 12
    clock = say("clock", hour=hour, minute=at.minute, minutes=minutes, at=at)
    return clock.replace("-", " ")  # ICU hyphenates: a voice reads words


def time_label(at: time) -> str:
    """Return `ten thirty in the morning`."""
    if at == time(12):
        return clock_time(at)
    part = "morning" if at.hour < 12 else "afternoon" if at.hour < 18 else "evening"
    return say("time", clock=clock_time(at), part=part, at=at)


def datetime_label(start: datetime, today: date) -> str:
    """Return `Thursday at ten thirty in the morning`."""
    return say("moment", day=day_label(start.date(), today), time=time_label(start.time()))


def number_words(number: int) -> str:
    """Return `twenty three`."""
    return say("number", number=number).replace("-", " ")


def phone_label(number: str) -> str:
    """Return `plus 4 9 3, 0 5 5, 5 0 1 4 2`: a voice reads digit by digit, with pauses."""
    line, _, extension = number.partition(" ext. ")
    digits = re.sub(r"\D", "", line)
    groups = [digits[at : at + 3] for at in range(0, len(digits), 3)]
    if len(groups) > 1 and len(groups[-1]) == 1:
        groups[-2:] = ["".join(groups[-2:])]
    return say(
        "phone",
        plus="yes" if line.startswith("+") else "no",
        digits=", ".join(" ".join(group) for group in groups),
        extension=" ".join(extension) if extension else "none",
    )


def join_words(choices: Sequence[str], conjunction: Literal["and", "or"] = "or") -> str:
    """Return `a, b or c`."""
    if not choices:
        return ""
    listed = choices[0]
    for position, word in enumerate(choices[1:], 2):
        listed = say(conjunction if position == len(choices) else "comma", list=listed, word=word)
    return listed


def list_words(words: Sequence[str], separator: Literal["comma", "semicolon"]) -> str:
    """Return `a, b, c` or `a; b; c`; empty if there are none."""
    if not words:
        return ""
    return reduce(lambda listed, word: say(separator, list=listed, word=word), words)


def join_times(starts: Sequence[datetime], today: date) -> str:
    """Return `nine, ten thirty or three in the afternoon`, with the days if they differ."""
    if len({start.date() for start in starts}) > 1:
        return join_words([datetime_label(start, today) for start in starts])
    *others, last = (start.time() for start in starts)
    return join_words([*map(_short_label, others), time_label(last)])


def _short_label(at: time) -> str:
    """Return the time without the part of the day where that is obvious."""
    return clock_time(at) if 7 <= at.hour < 18 else time_label(at)
