"""Times of day as callers say them, and local times as datetimes."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from toolkit.instants import add
from toolkit.speech.items import (
    Build,
    Clock,
    Days,
    Item,
    Moment,
    Part,
    PartOfDay,
    Time,
    Today,
    Unclear,
    Window,
    talk,
    unclear,
)

PARTS = {
    "early morning": (time(0), time(10)),
    "late morning": (time(10), time(12)),
    "morning": (time(0), time(12)),
    "early afternoon": (time(12), time(15)),
    "late afternoon": (time(15), time(18)),
    "afternoon": (time(12), time(18)),
    "early evening": (time(17), time(20)),
    "late evening": (time(20), None),
    "evening": (time(17), None),
    "night": (time(17), None),
    "lunch": (time(11, 30), time(14)),
}
# A time, by the forms in which it is said; `_clock` reads it.
_HALF = r"(?: ?(?:am|pm)\b)?"
_TO_WORDS = r"(?:to|till|of|before)"
_TIME = (
    rf"(?:noon|midday|12 noon|half(?: past)? \d{{1,2}}{_HALF}"
    rf"|(?:a )?quarter (?:past|after|{_TO_WORDS}) \d{{1,2}}{_HALF}"
    rf"|\d{{1,2}}(?: minutes)? (?:past|after) \d{{1,2}}{_HALF}"
    rf"|(?:5|10|20|25|\d{{1,2}} minutes) {_TO_WORDS} \d{{1,2}}{_HALF}"
    rf"|\d{{1,2}}:\d\d{_HALF}|\d{{1,2}} (?:oh|o) \d\b{_HALF}"
    rf"|\d{{1,2}} hundred(?: hours)?|[0-2]\d[0-5]\d(?: hours)?\b"
    rf"|\d{{1,2}} [0-5]\d\b(?! (?:minutes|people|persons|euros|dollars)){_HALF}"
    rf"|\d{{1,2}}(?: oclock)?{_HALF})"
)
_NOT_THINGS = r"(?! ?\d| (?:minutes|people|persons|euros|dollars))"
_END = r"(?!\d|[/:.]\d|(?:st|nd|rd|th)\b)(?: ?ish\b)?(?: sharp| on the dot| or so| exactly)?"
# Without a word before it, only these are times; a bare number may be anything.
_SURE = (
    rf"(?:noon|midday|half(?: past)? \d{{1,2}}\b{_HALF}"
    rf"|(?:a )?quarter (?:past|after|{_TO_WORDS}) \d{{1,2}}\b{_HALF}"
    rf"|\d{{1,2}}(?: minutes)? (?:past|after) \d{{1,2}}\b{_HALF}"
    rf"|(?:20|25|\d{{1,2}} minutes) {_TO_WORDS} \d{{1,2}}\b{_HALF}"
    rf"|\d{{1,2}}:\d\d{_HALF}|\d{{1,2}} (?:oh|o) \d\b{_HALF}|\d{{1,2}}(?: \d\d)? ?(?:am|pm)\b"
    rf"|\d{{1,2}} oclock{_HALF}|\d{{1,2}} ?ish\b"
    rf"|(?<!\d )\d{{1,2}} [0-5]\d\b{_NOT_THINGS}|\d{{1,2}} hundred(?: hours)?)"
)
_AT = r"(?:at|around|about|near|towards?|say|like|for|by about|make it|roughly|approximately)"
_AFTER = (
    r"(?:(?:any ?time |some ?time )?(?:after|past|later than|since|not before"
    r"|(?:no|not) (?:earlier|sooner) than|starting(?: at)?))"
)
_BEFORE = (
    r"(?:(?:any ?time |some ?time )?(?:before|until|till|by|earlier than|up to|not after"
    r"|(?:no|not) later than))"
)
_LENGTH = (
    r"(?:(?P<half>half an hour)|(?P<quarters>a|3)? ?quarters?(?: of)? an hour"
    r"|(?P<hours>\d{1,3}|an?) hours?(?P<plus> and a half)?"
    r"(?:,? (?:and )?(?P<rest>\d{1,2}) minutes?)?"
    r"|(?P<whole>\d{1,2}) and a half hours|(?P<minutes>\d{1,3}) (?:minutes?|mins?))(?:'?s)?\b"
)
_ABOUT = r"(?:about |around |approximately |roughly )?"
_PART = (
    r"(?:(?P<early>early|late|mid|first thing)(?: part)?[ ,]+(?:in |of |on )?(?:the )?)?"
    r"(?P<part>morning|afternoon|arvo|evening|night|lunch)(?: ?times?|s)?\b"
)


def _exact(match: re.Match[str], today: Today) -> Item:
    del today
    return _clock(match["time"]) or Unclear(match[0])


def _after(match: re.Match[str], today: Today) -> Item:
    del today
    after = _clock(match["time"])
    return Window(after=after) if after else Unclear(match[0])


def _before(match: re.Match[str], today: Today) -> Item:
    del today
    before = _clock(match["time"])
    return Window(before=before) if before else Unclear(match[0])


def _between(match: re.Match[str], today: Today) -> Item:
    del today
    first, last = _clock(match["first"]), _clock(match["last"])
    return Window(first, last) if first and last else Unclear(match[0])


def _part(match: re.Match[str], today: Today) -> Item:
    del today
    name = match["part"].replace("arvo", "afternoon")
    early = {"first thing": "early", "mid": None}.get(match["early"], match["early"])
    full = f"{early} {name}" if early else name
    return Part(full if full in PARTS else name)


def _part_of_today(match: re.Match[str], today: Today) -> list[Item]:
    return [Days((today.date,)), _part(match, today)]


def _tonight(match: re.Match[str], today: Today) -> list[Item]:
    del match
    return [Days((today.date,)), Part("night")]


def _last_night(match: re.Match[str], today: Today) -> list[Item]:
    del match
    return [Days((today.date - timedelta(days=1),)), Part("night")]


def _not_part(match: re.Match[str], today: Today) -> Item:
    del today
    match match["part"]:
        case "morning":
            return Window(after=Clock(12, half="pm"))
        case "evening":
            return Window(before=Clock(17))
        case _:
            return Unclear(match[0])


def _elapsed(match: re.Match[str], today: Today) -> Item:
    """Add to the moment, not to what the clock shows: it may change in between."""
    length = timedelta(minutes=_minutes(match))
    return Moment(add(today.now, -length if match["ago"] else length))


def _fixed(window: Window) -> Build:
    return lambda match, today: window


RULES: Sequence[tuple[str, Build]] = (
    (rf"(?:in|within) {_ABOUT}{_LENGTH}(?: time)?(?: from now)?(?P<ago>)", _elapsed),
    (rf"{_ABOUT}{_LENGTH} (?:from now|(?P<ago>ago))\b", _elapsed),
    (
        r"(?:\d{1,3}|an?|half an) (?:minutes?|mins?|hours?)\b"
        r"(?! (?:past|to|after|before|till|ago|from))",
        talk,  # how long something takes: "a thirty minute massage"
    ),
    (rf"not (?:in|during) the {_PART}", _not_part),
    (rf"(?:in the |in |during the |at |over |for |on the )?{_PART}", _part),
    (rf"this {_PART}", _part_of_today),
    (r"tonight\b", _tonight),
    (r"last night\b", _last_night),
    (rf"(?P<time>(?:20|25) to \d{{1,2}}{_HALF}){_END}", _exact),
    (
        rf"(?:between|from|anywhere between) (?P<first>{_TIME}){_END}"
        rf" (?:and|to|until|till|through|-) (?P<last>{_TIME}){_END}",
        _between,
    ),
    (
        rf"(?P<first>{_SURE}|\d{{1,2}}) ?(?:to|until|till|through|-)"
        rf" ?(?P<last>{_SURE}|\d{{1,2}}(?! \d)){_END}",
        _between,
    ),
    (rf"(?:at |about |around )(?P<time>(?:5|10) to \d{{1,2}}{_HALF}){_END}", _exact),
    (r"(?:5|10) to \d{1,2}", unclear),  # a time, or a window
    (rf"(?:at )?(?P<time>{_TIME}){_END} at the latest", _before),
    (rf"(?:at )?(?P<time>{_TIME}){_END} at the earliest", _after),
    (rf"(?:at )?(?P<time>{_TIME}){_END} (?:or later|or after|on ?wards?|and later)", _after),
    (rf"(?:from|starting at|starting from) (?P<time>{_TIME}){_END}(?: on| on ?wards?)?", _after),
    (rf"(?:at )?(?P<time>{_TIME}){_END} or (?:earlier|before|sooner)", _before),
    (rf"{_AFTER} (?P<time>{_TIME}){_END}", _after),
    (rf"{_BEFORE} (?P<time>{_TIME}){_END}", _before),
    (r"after lunch", _fixed(Window(after=Clock(13)))),
    (r"before lunch", _fixed(Window(before=Clock(12)))),
    (r"after (?:work|school)", _fixed(Window(after=Clock(17)))),
    (rf"(?:{_AT} )+(?P<time>{_TIME}){_END}", _exact),
    (rf"(?P<time>{_SURE}){_END}", _exact),
    (r"(?:at |around |by |until |before |after |12 )?midnight", unclear),
    (r"(?:at )?(?:the )?(?:usual|same)(?: time| as (?:usual|always|last time|before))", unclear),
    (r"(?:at )?(?:my|our|his|her|their) [a-z]+ time\b", unclear),
    (
        r"(?:by |at |towards )?(?:the )?end of (?:the )?"
        r"(?:day|business|play|morning|afternoon)",
        unclear,
    ),
)


def _minutes(match: re.Match[str]) -> float:
    if match["half"]:
        return 30
    if match["minutes"]:
        return int(match["minutes"])
    if match["whole"]:
        return int(match["whole"]) * 60 + 30
    if match["hours"]:
        hours = int(match["hours"]) if match["hours"].isdigit() else 1
        return hours * 60 + (30 if match["plus"] else 0) + int(match["rest"] or 0)
    return 45 if match["quarters"] == "3" else 15


def _clock(said: str) -> Clock | None:
    """Return the time that one of the forms of `_TIME` says; None if no clock shows it."""
    half = "am" if "am" in said else "pm" if "pm" in said else None
    numbers = [int(number) for number in re.findall(r"\d+", said)]
    if "noon" in said or "midday" in said:
        return Clock(12, half="pm")
    if "half" in said:
        hour, minute = numbers[0], 30
    elif "quarter" in said:
        hour, minute = numbers[0], 15
    elif re.search(r"past|after|\b(?:to|till|of|before)\b", said):
        minute, hour = numbers
    elif "hundred" in said:
        hour, minute = numbers[0], 0
        half = half or "24"
    elif re.match(r"\d{4}", said):
        hour, minute, half = numbers[0] // 100, numbers[0] % 100, "24"
    else:
        hour, minute = numbers[0], numbers[1] if len(numbers) > 1 else 0
        if re.match(r"0\d:|1[3-9]|2\d", said):
            half = half or "24"
    if re.search(r"\b(?:to|till|of|before)\b", said):
        hour, minute = (hour - 2) % 12 + 1, 60 - minute
    if hour > 23 or minute > 59 or (half in ("am", "pm") and not 1 <= hour <= 12):
        return None
    return Clock(hour, minute, half)


@dataclass(frozen=True)
class HourReader:
    """Decides between morning and afternoon, by opening hours and the part of the day."""

    opens: time
    closes: time
    part: str | None = None

    def read(self, clock: Clock) -> time:
        """Return the time that is meant."""
        if clock.half == "24" or not 1 <= clock.hour <= 12:
            return time(clock.hour, clock.minute)
        hour = clock.hour % 12
        afternoon = clock.half == "pm" if clock.half else self._afternoon(hour, clock.minute)
        return time(hour + (12 if afternoon else 0), clock.minute)

    def _afternoon(self, hour: int, minute: int) -> bool:
        if self.part:
            if self.part in ("night", "evening", "late evening") and hour < 4:
                return False
            return "morning" not in self.part and (self.part != "lunch" or hour < 3)
        early, late = time(hour, minute), time(hour + 12, minute)
        if self.opens <= early <= self.closes:
            return False
        return self.opens <= late <= self.closes or hour < 7


def resolve(said: Sequence[Time], opens: time, closes: time) -> PartOfDay | None:
    """Return the part of the day that is meant; None if what was said contradicts itself.

    A bare hour is taken to be within the opening hours where it can be.
    """
    names = {each.name for each in said if isinstance(each, Part)}
    part = _narrowest(names)
    if names and part is None:
        return None
    reader = HourReader(opens, closes, part)
    exact = {reader.read(each) for each in said if isinstance(each, Clock)}
    earliest, latest = PARTS[part] if part else (time.min, None)
    for each in said:
        if isinstance(each, Window):
            window = _read_window(each, reader)
            earliest, latest = max(earliest, window[0]), _earlier(latest, window[1])
    if latest is not None and earliest >= latest:
        return None
    if not exact:
        return PartOfDay(earliest, latest)
    (at, *others) = exact
    if others or not _fits(at, part):
        return None
    if any(isinstance(each, Window) for each in said):
        return None
    return PartOfDay(at=at)


def _read_window(window: Window, reader: HourReader) -> tuple[time, time | None]:
    after = reader.read(window.after) if window.after else time.min
    before = reader.read(window.before) if window.before else None
    if window.after and window.before and before and before <= after and not window.after.half:
        # "From nine to five in the evening": the first hour is before the second.
        earlier = time((after.hour + 12) % 24, after.minute)
        after = earlier if earlier < before else after
    if window.before and before and before <= after and not window.before.half and before.hour < 12:
        before = time(before.hour + 12, before.minute)
    return after, before


def _narrowest(names: set[str]) -> str | None:
    """Return the name that says most: `early evening` of `evening` and `early evening`."""
    for name in names:
        if all(_within(name, other) for other in names):
            return name
    return None


def _within(name: str, other: str) -> bool:
    (first, last), (start, end) = PARTS[name], PARTS[other]
    return first >= start and (end is None or (last is not None and last <= end))


def _fits(at: time, part: str | None) -> bool:
    """Say whether a time can be in a part of the day: callers say "five in the evening"."""
    if part is None:
        return True
    if "morning" in part:
        return at < time(12)
    if part == "night":
        return at >= time(17) or at < time(5)
    return at >= (time(11) if part == "lunch" else time(16) if "evening" in part else time(12))


def _earlier(one: time | None, other: time | None) -> time | None:
    return min((each for each in (one, other) if each is not None), default=None)


def format_utc(when: datetime) -> str:
    """Return `2026-11-26T09:00:00Z`."""
    return when.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def local_datetime(day: date, at: time, zone: ZoneInfo) -> datetime | None:
    """Return a day and time in a zone; None for a time that the zone's clocks skip."""
    start = datetime.combine(day, at, zone)
    exists = datetime.fromtimestamp(start.timestamp(), zone).time() == at
    return start if exists else None
