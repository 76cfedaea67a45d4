"""What callers say, and what is understood. It is a Tuesday morning, twenty to ten."""

from datetime import date, datetime, time
from zoneinfo import ZoneInfo

import pytest

from toolkit.speech.when import TimeRequest, parse_when

ZONE = ZoneInfo("Europe/Berlin")
NOW = datetime(2026, 11, 24, 9, 40, tzinfo=ZONE)


def heard(text: str) -> TimeRequest:
    wish = parse_when(text, NOW, ZONE, time(9), time(18))
    assert wish is not None
    return wish


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("today", "2026-11-24"),
        ("Tomorrow.", "2026-11-25"),
        ("the day after tomorrow", "2026-11-26"),
        ("yesterday", "2026-11-23"),
        ("Thursday", "2026-11-26"),
        ("thursdays", "2026-11-26"),
        ("on Monday", "2026-11-30"),
        ("Tuesday", "2026-11-24"),
        ("this Friday", "2026-11-27"),
        ("next Tuesday", "2026-12-01"),
        ("next Friday", "2026-12-04"),
        ("Thursday next week", "2026-12-03"),
        ("next week, on Thursday", "2026-12-03"),
        ("a week from Thursday", "2026-12-03"),
        ("Thursday the week after next", "2026-12-10"),
        ("in three days", "2026-11-27"),
        ("in two weeks", "2026-12-08"),
        ("in a week", "2026-12-01"),
        ("the 3rd of December", "2026-12-03"),
        ("December third", "2026-12-03"),
        ("on the twenty-sixth of November", "2026-11-26"),
        ("November 26th, 2027", "2027-11-26"),
        ("3 Dec", "2026-12-03"),
        ("the 20th of November", "2027-11-20"),
        ("the 26th", "2026-11-26"),
        ("on the second", "2026-12-02"),
        ("Tuesday the first", "2026-12-01"),
        ("Thursday the 26th of November", "2026-11-26"),
        ("12/25", "2026-12-25"),
        ("3.12.2026", "2026-12-03"),
        ("2026-12-03", "2026-12-03"),
        ("on 2026-12-03, please", "2026-12-03"),
        ("Do you have anything on Thursday?", "2026-11-26"),
        ("Good morning, may I come on Friday?", "2026-11-27"),
        ("I sat there, hmm, tomorrow is fine", "2026-11-25"),
    ],
)
def test_a_day(text: str, day: str) -> None:
    wish = heard(text)
    assert wish.days == (date.fromisoformat(day),)
    assert (wish.daytime.earliest, wish.daytime.latest, wish.daytime.at) == (time.min, None, None)


@pytest.mark.parametrize(
    ("text", "first", "last", "count"),
    [
        ("any time next week", "2026-11-30", "2026-12-06", 7),
        ("this week", "2026-11-24", "2026-11-29", 6),
        ("this weekend", "2026-11-28", "2026-11-29", 2),
        ("next weekend", "2026-12-05", "2026-12-06", 2),
        ("Friday or Saturday", "2026-11-27", "2026-11-28", 2),
        ("Monday to Wednesday", "2026-11-30", "2026-12-02", 3),
        ("between Monday and Wednesday", "2026-11-30", "2026-12-02", 3),
        ("Monday or Wednesday next week", "2026-11-30", "2026-12-02", 2),
        ("as soon as possible", "2026-11-24", "2026-12-07", 14),
        ("whenever you can", "2026-11-24", "2026-12-07", 14),
    ],
)
def test_several_days(text: str, first: str, last: str, count: int) -> None:
    days = heard(text).days
    assert (days[0].isoformat(), days[-1].isoformat(), len(days)) == (first, last, count)


