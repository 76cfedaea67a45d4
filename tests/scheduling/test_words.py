"""How times are said, and how handles, phone numbers and services are read."""

from datetime import date, datetime
from zoneinfo import ZoneInfo

import pytest

from scheduling import handles, services
from scheduling.numbers import phone_number, with_digits, words
from scheduling.provider import Service
from scheduling.spoken import label, times
from tests.scheduling.calendars import BERLIN

TODAY = date(2026, 11, 24)


def at(text: str, zone: ZoneInfo = BERLIN) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=zone)


@pytest.mark.parametrize(
    ("start", "said"),
    [
        ("2026-11-26T10:30", "Thursday at ten thirty in the morning"),
        ("2026-11-30T15:00", "Monday at three in the afternoon"),
        ("2026-12-01T12:00", "Tuesday the 1st of December at noon"),
        ("2026-12-03T09:05", "Thursday the 3rd of December at nine oh five in the morning"),
        ("2026-11-24T19:45", "Tuesday at seven forty five in the evening"),
        ("2027-11-25T09:00", "Thursday the 25th of November 2027 at nine in the morning"),
        ("2026-11-23T09:00", "Monday the 23rd of November at nine in the morning"),
    ],
)
def test_a_time_is_said_as_a_person_would(start: str, said: str) -> None:
    assert label(at(start), TODAY) == said


@pytest.mark.parametrize(
    ("hours", "said"),
    [
        (["09:00", "10:30", "15:00"], "nine, ten thirty or three in the afternoon"),
        (["09:00", "21:00"], "nine or nine in the evening"),
        (["06:30", "07:30"], "six thirty in the morning or seven thirty in the morning"),
        (["09:00"], "nine in the morning"),
    ],
)
def test_times_of_a_day_are_said_in_one_breath(hours: list[str], said: str) -> None:
    assert times([at(f"2026-11-26T{hour}") for hour in hours], TODAY) == said


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


@pytest.mark.parametrize(
    ("said", "number"),
    [
        ("five five five zero one four two", "5550142"),
        ("five five five 0 1 4 2", "5550142"),
        ("555-0142", "5550142"),
        ("oh seven three one double four nine", "0731449"),
        ("plus four nine thirty, 555 0142", "+49305550142"),
        ("+1 (202) 555-0142", "+12025550142"),
        ("triple five, one two", "55512"),
        ("unknown", None),
        ("-", None),
        ("1" * 20, None),
    ],
)
def test_a_phone_number_is_digits(said: str, number: str | None) -> None:
    assert phone_number(said) == number


def test_every_number_can_be_said_and_read_again() -> None:
    assert [with_digits(words(number)) for number in range(60)] == [str(n) for n in range(60)]
    assert with_digits("the twenty third, twelfth and fortieth") == "the 23rd, 12th and fortieth"


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
