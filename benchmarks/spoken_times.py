"""How many spoken times are read rightly, asked about, or read wrongly; `dateparser` beside it.

Run `python -m benchmarks.spoken_times [--held-out] [--show]`. The cases in `spoken_times.yaml` were
written from how callers speak, not from the reader; `spoken_times_held_out.yaml` is for the end.
A reading is right if the days, and the time or the part of the day, are exactly those of the case.
"""

from collections import Counter
from collections.abc import Callable, Iterable
from datetime import datetime, time
from typing import Any
from zoneinfo import ZoneInfo

import dateparser

from benchmarks.spoken_cases import Case, load, options
from config.language.english import WEEKDAYS
from toolkit.speech.when import TimeRequest, parse_when

Reading = frozenset[tuple[tuple[str, ...], str]] | None
# The parts of the day, as the scheduling server offers times in them.
PARTS = {
    "early morning": ("00:00", "10:00"),
    "morning": ("00:00", "12:00"),
    "late morning": ("10:00", "12:00"),
    "lunch": ("11:30", "14:00"),
    "early afternoon": ("12:00", "15:00"),
    "afternoon": ("12:00", "18:00"),
    "late afternoon": ("15:00", "18:00"),
    "early evening": ("17:00", "20:00"),
    "evening": ("17:00", ""),
    "night": ("17:00", ""),
}


def outcome(case: Case) -> str:
    """Return `right`, `asked` or `wrong` for our reader; asked where it should ask is right."""
    zone = ZoneInfo(case["zone"])
    now = datetime.fromisoformat(case["now"]).replace(tzinfo=zone)
    past = case["purpose"] == "log"
    request = parse_when(case["said"], now, zone, past=past)
    if request is not None and not past and _is_over(request, now):
        request = None  # the tool asks: that time has passed
    if request is None:
        return "right" if case.get("ask") else "asked"
    return "right" if not case.get("ask") and _is_read(case, request) else "wrong"


def _is_over(request: TimeRequest, now: datetime) -> bool:
    every = (request, *request.others)
    return all(_end(each, now) <= now.replace(tzinfo=None) for each in every)


def _end(request: TimeRequest, now: datetime) -> datetime:
    last = request.daytime.at or request.daytime.latest or time(23, 59, 59)
    del now
    return datetime.combine(request.days[-1], last)


def _is_read(case: Case, request: TimeRequest) -> bool:
    if case.get("soonest", False) != request.soonest:
        return False
    if case.get("soonest") and not case.get("days"):
        without = set(case.get("without", ()))
        return not without & {WEEKDAYS[day.weekday()] for day in request.days}
    return expected(case) == frozenset(_reading(each) for each in (request, *request.others))


def expected(case: Case) -> frozenset[tuple[tuple[str, ...], str]]:
    """Return the days and times that a case means."""
    return frozenset(
        (tuple(each["days"]), _expected_time(each)) for each in case.get("any", [case])
    )


def _expected_time(case: Case) -> str:
    if "at" in case:
        return str(case["at"])
    first, last = PARTS[case["part"]] if "part" in case else ("00:00", "")
    first, last = case.get("from", first), case.get("until", last)
    return f"{first}-{last}"


def _reading(request: TimeRequest) -> tuple[tuple[str, ...], str]:
    days = tuple(day.isoformat() for day in request.days)
    daytime = request.daytime
    if daytime.at:
        return days, f"{daytime.at:%H:%M}"
    latest = f"{daytime.latest:%H:%M}" if daytime.latest else ""
    return days, f"{daytime.earliest:%H:%M}-{latest}"


def dateparser_outcome(case: Case) -> str:
    """Return the outcome of `dateparser`, which knows single moments only."""
    zone = ZoneInfo(case["zone"])
    now = datetime.fromisoformat(case["now"])
    past = case["purpose"] == "log"
    settings: Any = {
        "RELATIVE_BASE": now,
        "PREFER_DATES_FROM": "past" if past else "future",
        "TIMEZONE": zone.key,
    }
    found = dateparser.parse(case["said"], languages=["en"], settings=settings)
    if found is None or (not past and found.replace(tzinfo=None) < now.replace(hour=0, minute=0)):
        return "right" if case.get("ask") else "asked"
    if case.get("ask") or case.get("soonest") or "any" in case:
        return "wrong"
    same_day = list(case["days"]) == [found.date().isoformat()]
    return "right" if same_day and case.get("at", "") in ("", f"{found:%H:%M}") else "wrong"


def table(cases: Iterable[Case], judge: Callable[[Case], str]) -> Counter[str]:
    """Return how often each outcome occurs, and how often a day was named and rightly read."""
    counts: Counter[str] = Counter()
    for case in cases:
        result = judge(case)
        counts[result] += 1
        if not case.get("ask"):
            counts["named"] += 1
            counts["named right"] += result == "right"
    return counts


def main() -> None:
    """Print the figures of both readers."""
    names, show = options(__doc__ or "", "spoken_times")
    for name in names:
        cases = load(name)
        print(f"{name}: {len(cases)} sentences")
        for reader, judge in (("antiphon", outcome), ("dateparser", dateparser_outcome)):
            counts = table(cases, judge)
            print(
                f"  {reader:<11} right {counts['right']:4} ({counts['right'] / len(cases):.1%})"
                f"  asked {counts['asked']:4}  wrong {counts['wrong']:4}"
                f" ({counts['wrong'] / len(cases):.1%});"
                f" of those that name a day, right {counts['named right'] / counts['named']:.1%}"
            )
        if show:
            for case in cases:
                if (result := outcome(case)) != "right":
                    print(f"  {result:<6} {case['kind']}: {case['said']} ({case['now']})")


if __name__ == "__main__":
    main()
