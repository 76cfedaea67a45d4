"""Times and lists in the words of a spoken reply."""

from collections.abc import Sequence
from datetime import date, datetime, time

from config.language.english import MONTHS, WEEKDAYS
from toolkit.speech.numbers import number_words, ordinal

NEAR = 7  # days within which the weekday alone names a day
_YEAR_NEEDED = 300  # days from which on the year is said, too


def day_label(day: date, today: date) -> str:
    """Return `Thursday`, or `Thursday the 26th of November` for a day that is further away."""
    weekday = WEEKDAYS[day.weekday()]
    if 0 <= (day - today).days < NEAR:
        return weekday
    label = f"{weekday} the {ordinal(day.day)} of {MONTHS[day.month - 1]}"
    return label if abs((day - today).days) < _YEAR_NEEDED else f"{label} {day.year}"


def clock_time(at: time) -> str:
    """Return `ten thirty`."""
    if at == time(12):
        return "noon"
    hour = number_words(at.hour % 12 or 12)
    if at.minute == 0:
        return hour
    return (
        f"{hour} {number_words(at.minute)}"
        if at.minute > 9
        else f"{hour} oh {number_words(at.minute)}"
    )


def time_label(at: time) -> str:
    """Return `ten thirty in the morning`."""
    if at == time(12):
        return clock_time(at)
    part = "morning" if at.hour < 12 else "afternoon" if at.hour < 18 else "evening"
    return f"{clock_time(at)} in the {part}"


def datetime_label(start: datetime, today: date) -> str:
    """Return `Thursday at ten thirty in the morning`."""
    return f"{day_label(start.date(), today)} at {time_label(start.time())}"


def join_words(choices: Sequence[str], conjunction: str = "or") -> str:
    """Return `a, b or c`."""
    if len(choices) < 2:
        return "".join(choices)
    return f"{', '.join(choices[:-1])} {conjunction} {choices[-1]}"


def join_times(starts: Sequence[datetime], today: date) -> str:
    """Return `nine, ten thirty or three in the afternoon`, with the days if they differ."""
    if len({start.date() for start in starts}) > 1:
        return join_words([datetime_label(start, today) for start in starts])
    *others, last = (start.time() for start in starts)
    return join_words([*map(_short_label, others), time_label(last)])


def _short_label(at: time) -> str:
    """Return the time without the part of the day where that is obvious."""
    return clock_time(at) if 7 <= at.hour < 18 else time_label(at)
