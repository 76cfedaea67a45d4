"""The builtin provider with a fixed clock: free times, offers, and the sentences about them."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from config.database import Database
from scheduling.operations import SchedulingOperations
from scheduling.provider import Attendee, Booking, Service
from tests.conftest import Tenant, fetch, new_tenant
from tests.scheduling.calendars import (
    BERLIN,
    MUSEUM,
    SCHOOL,
    at,
    calendar_at,
    declare,
    operations_at,
)
from toolkit.errors import Disconnected, Rejected

NOW = at("2026-11-24T09:40")  # a Tuesday
ANN = Attendee(name="Ann One", phone="5550142")


async def book(operations: SchedulingOperations, service: Service, start: str) -> Booking:
    booking = await operations.calendar.book(service, at(start), ANN)
    assert booking is not None
    return booking


async def offer(
    operations: SchedulingOperations, service: str, when: str
) -> tuple[str | None, list[str]]:
    request = operations.parse_when(when)
    assert request is not None
    result = await operations.offer_slots(operations.find_service(service), request)
    return result.say, [slot.handle for slot in result.offered]


async def test_free_times_lie_in_the_opening_hours_and_between_bookings(
    database: Database, museum: Tenant
) -> None:
    operations = await operations_at(database, museum, NOW)
    (tour,) = operations.info.services
    await book(operations, tour, "2026-11-26T15:00")
    slots = await operations.calendar.find_slots(
        tour, at("2026-11-26T00:00"), at("2026-11-27T00:00")
    )
    assert [f"{slot.starts_at.astimezone(BERLIN):%H:%M}" for slot in slots] == [
        *("09:00", "09:30", "10:00", "10:30", "11:00"),
        *("14:00", "16:00", "16:30", "17:00"),
    ]
    assert all(slot.ends_at - slot.starts_at == timedelta(hours=1) for slot in slots)
    sunday = await operations.calendar.find_slots(
        tour, at("2026-11-29T00:00"), at("2026-11-30T00:00")
    )
    assert sunday == []


async def test_past_times_are_never_free(database: Database, museum: Tenant) -> None:
    operations = await operations_at(database, museum, NOW)
    (tour,) = operations.info.services
    slots = await operations.calendar.find_slots(
        tour, at("2026-11-23T00:00"), at("2026-11-25T00:00")
    )
    assert slots[0].starts_at == at("2026-11-24T10:00")


@pytest.mark.parametrize(
    ("when", "say", "handles"),
    [
        (
            "Thursday",
            "On Thursday I have nine, two thirty or four thirty in the afternoon."
            " Which one would you like?",
            ["thu-09:00", "thu-14:30", "thu-16:30"],
        ),
        (
            "Thursday at ten",
            "Thursday at ten in the morning is free. I also have nine thirty or ten thirty in the"
            " morning. Which one would you like?",
            ["thu-10:00", "thu-09:30", "thu-10:30"],
        ),
        (
            "Thursday at noon",
            "Thursday at noon is not free, but I have ten, ten thirty or eleven in the morning."
            " Which one would you like?",
            ["thu-10:00", "thu-10:30", "thu-11:00"],
        ),
        (
            "Friday after five",
            "On Friday I have five in the afternoon. Would you like it?",
            ["fri-17:00"],
        ),
        (
            "Saturday afternoon",
            "On Saturday I have noon, twelve thirty or one in the afternoon."
            " Which one would you like?",
            ["sat-12:00", "sat-12:30", "sat-13:00"],
        ),
        (
            "Sunday",
            "On Sunday there is nothing free. On Monday I have nine, nine thirty or ten in the"
            " morning. Which one would you like?",
            ["mon-09:00", "mon-09:30", "mon-10:00"],
        ),
        (
            "Saturday after three",
            "On Saturday there is nothing free at that time. On Monday I have nine, nine thirty or"
            " ten in the morning. Which one would you like?",
            ["mon-09:00", "mon-09:30", "mon-10:00"],
        ),
        (
            "the 3rd of December after three",
            "On Thursday the 3rd of December I have three, four or five in the afternoon."
            " Which one would you like?",
            ["thu3dec-15:00", "thu3dec-16:00", "thu3dec-17:00"],
        ),
        (
            "as soon as possible",
            "Today I have ten, ten thirty or eleven in the morning. Which one would you like?",
            ["tue-10:00", "tue-10:30", "tue-11:00"],
        ),
        (
            "next week in the morning",
            "I have Monday at nine in the morning,"
            " Wednesday the 2nd of December at eleven in the morning"
            " or Friday the 4th of December at eleven in the morning. Which one would you like?",
            ["mon-09:00", "wed2dec-11:00", "fri4dec-11:00"],
        ),
        (
            "yesterday",
            "That day has already passed. For which day would you like to come?",
            [],
        ),
    ],
)
async def test_an_offer_is_fit_to_be_spoken(
    database: Database, museum: Tenant, when: str, say: str, handles: list[str]
) -> None:
    operations = await operations_at(database, museum, NOW)
    assert await offer(operations, "tour", when) == (say, handles)


async def test_a_full_day_leads_to_the_next_free_times(database: Database, museum: Tenant) -> None:
    operations = await operations_at(database, museum, NOW)
    (tour,) = operations.info.services
    for day, hours in (("26", (9, 10, 11, 14, 15, 16, 17)), ("27", (9, 10, 11))):
        for hour in hours:
            await book(operations, tour, f"2026-11-{day}T{hour:02}:00")
    say, handles = await offer(operations, "tour", "Thursday")
    assert say == (
        "On Thursday there is nothing free. On Friday I have two, two thirty or three in the"
        " afternoon. Which one would you like?"
    )
    assert handles == ["fri-14:00", "fri-14:30", "fri-15:00"]


async def test_a_calendar_that_never_opens_has_nothing_to_offer(database: Database) -> None:
    tenant = await new_tenant(database)
    await declare(database, tenant, MUSEUM | {"hours": {}})
    operations = await operations_at(database, tenant, NOW)
    assert await offer(operations, "tour", "Thursday") == ("On Thursday there is nothing free.", [])


@pytest.mark.parametrize(
    ("day", "starts"),
    [
        ("2027-03-28", ["01:00+01:00", "01:30+01:00", "03:00+02:00", "03:30+02:00", "04:00+02:00"]),
        (
            "2026-10-25",
            *[["01:00+02:00", "01:30+02:00", "02:00+02:00", "02:30+02:00", "02:00+01:00"]],
        ),
    ],
)
async def test_the_days_on_which_the_clocks_change(
    database: Database, day: str, starts: list[str]
) -> None:
    tenant = await new_tenant(database)
    await declare(database, tenant, MUSEUM | {"hours": {"sun": "01:00-05:00"}})
    midnight = at(f"{day}T00:00")
    calendar = calendar_at(database, tenant, midnight)
    (tour,) = (await calendar.calendar_info()).services
    slots = await calendar.find_slots(tour, midnight, at(f"{day}T23:00"))
    found = [slot.starts_at.astimezone(BERLIN).isoformat()[11:] for slot in slots]
    assert [f"{each[:5]}{each[8:]}" for each in found][:5] == starts
    assert all(slot.ends_at - slot.starts_at == timedelta(hours=1) for slot in slots)
    for slot in slots[:1] + slots[2:3]:
        assert await calendar.book(tour, slot.starts_at, ANN) is not None


async def test_the_same_handle_is_another_moment_after_the_clocks_change(
    database: Database, school: Tenant
) -> None:
    before = await operations_at(database, school, at("2026-10-24T12:00"))
    assert before.parse_start("piano-sat-17:00").astimezone(UTC).hour == 15
    assert before.parse_start("piano-sun-17:00").astimezone(UTC).hour == 16


async def test_ten_callers_who_want_the_same_time_get_it_once(
    database: Database, school: Tenant
) -> None:
    calendar = calendar_at(database, school, NOW)
    piano, violin = (await calendar.calendar_info()).services
    await asyncio.gather(*(calendar.calendar_info() for _ in range(10)))  # ten connections are open
    wanted = [
        calendar.book(service, at(f"2026-11-26T{start}"), Attendee(name=f"Caller {start}"))
        for service, start in [(piano, "10:00"), (violin, "09:30")] * 5
    ]
    answers = await asyncio.gather(*wanted)
    assert len([answer for answer in answers if answer]) == 1
    rows = await fetch(database, school, "select * from calendar_booking")
    assert len(rows) == 1


async def test_a_call_that_died_after_booking_finds_its_booking(
    database: Database, school: Tenant
) -> None:
    calendar = calendar_at(database, school, NOW, key="k1")
    piano, _ = (await calendar.calendar_info()).services
    assert await calendar.find_lost_booking(piano, at("2026-11-26T10:00"), ANN) is None
    first = await calendar.book(piano, at("2026-11-26T10:00"), ANN)
    assert first is not None
    repeated = calendar_at(database, school, NOW, key="k1")
    assert await repeated.find_lost_booking(piano, at("2026-11-26T10:00"), ANN) == first
    assert await repeated.book(piano, at("2026-11-26T10:00"), ANN) == first
    assert len(await fetch(database, school, "select * from calendar_booking")) == 1


@pytest.mark.parametrize("start", ["2026-11-26T08:30", "2026-11-26T17:30", "2026-11-24T09:00"])
async def test_the_calendar_itself_refuses_closed_hours_and_the_past(
    database: Database, school: Tenant, start: str
) -> None:
    calendar = calendar_at(database, school, NOW)
    piano, _ = (await calendar.calendar_info()).services
    assert await calendar.book(piano, at(start), ANN) is None


async def test_a_time_that_is_taken_comes_with_the_nearest_others(
    database: Database, school: Tenant
) -> None:
    operations = await operations_at(database, school, NOW)
    piano, _ = operations.info.services
    await book(operations, piano, "2026-11-26T10:00")
    with pytest.raises(Rejected) as refused:
        await operations.require_free(piano, at("2026-11-26T10:00"))
    assert refused.value.happened == (
        "Thursday at ten in the morning is not free. Free instead:"
        " piano-thu-09:00 (Thursday at nine in the morning),"
        " piano-thu-11:00 (Thursday at eleven in the morning)."
    )
    assert refused.value.spoken == (
        "I'm afraid Thursday at ten in the morning is not free."
        " On Thursday I have nine or eleven in the morning. Which one would you like?"
    )


async def test_a_booking_may_move_over_its_own_time_only(
    database: Database, school: Tenant
) -> None:
    operations = await operations_at(database, school, NOW)
    piano, violin = operations.info.services
    mine = await book(operations, violin, "2026-11-26T10:00")
    await book(operations, piano, "2026-11-26T11:30")
    await operations.require_free(violin, at("2026-11-26T10:30"), mine)
    moved = await operations.calendar.move(mine, at("2026-11-26T10:30"))
    assert moved is not None
    assert moved.starts_at == at("2026-11-26T10:30")
    assert await operations.calendar.move(moved, at("2026-11-26T11:00")) is None


async def test_a_cancelled_time_is_free_again(database: Database, school: Tenant) -> None:
    operations = await operations_at(database, school, NOW)
    piano, _ = operations.info.services
    booking = await book(operations, piano, "2026-11-26T10:00")
    for _ in range(2):
        assert (await operations.calendar.cancel(booking, "ill")).status == "cancelled"
    await book(operations, piano, "2026-11-26T10:00")


async def test_only_a_person_s_coming_bookings_are_listed(
    database: Database, school: Tenant
) -> None:
    operations = await operations_at(database, school, NOW)
    piano, _ = operations.info.services
    first = await book(operations, piano, "2026-11-25T10:00")
    await operations.calendar.book(piano, at("2026-11-25T12:00"), Attendee(name="Ben Two"))
    second = await book(operations, piano, "2026-11-26T10:00")
    gone = await book(operations, piano, "2026-11-27T10:00")
    await operations.calendar.cancel(gone, None)
    later = calendar_at(database, school, datetime(2026, 11, 25, 12, tzinfo=UTC))
    assert await operations.calendar.find_bookings("ann one", None) == [first, second]
    assert await operations.calendar.find_bookings(None, "+5550142") == [first, second]
    assert await later.find_bookings("Ann One", None) == [second]
    assert await operations.calendar.find_bookings("Bob", None) == []


@pytest.mark.parametrize(
    ("name", "phone", "found"),
    [
        ("Ann", None, True),
        ("Anne One", None, True),
        ("one ann", None, True),
        (None, "555 0142", True),
        (None, "+49 30 5550142", True),
        ("Dan One", None, False),
        ("Ann Two", None, False),
        (None, "5550143", False),
        (None, "0142", False),
    ],
)
async def test_people_are_found_as_they_are_heard(
    database: Database, school: Tenant, name: str | None, phone: str | None, found: bool
) -> None:
    operations = await operations_at(database, school, NOW)
    piano, _ = operations.info.services
    booking = await book(operations, piano, "2026-11-25T10:00")
    await operations.calendar.book(piano, at("2026-11-25T12:00"), Attendee(name="Ben Three"))
    mine = await operations.calendar.find_bookings(name, phone)
    assert mine == ([booking] if found else [])


async def test_the_bot_s_calendar_is_the_named_one_or_the_only_one(database: Database) -> None:
    tenant = await new_tenant(database)
    with pytest.raises(Disconnected, match="no such calendar"):
        await calendar_at(database, tenant, NOW).calendar_info()
    await declare(database, tenant, SCHOOL)
    assert len((await calendar_at(database, tenant, NOW).calendar_info()).services) == 2
    await declare(database, tenant, MUSEUM)
    with pytest.raises(Disconnected, match="several calendars"):
        await calendar_at(database, tenant, NOW).calendar_info()
    assert (
        len((await calendar_at(database, tenant, NOW, name="museum").calendar_info()).services) == 1
    )
    with pytest.raises(Disconnected, match="no such calendar"):
        await calendar_at(database, tenant, NOW, name="zoo").calendar_info()


async def test_another_calendar_s_bookings_are_not_this_one_s(
    database: Database, school: Tenant
) -> None:
    operations = await operations_at(database, school, NOW)
    piano, _ = operations.info.services
    booking = await book(operations, piano, "2026-11-26T10:00")
    await declare(database, school, MUSEUM)
    school_s, museum_s = (
        calendar_at(database, school, NOW, name=name) for name in ("school", "museum")
    )
    assert await school_s.booking(booking.reference) == booking
    assert await museum_s.booking(booking.reference) is None
    assert await museum_s.find_bookings("Ann One", None) == []
    (tour,) = (await museum_s.calendar_info()).services
    assert await museum_s.book(tour, at("2026-11-26T10:00"), ANN) is not None
