"""The builtin provider where the clocks skip an hour or repeat one."""

from datetime import UTC, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import pytest_asyncio

from config.database import Database
from scheduling.operations import SchedulingOperations
from scheduling.provider import Attendee, Booking, Service
from tests.conftest import Tenant, fetch, new_tenant
from tests.scheduling.calendars import declare, operations_at
from tests.support.clock_changes import CLOCK_CHANGES, ClockChange
from toolkit.errors import Rejected

ANN = Attendee(name="Ann One", phone="5550142")
CLUB: dict[str, Any] = {
    "name": "club",
    "services": [
        {"id": f"hall{length}", "name": f"Hall {length}", "minutes": length}
        for length in (30, 60, 90, 120)
    ],
    "hours": {"mon-sun": "00:00-23:59"},
}
HALF_AN_HOUR = timedelta(minutes=30)
REPEATS = [change for change in CLOCK_CHANGES if not change.skips]


@pytest_asyncio.fixture
async def club(database: Database) -> Tenant:
    """A business whose halls can be booked day and night."""
    return await new_tenant(database)


async def club_at(
    database: Database, club: Tenant, change: ClockChange, hours: float = -20
) -> SchedulingOperations:
    """Return the operations on the club's calendar, so many hours after a change."""
    await declare(database, club, CLUB, time_zone=change.zone.key)
    return await operations_at(database, club, change.after(hours))


def hall(operations: SchedulingOperations, minutes: int) -> Service:
    return next(each for each in operations.info.services if each.minutes == minutes)


async def book(operations: SchedulingOperations, minutes: int, start: datetime) -> Booking | None:
    return await operations.calendar.book(hall(operations, minutes), start, ANN)


async def offers(operations: SchedulingOperations, when: str, minutes: int = 30) -> Any:
    request = operations.parse_when(when)
    assert request is not None
    return await operations.offer_slots(hall(operations, minutes), request)


@pytest.mark.parametrize("change", CLOCK_CHANGES, ids=str)
@pytest.mark.parametrize("minutes", [90, 120])
@pytest.mark.parametrize("moved", [False, True])
async def test_a_booking_over_a_change_blocks_as_long_as_it_takes(
    database: Database, club: Tenant, change: ClockChange, minutes: int, moved: bool
) -> None:
    operations = await club_at(database, club, change)
    booking = await book(operations, minutes, change.local(5 if moved else -1))
    assert booking is not None
    if moved:
        booking = await operations.calendar.move(booking, change.local(-1))
        assert booking is not None
    assert (booking.service.minutes, booking.starts_at) == (minutes, change.after(-1))
    stored = await operations.get_booking(booking.reference)
    assert (stored.service.minutes, stored.starts_at) == (minutes, change.after(-1))
    (row,) = await fetch(database, club, "select starts_at, ends_at from calendar_booking")
    ends = change.after(minutes / 60 - 1)
    assert [each.astimezone(UTC) for each in row.values()] == [change.after(-1), ends]
    local_end = ends.astimezone(change.zone)
    for start in (change.local(-1.5), change.local(-0.5), change.local(0)):
        assert await book(operations, 60, start) is None
    assert await book(operations, 30, change.local(-1.5)) is not None
    assert await book(operations, 30, local_end) is not None


@pytest.mark.parametrize("change", CLOCK_CHANGES, ids=str)
@pytest.mark.parametrize("minutes", [30, 90])
async def test_the_free_times_of_a_day_with_a_change_are_all_there_once(
    database: Database, club: Tenant, change: ClockChange, minutes: int
) -> None:
    operations = await club_at(database, club, change)
    day = change.local(0).date()
    first, last = (
        datetime.combine(each, time.min, change.zone) for each in (day, day + timedelta(days=1))
    )
    found = await operations.calendar.find_slots(hall(operations, minutes), first, last)
    begin, end = first.astimezone(UTC), last.astimezone(UTC)
    # It closes a minute before midnight.
    count = (end - begin - timedelta(minutes=minutes + 1)) // HALF_AN_HOUR + 1
    assert [each.starts_at for each in found] == [begin + n * HALF_AN_HOUR for n in range(count)]
    length = timedelta(minutes=minutes)
    assert all(each.ends_at - each.starts_at == length for each in found)


