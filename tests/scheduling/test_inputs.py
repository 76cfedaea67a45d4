"""How handles and services are read."""

from datetime import date, datetime
from zoneinfo import ZoneInfo

import pytest

from scheduling import handles, services
from scheduling.provider import Service
from tests.scheduling.calendars import BERLIN

TODAY = date(2026, 11, 24)


def at(text: str, zone: ZoneInfo = BERLIN) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=zone)


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
    assert handles.handle(at(start), TODAY, service) == written
    assert handles.read(written, TODAY, BERLIN) == handles.Handle(service, at(start))


@pytest.mark.parametrize(
    "text", ["thu", "thu-25:00", "xyz-10:30", "thu31feb-10:30", "mon1dec-9:00"]
)
def test_what_is_no_handle_is_not_read_as_one(text: str) -> None:
    assert handles.read(text, TODAY, BERLIN) is None


def test_a_handle_of_the_hour_that_the_clocks_skip_means_nothing() -> None:
    assert handles.read("sun-02:30", date(2027, 3, 28), BERLIN) is None
    assert handles.read("sun-03:30", date(2027, 3, 28), BERLIN) is not None


OFFERED = [
    Service(id="guided-tour", name="Guided tour", minutes=60),
    Service(id="audio", name="Audio tour", minutes=30),
    Service(id="check", name="Check-up", minutes=30),
    Service(id="cleaning", name="Instrument cleaning", minutes=45),
]


@pytest.mark.parametrize(
    ("text", "service"),
    [
        ("guided-tour", "guided-tour"),
        ("Guided tour", "guided-tour"),
        ("a guided tour", "guided-tour"),
        ("the guided tours, please", "guided-tour"),
        ("I'd like to be guided", "guided-tour"),
        ("audio", "audio"),
        ("checkup", "check"),
        ("a check up", "check"),
        ("to clean my instruments", "cleaning"),
        ("tour", None),
        ("haircut", None),
        ("", None),
        ("appointment", None),
    ],
)
def test_a_service_is_found_by_any_of_its_words(text: str, service: str | None) -> None:
    found = services.named(text, OFFERED)
    assert (found and found.id) == service


def test_an_only_service_need_not_be_named_but_another_is_not_taken_for_it() -> None:
    only = OFFERED[:1]
    assert services.named("an appointment", only) == only[0]
    assert services.named("haircut", only) is None
