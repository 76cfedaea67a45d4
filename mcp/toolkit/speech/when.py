"""Parses when a caller wants to come: "Thursday after three" becomes days and a part of the day.

Nothing is guessed, and nothing that was heard is dropped: where words that belong to a time cannot
be read, or no day is named, there is no result, and the caller is asked.
"""

from dataclasses import dataclass
from datetime import MAXYEAR, MINYEAR, datetime, time
from itertools import chain
from zoneinfo import ZoneInfo

from toolkit.speech.items import Alternative, Dates, PartOfDay, Today
from toolkit.speech.sentence import parse_sentence

_YEARS = range(-50, 6)  # from now; any other year was misheard


@dataclass(frozen=True)
class TimeRequest:
    """The days and the part of the day that a caller asks for.

    `soonest` says that the caller wants the first time there is. `others` are further days and
    times that would do as well: "Tuesday at ten or Friday at two".
    """

    days: Dates
    daytime: PartOfDay
    soonest: bool = False
    others: tuple["TimeRequest", ...] = ()

    @property
    def all_days(self) -> Dates:
        """Return the days of this request and of its alternatives, in order."""
        return tuple(sorted({*self.days, *chain.from_iterable(o.days for o in self.others)}))

    @property
    def is_exact(self) -> bool:
        """Return whether it is for one time of one day."""
        return len(self.days) == 1 and self.daytime.at is not None and not self.others

    def includes(self, start: datetime) -> bool:
        """Say whether a local time fits; a request for an exact time fits the whole day."""
        earliest, latest = self.daytime.earliest, self.daytime.latest
        at = start.time()
        own = start.date() in self.days and earliest <= at and (latest is None or at < latest)
        return own or any(other.includes(start) for other in self.others)


def parse_when(
    text: str,
    now: datetime,
    zone: ZoneInfo,
    opens: time = time(8),
    closes: time = time(18),
    *,
    past: bool = False,
) -> TimeRequest | None:
    """Return the days and times that `text` names, in words or in ISO 8601; None to ask again.

    A bare hour is taken to be within the opening hours where it can be. `past` reads what has
    happened: "Tuesday" is the last one then.
    """
    today = Today(now.astimezone(zone), past)
    if alternative := _parse_iso(text.strip(), zone):
        return _request([alternative], today)
    alternatives, soonest = parse_sentence(text, today, opens, closes)
    return _request(alternatives, today, soonest=soonest)


def _request(
    alternatives: list[Alternative], today: Today, *, soonest: bool = False
) -> TimeRequest | None:
    if not alternatives or not all(each.days for each in alternatives):
        return None
    if any(d.year - today.date.year not in _YEARS for each in alternatives for d in each.days):
        return None
    first, *others = (TimeRequest(each.days, each.daytime, soonest) for each in alternatives)
    return TimeRequest(first.days, first.daytime, soonest, tuple(others))


def _parse_iso(text: str, zone: ZoneInfo) -> Alternative | None:
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
    return Alternative((start.date(),), PartOfDay(at=at if at != time.min else None))
