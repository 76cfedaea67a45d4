"""How times are said, and how numbers are read."""

from datetime import date, datetime
from zoneinfo import ZoneInfo

import pytest

from toolkit.speech.numbers import spoken_phone_number, words_to_digits
from toolkit.speech.phrases import datetime_label, join_times, number_words, phone_label

BERLIN = ZoneInfo("Europe/Berlin")
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
        ("2026-11-24T19:45", "today at seven forty five in the evening"),
        ("2027-11-25T09:00", "Thursday the 25th of November 2027 at nine in the morning"),
        ("2026-11-23T09:00", "Monday the 23rd of November at nine in the morning"),
    ],
)
def test_a_time_is_said_as_a_person_would(start: str, said: str) -> None:
    assert datetime_label(at(start), TODAY) == said


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
    assert join_times([at(f"2026-11-26T{hour}") for hour in hours], TODAY) == said


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
    assert spoken_phone_number(said) == number


def test_every_number_can_be_said_and_read_again() -> None:
    assert [words_to_digits(number_words(number)) for number in range(60)] == [
        str(n) for n in range(60)
    ]
    assert (
        words_to_digits("the twenty third, twelfth and fortieth") == "the 23rd, 12th and fortieth"
    )


@pytest.mark.parametrize(
    ("number", "said"),
    [
        ("5550142", "5 5 5, 0 1 4 2"),
        ("+49305550142", "plus 4 9 3, 0 5 5, 5 0 1, 4 2"),
        ("55512", "5 5 5, 1 2"),
        ("0301234567 ext. 12", "0 3 0, 1 2 3, 4 5 6 7, extension 1 2"),
    ],
)
def test_a_phone_number_is_said_digit_by_digit(number: str, said: str) -> None:
    assert phone_label(number) == said
