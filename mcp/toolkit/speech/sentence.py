"""Puts the days and times of a sentence together, and resolves them to dates."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from toolkit.speech import days as day_phrases
from toolkit.speech import times as time_phrases
from toolkit.speech.days import span
from toolkit.speech.items import (
    Alternative,
    CalendarDay,
    Clock,
    Dates,
    Day,
    DayNumber,
    Days,
    Item,
    Moment,
    Part,
    PartOfDay,
    Time,
    Today,
    Unclear,
    Weekdays,
    Window,
    Word,
    Zone,
)
from toolkit.speech.joints import (
    DAYS,
    UnclearError,
    apply_corrections,
    inherit,
    join_days,
    settle_numbers,
    split,
    take_exclusions,
)
from toolkit.speech.times import local_datetime
from toolkit.speech.words import read_items

SOON = 14  # days that "as soon as possible" looks at
_MAX_RANGE = 366  # days


def parse_sentence(
    text: str, today: Today, opens: time, closes: time
) -> tuple[list[Alternative], bool]:
    """Return the days and times that a sentence names, and whether the first one is wanted.

    There are none if something is unclear, or no day is named.
    """
    try:
        return _Sentence(today, opens, closes).read(text)
    except UnclearError:
        return [], False


@dataclass
class _Clause:
    """What stands between two "or": days, times, or both, and which of them came first."""

    day: list[Day] = field(default_factory=list["Day"])
    times: list[Time] = field(default_factory=list["Time"])
    moment: datetime | None = None
    times_first: bool = False

    @property
    def has_days(self) -> bool:
        """Return whether a day is named."""
        return bool(self.day) or self.moment is not None


@dataclass(frozen=True)
class _Sentence:
    """Reads one sentence, said at a certain time to a business with these opening hours."""

    today: Today
    opens: time
    closes: time

    def read(self, text: str) -> tuple[list[Alternative], bool]:
        """Return what is asked for, and whether the first time is wanted.

        Raises:
            UnclearError: something cannot be read.
        """
        items = apply_corrections(settle_numbers(read_items(text, self.today)))
        if any(isinstance(item, Unclear) for item in items):
            raise UnclearError
        zone = _only_zone(items)
        soonest, wants_any = (Word(kind) in items for kind in ("soonest", "any"))
        marks = (Word("soonest"), Word("any"))
        items = [item for item in items if item not in marks and not isinstance(item, Zone)]
        items, excluded = take_exclusions(items)
        if (soonest or wants_any) and not any(isinstance(e, DAYS | Moment) for e in items):
            soon = span(self.today.date, self.today.date + timedelta(days=SOON - 1))
            items, soonest = [Days(soon, span=True), *items], True
        clauses = self._clauses(inherit(join_days(items)))
        return _merge([self._alternative(each, excluded, zone) for each in clauses]), soonest

    def _clauses(self, items: Sequence[Item]) -> list[_Clause]:
        """Return the alternatives: days with their times."""
        clauses: list[_Clause] = []
        for part in split(items, "or"):
            clause = self._clause(part)
            if not clause.has_days and not clause.times:
                raise UnclearError
            _add_clause(clauses, clause)
        if not all(clause.has_days for clause in clauses):
            raise UnclearError
        return clauses

    def _clause(self, items: Sequence[Item]) -> _Clause:
        clause = _Clause()
        for item in self._ranges(items):
            match item:
                case Days() | Weekdays() | DayNumber() | CalendarDay():
                    clause.day.append(item)
                case Moment():
                    clause.moment = item.at
                case Clock() | Window() | Part():
                    clause.times_first = clause.times_first or not clause.day
                    clause.times.append(item)
                case _:
                    raise UnclearError
        return clause

    def _ranges(self, items: Sequence[Item]) -> Iterator[Item]:
        """Yield the items with the days from one to another as one item."""
        rest = list(items)
        while rest:
            open_start, open_end = rest[0] == Word("until"), rest[0] == Word("from")
            if open_start or open_end:
                rest.pop(0)
            first = _take_days(rest)
            if open_start:
                yield self._range([], first)
            elif open_end:
                yield self._range(first, [])
            elif first and rest and rest[0] == Word("to"):
                rest.pop(0)
                yield self._range(first, _take_days(rest))
            elif first:
                yield from first
            else:
                yield rest.pop(0)

    def _range(self, first: Sequence[Day], last: Sequence[Day]) -> Days:
        begin = day_phrases.resolve(first, self.today)[:1] if first else (self.today.date,)
        if not begin:
            raise UnclearError
        if not last:
            return Days(span(begin[0], begin[0] + timedelta(days=SOON - 1)), span=True)
        start = datetime.combine(begin[0], time.min, self.today.now.tzinfo)
        end = day_phrases.resolve(last, Today(start))[-1:]
        if not end or not 0 <= (end[0] - begin[0]).days <= _MAX_RANGE:
            raise UnclearError
        return Days(span(begin[0], end[0]), span=True)

    def _alternative(
        self, clause: _Clause, excluded: Sequence[Day], zone: ZoneInfo | None
    ) -> Alternative:
        """Return the days and times of one alternative.

        Raises:
            UnclearError: they contradict each other, or there is no such day or time.
        """
        if clause.moment is not None:
            if clause.day or clause.times:
                raise UnclearError
            at = clause.moment.replace(second=0, microsecond=0)
            return Alternative((at.date(),), PartOfDay(at=at.time()))
        daytime = time_phrases.resolve(clause.times, self.opens, self.closes)
        dates = day_phrases.resolve(clause.day, self.today)
        if daytime is None or not dates:
            raise UnclearError
        if self._has_passed(clause.day, dates, daytime):
            dates = (dates[0] + timedelta(days=7),)
        dates = tuple(day for day in dates if not self._is_excluded(day, excluded))
        if zone is not None:
            return self._convert(dates, daytime, zone)
        if daytime.at and any(local_datetime(d, daytime.at, self._zone) is None for d in dates):
            raise UnclearError
        return Alternative(dates, daytime)

    def _has_passed(self, said: Sequence[Day], dates: Dates, daytime: PartOfDay) -> bool:
        """Say whether a weekday is today's, and the time that was said with it is over."""
        if self.today.past or dates != (self.today.date,):
            return False
        if not all(isinstance(each, Weekdays) for each in said):
            return False
        now, end = self.today.now.time(), daytime.at or daytime.latest
        return end is not None and end <= now

    def _is_excluded(self, day: date, excluded: Sequence[Day]) -> bool:
        return any(self._excludes(each, day) for each in excluded)

    def _excludes(self, said: Day, day: date) -> bool:
        match said:
            case Weekdays():
                return day.weekday() in said.indices
            case DayNumber():
                return day.day == said.number
            case Days() if said.span and all(each.weekday() > 4 for each in said.dates):
                return day.weekday() > 4
            case _:
                return day in day_phrases.resolve([said], self.today)

    def _convert(self, dates: Dates, daytime: PartOfDay, zone: ZoneInfo) -> Alternative:
        """Return what was said in another zone in the business's own.

        Raises:
            UnclearError: it is not the same time of every day there.
        """
        moved = [[self._shift(day, at, zone) for day in dates] for at in _bounds(daytime)]
        times = [{at.time() for at in each} for each in moved]
        days = {tuple(at.date() for at in each) for each in moved}
        if len(days) != 1 or any(len(each) > 1 for each in times):
            raise UnclearError
        bounds = iter([each.pop() for each in times])
        if daytime.at:
            return Alternative(days.pop(), PartOfDay(at=next(bounds)))
        earliest = next(bounds) if daytime.earliest != time.min else time.min
        return Alternative(days.pop(), PartOfDay(earliest, next(bounds, None)))

    def _shift(self, day: date, at: time, zone: ZoneInfo) -> datetime:
        there = local_datetime(day, at, zone)
        if there is None:
            raise UnclearError
        return there.astimezone(self._zone)

    @property
    def _zone(self) -> ZoneInfo:
        zone = self.today.now.tzinfo
        return zone if isinstance(zone, ZoneInfo) else ZoneInfo("UTC")