@pytest.mark.parametrize(
    ("text", "earliest", "latest"),
    [
        ("Thursday morning", "00:00", "12:00"),
        ("Thursday afternoon", "12:00", "18:00"),
        ("Do you have anything on Thursday afternoon?", "12:00", "18:00"),
        ("this afternoon", "12:00", "18:00"),
        ("tonight", "17:00", None),
        ("Friday late afternoon", "15:00", "18:00"),
        ("Friday at lunchtime", "11:30", "14:00"),
        ("Thursday after three", "15:00", None),
        ("Thursday after 3 p.m.", "15:00", None),
        ("Thursday from half past three on", "15:30", None),
        ("Thursday, not before eleven", "11:00", None),
        ("Thursday at four or later", "16:00", None),
        ("Thursday after lunch", "13:00", None),
        ("Thursday morning after ten", "10:00", "12:00"),
        ("Thursday before ten", "00:00", "10:00"),
        ("Thursday before noon", "00:00", "12:00"),
        ("Thursday no later than eleven", "00:00", "11:00"),
        ("Thursday between two and four", "14:00", "16:00"),
        ("Thursday from nine to eleven", "09:00", "11:00"),
        ("Thursday from nine thirty until two", "09:30", "14:00"),
        ("Monday to Friday after five", "17:00", None),
    ],
)
def test_a_part_of_the_day(text: str, earliest: str, latest: str | None) -> None:
    daytime = heard(text).daytime
    assert daytime.at is None
    assert daytime.earliest == time.fromisoformat(earliest)
    assert daytime.latest == (time.fromisoformat(latest) if latest else None)


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("next Tuesday at ten", "10:00"),
        ("half past ten on Friday", "10:30"),
        ("Friday, quarter past two", "14:15"),
        ("Friday at a quarter to ten", "09:45"),
        ("twenty to four on Friday", "15:40"),
        ("ten past eleven on Friday", "11:10"),
        ("Friday ten thirty", "10:30"),
        ("Friday, ten.", "10:00"),
        ("ten on Friday", "10:00"),
        ("Friday at ten oh five", "10:05"),
        ("Friday at 10.30", "10:30"),
        ("Friday at 3 p.m.", "15:00"),
        ("Friday 3pm", "15:00"),
        ("Friday at 14:00", "14:00"),
        ("Friday at three", "15:00"),
        ("Friday at eight in the evening", "20:00"),
        ("Friday at eight", "08:00"),
        ("Friday at noon", "12:00"),
        ("Friday at twelve thirty", "12:30"),
        ("Friday at ten o'clock", "10:00"),
        ("Friday around three", "15:00"),
        ("a tour for two on Friday at ten", "10:00"),
        ("Friday the 27th of November at ten thirty in the morning", "10:30"),
        ("2026-11-27T10:30", "10:30"),
        ("2026-11-27T10:30:00+00:00", "11:30"),
        ("2026-11-27 10:30", "10:30"),
    ],
)
def test_a_time(text: str, at: str) -> None:
    assert heard(text).daytime.at == time.fromisoformat(at)


def test_the_opening_hours_tell_which_half_of_the_day_is_meant() -> None:
    evening = parse_when("Friday at eight", NOW, ZONE, time(16), time(23))
    assert evening is not None
    assert evening.daytime.at == time(20)


def test_today_is_the_day_in_the_calendars_zone() -> None:
    late = datetime(2026, 11, 24, 23, 30, tzinfo=ZoneInfo("UTC"))
    wish = parse_when("today", late, ZONE)
    assert wish is not None
    assert wish.days == (date(2026, 11, 25),)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "hello",
        "in the morning",
        "just after three",
        "at ten",
        "the second one, please",
        "3/4",
        "the 31st of February",
        "9999-12-31",
        "0001-01-01T00:00+14:00",
        "the 3rd of December 2999",
        "my number is five five five zero one four two",
        "for two people",
        "x" * 5000,
    ],
)
def test_nothing_is_guessed(text: str) -> None:
    assert parse_when(text, NOW, ZONE) is None


def test_as_soon_as_possible_is_not_just_any_time() -> None:
    assert heard("the earliest on Friday").soonest
    assert not heard("any time on Friday").soonest
