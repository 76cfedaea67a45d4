"""Days as callers say them: weekdays, dates, weeks and offsets from today."""

import re
from collections.abc import Sequence
from datetime import date, timedelta

from config.language.english import MONTHS, WEEKDAYS
from toolkit.speech.items import (
    Build,
    CalendarDay,
    Dates,
    Day,
    DayNumber,
    Days,
    Item,
    Today,
    Unclear,
    Weekdays,
    Word,
    unclear,
)

_MONTHS_AHEAD = 3  # in which "Tuesday the third" may make the weekday fit
_YEARS_AHEAD = 5  # in which there is a 29th of February, but for 2100
_SHORT_DAYS = tuple(name[:3].lower() for name in WEEKDAYS)
_SHORT_MONTHS = tuple(name[:3].lower() for name in MONTHS)
_WORKING = frozenset(range(5))
_UNITS = {"day": 1, "week": 7, "fortnight": 14}
_NTH_NAMES = {"1st": 1, "2nd": 2, "3rd": 3, "4th": 4, "5th": 5, "last": -1, "final": -1}
_NAMED = {
    **{"today": 0, "tomorrow": 1, "tmrw": 1, "yesterday": -1},
    **{"day after tomorrow": 2, "day before yesterday": -2},
}

# "sun", "sat", "mon" and "wed" are words, too: they are days only after "on" or before a number.
_SHORT_DAY = r"(?:mon|wed|sat|sun)"
WEEKDAY = (
    rf"(?:{'|'.join(WEEKDAYS).lower()}|tues?|weds|thurs?|thu|fri|(?<=\bon )(?:{_SHORT_DAY})"
    rf"|{_SHORT_DAY}(?=,? (?:at )?\d))s?\b(?:'s)?"
)
MONTH = rf"(?:{'|'.join(rf'{name[:3]}(?:{name[3:]})?' for name in MONTHS).lower()}|sept)\b"
_N = r"\d{1,2}"
_NTH = r"\d{1,2}(?:st|nd|rd|th)"
_YEAR = r"(?:19|20)\d\d|20 [2-9]\d|(?:2[4-9]|[3-9]\d)(?![:\d]| ?(?:am|pm|oclock|minutes)\b)"
_SAID_YEAR = rf"(?:,? (?:of )?(?P<year>{_YEAR}|(?:this|next|last) year)\b)?"
_COUNT = r"(?P<count>\d{1,3}|an?|a couple of)"
_UNIT = r"(?P<unit>day|week|fortnight)s?"
_A_MONTH = rf"(?:(?P<which>this|the|next|last) month|(?P<month>{MONTH}){_SAID_YEAR})"
_NTH_NAME = rf"(?:{'|'.join(_NTH_NAMES)})"
# Something is counted: "the first floor" is no day.
_NO_COUNT = (
    r"(?! (?:1|one|time|option|choice|slot|half|thought|opinion|floor|appointment|visit|street"
    r"|avenue|hand|person|place|thing|class|available|free|possible|opening|step)s?\b)"
)


def span(first: date, last: date) -> Dates:
    """Return every day from the first to the last."""
    return tuple(first + timedelta(days=n) for n in range((last - first).days + 1))


def _iso(match: re.Match[str], today: Today) -> Item:
    del today
    return CalendarDay(int(match["month"]), int(match["day"]), int(match["year"]))


def _numeric(match: re.Match[str], today: Today) -> Item:
    """Read 24/12/26; what has two readings, on either side of the ocean, is unclear."""
    low, high = sorted((int(match["first"]), int(match["second"])))
    if low != high and high <= 12:
        return Unclear(match[0])
    return CalendarDay(low, high, _year(match["year"], today))


def _dotted(match: re.Match[str], today: Today) -> Item:
    return CalendarDay(int(match["second"]), int(match["first"]), _year(match["year"], today))


def _calendar_day(match: re.Match[str], today: Today) -> Item:
    return CalendarDay(_month(match["month"]), _count(match["number"]), _year(match["year"], today))


def _nth_weekday(match: re.Match[str], today: Today) -> Item:
    nths = [_NTH_NAMES[each] for each in re.findall(_NTH_NAME, match["nth"])]
    found: Dates = ()
    for days in _months(match, today):
        fitting = [day for day in days if day.weekday() == _weekday(match["weekday"])]
        found = tuple(fitting[nth - (nth > 0)] for nth in nths if nth <= len(fitting))
        if len(found) < len(nths):
            return Unclear(match[0])
        if match["month"] is None or match["year"] or _is_due(found[-1], today):
            break
    return Days(found)


