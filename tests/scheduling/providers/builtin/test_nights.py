"""The builtin provider where it is open until midnight, or over it."""

from typing import Any
from zoneinfo import ZoneInfo

import pytest

from config.database import Database
from scheduling.operations import SchedulingOperations
from scheduling.provider import Attendee
from scheduling.providers.builtin.opening_hours import OpeningHours, parse_week
from tests.conftest import Tenant, new_tenant
from tests.scheduling.calendars import BERLIN, at, declare, operations_at
from toolkit.errors import Rejected

ANN = Attendee(name="Ann One", phone="5550142")
TUESDAY = "2026-11-24T09:40"
BAR: dict[str, Any] = {
    "name": "bar",
    "services": [{"id": "table", "name": "Table", "minutes": 60}],
    "hours": {"thu": "18:00-00:00", "fri-sat": "20:00-02:00", "sun": "18:00-24:00"},
}


async def bar_at(database: Database, now: str, **changes: Any) -> SchedulingOperations:
    """Return the operations on a new bar's calendar."""
    tenant: Tenant = await new_tenant(database)
    await declare(database, tenant, BAR | changes)
    return await operations_at(database, tenant, at(now))


async def free(operations: SchedulingOperations, first: str, last: str) -> list[str]:
    (table,) = operations.info.services
    slots = await operations.calendar.find_slots(table, at(first), at(last))
    return [f"{slot.starts_at.astimezone(BERLIN):%a %H:%M}" for slot in slots]


async def offered(operations: SchedulingOperations, when: str) -> list[str]:
    request = operations.parse_when(when)
    assert request is not None
    (table,) = operations.info.services
    return [slot.handle for slot in (await operations.offer_slots(table, request)).offered]


@pytest.mark.parametrize(
    ("written", "stored"),
    [
        ("18:00-24:00", ["18:00", "24:00"]),
        ("18:00-00:00", ["18:00", "24:00"]),
        ("20:00-02:00", ["20:00", "26:00"]),
        ("00:00-24:00", ["00:00", "24:00"]),
        ("00:00-00:00", ["00:00", "24:00"]),
        ("22:30 - 22:00", ["22:30", "46:00"]),
    ],
)
def test_hours_may_end_at_midnight_or_after_it(written: str, stored: list[str]) -> None:
    assert parse_week({"fri": written}) == {"fri": [stored]}


