"""What every scheduling vendor must do, written once: seen over MCP, with the vendor played.

A vendor's test subclasses `SchedulingContract`; pytest collects the rest.
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
from tests.scheduling.vendor_calendar import ZONE, FakeBooking, FakeCalendar
from tests.support.accounts import connect, lose_time
from tests.support.faults import FAULTS, READ_ERRORS, WRITE_ERRORS
from tests.support.servers import Answer, Caller, Servers
from tests.support.vendors import BODY_CANARY, Exchange, Vendor, refused, timed_out

CANARY = "canary-7f3a9"  # part of every secret; it may turn up nowhere
ANN: dict[str, str] = {"name": "Ann One", "phone": "+4930555014", "email": "ann@example.com"}


class Telephone(Vendor):
    """A played vendor whose bookings are in a calendar."""

    def __init__(self) -> None:
        super().__init__()
        self.calendar = FakeCalendar()


@dataclass(frozen=True)
class Line:
    """One tenant's way to the vendor, through the server."""

    servers: Servers
    tenant: Tenant
    vendor: Telephone
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

    async def lose_time(self) -> None:
        """Let the time pass in which an earlier try might still be at work."""
        await lose_time(self.database, self.tenant)


class SchedulingContract:
    """Subclass with a vendor."""

    provider: ClassVar[str]
    secrets: ClassVar[dict[str, str]]
    settings: ClassVar[dict[str, Any]] = {}
    unsupported: ClassVar[frozenset[str]] = frozenset()

    def new_vendor(self) -> Telephone:
        """Return the vendor, with an empty calendar."""
        raise NotImplementedError

    @pytest.fixture(autouse=True)
    def _without_pauses(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("toolkit.http.client._PAUSE", 0.0)

    @pytest_asyncio.fixture
    async def line(self, exchange: Exchange, asking: Servers, database: Database) -> Line:
        """A tenant who is connected to the vendor."""
        exchange.vendor = vendor = self.new_vendor()
        tenant = await new_tenant(database)
        await connect(database, tenant, "scheduling", self.provider, self.secrets, self.settings)
        return Line(asking, tenant, vendor, database)

    async def test_it_lists_what_the_vendor_can_do(self, line: Line) -> None:
        async with line.caller() as caller:
            tools = await caller.tools()
            for name in self.unsupported:
                assert (await caller.call(name)).error == "unknown_tool"
        assert set(tools) == set(SERVER.catalogue()["tools"]) - self.unsupported

    async def test_a_booking_from_question_to_cancellation(self, line: Line) -> None:
        async with line.caller() as caller:
            booked = await line.book(caller)
            assert booked.error is None, booked
            assert booked.data["status"] == "booked"
            (there,) = line.vendor.calendar.standing()
            assert there.start == datetime.fromisoformat(booked.data["starts_at"])
            assert (there.name, there.service.name) == ("Ann One", "Piano lesson")
            assert self.person(there) == (ANN["phone"], ANN["email"])

            shown = await caller.call("get_booking", booking=booked.data["id"])
            assert shown.data["starts_at"] == booked.data["starts_at"]
            for person in ({"name": "ann one"}, {"phone": "0049 30 555 014"}):
                listed = await caller.call("list_bookings", **person)
                assert [each["id"] for each in listed.data["bookings"]] == [booked.data["id"]]

            later = await caller.call("get_available_slots", service="piano", when="tomorrow")
            handle = later.data["offered"][-1]["handle"]
            moved = await caller.call("reschedule_booking", booking=booked.data["id"], slot=handle)
            assert moved.error is None, moved
            (there,) = line.vendor.calendar.standing()
            assert there.start == datetime.fromisoformat(moved.data["starts_at"])
            assert moved.data["starts_at"] != booked.data["starts_at"]

            gone = await caller.call("cancel_booking", booking=moved.data["id"], reason="ill")
            assert gone.data["status"] == "cancelled"
            assert line.vendor.calendar.standing() == []
        async with line.caller() as caller:
            again = await caller.call("cancel_booking", booking=moved.data["id"])
            assert again.error in (None, "not_found")

    def person(self, booking: FakeBooking) -> tuple[str | None, str | None]:
        """Return the phone number and e-mail address that the vendor has of a booking."""
        return booking.phone, booking.email

    async def test_a_time_that_is_gone_is_not_booked(self, line: Line) -> None:
        tomorrow = (datetime.now(ZONE) + timedelta(days=1)).date()
        start = line.vendor.calendar.starts(tomorrow, tomorrow)[0]
        async with line.caller() as caller:
            offer = await caller.call("get_available_slots", service="piano", when="tomorrow")
            handle = offer.data["offered"][0]["handle"]
            line.vendor.calendar.book(7, start, "Somebody Else")
            refused_booking = await caller.call("create_booking", slot=handle, **ANN)
            assert refused_booking.error == "rejected"
            assert "Free instead" in refused_booking.text
        assert len(line.vendor.calendar.standing()) == 1

    async def test_a_time_that_goes_while_it_is_booked_is_not_booked_twice(
        self, line: Line
    ) -> None:
        """The vendor has the last word, however free the time looked."""
        async with line.caller() as caller:
            offer = await caller.call("get_available_slots", service="piano", when="tomorrow")
            first = datetime.now(ZONE) + timedelta(days=1)
            start = line.vendor.calendar.starts(first.date(), first.date())[0]
            self.race(line, start)
            answer = await caller.call(
                "create_booking", slot=offer.data["offered"][0]["handle"], **ANN
            )
        assert answer.error == "rejected", answer
        assert "Free instead" in answer.text
        assert [each.name for each in line.vendor.calendar.standing()] == ["Somebody Else"]

    def race(self, line: Line, start: datetime) -> None:
        """Let somebody else take `start` in the moment in which it is to be booked."""

        def lost(_: Any) -> Any:
            line.vendor.calendar.book(7, start, "Somebody Else")
            return self.taken()

        line.vendor.fail(lost, writes=True)

    def taken(self) -> httpx2.Response:
        """Return the vendor's refusal of a time that is taken."""
        return httpx2.Response(409, json={"message": BODY_CANARY})

    async def test_what_is_not_there_is_not_found(self, line: Line) -> None:
        for reference in ("nowhere", "../me", "..", "a/b?c#d", "%2e%2e%2fme", " "):
            async with line.caller() as caller:
                answer = await caller.call("get_booking", booking=reference)
            assert answer.error == "not_found", (reference, answer)

    @pytest.mark.parametrize("name", sorted({*FAULTS} - {"404"}))
    async def test_a_failing_read_says_what_and_tells_nothing(
        self,
        line: Line,
        name: str,
        caplog: pytest.LogCaptureFixture,
        spans: InMemorySpanExporter,
    ) -> None:
        caplog.set_level(logging.DEBUG)
        line.vendor.fail(FAULTS[name], times=9)
        async with line.caller() as caller:
            answer = await caller.call("list_bookings", **{"name": "Ann One"})
        assert answer.error == READ_ERRORS[name], answer
        assert "Tell the caller:" in answer.text
        await self.nothing_leaks(line, answer, caplog, spans)

    @pytest.mark.parametrize("name", FAULTS)
    async def test_a_failing_write_says_what_and_tells_nothing(
        self,
        line: Line,
        name: str,
        caplog: pytest.LogCaptureFixture,
        spans: InMemorySpanExporter,
    ) -> None:
        caplog.set_level(logging.DEBUG)
        line.vendor.fail(FAULTS[name], writes=True, times=9)
        async with line.caller() as caller:
            answer = await line.book(caller)
        assert answer.error == WRITE_ERRORS[name], answer
        assert line.vendor.calendar.standing() == []
        assert len(line.vendor.written()) == 1
        await self.nothing_leaks(line, answer, caplog, spans)

    async def nothing_leaks(
        self,
        line: Line,
        answer: Answer,
        caplog: pytest.LogCaptureFixture,
        spans: InMemorySpanExporter,
    ) -> None:
        """Search everything that is kept or shown for the secret and for the vendor's words."""
        rows = await fetch(line.database, line.tenant, "select * from audit")
        kept = await fetch(line.database, line.tenant, "select * from idempotent_call")
        logged = [f"{record.getMessage()} {record.__dict__}" for record in caplog.records]
        traced = [span.to_json() for span in spans.get_finished_spans()]
        assert rows
        assert traced
        for place in (answer, rows, kept, logged, traced):
            assert CANARY not in str(place)
            assert BODY_CANARY not in str(place)
        assert "Ann One" not in str(rows) + str(traced)

    async def test_a_vendor_that_asks_for_patience_gets_it(self, line: Line) -> None:
        line.vendor.fail(refused(429, **{"Retry-After": "0"}), times=1)
        async with line.caller() as caller:
            assert (await caller.call("list_bookings", name="Ann One")).error is None
            line.vendor.fail(refused(429, **{"Retry-After": "3600"}), times=1)
            assert (await caller.call("list_bookings", name="Ann One")).error == "rate_limited"
            asked = len(line.vendor.requests)
            assert (await caller.call("list_bookings", name="Ann One")).error == "rate_limited"
        assert len(line.vendor.requests) == asked

    async def test_a_vendor_that_is_down_is_left_alone_for_a_while(self, line: Line) -> None:
        line.vendor.fail(refused(503), times=99)
        async with line.caller() as caller:
            for _ in range(4):
                assert (await caller.call("list_bookings", name="Ann One")).error == "unavailable"
            asked = len(line.vendor.requests)
            assert asked <= 6
            assert (await caller.call("list_bookings", name="Ann One")).error == "unavailable"
        assert len(line.vendor.requests) == asked

    async def test_a_create_whose_answer_was_lost_is_found_and_not_repeated(
        self, line: Line
    ) -> None:
        conversation = uuid4()
        self.lose(line)
        async with line.caller(conversation) as caller:
            lost = await line.book(caller)
            assert lost.error == "outcome_unknown"
            (there,) = line.vendor.calendar.standing()
            arguments = {**ANN, "slot": await self.handle_of(line, there)}
            at_once = await caller.call("create_booking", **arguments)
            assert at_once.error == "outcome_unknown"
            await line.lose_time()
            again = await caller.call("create_booking", **arguments)
        assert again.error is None, again
        assert again.data["status"] == "booked"
        assert len(line.vendor.calendar.standing()) == 1

    def lose(self, line: Line) -> None:
        """Let the answer to the booking itself be lost, of whatever else is written."""
        line.vendor.fail(timed_out, writes=True, done=True)

    async def handle_of(self, line: Line, booking: FakeBooking) -> str:
        """Return the handle under which a booking's time was offered."""
        local = booking.start.astimezone(ZONE)
        return f"{booking.service.id}-{local:%a-%H:%M}".lower()

    async def test_two_who_want_the_same_are_two(self, line: Line) -> None:
        """Only a repeat is a repeat: another caller's booking is not taken for one's own."""
        async with line.caller() as caller:
            assert (await line.book(caller)).error is None
        async with line.caller() as caller:
            other = await line.book(caller, name="Ben Two", phone="+4930555999")
        assert other.error is None
        assert len(line.vendor.calendar.standing()) == 2


def tomorrow_at(hour: int) -> datetime:
    """Return a time of tomorrow, in the calendar's zone."""
    day = datetime.now(UTC).astimezone(ZONE).date() + timedelta(days=1)
    return datetime(day.year, day.month, day.day, hour, tzinfo=ZONE)