def _last_day(match: re.Match[str], today: Today) -> Item:
    return Days(_months(match, today)[0][-1:])


def _number_in_month(match: re.Match[str], today: Today) -> Item:
    (days,) = _months(match, today)
    return Days(tuple(day for day in days if day.day == _count(match["number"])))


def _month_days(match: re.Match[str], today: Today) -> Item:
    for days in _months(match, today):
        if due := tuple(day for day in days if _is_due(day, today)):
            return Days(due, span=True)
    return Unclear(match[0])


def _week_of(match: re.Match[str], today: Today) -> Item:
    number = _count(match["number"])
    named = CalendarDay(_month(match["month"]), number) if match["month"] else DayNumber(number)
    first = resolve([named], today)
    return (
        Days(span(first[0], first[0] + timedelta(days=6)), span=True)
        if first
        else Unclear(match[0])
    )


def _next_days(match: re.Match[str], today: Today) -> Item:
    length = _count(match["count"]) * _UNITS[match["unit"]]
    return Days(span(today.date, today.date + timedelta(days=length - 1)), span=True)


def _ahead(match: re.Match[str], today: Today) -> Item:
    start = _NAMED.get(match["base"] or "today", 0)
    return _offset(today, start + _count(match["count"]) * _UNITS[match["unit"]])


def _ahead_simple(match: re.Match[str], today: Today) -> Item:
    return _offset(today, _count(match["count"]) * _UNITS[match["unit"]])


def _ago(match: re.Match[str], today: Today) -> Item:
    return _offset(today, -_count(match["count"]) * _UNITS[match["unit"]])


def _weeks_on(match: re.Match[str], today: Today) -> Item:
    groups = match.groupdict()
    weeks = 2 if groups.get("fortnight") else _count(groups.get("count") or "1")
    first = _nearest(_weekday(match["weekday"]), today)
    return Days((first + timedelta(days=7 * weeks),))


def _weeks_on_named(match: re.Match[str], today: Today) -> Item:
    return _offset(today, _NAMED[match["name"]] + _UNITS[match["unit"]])


def _weekdays_ahead(match: re.Match[str], today: Today) -> Item:
    first = _nearest(_weekday(match["weekday"]), Today(today.now + timedelta(days=1)))
    return Days((first + timedelta(days=7 * (_count(match["count"]) - 1)),))


def _week(match: re.Match[str], today: Today) -> Item:
    weeks = {"this": 0, "rest of this": 0, "rest of the": 0, "last": -1, "past": -1}
    offset = 2 if match["after"] else weeks.get(match["which"], 1)
    days = _days_of_week(today, offset)
    return Days(days if offset else tuple(d for d in days if _is_due(d, today)), span=True)


def _weekend(match: re.Match[str], today: Today) -> Item:
    weeks = {"next": 1, "last": -1, "past": -1}
    offset = 2 if match["after"] else weeks.get(match["which"], 0)
    days = _days_of_week(today, offset)[5:]
    return Days(days if offset else tuple(d for d in days if d >= today.date), span=True)


def _weekday_of_week(match: re.Match[str], today: Today) -> Item:
    return Days((_days_of_week(today, 2)[_weekday(match["weekday"])],))


def _qualified_weekday(match: re.Match[str], today: Today) -> Item:
    index = _weekday(match["weekday"])
    match match["which"]:
        case "last" | "past" | "previous":
            return _offset(today, -((today.date.weekday() - index - 1) % 7 + 1))
        case "next":
            return Days((_days_of_week(today, 1)[index],))
        case _:
            return Weekdays(frozenset({index}))


def _plain_weekday(match: re.Match[str], today: Today) -> Item:
    del today
    return Weekdays(frozenset({_weekday(match["weekday"])}))


def _working_days(match: re.Match[str], today: Today) -> Item:
    del match, today
    return Weekdays(_WORKING)


def _tomorrow_or_after(match: re.Match[str], today: Today) -> list[Item]:
    del match
    return [_offset(today, 1), Word("or"), _offset(today, 2)]


def _named(match: re.Match[str], today: Today) -> Item:
    return _offset(today, _NAMED[match["name"]])


def _day_number(match: re.Match[str], today: Today) -> Item:
    del today
    return DayNumber(_count(match["number"]))


