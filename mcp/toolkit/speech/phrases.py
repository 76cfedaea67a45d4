"""Times and lists as a person says them."""

from collections.abc import Sequence
from datetime import date, datetime, time

from toolkit.speech.numbers import number_words, ordinal

# strftime follows the process's locale; what we say does not.
WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
MONTHS = (
    *("January", "February", "March", "April", "May", "June", "July", "August", "September"),
    *("October", "November", "December"),
)
NEAR = 7  # days in which the weekday alone says which day is meant


def day_label(day: date, today: date) -> str:
    """Return `Thursday`, or `Thursday the 26th of November` when that is further away."""
    weekday = WEEKDAYS[day.weekday()]
    if 0 <= (day - today).days < NEAR:
        return weekday
    label = f"{weekday} the {ordinal(day.day)} of {MONTHS[day.month - 1]}"
    return label if abs((day - today).days) < 300 else f"{label} {day.year}"


def clock(at: time) -> str:
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


def clock_label(at: time) -> str:
    """Return `ten thirty in the morning`."""
    if at == time(12):
        return clock(at)
    part = "morning" if at.hour < 12 else "afternoon" if at.hour < 18 else "evening"
    return f"{clock(at)} in the {part}"


def label(start: datetime, today: date) -> str:
    """Return `Thursday at ten thirty in the morning`."""
    return f"{day_label(start.date(), today)} at {clock_label(start.time())}"


def join_words(choices: Sequence[str], conjunction: str = "or") -> str:
    """Return `a, b or c`."""
    if len(choices) < 2:
        return "".join(choices)
    return f"{', '.join(choices[:-1])} {conjunction} {choices[-1]}"


def times(starts: Sequence[datetime], today: date) -> str:
    """Return `nine, ten thirty or three in the afternoon`, with the days if they differ."""
    if len({start.date() for start in starts}) > 1:
        return join_words([label(start, today) for start in starts])
    *others, last = (start.time() for start in starts)
    return join_words([*map(_brief, others), clock_label(last)])


def _brief(at: time) -> str:
    """Leave out the part of the day where nobody would think of another one."""
    return clock(at) if 7 <= at.hour < 18 else clock_label(at)