def _take_days(rest: list[Item]) -> list[Day]:
    """Take the days that stand side by side at the beginning of `rest`."""
    taken: list[Day] = []
    while rest and isinstance(day := rest[0], DAYS):
        taken.append(day)
        del rest[0]
    return taken


def _only_zone(items: Sequence[Item]) -> ZoneInfo | None:
    zones = {item.zone for item in items if isinstance(item, Zone)}
    if len(zones) > 1:
        raise UnclearError
    return next(iter(zones), None)


def _add_clause(clauses: list[_Clause], new: _Clause) -> None:
    """Add an alternative to those before it, or to the last one what it lacks."""
    last = clauses[-1] if clauses else None
    if last is None or last.moment or new.moment or (new.has_days and last.times and new.times):
        clauses.append(new)
    elif not new.has_days:  # "Friday at two or at four"
        clauses.append(_Clause(list(last.day), new.times))
    elif last.times and not last.times_first:  # "Tuesday at three or Thursday"
        clauses.append(new)
    elif last.times:  # "at four on Wednesday or on Thursday"
        clauses.append(_Clause(new.day, list(last.times), times_first=True))
    else:  # "Tuesday or Thursday at ten"
        for each in reversed(clauses):
            if each.times or each.moment:
                break
            each.times = list(new.times)
        clauses.append(new)


def _merge(alternatives: Sequence[Alternative]) -> list[Alternative]:
    """Return the alternatives with those of the same time of day as one."""
    merged: dict[PartOfDay, set[date]] = {}
    for each in alternatives:
        merged.setdefault(each.daytime, set()).update(each.days)
    return [Alternative(tuple(sorted(days)), daytime) for daytime, days in merged.items()]


def _bounds(daytime: PartOfDay) -> list[time]:
    """Return the exact time, or where a part of the day begins and ends if it is not the day."""
    if daytime.at:
        return [daytime.at]
    first = [daytime.earliest] if daytime.earliest != time.min else []
    return [*first, *([daytime.latest] if daytime.latest else [])]
