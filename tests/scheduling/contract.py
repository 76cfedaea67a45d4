"""The tests that every scheduling provider must pass, over MCP and with a fake vendor.

A provider's test module subclasses `SchedulingContract`; pytest collects the inherited tests.
"""

import logging
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar
from uuid import UUID, uuid4

import httpx2
import pytest
import pytest_asyncio
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from config.database import Database
from scheduling.server import SERVER
from tests.conftest import Tenant, fetch, new_tenant
from tests.scheduling.fake_calendar import ZONE, FakeBooking, FakeCalendar
from tests.support.accounts import connect, let_time_pass
from tests.support.faults import FAULTS, READ_ERRORS, WRITE_ERRORS
from tests.support.servers import Answer, Caller, Servers
from tests.support.vendors import BODY_CANARY, Exchange, Vendor, refused, timed_out

CANARY = "canary-7f3a9"  # part of every secret; it must not leak anywhere
ANN: dict[str, str] = {"name": "Ann One", "phone": "+4930555014", "email": "ann@example.com"}


class CalendarVendor(Vendor):
    """A fake vendor whose bookings are in a `FakeCalendar`."""

    def __init__(self) -> None:
        super().__init__()
        self.calendar = FakeCalendar()


@dataclass(frozen=True)
class SchedulingHarness:
    """A tenant connected to a fake vendor, and the server in between."""

    servers: Servers
    tenant: Tenant
    vendor: CalendarVendor
    database: Database

    @asynccontextmanager
    async def caller(self, conversation_id: UUID | None = None) -> AsyncGenerator[Caller]:
        """Open an MCP client in a conversation."""
        claims = self.tenant.claims(conversation_id=conversation_id or uuid4())
        async with self.servers.connect("scheduling", claims) as caller:
            yield caller

    async def book(self, caller: Caller, **changes: Any) -> Answer:
        """Book the first time that is offered tomorrow."""
        offer = await caller.call("get_available_slots", service="piano lesson", when="tomorrow")
        assert offer.error is None, offer
        handle = offer.data["offered"][0]["handle"]
        return await caller.call("create_booking", **{**ANN, "slot": handle, **changes})

    async def let_time_pass(self) -> None:
        """Let the time pass in which an earlier attempt might still be running."""
        await let_time_pass(self.database, self.tenant)


class SchedulingContract:
    """Subclass it with a provider's name, its secrets and a fake vendor."""

    provider: ClassVar[str]
    secrets: ClassVar[dict[str, str]]
    settings: ClassVar[dict[str, Any]] = {}
    unsupported: ClassVar[frozenset[str]] = frozenset()

    def new_vendor(self) -> CalendarVendor:
        """Return the fake vendor, with an empty calendar."""
        raise NotImplementedError

    @pytest_asyncio.fixture
    async def harness(
        self, exchange: Exchange, vendor_servers: Servers, database: Database
    ) -> SchedulingHarness:
        """A tenant who is connected to the vendor."""
        exchange.vendor = vendor = self.new_vendor()
        tenant = await new_tenant(database)
        await connect(database, tenant, "scheduling", self.provider, self.secrets, self.settings)
        return SchedulingHarness(vendor_servers, tenant, vendor, database)

    async def test_it_lists_what_the_vendor_can_do(self, harness: SchedulingHarness) -> None:
        async with harness.caller() as caller:
            tools = await caller.tools()
            for name in self.unsupported:
                assert (await caller.call(name)).error == "unknown_tool"
        assert set(tools) == set(SERVER.catalogue()["tools"]) - self.unsupported

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

    @pytest.mark.parametrize("name", sorted({*FAULTS} - {"404"}))
    async def test_a_failing_read_says_what_and_tells_nothing(
        self,
        harness: SchedulingHarness,
        name: str,
        caplog: pytest.LogCaptureFixture,
        spans: InMemorySpanExporter,
    ) -> None:
        caplog.set_level(logging.DEBUG)
        harness.vendor.fail(FAULTS[name], times=9)
        async with harness.caller() as caller:
            answer = await caller.call("list_bookings", **{"name": "Ann One"})
        assert answer.error == READ_ERRORS[name], answer
        assert "Tell the caller:" in answer.text
        await self.assert_nothing_leaks(harness, answer, caplog, spans)

    @pytest.mark.parametrize("name", FAULTS)
    async def test_a_failing_write_says_what_and_tells_nothing(
        self,
        harness: SchedulingHarness,
        name: str,
        caplog: pytest.LogCaptureFixture,
        spans: InMemorySpanExporter,
    ) -> None:
        caplog.set_level(logging.DEBUG)
        harness.vendor.fail(FAULTS[name], writes=True, times=9)
        async with harness.caller() as caller:
            answer = await harness.book(caller)
        assert answer.error == WRITE_ERRORS[name], answer
        assert harness.vendor.calendar.active_bookings() == []
        assert len(harness.vendor.written()) == 1
        await self.assert_nothing_leaks(harness, answer, caplog, spans)

    async def assert_nothing_leaks(
        self,
        harness: SchedulingHarness,
        answer: Answer,
        caplog: pytest.LogCaptureFixture,
        spans: InMemorySpanExporter,
    ) -> None:
        """Search everything stored, logged or shown for the secret and for the vendor's text."""
        rows = await fetch(harness.database, harness.tenant, "select * from audit")
        replays = await fetch(harness.database, harness.tenant, "select * from idempotent_call")
        logged = [f"{record.getMessage()} {record.__dict__}" for record in caplog.records]
        traced = [span.to_json() for span in spans.get_finished_spans()]
        assert rows
        assert traced
        for place in (answer, rows, replays, logged, traced):
            assert CANARY not in str(place)
            assert BODY_CANARY not in str(place)
        assert "Ann One" not in str(rows) + str(traced)

    async def test_a_vendor_that_asks_for_patience_gets_it(
        self, harness: SchedulingHarness
    ) -> None:
        harness.vendor.fail(refused(429, **{"Retry-After": "0"}), times=1)
        async with harness.caller() as caller:
            assert (await caller.call("list_bookings", name="Ann One")).error is None
            harness.vendor.fail(refused(429, **{"Retry-After": "3600"}), times=1)
            assert (await caller.call("list_bookings", name="Ann One")).error == "rate_limited"
            asked = len(harness.vendor.requests)
            assert (await caller.call("list_bookings", name="Ann One")).error == "rate_limited"
        assert len(harness.vendor.requests) == asked

    async def test_a_vendor_that_is_down_is_left_alone_for_a_while(
        self, harness: SchedulingHarness
    ) -> None:
        harness.vendor.fail(refused(503), times=99)
        async with harness.caller() as caller:
            for _ in range(4):
                assert (await caller.call("list_bookings", name="Ann One")).error == "unavailable"
            asked = len(harness.vendor.requests)
            assert asked <= 6
            assert (await caller.call("list_bookings", name="Ann One")).error == "unavailable"
        assert len(harness.vendor.requests) == asked

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


def tomorrow_at(hour: int) -> datetime:
    """Return a time of tomorrow, in the calendar's zone."""
    day = datetime.now(UTC).astimezone(ZONE).date() + timedelta(days=1)
    return datetime(day.year, day.month, day.day, hour, tzinfo=ZONE)
