"""Days as callers say them: weekdays, dates, weeks and offsets from today."""

import re
from collections.abc import Callable, Sequence
from datetime import date, timedelta

from config.language.english import MONTHS, WEEKDAYS

Days = tuple[date, ...]
Reading = tuple[Days, str]

SOON = 14  # days that "as soon as possible" looks at
_MONTHS_AHEAD = 3  # in which "Tuesday the third" may make the weekday fit

_SHORT_WEEKDAYS = tuple(name[:3].lower() for name in WEEKDAYS)
_WEEKDAY = r"\b(mon|tues?|wed(?:nes)?|thu(?:rs?)?|fri|sat(?:ur)?|sun)(?:day)?s?\b"
_MONTH = rf"({'|'.join(rf'{name[:3]}(?:{name[3:]})?' for name in MONTHS).lower()}|sept)\b"
_NTH = r"(\d{1,2})(?:st|nd|rd|th)"
_DAY_AND_MONTH = re.compile(
    rf"\b(?P<day>\d{{1,2}})(?:st|nd|rd|th)?(?: of)? {_MONTH}(?: (?P<year>\d{{4}}))?"
)
_MONTH_AND_DAY = re.compile(
    rf"\b{_MONTH}(?: the)? (?P<day>\d{{1,2}})(?:st|nd|rd|th)?(?![\d:])(?: (?P<year>\d{{4}}))?"
)
_ISO = re.compile(r"\b(\d{4})-(\d\d)-(\d\d)\b")
_DOTTED = re.compile(r"\b(\d{1,2})\.(\d{1,2})\.(\d{4})\b")
_SLASHED = re.compile(r"\b(\d{1,2})/(\d{1,2})(?:/(\d{4}))?\b")
# "The second one" is a choice, not a day.
_THE_NTH = re.compile(rf"\b(?:the|on|day) {_NTH}\b(?! (?:1|one|time|option|choice|slot|half)\b)")
_NEAR: tuple[tuple[re.Pattern[str], int], ...] = (
    (re.compile(r"\b(?:the )?day after tomorrow\b"), 2),
    (re.compile(r"\b(?:tomorrow|tmrw)s?\b"), 1),
    (re.compile(r"\btoday\b|\bthis (?=morning|afternoon|evening|lunch)|\bto(?=night)"), 0),
    (re.compile(r"\byesterday\b"), -1),
)
_IN_DAYS = re.compile(r"\b(?:in )?(\d{1,2}) days?(?: from now| time)?\b")
_IN_WEEKS = re.compile(r"\b(?:in )?(\d{1,2}|an?) weeks?(?: from (?:now|today)| time)?\b")
_WEEK_ON = re.compile(rf"\ba week (?:from|on|after) {_WEEKDAY}|{_WEEKDAY} in a week\b")
_WEEK = re.compile(r"\b(?:the )?(week after next|(?:following|coming) week|(?:this|next) week)\b")
_WEEKEND = re.compile(r"\b(next )?week ?end\b")
_WEEKDAY_SPAN = re.compile(
    rf"{_WEEKDAY} (?:to|through|until|till) {_WEEKDAY}|\bbetween {_WEEKDAY} and {_WEEKDAY}"
)
_NEXT_WEEKDAY = re.compile(rf"\bnext {_WEEKDAY}")
_ANY_WEEKDAY = re.compile(_WEEKDAY)


def parse_days(said: str, today: date) -> Reading | None:
    """Return the days that are named, and the rest of the words; None if no day is named.

    A day that does not exist, such as the 31st of June, is left out of the days.
    """
    for rule in _RULES:
        if reading := rule(said, today):
            return reading
    return None


def _parse_calendar_date(said: str, today: date) -> Reading | None:
    for pattern in (_DAY_AND_MONTH, _MONTH_AND_DAY):
        if match := pattern.search(said):
            name = next(group for group in match.groups() if group and group[:3].isalpha())
            month = [month[:3].lower() for month in MONTHS].index(name[:3]) + 1
            return _next_date(match["year"], month, match["day"], today, match)
    return None


def _parse_numeric_date(said: str, today: date) -> Reading | None:
    if match := _ISO.search(said):
        return _next_date(match[1], int(match[2]), match[3], today, match)
    if match := _DOTTED.search(said):
        return _next_date(match[3], int(match[2]), match[1], today, match)
    if match := _SLASHED.search(said):
        # 3/12 is another day on either side of the ocean: only what has one reading counts.
        first, second = sorted((int(match[1]), int(match[2])))
        if first == second or second > 12:
            return _next_date(match[3], first, str(second), today, match)
    return None


