"""Formatting and parsing handles."""

from datetime import date

import pytest

from scheduling import handles
from tests.scheduling.calendars import BERLIN, at

TODAY = date(2026, 11, 24)


@pytest.mark.parametrize(
    ("start", "service", "written"),
    [
        ("2026-11-26T10:30", None, "thu-10:30"),
        ("2026-11-24T18:00", None, "tue-18:00"),
        ("2026-11-30T09:00", "guided-tour", "guided-tour-mon-09:00"),
        ("2026-12-01T09:00", "sun-bed", "sun-bed-tue1dec-09:00"),
        ("2027-02-26T09:00", None, "fri26feb-09:00"),
    ],
)
def test_a_handle_stands_for_a_service_and_a_time(
    start: str, service: str | None, written: str
) -> None:
    assert handles.format_handle(at(start), TODAY, service) == written
    assert handles.parse_handle(written, TODAY, BERLIN) == handles.Handle(service, at(start))


@pytest.mark.parametrize(
    "text", ["thu", "thu-25:00", "xyz-10:30", "thu31feb-10:30", "mon1dec-9:00"]
)
def test_what_is_no_handle_is_not_read_as_one(text: str) -> None:
    assert handles.parse_handle(text, TODAY, BERLIN) is None


@pytest.mark.parametrize(("fold", "written"), [(0, "tour-sun-02:30"), (1, "tour-sun-02:30-second")])
def test_a_time_that_the_clocks_show_twice_has_two_handles(fold: int, written: str) -> None:
    start = at("2027-10-31T02:30").replace(fold=fold)
    assert handles.format_handle(start, date(2027, 10, 30), "tour") == written
    parsed = handles.parse_handle(written, date(2027, 10, 30), BERLIN)
    assert parsed is not None
    assert (parsed.service_id, parsed.starts_at.isoformat()) == ("tour", start.isoformat())


def test_a_time_that_the_clocks_show_once_has_no_second_handle() -> None:
    assert handles.parse_handle("sun-03:30-second", date(2027, 10, 30), BERLIN) is None


def test_a_handle_of_the_hour_that_the_clocks_skip_means_nothing() -> None:
    assert handles.parse_handle("sun-02:30", date(2027, 3, 28), BERLIN) is None
    assert handles.parse_handle("sun-03:30", date(2027, 3, 28), BERLIN) is not None
