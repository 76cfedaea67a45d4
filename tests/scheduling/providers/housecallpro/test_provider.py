"""Housecall Pro: what every scheduling vendor must do, and what only it does."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar
from uuid import uuid4
from zoneinfo import ZoneInfo

import httpx2
import pytest

from config.security.vault import Account, DatabaseVault
from scheduling.provider import Attendee, Service
from scheduling.providers.housecallpro.provider import HousecallPro as Provider
from tests.scheduling.contract import (
    ANN,
    CANARY,
    Line,
    SchedulingContract,
    tomorrow_at,
)
from tests.scheduling.providers.housecallpro.double import (
    DAY,
    HOME,
    HousecallPro,
    notes_of,
    owner,
    z,
)
from tests.scheduling.vendor_calendar import CLOSES, OPENS, ZONE, FakeBooking, FakeService
from tests.support.vendors import refused, timed_out
from toolkit.errors import Rejected
from toolkit.tenancy import Runtime, ToolCall

# Customers who are all called Ann One unless it says otherwise, and which of them Ann is.
ALIKE: list[tuple[list[dict[str, str]], int | None]] = [
    ([{"email": "ANN@example.com"}], 0),
    ([{"mobile_number": "5550000"}, {"work_number": ANN["phone"]}], 1),
    ([{"work_number": ANN["phone"]}, {"home_number": ANN["phone"], "last_name": "Other"}], 0),
    ([{"home_number": ANN["phone"], "last_name": "Other"}, {"work_number": ANN["phone"]}], 1),
    ([{"mobile_number": "5550000", "email": "other@example.com"}], None),
    ([{"last_name": "Other", "email": ANN["email"]}], None),
    ([{}], None),
]


class TestHousecallPro(SchedulingContract):
    provider = "housecallpro"
    secrets: ClassVar[dict[str, str]] = {"api_key": f"hcp_{CANARY}"}
    settings: ClassVar[dict[str, Any]] = {f"default_{part}": text for part, text in HOME.items()}

    def new_vendor(self) -> HousecallPro:
        return HousecallPro()

    def race(self, line: Line, start: datetime) -> None:
        """Take the time after it was found free, and before it is looked at once more."""
        line.vendor.recover()
        played(line).rival = [start]

    def lose(self, line: Line) -> None:
        played(line).fail_to_post("/jobs", timed_out, done=True)

    async def handle_of(self, line: Line, booking: FakeBooking) -> str:
        local = booking.start.astimezone(ZONE)
        return f"{booking.service.name.replace(' ', '-')}-{local:%a-%H:%M}".lower()

    async def test_check_asks_whose_key_it_is(self, line: Line) -> None:
        await provider_of(line, self.secrets).check()
        asked = [(each.method, each.url.path) for each in line.vendor.requests]
        assert asked == [("GET", "/company"), ("GET", "/api/price_book/services")]

    async def test_a_new_caller_becomes_a_customer_at_the_default_address(self, line: Line) -> None:
        async with line.caller() as caller:
            assert (await line.book(caller, notes="Ring twice")).error is None
            assert (await line.book(caller, notes="The other lesson")).error is None
        assert ("GET", "/jobs") not in [
            (each.method, each.url.path) for each in line.vendor.requests
        ]
        (customer,) = played(line).customers
        assert (customer["first_name"], customer["last_name"]) == ("Ann", "One")
        (home,) = customer["addresses"]
        assert {part: home[part] for part in HOME} == HOME
        notes = [note for each in line.vendor.calendar.standing() for note in notes_of(each)]
        assert re.fullmatch(
            r"Ring twice\nBooked by phone for Ann One, call [0-9a-f]{12}\.", notes[0]
        )
        assert len(set(notes)) == 2

    @pytest.mark.parametrize("mobile", ["(930) 555-5014", "+49 30 555014", "+4930555014"])
    async def test_a_customer_is_told_by_the_number_and_visited_at_home(
        self, line: Line, mobile: str
    ) -> None:
        homes = [{"id": "adr_bills", "type": "billing"}, {"id": "adr_home", "type": "service"}]
        played(line).knows("A.", "One-Two", mobile_number=mobile, addresses=homes)
        phone = "+19305555014" if mobile.startswith("(") else ANN["phone"]
        async with line.caller() as caller:
            booked = await line.book(caller, phone=phone)
        assert booked.data["name"] == "A. One-Two"
        (there,) = line.vendor.calendar.standing()
        assert there.extra["address"] == "adr_home"
        assert [each.url.path for each in line.vendor.written()] == ["/jobs"]

    @pytest.mark.parametrize(("known", "taken"), ALIKE)
    async def test_a_stranger_is_not_taken_for_the_caller(
        self, line: Line, known: list[dict[str, str]], taken: int | None
    ) -> None:
        for each in known:
            played(line).knows("Ann", "One").update(each)
        async with line.caller() as caller:
            assert (await line.book(caller)).error is None
        (there,) = line.vendor.calendar.standing()
        assert owner(there) is played(line).customers[-1 if taken is None else taken]
        assert (len(played(line).customers) > len(known)) == (taken is None)

    async def test_nobody_books_by_a_name_alone(self, line: Line) -> None:
        played(line).knows("Ann", "One", mobile_number="5550000")
        async with line.caller() as caller:
            answer = await line.book(caller, phone=None, email=None)
        assert answer.error == "rejected"
        assert "phone number" in answer.text
        assert line.vendor.written() == []

    async def test_a_customer_without_an_address_gets_the_default_one(self, line: Line) -> None:
        customer = played(line).knows("Ann", "One", mobile_number=ANN["phone"])
        async with line.caller() as caller:
            assert (await line.book(caller)).error is None
        assert [each.url.path for each in line.vendor.written()] == [
            f"/customers/{customer['id']}/addresses",
            "/jobs",
        ]

    async def test_a_customer_whose_creation_was_lost_is_not_created_twice(
        self, line: Line
    ) -> None:
        played(line).fail_to_post("/customers", timed_out, done=True)
        async with line.caller(uuid4()) as caller:
            offer = await caller.call("get_available_slots", service="piano", when="tomorrow")
            arguments = {**ANN, "slot": offer.data["offered"][0]["handle"]}
            lost = await caller.call("create_booking", **arguments)
            assert lost.error == "outcome_unknown"
            await line.lose_time()
            assert (await caller.call("create_booking", **arguments)).error is None
        assert len(played(line).customers) == 1
        assert len(line.vendor.calendar.standing()) == 1

    @pytest.mark.parametrize("rival", ["nobody", "the same hour", "the same line"])
    async def test_a_lost_job_is_told_by_what_was_sent_where_notes_are_not_listed(
        self, line: Line, rival: str
    ) -> None:
        vendor = played(line)
        vendor.lists_notes = False
        async with line.caller(uuid4()) as caller:
            offer = await caller.call("get_available_slots", service="piano", when="tomorrow")
            arguments = {**ANN, "slot": offer.data["offered"][0]["handle"]}
            vendor.fail_to_post("/jobs", timed_out, done=rival == "nobody")
            assert (await caller.call("create_booking", **arguments)).error == "outcome_unknown"
            start = vendor.calendar.starts(*[tomorrow_at(0).date()] * 2)[0]
            if rival == "the same hour":
                vendor.calendar.book(7, start, "Somebody Else")
            if rival == "the same line":
                vendor.calendar.book(8, start, "Ann One", customer=vendor.customers[0])
            await line.lose_time()
            again = await caller.call("create_booking", **arguments)
        assert again.error == (None if rival == "nobody" else "rejected"), again
        assert len(line.vendor.calendar.standing()) == 1

    async def test_a_job_of_another_call_is_not_taken_for_a_lost_one(self, line: Line) -> None:
        vendor = played(line)
        async with line.caller(uuid4()) as caller:
            offer = await caller.call("get_available_slots", service="piano", when="tomorrow")
            arguments = {**ANN, "slot": offer.data["offered"][0]["handle"]}
            vendor.fail_to_post("/jobs", timed_out)
            assert (await caller.call("create_booking", **arguments)).error == "outcome_unknown"
            await line.lose_time()
            async with line.caller(uuid4()) as other:
                booked = await other.call("create_booking", **arguments)
            again = await caller.call("create_booking", **arguments)
        assert (booked.error, again.error) == (None, "rejected")

    @pytest.mark.parametrize("kind", ["forbidden", "rejected", "outcome_unknown"])
    async def test_a_job_that_is_refused_is_not_booked(self, line: Line, kind: str) -> None:
        status = {"forbidden": 403, "rejected": 422, "outcome_unknown": 500}[kind]
        played(line).fail_to_post("/jobs", refused(status))
        async with line.caller() as caller:
            assert (await line.book(caller)).error == kind
        assert line.vendor.calendar.standing() == []

    async def test_a_booking_is_moved_within_its_own_time_but_not_onto_another(
        self, line: Line
    ) -> None:
        async with line.caller() as caller:
            booked = await line.book(caller)
            (there,) = line.vendor.calendar.standing()
            own, taken = there.start, there.start + timedelta(hours=1)
            line.vendor.calendar.book(8, taken, "Somebody Else")
            handles = [
                f"piano-lesson-{at.astimezone(ZONE):%a-%H:%M}".lower() for at in (own, taken)
            ]
            kept, refused_move = [
                await caller.call("reschedule_booking", booking=booked.data["id"], slot=handle)
                for handle in handles
            ]
        assert (kept.error, refused_move.error) == (None, "rejected")
        assert [each.start for each in line.vendor.calendar.standing()] == [own, taken]

    async def test_a_time_that_goes_while_it_is_moved_to_is_not_taken(self, line: Line) -> None:
        async with line.caller() as caller:
            booked = await line.book(caller)
            (there,) = line.vendor.calendar.standing()
            own, wanted = there.start, there.start + timedelta(hours=2)
            played(line).rival = [wanted]
            handle = f"piano-lesson-{wanted.astimezone(ZONE):%a-%H:%M}".lower()
            moved = await caller.call("reschedule_booking", booking=booked.data["id"], slot=handle)
        assert moved.error == "rejected"
        assert there.start == own

    async def test_what_staff_did_with_a_job_is_seen(self, line: Line) -> None:
        async with line.caller() as caller:
            booked = await line.book(caller)
            (there,) = line.vendor.calendar.standing()
            there.extra["status"] = "user canceled"
            shown = await caller.call("get_booking", booking=booked.data["id"])
            assert shown.data["status"] == "cancelled"
            assert (await caller.call("list_bookings", name="Ann One")).data["bookings"] == []
            del there.extra["status"]
            there.cancelled = True
            shown = await caller.call("get_booking", booking=booked.data["id"])
            assert shown.error == "not_found"

    async def test_a_cancelled_job_says_why_and_when_it_was_to_be(self, line: Line) -> None:
        async with line.caller() as caller:
            booked = await line.book(caller)
            await caller.call("cancel_booking", booking=booked.data["id"], reason="ill")
            (there,) = line.vendor.calendar.bookings
            when = z(there.start)
            assert notes_of(there)[-1] == f"Cancelled by phone. It was to be on {when}. Reason: ill"
            shown = await caller.call("get_booking", booking=booked.data["id"])
            assert shown.data["starts_at"] == booked.data["starts_at"]
            written = len(line.vendor.written())
            assert (await caller.call("cancel_booking", booking=booked.data["id"])).error is None
        assert len(line.vendor.written()) == written

    @pytest.mark.parametrize("utc", [True, False])
    @pytest.mark.parametrize("zone", ["Europe/Berlin", "America/Los_Angeles", "Pacific/Auckland"])
    async def test_free_is_what_was_asked_for_on_whosever_clock_it_is_read(
        self, line: Line, zone: str, utc: bool
    ) -> None:
        vendor, company = played(line), ZoneInfo(zone)
        vendor.zone, vendor.clock = zone, UTC if utc else company
        taken = tomorrow_at(12)
        vendor.calendar.book(7, taken, "Somebody Else")
        provider = provider_of(line, self.secrets)
        piano = (await provider.agenda()).services[0]
        first = datetime.now(company).replace(hour=0, minute=0, second=0, microsecond=0)
        hours = [tomorrow_at(hour) + n * DAY for n in range(-2, 5) for hour in range(OPENS, CLOSES)]
        for start, end in ((1, 2), (1.8, 2), (1, 1.4), (1.5, 2.99), (-2, 0.5)):
            opens, closes = first + start * DAY, first + end * DAY
            slots = await provider.free(piano, opens, closes)
            open_then = [hour for hour in hours if opens <= hour < closes and hour != taken]
            assert [each.starts_at for each in slots] == [
                hour for hour in open_then if hour > datetime.now(UTC)
            ]

    async def test_a_caller_hears_of_their_own_jobs_that_are_to_come(self, line: Line) -> None:
        calendar = line.vendor.calendar
        ann = played(line).knows("Ann", "One", mobile_number=ANN["phone"])
        mary = played(line).knows("Mary Ann", "One", mobile_number="5550000")
        calendar.book(7, tomorrow_at(9), "Mary Ann One", customer=mary)
        days = (0, 1, -2)
        jobs = [calendar.book(7, tomorrow_at(10) + n * DAY, "Ann One", customer=ann) for n in days]
        jobs[0].service = FakeService(7, "Piano lesson", 90)
        for person in ({"name": "Ann One"}, {"phone": ANN["phone"]}, ANN):
            provider = provider_of(line, self.secrets)
            found = await provider.upcoming(person.get("name"), person.get("phone"))
            assert [each.starts_at for each in found] == [jobs[0].start, jobs[1].start]
            assert [each.service.minutes for each in found] == [90, 45]

    @pytest.mark.parametrize("nested", [True, False])
    async def test_the_price_book_gives_the_services(self, line: Line, nested: bool) -> None:
        vendor = played(line)
        vendor.nested, vendor.pages = nested, 2
        vendor.calendar.services = (
            FakeService(7, "Piano lesson", 45),
            FakeService(8, "Piano lesson!", 60),
            FakeService(9, "Café & Küche", 0),
            FakeService(10, "設置", 15),
        )
        agenda = await provider_of(line, self.secrets).agenda()
        assert agenda.time_zone == "Europe/Berlin"
        assert agenda.services == (
            Service(id="piano-lesson", name="Piano lesson", minutes=45),
            Service(id="piano-lesson-2", name="Piano lesson!", minutes=60),
            Service(id="cafe-kuche", name="Café & Küche", minutes=30),
            Service(id="service", name="設置", minutes=15),
        )
        assert len(line.vendor.requests) == 1 + vendor.pages

    async def test_a_time_zone_that_nobody_knows_is_not_booked_in(self, line: Line) -> None:
        played(line).zone = "Middle Earth"
        async with line.caller() as caller:
            answer = await caller.call("get_available_slots", service="piano", when="tomorrow")
        assert answer.error == "unavailable"

    async def test_of_an_endless_price_book_the_first_pages_are_read(self, line: Line) -> None:
        played(line).pages = 1000
        assert len((await provider_of(line, self.secrets).agenda()).services) == 2
        assert len(line.vendor.requests) == 4

    async def test_without_any_address_nothing_is_written_and_a_person_calls_back(
        self, line: Line
    ) -> None:
        vendor = played(line)
        homeless = vendor.knows("Ann", "One", mobile_number=ANN["phone"])
        partly = {name: text for name, text in self.settings.items() if name != "default_zip"}
        provider = provider_of(line, self.secrets, partly)
        piano = (await provider.agenda()).services[0]
        for caller in (Attendee(**ANN), Attendee(name="Ben Two", phone="+4930555999")):
            with pytest.raises(Rejected) as refusal:
                await provider.book(piano, tomorrow_at(9), caller)
            assert "Someone will call you back" in refusal.value.spoken
        assert vendor.written() == []
        homeless["addresses"] = [{"id": "adr_home"}]
        assert await provider.book(piano, tomorrow_at(9), Attendee(**ANN))


def played(line: Line) -> HousecallPro:
    """Return the vendor of a line."""
    assert isinstance(line.vendor, HousecallPro)
    return line.vendor


def provider_of(
    line: Line, secrets: dict[str, str], settings: dict[str, Any] | None = None
) -> Provider:
    """Return the provider itself, outside of any call of a tool."""
    client = httpx2.AsyncClient(transport=line.vendor.transport())
    call = ToolCall(line.tenant.claims(), Runtime(client, DatabaseVault(line.database, None)))
    return Provider(Account("housecallpro", None, secrets, settings or {}), call)
