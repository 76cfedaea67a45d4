"""Arithmetic on moments, over the changes of the clocks."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest

from tests.support.clock_changes import CLOCK_CHANGES, ClockChange
from toolkit.instants import add, elapsed, first_moment, moments_at, reading, utc

BERLIN = ZoneInfo("Europe/Berlin")
HOUR = timedelta(hours=1)


@pytest.mark.parametrize("change", CLOCK_CHANGES, ids=str)
@pytest.mark.parametrize("before", [0, 0.5, 1, 5])
@pytest.mark.parametrize("after", [0.25, 1, 36])
def test_a_length_is_the_same_on_either_side_of_a_change(
    change: ClockChange, before: float, after: float
) -> None:
    start, end = change.local(-before), change.local(after)
    length = timedelta(hours=before + after)
    assert utc(add(start, length)) == utc(end)
    assert add(start, length).tzinfo is change.zone
    assert utc(add(end, -length)) == utc(start)
    assert elapsed(start, end) == length
    assert utc(start).tzinfo is UTC


@pytest.mark.parametrize("change", CLOCK_CHANGES, ids=str)
def test_a_time_is_no_moment_one_or_two(change: ClockChange) -> None:
    shown = change.local(0) if not change.skips else change.local(0) - HOUR
    found = moments_at(shown.date(), shown.time(), change.zone)
    assert found == ([] if change.skips else [change.after(-1), change.after(0)])
    readings = [reading(each.astimezone(change.zone)) for each in found]
    assert readings == ([] if change.skips else ["first", "second"])
    for hours in (-3, 2):
        single = change.local(hours)
        assert moments_at(single.date(), single.time(), change.zone) == [change.after(hours)]
        assert reading(single) == "only"


@pytest.mark.parametrize(
    ("zone", "day", "at", "moment"),
    [
        ("Europe/Berlin", "2027-06-01", "10:00", "2027-06-01T08:00"),
        ("Europe/Berlin", "2027-03-28", "02:00", "2027-03-28T01:00"),
        ("Europe/Berlin", "2027-03-28", "02:30", "2027-03-28T01:00"),
        ("Europe/Berlin", "2027-03-28", "03:00", "2027-03-28T01:00"),
        ("Europe/Berlin", "2027-10-31", "02:30", "2027-10-31T00:30"),
        ("America/Santiago", "2027-09-05", "00:00", "2027-09-05T04:00"),  # skipped until one
        ("America/Santiago", "2027-04-03", "23:30", "2027-04-04T02:30"),  # and once more
        ("America/Havana", "2027-11-07", "00:00", "2027-11-07T04:00"),  # and once more
        ("Australia/Lord_Howe", "2027-10-03", "02:10", "2027-10-02T15:30"),  # half an hour
    ],
)
def test_a_time_begins_when_it_is_first_shown_or_skipped(
    zone: str, day: str, at: str, moment: str
) -> None:
    found = first_moment(date.fromisoformat(day), time.fromisoformat(at), ZoneInfo(zone))
    assert found == datetime.fromisoformat(f"{moment}+00:00")


def test_the_readings_of_an_hour_that_comes_twice_are_not_the_same_moment() -> None:
    first, second = (datetime(2027, 10, 31, 2, 30, tzinfo=BERLIN, fold=fold) for fold in (0, 1))
    assert elapsed(first, second) == HOUR
    assert add(first, timedelta()).fold == 0
    assert add(second, timedelta()).fold == 1
    assert utc(second) == datetime(2027, 10, 31, 1, 30, tzinfo=UTC)
