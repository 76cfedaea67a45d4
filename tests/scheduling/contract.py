"""The tests that every scheduling provider must pass, over MCP and with a fake vendor.

A provider's test module subclasses `SchedulingContract`; pytest collects the inherited tests.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4
from zoneinfo import ZoneInfo

import httpx2
import pytest

from config.database import Database
from scheduling.server import SERVER
from tests.conftest import Tenant
from tests.scheduling.fake_calendar import ZONE, FakeBooking, FakeCalendar, FakeService
from tests.support.clock_changes import CLOCK_CHANGES, ClockChange
from tests.support.faults import SwitchableBreakers
from tests.support.servers import Answer, Caller, Servers
from tests.support.vendor_contract import CANARY, VendorContract, VendorHarness
from tests.support.vendors import BODY_CANARY, Vendor, timed_out

__all__ = ["ANN", "CANARY", "CalendarVendor", "SchedulingContract", "SchedulingHarness"]

ANN: dict[str, str] = {"name": "Ann One", "phone": "+4930555014", "email": "ann@example.com"}
BEN: dict[str, str] = {"name": "Ben Two", "phone": "+4930555999", "email": "ben@example.com"}


class CalendarVendor(Vendor):
    """A fake vendor whose bookings are in a `FakeCalendar`."""

    def __init__(self) -> None:
        super().__init__()
        self.calendar = FakeCalendar()
        self.zone = ZONE.key

    def open_at_night(self, zone: ZoneInfo, minutes: int) -> None:
        """Open at every full hour, in a zone, for one service of this length."""
        self.zone, self.calendar.zone, self.calendar.hours = zone.key, zone, range(24)
        self.calendar.services = (FakeService(7, "Piano lesson", minutes),)


@dataclass(frozen=True)
class SchedulingHarness(VendorHarness[CalendarVendor]):
    """A tenant connected to a fake vendor, and the server in between."""

    server = SERVER.name

    async def book(self, caller: Caller, **changes: Any) -> Answer:
        """Book the first time that is offered tomorrow."""
        offer = await caller.call("get_available_slots", service="piano lesson", when="tomorrow")
        assert offer.error is None, offer
        handle = offer.data["offered"][0]["handle"]
        return await caller.call("create_booking", **{**ANN, "slot": handle, **changes})


class SchedulingContract(VendorContract[SchedulingHarness]):
    """Subclass it with a provider's name, its secrets and a fake vendor."""

    spec = SERVER
    personal = "Ann One"

    def new_vendor(self) -> CalendarVendor:
        """Return the fake vendor, with an empty calendar."""
        raise NotImplementedError

    def new_harness(
        self, servers: Servers, tenant: Tenant, database: Database, breakers: SwitchableBreakers
    ) -> SchedulingHarness:
        return SchedulingHarness(servers, tenant, self.new_vendor(), database, breakers)

    async def arguments(self, harness: SchedulingHarness) -> Mapping[str, Mapping[str, Any]]:
        async with harness.caller() as caller:
            booked = await harness.book(caller)
            later = await caller.call("get_available_slots", service="piano", when="tomorrow")
        booking, slot = {"booking": booked.data["id"]}, later.data["offered"][-1]["handle"]
        return {
            "list_bookings": {"name": "Ann One"},
            "get_available_slots": {"service": "piano lesson", "when": "tomorrow"},
            "get_booking": booking,
            "create_booking": {**ANN, "slot": slot},
            "reschedule_booking": {**booking, "slot": slot},
            "cancel_booking": booking,
        }

    def snapshot(self, harness: SchedulingHarness) -> object:
        return str(harness.vendor.calendar.bookings)

    async def any_call(self, harness: SchedulingHarness) -> tuple[str, Mapping[str, Any]]:
        return "list_bookings", {"name": "Ann One"}

    def expected_writes(self, fault: str) -> int | None:
        """Return that a write is sent once, whatever happens."""
        return 1

    async def test_a_booking_from_question_to_cancellation(
        self, harness: SchedulingHarness
    ) -> None:
        async with harness.caller() as caller:
            booked = await harness.book(caller)
            assert booked.error is None, booked
            assert booked.data["status"] == "booked"
            (there,) = harness.vendor.calendar.active_bookings()
            assert there.start == datetime.fromisoformat(booked.data["starts_at"])
            assert (there.name, there.service.name) == ("Ann One", "Piano lesson")
            assert self.contact_details(there) == (ANN["phone"], ANN["email"])

            shown = await caller.call("get_booking", booking=booked.data["id"])
            assert shown.data["starts_at"] == booked.data["starts_at"]
            for person in ({"name": "ann one"}, {"phone": "0049 30 555 014"}):
                listed = await caller.call("list_bookings", **person)
                assert [each["id"] for each in listed.data["bookings"]] == [booked.data["id"]]

            later = await caller.call("get_available_slots", service="piano", when="tomorrow")
            handle = later.data["offered"][-1]["handle"]
            moved = await caller.call("reschedule_booking", booking=booked.data["id"], slot=handle)
            assert moved.error is None, moved
            (there,) = harness.vendor.calendar.active_bookings()
            assert there.start == datetime.fromisoformat(moved.data["starts_at"])
            assert moved.data["starts_at"] != booked.data["starts_at"]

            gone = await caller.call("cancel_booking", booking=moved.data["id"], reason="ill")
            assert gone.data["status"] == "cancelled"
            assert harness.vendor.calendar.active_bookings() == []
        async with harness.caller() as caller:
            repeated = await caller.call("cancel_booking", booking=moved.data["id"])
            assert repeated.error in (None, "not_found")

    def contact_details(self, booking: FakeBooking) -> tuple[str | None, str | None]:
        """Return the phone number and e-mail address that the vendor has of a booking."""
        return booking.phone, booking.email

    async def test_a_time_that_is_gone_is_not_booked(self, harness: SchedulingHarness) -> None:
        tomorrow = (datetime.now(ZONE) + timedelta(days=1)).date()
        start = harness.vendor.calendar.free_starts(tomorrow, tomorrow)[0]
        async with harness.caller() as caller:
            offer = await caller.call("get_available_slots", service="piano", when="tomorrow")
            handle = offer.data["offered"][0]["handle"]
            harness.vendor.calendar.book(7, start, "Somebody Else")
            refused_booking = await caller.call("create_booking", slot=handle, **ANN)
            assert refused_booking.error == "rejected"
            assert "Free instead" in refused_booking.text
        assert len(harness.vendor.calendar.active_bookings()) == 1

    async def test_a_time_that_goes_while_it_is_booked_is_not_booked_twice(
        self, harness: SchedulingHarness
    ) -> None:
        """The vendor has the last word, however free the time looked."""
        async with harness.caller() as caller:
            offer = await caller.call("get_available_slots", service="piano", when="tomorrow")
            first = datetime.now(ZONE) + timedelta(days=1)
            start = harness.vendor.calendar.free_starts(first.date(), first.date())[0]
            self.take_slot_meanwhile(harness, start)
            answer = await caller.call(
                "create_booking", slot=offer.data["offered"][0]["handle"], **ANN
            )
        assert answer.error == "rejected", answer
        assert "Free instead" in answer.text
        assert [each.name for each in harness.vendor.calendar.active_bookings()] == [
            "Somebody Else"
        ]

    def take_slot_meanwhile(self, harness: SchedulingHarness, start: datetime) -> None:
        """Let somebody else book `start` right before the tool does."""

        def lost(_: Any) -> Any:
            harness.vendor.calendar.book(7, start, "Somebody Else")
            return self.slot_taken_response()

        harness.vendor.fail(lost, writes=True)

    def slot_taken_response(self) -> httpx2.Response:
        """Return the vendor's response to a booking of a time that is taken."""
        return httpx2.Response(409, json={"message": BODY_CANARY})

    async def test_what_is_not_there_is_not_found(self, harness: SchedulingHarness) -> None:
        for reference in ("nowhere", "../me", "..", "a/b?c#d", "%2e%2e%2fme", " "):
            async with harness.caller() as caller:
                answer = await caller.call("get_booking", booking=reference)
            assert answer.error == "not_found", (reference, answer)

    async def test_a_create_whose_answer_was_lost_is_found_and_not_repeated(
        self, harness: SchedulingHarness
    ) -> None:
        conversation = uuid4()
        self.lose_booking_response(harness)
        async with harness.caller(conversation) as caller:
            lost = await harness.book(caller)
            assert lost.error == "outcome_unknown"
            (there,) = harness.vendor.calendar.active_bookings()
            arguments = {**ANN, "slot": await self.handle_of(harness, there)}
            at_once = await caller.call("create_booking", **arguments)
            assert at_once.error == "outcome_unknown"
            await harness.let_time_pass()
            repeated = await caller.call("create_booking", **arguments)
        assert repeated.error is None, repeated
        assert repeated.data["status"] == "booked"
        assert len(harness.vendor.calendar.active_bookings()) == 1

    def lose_booking_response(self, harness: SchedulingHarness) -> None:
        """Lose the response to the booking request, of all the write requests."""
        harness.vendor.fail(timed_out, writes=True, done=True)

    async def handle_of(self, harness: SchedulingHarness, booking: FakeBooking) -> str:
        """Return the handle under which a booking's time was offered."""
        local = booking.start.astimezone(ZONE)
        return f"{booking.service.id}-{local:%a-%H:%M}".lower()

    async def test_two_who_want_the_same_are_two(self, harness: SchedulingHarness) -> None:
        """Another caller's booking is not taken for a retry of one's own."""
        async with harness.caller() as caller:
            assert (await harness.book(caller)).error is None
        async with harness.caller() as caller:
            other = await harness.book(caller, name="Ben Two", phone="+4930555999")
        assert other.error is None
        assert len(harness.vendor.calendar.active_bookings()) == 2

    @pytest.mark.parametrize("change", CLOCK_CHANGES, ids=str)
    async def test_a_booking_over_a_change_of_the_clocks_takes_its_own_time(
        self, harness: SchedulingHarness, change: ClockChange
    ) -> None:
        harness.vendor.open_at_night(change.zone, minutes=120)
        async with harness.caller() as caller:
            booked = await caller.call("create_booking", slot=change.iso(3), **ANN)
            assert booked.error is None, booked
            moved = await caller.call(
                "reschedule_booking", booking=booked.data["id"], slot=change.iso(-1)
            )
            assert moved.error is None, moved
            assert datetime.fromisoformat(moved.data["starts_at"]) == change.after(-1)
            (there,) = harness.vendor.calendar.active_bookings()
            assert (there.start, there.end) == (change.after(-1), change.after(1))
            during, after = [
                await caller.call("create_booking", slot=change.iso(hours), **BEN)
                for hours in (0, 1)
            ]
        assert (during.error, after.error) == ("rejected", None), (during, after)

    @pytest.mark.parametrize("change", CLOCK_CHANGES, ids=str)
    async def test_a_lost_booking_over_a_change_of_the_clocks_is_found(
        self, harness: SchedulingHarness, change: ClockChange
    ) -> None:
        harness.vendor.open_at_night(change.zone, minutes=120)
        self.lose_booking_response(harness)
        async with harness.caller() as caller:
            lost = await caller.call("create_booking", slot=change.iso(-1), **ANN)
            assert lost.error == "outcome_unknown"
            await harness.let_time_pass()
            repeated = await caller.call("create_booking", slot=change.iso(-1), **ANN)
        assert repeated.error is None, repeated
        (there,) = harness.vendor.calendar.active_bookings()
        assert (there.start, there.end) == (change.after(-1), change.after(1))

    @pytest.mark.parametrize("change", CLOCK_CHANGES, ids=str)
    async def test_every_hour_around_a_change_of_the_clocks_can_be_booked_once(
        self, harness: SchedulingHarness, change: ClockChange
    ) -> None:
        harness.vendor.open_at_night(change.zone, minutes=60)
        async with harness.caller() as caller:
            for hours in range(-1, 3):
                first, second = [
                    await caller.call("create_booking", slot=change.iso(hours), **who)
                    for who in (ANN, BEN)
                ]
                assert (first.error, second.error) == (None, "rejected"), (hours, first, second)
        starts = [each.start for each in harness.vendor.calendar.active_bookings()]
        assert starts == [change.after(hours) for hours in range(-1, 3)]


def tomorrow_at(hour: int) -> datetime:
    """Return a time of tomorrow, in the calendar's zone."""
    day = datetime.now(UTC).astimezone(ZONE).date() + timedelta(days=1)
    return datetime(day.year, day.month, day.day, hour, tzinfo=ZONE)