@pytest.mark.parametrize("change", CLOCK_CHANGES, ids=str)
async def test_the_free_times_between_two_moments_are_those_of_just_then(
    database: Database, club: Tenant, change: ClockChange
) -> None:
    operations = await club_at(database, club, change)
    found = await operations.calendar.find_slots(
        hall(operations, 30), change.local(-0.5), change.local(0.5)
    )
    assert [each.starts_at for each in found] == [change.after(-0.5), change.after(0)]
    assert await book(operations, 30, change.local(-0.5)) is not None
    found = await operations.calendar.find_slots(
        hall(operations, 30), change.local(-1), change.local(1)
    )
    assert [each.starts_at for each in found] == [change.after(n) for n in (-1, 0, 0.5)]


@pytest.mark.parametrize("change", REPEATS, ids=str)
async def test_both_readings_of_a_time_are_offered_and_told_apart(
    database: Database, club: Tenant, change: ClockChange
) -> None:
    operations = await club_at(database, club, change)
    when = f"{change.local(0):%Y-%m-%dT%H}:30"
    offer = await offers(operations, when)
    first, second, *_ = offer.offered
    assert second.handle == f"{first.handle}-second"
    assert second.label == f"{first.label.removesuffix('before the clocks go back')}after" + (
        " the clocks go back"
    )
    assert f"{first.label} is free. I also have" in offer.say
    assert ", after the clocks go back" in offer.say
    starts = [operations.parse_start(each.handle) for each in (first, second)]
    assert [each.astimezone(UTC) for each in starts] == [change.after(-0.5), change.after(0.5)]
    for start in starts:
        await operations.require_free(hall(operations, 30), start)
        assert await book(operations, 30, start) is not None
        with pytest.raises(Rejected, match="is not free"):
            await operations.require_free(hall(operations, 30), start)
    offer = await offers(operations, when)
    assert {each.handle for each in offer.offered}.isdisjoint({first.handle, second.handle})


@pytest.mark.parametrize("change", REPEATS, ids=str)
async def test_a_time_with_its_offset_is_the_reading_that_it_names(
    database: Database, club: Tenant, change: ClockChange
) -> None:
    operations = await club_at(database, club, change)
    for hours in (-0.5, 0.5):
        assert operations.parse_start(change.iso(hours)).astimezone(UTC) == change.after(hours)


@pytest.mark.parametrize("change", REPEATS, ids=str)
async def test_the_second_reading_is_to_come_where_the_first_has_passed(
    database: Database, club: Tenant, change: ClockChange
) -> None:
    operations = await club_at(database, club, change, -0.25)
    assert operations.parse_start(change.iso(0.5)).astimezone(UTC) == change.after(0.5)
    with pytest.raises(Rejected, match="has already passed"):
        operations.parse_start(change.iso(-0.5))
    later = await club_at(database, club, change, 0.75)
    for hours in (-0.5, 0.5):
        with pytest.raises(Rejected, match="has already passed"):
            later.parse_start(change.iso(hours))
    assert await book(operations, 30, change.local(0.5)) is not None


@pytest.mark.parametrize("change", CLOCK_CHANGES, ids=str)
async def test_the_nearest_times_are_near_by_the_clock_that_does_not_change(
    database: Database, club: Tenant, change: ClockChange
) -> None:
    operations = await club_at(database, club, change)
    service, taken = hall(operations, 60), change.local(0)
    assert await operations.calendar.book(service, taken, ANN) is not None
    with pytest.raises(Rejected) as refused:
        await operations.require_free(service, taken)
    for hours in (-1, 1):
        handle = operations.label(change.local(hours))
        assert f"({handle})" in refused.value.happened


@pytest.mark.parametrize("change", CLOCK_CHANGES, ids=str)
async def test_what_is_free_later_begins_where_the_request_ends(
    database: Database, club: Tenant, change: ClockChange
) -> None:
    """The time at which the request ends may be skipped, or come twice."""
    operations = await club_at(database, club, change, -3.9)
    day, until = change.local(0).date(), change.local(0).time()
    if change.skips:
        until = (change.local(0) - timedelta(minutes=45)).time()
    before = [change.local(n / 2) for n in range(-6, 0)]
    for start in before:
        assert start.date() < day or await book(operations, 30, start) is not None
    offer = await offers(operations, f"{day} before {until:%H:%M}")
    assert operations.parse_start(offer.offered[0].handle).astimezone(UTC) == change.after(0)