RULES: Sequence[tuple[str, Build]] = (
    # Dates
    (r"(?P<year>\d{4})-(?P<month>\d\d)-(?P<day>\d\d)(?!\d)", _iso),
    (r"(?P<first>\d{1,2})\.(?P<second>\d{1,2})\.(?P<year>\d{4}|\d\d)?(?!\d)", _dotted),
    (r"(?P<first>\d{1,2})-(?P<second>\d{1,2})-(?P<year>\d{4})(?!\d)", _numeric),
    (r"(?P<first>\d{1,2})/(?P<second>\d{1,2})(?:/(?P<year>\d{4}|\d\d))?(?![\d/])", _numeric),
    (
        rf"(?:on )?(?:the )?(?P<number>{_NTH}|{_N}),?(?: of)? (?P<month>{MONTH}){_SAID_YEAR}",
        _calendar_day,
    ),
    (
        rf"(?:on )?(?P<month>{MONTH})(?: the)? (?P<number>{_NTH}|{_N})"
        rf"(?![\d:]| ?(?:am|pm|oclock)\b){_SAID_YEAR}",
        _calendar_day,
    ),
    (rf"(?:on )?the (?P<number>{_NTH}){_NO_COUNT}", _day_number),
    (
        rf"(?P<number>{_NTH})"
        r"(?=,? (?:morning|afternoon|evening|at|or|and|to|through|until|till|of)\b|,|$)",
        _day_number,
    ),
    (rf"(?:on|day) (?P<number>{_NTH}){_NO_COUNT}", _day_number),
    # Months
    (
        rf"(?:the |on the )?(?P<nth>{_NTH_NAME}(?:,? (?:and|or) (?:the )?{_NTH_NAME})?)"
        rf" (?P<weekday>{WEEKDAY}) (?:of|in) {_A_MONTH}",
        _nth_weekday,
    ),
    (rf"(?:on )?(?:the )?last day (?:of|in) {_A_MONTH}", _last_day),
    (
        rf"(?:on )?(?:the )?(?P<number>{_NTH}) (?:of|in) (?P<which>this|the|next|last) month"
        r"(?P<month>)(?P<year>)",
        _number_in_month,
    ),
    (
        r"(?:at |in |towards )?(?:the )?(?:early|late|mid|middle of|end of|beginning of|start of)"
        rf"(?: in| on)?(?: the)? (?:(?:this|next|last) )?(?:week|month|year|{MONTH})",
        unclear,
    ),
    (rf"(?:in|during|within|any time in|some ?time in) {_A_MONTH}", _month_days),
    (r"(?P<which>next|this) month(?P<month>)(?P<year>)", _month_days),
    # Weeks
    (
        r"(?:the )?week (?:beginning|commencing|starting|of)(?: on)?"
        rf" (?:{WEEKDAY} )?(?:the )?(?P<number>{_NTH}|{_N})(?:(?: of)? (?P<month>{MONTH}))?",
        _week_of,
    ),
    (rf"(?P<weekday>{WEEKDAY})(?: of)?(?: the)? week after next", _weekday_of_week),
    (
        r"(?:the )?(?:(?P<which>this|next|last|past|following|coming|rest of (?:this|the)) week"
        r"|week (?P<after>after next))\b",
        _week,
    ),
    (
        r"(?:the |at the |on the )?(?:(?P<which>this|next|last|past|coming) )?week ?ends?"
        r"(?P<after> after next)?\b",
        _weekend,
    ),
    (r"(?:on )?(?:any )?(?:week ?|working |business )days?\b", _working_days),
    # Offsets from today
    (
        rf"(?:(?:in|within|over|during|any of|any day in) )?(?:the )?next {_COUNT} {_UNIT}\b",
        _next_days,
    ),
    (rf"(?:in|within)(?: about)? {_COUNT} {_UNIT}\b(?:'s?)?(?: time)?", _ahead_simple),
    (rf"{_COUNT} {_UNIT} from (?P<base>now|today|tomorrow)\b", _ahead),
    (rf"{_COUNT} {_UNIT} (?P<base>today|tomorrow)\b", _ahead),
    (rf"(?:about )?{_COUNT} {_UNIT} ago\b", _ago),
    (rf"{_COUNT} weeks? (?:from|on|after) (?:this )?(?P<weekday>{WEEKDAY})", _weeks_on),
    (rf"(?P<weekday>{WEEKDAY}) (?:week|in (?:a|1) week)\b", _weeks_on),
    (rf"(?P<weekday>{WEEKDAY}) (?P<fortnight>fortnight|in a fortnight)\b", _weeks_on),
    (r"(?P<name>today|tomorrow) (?P<unit>week|fortnight)\b", _weeks_on_named),
    (rf"{_COUNT} (?P<weekday>{WEEKDAY}) from now", _weekdays_ahead),
    (r"tomorrow,? or (?:maybe )?the day after(?: that)?(?! tomorrow)", _tomorrow_or_after),
    (
        r"(?:the )?(?P<name>day after tomorrow|day before yesterday|today|tomorrow|tmrw|yesterday)"
        r"s?\b(?:'s?)?(?: itself| only)?",
        _named,
    ),
    # Weekdays
    (
        r"(?P<which>next|last|past|previous|(?:the )?coming|this(?: coming)?)"
        rf" (?P<weekday>{WEEKDAY})",
        _qualified_weekday,
    ),
    (rf"(?:the )?(?P<weekday>{WEEKDAY})", _plain_weekday),
)