def _parse_near_day(said: str, today: date) -> Reading | None:
    for pattern, offset in _NEAR:
        if match := pattern.search(said):
            return (today + timedelta(days=offset),), _without(match)
    return None


def _parse_days_ahead(said: str, today: date) -> Reading | None:
    match = _IN_DAYS.search(said)
    return match and ((today + timedelta(days=int(match[1])),), _without(match))


def _parse_week_after(said: str, today: date) -> Reading | None:
    match = _WEEK_ON.search(said)
    if match is None:
        return None
    return (_next_weekday(match[1] or match[2], today) + timedelta(days=7),), _without(match)


def _parse_week(said: str, today: date) -> Reading | None:
    if match := _WEEK.search(said):
        weeks = {"this week": 0, "week after next": 2}.get(match[1], 1)
        monday = _monday(today) + timedelta(days=7 * weeks)
        week = _span(max(monday, today), monday + timedelta(days=6))
        return _filter_weekdays(week, _without(match))
    if match := _IN_WEEKS.search(said):
        weeks = int(match[1]) if match[1].isdigit() else 1
        day, rest = today + timedelta(days=7 * weeks), _without(match)
        if not _ANY_WEEKDAY.search(rest):
            return (day,), rest
        return _filter_weekdays(_span(_monday(day), _monday(day) + timedelta(days=6)), rest)
    return None


def _parse_weekend(said: str, today: date) -> Reading | None:
    match = _WEEKEND.search(said)
    if match is None:
        return None
    saturday = _monday(today) + timedelta(days=12 if match[1] else 5)
    return _span(max(saturday, today), saturday + timedelta(days=1)), _without(match)


def _parse_day_of_month(said: str, today: date) -> Reading | None:
    match = _THE_NTH.search(said) or re.search(rf"{_WEEKDAY} {_NTH}\b", said)
    if match is None:
        return None
    number, rest = int(match.groups()[-1]), _without(match)
    weekday = _ANY_WEEKDAY.search(said)
    candidates = [day for day in _span(today, today + timedelta(days=366)) if day.day == number]
    if not candidates:
        return None
    fitting = [
        day for day in candidates[:_MONTHS_AHEAD] if weekday and day.weekday() == _index(weekday[1])
    ]
    return ((fitting or candidates)[0],), _ANY_WEEKDAY.sub(" ", rest)


def _parse_weekdays(said: str, today: date) -> Reading | None:
    if match := _NEXT_WEEKDAY.search(said):
        day = _monday(today) + timedelta(days=7 + _index(match[1]))
        return (day,), _without(match)
    if match := _WEEKDAY_SPAN.search(said):
        first = _next_weekday(match[1] or match[3], today)
        return _span(first, _next_weekday(match[2] or match[4], first)), _without(match)
    named = {_next_weekday(match[1], today) for match in _ANY_WEEKDAY.finditer(said)}
    return (tuple(sorted(named)), _ANY_WEEKDAY.sub(" ", said)) if named else None


_RULES: Sequence[Callable[[str, date], Reading | None]] = (
    _parse_numeric_date,
    _parse_calendar_date,
    _parse_week_after,
    _parse_week,
    _parse_weekend,
    _parse_days_ahead,
    _parse_near_day,
    _parse_day_of_month,
    _parse_weekdays,
)


def _next_date(
    year: str | None, month: int, day: str, today: date, match: re.Match[str]
) -> Reading:
    """Return the named date, or the next such one where no year was said."""
    for candidate in [int(year)] if year else [today.year, today.year + 1]:
        try:
            named = date(candidate, month, int(day))
        except ValueError:
            continue
        if year or named >= today:
            return (named,), _ANY_WEEKDAY.sub(" ", _without(match))
    return (), match.string


def _filter_weekdays(week: Days, rest: str) -> Reading:
    named = {_index(match[1]) for match in _ANY_WEEKDAY.finditer(rest)}
    days = tuple(day for day in week if not named or day.weekday() in named)
    return days, _ANY_WEEKDAY.sub(" ", rest)


def _next_weekday(weekday: str, today: date) -> date:
    return today + timedelta(days=(_index(weekday) - today.weekday()) % 7)


def _index(weekday: str) -> int:
    return _SHORT_WEEKDAYS.index(weekday[:3])


def _monday(day: date) -> date:
    return day - timedelta(days=day.weekday())


def _span(first: date, last: date) -> Days:
    return tuple(first + timedelta(days=n) for n in range((last - first).days + 1))


def _without(match: re.Match[str]) -> str:
    return f"{match.string[: match.start()]} {match.string[match.end() :]}"