async def test_a_day_without_a_midnight_begins_at_one_and_the_one_before_is_whole(
    database: Database, club: Tenant
) -> None:
    zone = ZoneInfo("America/Santiago")
    change = ClockChange(zone, datetime(2027, 9, 5, 4, tzinfo=UTC), True)
    operations = await club_at(database, club, change)
    offer = await offers(operations, "2027-09-05")
    assert offer.offered[0].handle == "hall30-sun-01:00"
    found = await operations.calendar.find_slots(
        hall(operations, 30), change.local(-1), change.local(1)
    )
    assert [each.starts_at for each in found] == [change.after(n) for n in (-1, 0, 0.5)]


async def test_an_hour_that_comes_twice_before_midnight_is_open_twice(
    database: Database, club: Tenant
) -> None:
    zone = ZoneInfo("America/Santiago")
    change = ClockChange(zone, datetime(2027, 4, 4, 3, tzinfo=UTC), False)
    operations = await club_at(database, club, change)
    found = await operations.calendar.find_slots(
        hall(operations, 30), change.local(-2), change.local(2)
    )
    # No day has one that would end after 23:59.
    expected = [-2, -1.5, -1, 0, 1, 1.5]
    assert [each.starts_at for each in found] == [change.after(n) for n in expected]
    assert await book(operations, 120, change.local(-1.5)) is not None
    assert await book(operations, 30, change.local(0.5)) is None
    assert await book(operations, 30, change.local(1)) is not None


@pytest.mark.parametrize(
    ("hours", "starts"),
    [
        ("00:00-02:30", ["00:00+02", "00:30+02", "01:00+02", "01:30+02", "02:00+02", "02:00+01"]),
        ("02:30-04:00", ["02:30+02", "02:30+01", "03:00+01", "03:30+01"]),
        ("02:00-03:00", ["02:00+02", "02:30+02", "02:00+01", "02:30+01"]),
    ],
)
async def test_hours_that_end_in_a_repeated_hour_are_those_that_the_clocks_show(
    database: Database, club: Tenant, hours: str, starts: list[str]
) -> None:
    change = ClockChange(ZoneInfo("Europe/Berlin"), datetime(2027, 10, 31, 1, tzinfo=UTC), False)
    await declare(database, club, CLUB | {"hours": {"sun": hours}})
    operations = await operations_at(database, club, change.after(-20))
    found = await operations.calendar.find_slots(
        hall(operations, 30), change.local(-10), change.local(10)
    )
    local = [each.starts_at.astimezone(change.zone) for each in found]
    assert [f"{each:%H:%M%z}"[:-2] for each in local] == starts


@pytest.mark.parametrize(
    ("hours", "is_open"), [("00:00-02:30", False), ("02:30-04:00", False), ("01:00-04:00", True)]
)
async def test_an_appointment_begins_and_ends_within_the_hours_that_the_clocks_show(
    database: Database, club: Tenant, hours: str, is_open: bool
) -> None:
    change = ClockChange(ZoneInfo("Europe/Berlin"), datetime(2027, 10, 31, 1, tzinfo=UTC), False)
    await declare(database, club, CLUB | {"hours": {"sun": hours}})
    operations = await operations_at(database, club, change.after(-20))
    # At 02:40 there are twenty minutes left to the change; after half an hour it is 02:10.
    assert (await book(operations, 30, change.local(-20 / 60)) is not None) == is_open


async def test_hours_that_end_in_a_skipped_hour_end_with_it(
    database: Database, club: Tenant
) -> None:
    change = ClockChange(ZoneInfo("Europe/Berlin"), datetime(2027, 3, 28, 1, tzinfo=UTC), True)
    await declare(database, club, CLUB | {"hours": {"sun": "01:00-02:30, 02:45-04:00"}})
    operations = await operations_at(database, club, change.after(-20))
    found = await operations.calendar.find_slots(
        hall(operations, 60), change.local(-10), change.local(10)
    )
    assert [f"{each.starts_at.astimezone(change.zone):%H:%M}" for each in found] == ["01:00"]