def resolve(said: Sequence[Day], today: Today) -> Dates:
    """Return the days that are meant; none if they cannot be.

    `said` stands side by side and is of the same days: a weekday and its date, a weekday and a
    week.
    """
    weekdays = frozenset(range(7))
    numbers: set[int] = set()
    found: set[date] | None = None
    for each in said:
        match each:
            case Weekdays():
                weekdays &= each.indices
            case DayNumber():
                numbers.add(each.number)
            case Days() | CalendarDay():
                days = set(each.dates if isinstance(each, Days) else _calendar_dates(each, today))
                found = days if found is None else found & days
    if found is None:
        found = _coming(weekdays, numbers, today)
    fitting = (d for d in found if d.weekday() in weekdays and numbers <= {d.day})
    return tuple(sorted(fitting))


def _coming(weekdays: frozenset[int], numbers: set[int], today: Today) -> set[date]:
    """Return the next days of these weekdays, or the next one that has the number."""
    if not numbers:
        return {_nearest(index, today) for index in weekdays}
    step = timedelta(days=-1 if today.past else 1)
    candidates = [d for d in (today.date + step * n for n in range(366)) if d.day in numbers]
    if len(weekdays) == 7:
        return set(candidates[:1])
    return set([d for d in candidates[:_MONTHS_AHEAD] if d.weekday() in weekdays][:1])


def _calendar_dates(said: CalendarDay, today: Today) -> Dates:
    """Return the date that was said, or the next one of that name; none if there is no such day."""
    step = -1 if today.past else 1
    ahead = range(0, step * _YEARS_AHEAD, step)
    for year in [said.year] if said.year else [today.date.year + n for n in ahead]:
        try:
            named = date(year, said.month, said.number)
        except ValueError:
            continue
        if said.year or _is_due(named, today):
            return (named,)
    return ()


def _is_due(day: date, today: Today) -> bool:
    return day <= today.date if today.past else day >= today.date


def _months(match: re.Match[str], today: Today) -> list[Dates]:
    """Return the days of the months that may be meant, the likeliest first."""
    this = today.date.year * 12 + today.date.month - 1
    if not match["month"]:
        return [_days_of_month(this + {"next": 1, "last": -1}.get(match["which"], 0))]
    number = _month(match["month"]) - 1
    if said := _year(match["year"], today):
        return [_days_of_month(said * 12 + number)]
    return [
        _days_of_month((today.date.year + offset) * 12 + number)
        for offset in ((0, -1) if today.past else (0, 1))
    ]


def _days_of_month(months: int) -> Dates:
    first = date(months // 12, months % 12 + 1, 1)
    return tuple(d for d in span(first, first + timedelta(days=30)) if d.month == first.month)


def _days_of_week(today: Today, weeks: int) -> Dates:
    monday = today.date + timedelta(days=7 * weeks - today.date.weekday())
    return span(monday, monday + timedelta(days=6))


def _nearest(index: int, today: Today) -> date:
    if today.past:
        return today.date - timedelta(days=(today.date.weekday() - index) % 7)
    return today.date + timedelta(days=(index - today.date.weekday()) % 7)


def _offset(today: Today, days: int) -> Days:
    return Days((today.date + timedelta(days=days),))


def _year(said: str | None, today: Today) -> int | None:
    if not said:
        return None
    if said.endswith("year"):
        return today.date.year + {"this": 0, "next": 1, "last": -1}[said.split()[0]]
    digits = int(said.replace(" ", ""))
    return digits if digits > 99 else 2000 + digits


def _count(said: str) -> int:
    if digits := re.sub(r"\D", "", said):
        return int(digits)
    return 2 if "couple" in said else 1


def _weekday(name: str) -> int:
    return _SHORT_DAYS.index(name[:3])


def _month(name: str) -> int:
    return _SHORT_MONTHS.index(name[:3]) + 1
