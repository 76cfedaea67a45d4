"""What the words between days and times mean: lists, ranges, exclusions and corrections."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import groupby

from toolkit.speech.items import (
    CalendarDay,
    Clock,
    Day,
    DayNumber,
    Days,
    Item,
    Joint,
    Moment,
    Number,
    Part,
    Unclear,
    Weekdays,
    Window,
    Word,
)

DAYS = Days | Weekdays | DayNumber | CalendarDay
TIMES = Clock | Window | Part
_LAST_HOUR = 23


class UnclearError(Exception):
    """What was said cannot be read, or not in one way only."""


def settle_numbers(items: Sequence[Item]) -> list[Item]:
    """Return the items with each bare number as an hour, left out, or unclear."""
    settled: list[Item] = []
    for position, item in enumerate(items):
        if not isinstance(item, Number):
            settled.append(item)
            continue
        before = [each for each in settled if each != Word("comma")]
        after = next((each for each in items[position + 1 :] if each != Word("comma")), None)
        if 0 < item.value <= _LAST_HOUR and _is_hour(before, after):
            settled.append(Clock(item.value))
        elif item.value != 1:  # "that one" counts nothing
            settled.append(Unclear(str(item.value)))
    return settled


def _is_hour(before: Sequence[Item], after: Item | None) -> bool:
    last = before[-1] if before else None
    if isinstance(last, DAYS | Part) or isinstance(after, DAYS | Part):
        return not isinstance(last, Clock | Window)
    if last in (Word("or"), Word("correction")):
        return any(isinstance(each, Clock | Window) for each in before)
    return False


def apply_corrections(items: Sequence[Item]) -> list[Item]:
    """Return the items without those that the caller has taken back: "Thursday, no, Friday"."""
    said: list[Item] = []
    for part in split(items, "correction"):
        new = [each for each in part if each != Word("comma")]
        if any(isinstance(each, DAYS | Moment) for each in new):
            again = any(isinstance(each, TIMES | Moment) for each in new)
            said = [] if again else [each for each in said if isinstance(each, TIMES)]
        elif any(isinstance(each, TIMES) for each in new):
            said = [each for each in said if not isinstance(each, TIMES)]
        said += part
    return said


def take_exclusions(items: Sequence[Item]) -> tuple[list[Item], list[Day]]:
    """Return the other items, and the days that the caller rules out.

    Raises:
        UnclearError: it is not clear what is ruled out.
    """
    said: list[Item] = []
    excluded: list[Day] = []
    rest = list(items)
    while rest:
        item = rest.pop(0)
        if item == Word("not that"):
            while said and said[-1] == Word("comma"):
                said.pop()
            if not said or not isinstance(last := said.pop(), DAYS):
                raise UnclearError
            excluded.append(last)
        elif item == Word("not"):
            excluded += _take_days(rest)
            _drop_joint(said)
        else:
            said.append(item)
    return said, excluded


def _take_days(rest: list[Item]) -> list[Day]:
    """Take the days at the beginning of `rest`: "a Tuesday or a Thursday"."""
    taken: list[Day] = []
    while rest and isinstance(day := rest[0], DAYS):
        taken.append(day)
        joint = rest[1] if len(rest) > 2 and isinstance(rest[2], DAYS) else None
        goes_on = joint == Word("or") or joint == Word("and")
        del rest[: 2 if goes_on else 1]
        if not goes_on:
            break
    if not taken:
        raise UnclearError
    return taken


def _drop_joint(said: list[Item]) -> None:
    """Drop what joins an exclusion to the words before it: "next week, and not on Friday"."""
    while said and said[-1] in (Word("comma"), Word("and")):
        said.pop()


def join_days(items: Sequence[Item]) -> list[Item]:
    """Return the items with only those joints that stand between days, or alternatives."""
    joined: list[Item] = []
    between = False
    for position, item in enumerate(items):
        after = items[position + 1 :]
        joint: Joint | None = None
        match item:
            case Word("between"):
                between = _starts_with_day(after)
                continue
            case Word("and") if between and _ends_with_day(joined) and _starts_with_day(after):
                joint, between = "to", False
            case Word("and"):
                follows = _starts_with_day(after) and any(isinstance(e, DAYS) for e in joined)
                joint = "or" if follows else None
            case Word("comma"):
                joint = "or" if _ends_with_day(joined) and _goes_on_as_list(after) else None
            case Word("to"):
                joint = "to" if _ends_with_day(joined) and _starts_with_day(after) else None
            case Word("until") if _starts_with_day(after):
                joint = "to" if _ends_with_day(joined) else "until"
            case Word("from") if _starts_with_day(after):
                joint = None if _has_end(after) else "from"
            case Word("or"):
                joint = "or"
            case Word():
                continue
            case _:
                joined.append(item)
        if joint is not None:
            joined.append(Word(joint))
    return joined


def _starts_with_day(items: Sequence[Item]) -> bool:
    first = next((each for each in items if each != Word("comma")), None)
    return isinstance(first, DAYS)


def _ends_with_day(items: Sequence[Item]) -> bool:
    return bool(items) and isinstance(items[-1], DAYS)


def _goes_on_as_list(after: Sequence[Item]) -> bool:
    """Say whether days go on up to an "or": else a comma adds to the day before it."""
    if not _starts_with_day(after):
        return False
    rest = iter(after)
    for each in rest:
        if isinstance(each, DAYS) or each == Word("comma"):
            continue
        return each in (Word("or"), Word("and")) and isinstance(next(rest, None), DAYS)
    return False


def _has_end(after: Sequence[Item]) -> bool:
    """Say whether a range that begins here has an end."""
    for each in after:
        if each in (Word("to"), Word("until")):
            return True
        if not isinstance(each, DAYS):
            return False
    return False


def inherit(items: Sequence[Item]) -> list[Item]:
    """Return the items with the month, or the week, that is said once for several days.

    "The 3rd or the 4th of December", "from the 28th to the 2nd of March", "Monday or Friday next
    week".
    """
    groups = [list(group) for _, group in groupby(items, lambda each: isinstance(each, DAYS))]
    for position in range(len(groups) - 3, -1, -1):
        group, joint, later = groups[position : position + 3]
        if len(joint) == 1 and joint[0] in (Word("or"), Word("to")):
            groups[position] = _inherit_from_later(group, later, joint[0] == Word("to"))
    month: CalendarDay | None = None
    for group in groups:
        group[:] = [_inherit_month(each, month) for each in group]
        month = next((each for each in group if isinstance(each, CalendarDay)), month)
    return [item for group in groups for item in group]


def _inherit_from_later(group: list[Item], later: list[Item], to: bool) -> list[Item]:
    month = next((each for each in later if isinstance(each, CalendarDay)), None)
    if month is not None and not any(isinstance(each, CalendarDay | Days) for each in group):
        return [_before(each, month, to) if isinstance(each, DayNumber) else each for each in group]
    week = [each for each in later if isinstance(each, Days) and each.span]
    if week and all(isinstance(each, Weekdays) for each in [*group, later[0]]):
        return [*group, *week]
    return group


def _before(day: DayNumber, later: CalendarDay, to: bool) -> CalendarDay:
    """Return the day of a number in the month of a later day, or in the one before it."""
    if not to or day.number <= later.number:
        return replace(later, number=day.number)
    month = (later.month - 2) % 12 + 1
    year = later.year and later.year - (later.month == 1)
    return CalendarDay(month, day.number, year)


def _inherit_month(item: Item, earlier: CalendarDay | None) -> Item:
    if not isinstance(item, DayNumber) or earlier is None or item.number <= earlier.number:
        return item
    return replace(earlier, number=item.number)


def split(items: Iterable[Item], kind: Joint) -> list[list[Item]]:
    """Return the items between the joints of one kind."""
    parts: list[list[Item]] = [[]]
    for item in items:
        if item == Word(kind):
            parts.append([])
        else:
            parts[-1].append(item)
    return parts