@pytest.mark.parametrize(
    ("hours", "complaint"),
    [
        ({"fri": "20:00-26:00"}, "not a range of hours like 09:00-18:00, or 20:00-02:00"),
        ({"fri": "24:00-02:00"}, "not a range of hours"),
        ({"fri": "20:00-24:30"}, "not a range of hours"),
        ({"fri": "09:00-09:00"}, "ends when it begins; a whole day is 00:00-24:00"),
        ({"fri": "20:00-02:00, 23:00-24:00"}, "overlaps itself"),
        ({"fri-sat": "20:00-02:00", "sun": "01:30-04:00"}, "sat is open until 02:00 at night, but"),
        ({"mon": "00:00-03:00", "sun": "20:00-04:00"}, "sun is open until 04:00 at night, but mon"),
    ],
)
def test_hours_that_contradict_each_other_are_named(hours: dict[str, str], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        parse_week(hours)


async def test_free_times_go_on_after_midnight(database: Database) -> None:
    operations = await bar_at(database, TUESDAY)
    assert await free(operations, "2026-11-26T22:00", "2026-11-27T12:00") == [
        *("Thu 22:00", "Thu 22:30", "Thu 23:00"),
    ]
    assert await free(operations, "2026-11-27T23:00", "2026-11-28T20:30") == [
        *("Fri 23:00", "Fri 23:30", "Sat 00:00", "Sat 00:30", "Sat 01:00", "Sat 20:00"),
    ]
    assert await free(operations, "2026-11-28T00:30", "2026-11-28T01:00") == ["Sat 00:30"]
    assert await free(operations, "2026-11-29T00:00", "2026-11-29T18:30") == [
        *("Sun 00:00", "Sun 00:30", "Sun 01:00", "Sun 18:00"),
    ]


async def test_a_night_is_booked_and_moved_like_any_time(database: Database) -> None:
    operations = await bar_at(database, TUESDAY)
    (table,) = operations.info.services
    for start in ("2026-11-27T00:00", "2026-11-28T01:30", "2026-11-28T02:00"):
        assert await operations.calendar.book(table, at(start), ANN) is None
    over = await operations.calendar.book(table, at("2026-11-27T23:30"), ANN)
    late = await operations.calendar.book(table, at("2026-11-28T01:00"), ANN)
    assert over is not None
    assert late is not None
    assert await free(operations, "2026-11-27T22:00", "2026-11-28T03:00") == [
        *("Fri 22:00", "Fri 22:30"),
    ]
    assert await operations.calendar.move(late, at("2026-11-29T00:30")) is not None
    assert await free(operations, "2026-11-28T00:00", "2026-11-28T03:00") == [
        *("Sat 00:30", "Sat 01:00"),
    ]


@pytest.mark.parametrize(
    ("when", "handles"),
    [
        ("Friday", ["fri-20:00", "fri-22:30", "sat-00:30"]),
        ("Friday night", ["fri-20:00", "fri-22:30", "sat-00:30"]),
        ("Friday after eleven pm", ["fri-23:00", "sat-00:00", "sat-01:00"]),
        ("Friday before nine pm", ["fri-20:00", "fri-20:30"]),
        ("Saturday", ["sat-20:00", "sat-22:30", "sun-00:30"]),
        ("Saturday morning", ["sat-20:00", "sat-20:30", "sat-21:00"]),
        ("Saturday at one in the morning", ["sat-01:00", "sun-01:00", "sat-00:30"]),
        ("Thursday", ["thu-18:00", "thu-20:30", "thu-22:30"]),
        ("Friday at ten pm or Saturday at eleven pm", ["fri-22:00", "sat-23:00"]),
    ],
)
async def test_a_night_belongs_to_its_evening(
    database: Database, when: str, handles: list[str]
) -> None:
    operations = await bar_at(database, TUESDAY)
    assert await offered(operations, when) == handles


async def test_the_night_that_lasts_is_today_s(database: Database) -> None:
    operations = await bar_at(database, "2026-11-28T00:10")
    assert (await offered(operations, "today"))[0] == "sat-00:30"
    assert (await offered(operations, "as soon as possible"))[0] == "sat-00:30"
    assert operations.parse_start("sat-00:30") == at("2026-11-28T00:30")


async def test_what_is_said_of_a_night_names_its_day(database: Database) -> None:
    operations = await bar_at(database, TUESDAY)
    (table,) = operations.info.services
    start = operations.parse_start("sat-01:00")
    await operations.require_free(table, start)
    assert await operations.calendar.book(table, start, ANN) is not None
    with pytest.raises(Rejected) as refused:
        await operations.require_free(table, start)
    assert refused.value.happened.startswith("Saturday at one in the morning is not free.")
    assert "sat-00:00 (Saturday at twelve in the morning)" in refused.value.happened


async def test_a_bare_hour_is_in_the_evening(database: Database) -> None:
    operations = await bar_at(database, TUESDAY, hours={"mon-sun": "20:00-02:00"})
    assert (await offered(operations, "Friday at nine"))[0] == "fri-21:00"


async def test_a_calendar_that_is_always_open_is_so_over_midnight(database: Database) -> None:
    operations = await bar_at(database, TUESDAY, hours={"mon-sun": "00:00-24:00"})
    assert operations.info.nights == {}
    (table,) = operations.info.services
    found = await free(operations, "2026-11-25T00:00", "2026-11-26T00:00")
    assert (found[0], found[-1], len(found)) == ("Wed 00:00", "Wed 23:30", 48)
    assert await operations.calendar.book(table, at("2026-11-25T23:30"), ANN) is not None
    assert (await offered(operations, "Wednesday"))[0] == "wed-00:00"


@pytest.mark.parametrize(
    ("day", "shown"),
    [
        ("2027-03-27", ["00:00", "00:30", "01:00", "01:30", "03:00"]),
        ("2027-10-30", ["00:00", "00:30", "01:00", "01:30", "02:00", "02:30", "02:00", "02:30"]),
    ],
)
def test_a_night_in_which_the_clocks_change(day: str, shown: list[str]) -> None:
    week = parse_week({"sat": "22:00-03:30"})
    hours = OpeningHours(week, ZoneInfo("Europe/Berlin"))
    first = at(f"{day}T12:00").date()
    starts = [each.astimezone(BERLIN) for each in hours.starts(first, first, 30)]
    after = [f"{each:%H:%M}" for each in starts if each.date() > first]
    assert after[: len(shown)] == shown
