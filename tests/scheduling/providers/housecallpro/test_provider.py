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
    SchedulingContract,
    SchedulingHarness,
    tomorrow_at,
)
from tests.scheduling.fake_calendar import CLOSES, OPENS, ZONE, FakeBooking, FakeService
from tests.scheduling.providers.housecallpro.double import (
    DAY,
    HOME,
    HousecallPro,
    notes_of,
    owner,
    to_utc,
)
from tests.support.vendors import refused, timed_out
from toolkit.errors import Rejected
from toolkit.tenancy import Runtime, ToolCall

# Customers who are all called Ann One unless it says otherwise, and which of them Ann is.
CALLERS_RECORD: list[tuple[list[dict[str, str]], int | None]] = [
    ([{"email": "ANN@example.com"}], 0),
    ([{"mobile_number": "5550000"}, {"work_number": ANN["phone"]}], 1),
    ([{"work_number": ANN["phone"]}, {"home_number": ANN["phone"], "last_name": "Other"}], 0),
    ([{"home_number": ANN["phone"], "last_name": "Other"}, {"work_number": ANN["phone"]}], 1),
    ([{"mobile_number": "5550000", "email": "other@example.com"}], None),
    ([{"last_name": "Other", "email": ANN["email"]}], None),
    ([{}], None),
]


class TestHousecallPro(SchedulingContract):
    """It has many methods because each is a test of what only this vendor does."""

    provider = "housecallpro"
    secrets: ClassVar[dict[str, str]] = {"api_key": f"hcp_{CANARY}"}
    settings: ClassVar[dict[str, Any]] = {f"default_{part}": text for part, text in HOME.items()}

    def new_vendor(self) -> HousecallPro:
        return HousecallPro()

    def take_slot_meanwhile(self, harness: SchedulingHarness, start: datetime) -> None:
        """Book the time between the first and the second look at the free times."""
        harness.vendor.recover()
        vendor_of(harness).rival_starts = [start]

    def lose_booking_response(self, harness: SchedulingHarness) -> None:
        vendor_of(harness).fail_to_post("/jobs", timed_out, done=True)

    async def handle_of(self, harness: SchedulingHarness, booking: FakeBooking) -> str:
        local = booking.start.astimezone(ZONE)
        return f"{booking.service.name.replace(' ', '-')}-{local:%a-%H:%M}".lower()

    async def test_check_asks_whose_key_it_is(self, harness: SchedulingHarness) -> None:
        await provider_of(harness, self.secrets).check()
        asked = [(each.method, each.url.path) for each in harness.vendor.requests]
        assert asked == [("GET", "/company"), ("GET", "/api/price_book/services")]

    async def test_a_new_caller_becomes_a_customer_at_the_default_address(
        self, harness: SchedulingHarness
    ) -> None:
        async with harness.caller() as caller:
            assert (await harness.book(caller, notes="Ring twice")).error is None
            assert (await harness.book(caller, notes="The other lesson")).error is None
        assert ("GET", "/jobs") not in [
            (each.method, each.url.path) for each in harness.vendor.requests
        ]
        (customer,) = vendor_of(harness).customers
        assert (customer["first_name"], customer["last_name"]) == ("Ann", "One")
        (home,) = customer["addresses"]
        assert {part: home[part] for part in HOME} == HOME
        notes = [
            note for each in harness.vendor.calendar.active_bookings() for note in notes_of(each)
        ]
        assert re.fullmatch(
            r"Ring twice\nBooked by phone for Ann One, call [0-9a-f]{12}\.", notes[0]
        )
        assert len(set(notes)) == 2

    @pytest.mark.parametrize("mobile", ["(930) 555-5014", "+49 30 555014", "+4930555014"])
    async def test_a_customer_is_told_by_the_number_and_visited_at_home(
        self, harness: SchedulingHarness, mobile: str
    ) -> None:
        homes = [{"id": "adr_bills", "type": "billing"}, {"id": "adr_home", "type": "service"}]
        vendor_of(harness).add_customer("A.", "One-Two", mobile_number=mobile, addresses=homes)
        phone = "+19305555014" if mobile.startswith("(") else ANN["phone"]
        async with harness.caller() as caller:
            booked = await harness.book(caller, phone=phone)
        assert booked.data["name"] == "A. One-Two"
        (there,) = harness.vendor.calendar.active_bookings()
        assert there.extra["address"] == "adr_home"
        assert [each.url.path for each in harness.vendor.written()] == ["/jobs"]

    @pytest.mark.parametrize(("known", "taken"), CALLERS_RECORD)
    async def test_a_stranger_is_not_taken_for_the_caller(
        self, harness: SchedulingHarness, known: list[dict[str, str]], taken: int | None
    ) -> None:
        for each in known:
            vendor_of(harness).add_customer("Ann", "One").update(each)
        async with harness.caller() as caller:
            assert (await harness.book(caller)).error is None
        (there,) = harness.vendor.calendar.active_bookings()
        assert owner(there) is vendor_of(harness).customers[-1 if taken is None else taken]
        assert (len(vendor_of(harness).customers) > len(known)) == (taken is None)

    async def test_nobody_books_by_a_name_alone(self, harness: SchedulingHarness) -> None:
        vendor_of(harness).add_customer("Ann", "One", mobile_number="5550000")
        async with harness.caller() as caller:
            answer = await harness.book(caller, phone=None, email=None)
        assert answer.error == "rejected"
        assert "phone number" in answer.text
        assert harness.vendor.written() == []

    async def test_a_customer_without_an_address_gets_the_default_one(
        self, harness: SchedulingHarness
    ) -> None:
        customer = vendor_of(harness).add_customer("Ann", "One", mobile_number=ANN["phone"])
        async with harness.caller() as caller:
            assert (await harness.book(caller)).error is None
        assert [each.url.path for each in harness.vendor.written()] == [
            f"/customers/{customer['id']}/addresses",
            "/jobs",
        ]

    async def test_a_customer_whose_creation_was_lost_is_not_created_twice(
        self, harness: SchedulingHarness
    ) -> None:
        vendor_of(harness).fail_to_post("/customers", timed_out, done=True)
        async with harness.caller(uuid4()) as caller:
            offer = await caller.call("get_available_slots", service="piano", when="tomorrow")
            arguments = {**ANN, "slot": offer.data["offered"][0]["handle"]}
            lost = await caller.call("create_booking", **arguments)
            assert lost.error == "outcome_unknown"
            await harness.let_time_pass()
            assert (await caller.call("create_booking", **arguments)).error is None
        assert len(vendor_of(harness).customers) == 1
        assert len(harness.vendor.calendar.active_bookings()) == 1

    @pytest.mark.parametrize("rival", ["nobody", "the same hour", "the same line"])
    async def test_a_lost_job_is_told_by_what_was_sent_where_notes_are_not_listed(
        self, harness: SchedulingHarness, rival: str
    ) -> None:
        vendor = vendor_of(harness)
        vendor.lists_notes = False
        async with harness.caller(uuid4()) as caller:
            offer = await caller.call("get_available_slots", service="piano", when="tomorrow")
            arguments = {**ANN, "slot": offer.data["offered"][0]["handle"]}
            vendor.fail_to_post("/jobs", timed_out, done=rival == "nobody")
            assert (await caller.call("create_booking", **arguments)).error == "outcome_unknown"
            start = vendor.calendar.free_starts(*[tomorrow_at(0).date()] * 2)[0]
            if rival == "the same hour":
                vendor.calendar.book(7, start, "Somebody Else")
            if rival == "the same line":
                vendor.calendar.book(8, start, "Ann One", customer=vendor.customers[0])
            await harness.let_time_pass()
            repeated = await caller.call("create_booking", **arguments)
        assert repeated.error == (None if rival == "nobody" else "rejected"), repeated
        assert len(harness.vendor.calendar.active_bookings()) == 1

    async def test_a_job_of_another_call_is_not_taken_for_a_lost_one(
        self, harness: SchedulingHarness
    ) -> None:
        vendor = vendor_of(harness)
        async with harness.caller(uuid4()) as caller:
            offer = await caller.call("get_available_slots", service="piano", when="tomorrow")
            arguments = {**ANN, "slot": offer.data["offered"][0]["handle"]}
            vendor.fail_to_post("/jobs", timed_out)
            assert (await caller.call("create_booking", **arguments)).error == "outcome_unknown"
            await harness.let_time_pass()
            async with harness.caller(uuid4()) as other:
                booked = await other.call("create_booking", **arguments)
            repeated = await caller.call("create_booking", **arguments)
        assert (booked.error, repeated.error) == (None, "rejected")

    @pytest.mark.parametrize("kind", ["forbidden", "rejected", "outcome_unknown"])
    async def test_a_job_that_is_refused_is_not_booked(
        self, harness: SchedulingHarness, kind: str
    ) -> None:
        status = {"forbidden": 403, "rejected": 422, "outcome_unknown": 500}[kind]
        vendor_of(harness).fail_to_post("/jobs", refused(status))
        async with harness.caller() as caller:
            assert (await harness.book(caller)).error == kind
        assert harness.vendor.calendar.active_bookings() == []

    async def test_a_booking_is_moved_within_its_own_time_but_not_onto_another(
        self, harness: SchedulingHarness
    ) -> None:
        async with harness.caller() as caller:
            booked = await harness.book(caller)
            (there,) = harness.vendor.calendar.active_bookings()
            own, taken = there.start, there.start + timedelta(hours=1)
            harness.vendor.calendar.book(8, taken, "Somebody Else")
            handles = [
                f"piano-lesson-{at.astimezone(ZONE):%a-%H:%M}".lower() for at in (own, taken)
            ]
            moved, refused_move = [
                await caller.call("reschedule_booking", booking=booked.data["id"], slot=handle)
                for handle in handles
            ]
        assert (moved.error, refused_move.error) == (None, "rejected")
        assert [each.start for each in harness.vendor.calendar.active_bookings()] == [own, taken]

    async def test_a_time_that_goes_while_it_is_moved_to_is_not_taken(
        self, harness: SchedulingHarness
    ) -> None:
        async with harness.caller() as caller:
            booked = await harness.book(caller)
            (there,) = harness.vendor.calendar.active_bookings()
            own, wanted = there.start, there.start + timedelta(hours=2)
            vendor_of(harness).rival_starts = [wanted]
            handle = f"piano-lesson-{wanted.astimezone(ZONE):%a-%H:%M}".lower()
            moved = await caller.call("reschedule_booking", booking=booked.data["id"], slot=handle)
        assert moved.error == "rejected"
        assert there.start == own

    async def test_what_staff_did_with_a_job_is_seen(self, harness: SchedulingHarness) -> None:
        async with harness.caller() as caller:
            booked = await harness.book(caller)
            (there,) = harness.vendor.calendar.active_bookings()
            there.extra["status"] = "user canceled"
            shown = await caller.call("get_booking", booking=booked.data["id"])
            assert shown.data["status"] == "cancelled"
            assert (await caller.call("list_bookings", name="Ann One")).data["bookings"] == []
            del there.extra["status"]
            there.cancelled = True
            shown = await caller.call("get_booking", booking=booked.data["id"])
            assert shown.error == "not_found"

    async def test_a_cancelled_job_says_why_and_when_it_was_to_be(
        self, harness: SchedulingHarness
    ) -> None:
        async with harness.caller() as caller:
            booked = await harness.book(caller)
            await caller.call("cancel_booking", booking=booked.data["id"], reason="ill")
            (there,) = harness.vendor.calendar.bookings
            when = to_utc(there.start)
            assert notes_of(there)[-1] == f"Cancelled by phone. It was to be on {when}. Reason: ill"
            shown = await caller.call("get_booking", booking=booked.data["id"])
            assert shown.data["starts_at"] == booked.data["starts_at"]
            written = len(harness.vendor.written())
            assert (await caller.call("cancel_booking", booking=booked.data["id"])).error is None
        assert len(harness.vendor.written()) == written

    @pytest.mark.parametrize("utc", [True, False])
    @pytest.mark.parametrize("zone", ["Europe/Berlin", "America/Los_Angeles", "Pacific/Auckland"])
    async def test_free_is_what_was_asked_for_on_whosever_clock_it_is_read(
        self, harness: SchedulingHarness, zone: str, utc: bool
    ) -> None:
        vendor, company = vendor_of(harness), ZoneInfo(zone)
        vendor.zone, vendor.query_zone = zone, UTC if utc else company
        taken = tomorrow_at(12)
        vendor.calendar.book(7, taken, "Somebody Else")
        provider = provider_of(harness, self.secrets)
        piano = (await provider.calendar_info()).services[0]
        first = datetime.now(company).replace(hour=0, minute=0, second=0, microsecond=0)
        hours = [tomorrow_at(hour) + n * DAY for n in range(-2, 5) for hour in range(OPENS, CLOSES)]
        for start, end in ((1, 2), (1.8, 2), (1, 1.4), (1.5, 2.99), (-2, 0.5)):
            opens, closes = first + start * DAY, first + end * DAY
            slots = await provider.find_slots(piano, opens, closes)
            open_then = [hour for hour in hours if opens <= hour < closes and hour != taken]
            assert [each.starts_at for each in slots] == [
                hour for hour in open_then if hour > datetime.now(UTC)
            ]

    async def test_a_caller_hears_of_their_own_jobs_that_are_to_come(
        self, harness: SchedulingHarness
    ) -> None:
        calendar = harness.vendor.calendar
        ann = vendor_of(harness).add_customer("Ann", "One", mobile_number=ANN["phone"])
        mary = vendor_of(harness).add_customer("Mary Ann", "One", mobile_number="5550000")
        calendar.book(7, tomorrow_at(9), "Mary Ann One", customer=mary)
        days = (0, 1, -2)
        jobs = [calendar.book(7, tomorrow_at(10) + n * DAY, "Ann One", customer=ann) for n in days]
        jobs[0].service = FakeService(7, "Piano lesson", 90)
        for person in ({"name": "Ann One"}, {"phone": ANN["phone"]}, ANN):
            provider = provider_of(harness, self.secrets)
            found = await provider.find_bookings(person.get("name"), person.get("phone"))
            assert [each.starts_at for each in found] == [jobs[0].start, jobs[1].start]
            assert [each.service.minutes for each in found] == [90, 45]

    @pytest.mark.parametrize("nested", [True, False])
    async def test_the_price_book_gives_the_services(
        self, harness: SchedulingHarness, nested: bool
    ) -> None:
        vendor = vendor_of(harness)
        vendor.nested, vendor.pages = nested, 2
        vendor.calendar.services = (
            FakeService(7, "Piano lesson", 45),
            FakeService(8, "Piano lesson!", 60),
            FakeService(9, "Café & Küche", 0),
            FakeService(10, "設置", 15),
        )
        info = await provider_of(harness, self.secrets).calendar_info()
        assert info.time_zone == "Europe/Berlin"
        assert info.services == (
            Service(id="piano-lesson", name="Piano lesson", minutes=45),
            Service(id="piano-lesson-2", name="Piano lesson!", minutes=60),
            Service(id="cafe-kuche", name="Café & Küche", minutes=30),
            Service(id="service", name="設置", minutes=15),
        )
        assert len(harness.vendor.requests) == 1 + vendor.pages

    async def test_a_record_that_cannot_be_read_hides_no_other(
        self, harness: SchedulingHarness
    ) -> None:
        vendor = vendor_of(harness)
        vendor.strange = {
            "jobs": [{"id": "job_900", "customer": None}, None],
            "customers": [{"id": None}],
            "windows": [{"start_time": None, "available": True}, {"start_time": "soon"}],
            "services": [{"uuid": None}],
        }
        async with harness.caller() as caller:
            booked = await harness.book(caller)
            assert booked.error is None, booked
            vendor.customers[0]["addresses"].append(None)
            listed = await caller.call("list_bookings", name="Ann One")
        assert [each["id"] for each in listed.data["bookings"]] == [booked.data["id"]]

    @pytest.mark.parametrize(
        ("status", "told", "said"),
        [
            ("needs scheduling", "requested", "still has to be confirmed"),
            ("waiting for parts", "unknown", "can't tell whether it is confirmed"),
            ("in progress", "booked", "for Ann One."),
        ],
    )
    async def test_only_a_scheduled_job_is_told_as_booked(
        self, harness: SchedulingHarness, status: str, told: str, said: str
    ) -> None:
        ann = vendor_of(harness).add_customer("Ann", "One", mobile_number=ANN["phone"])
        job = harness.vendor.calendar.book(7, tomorrow_at(10), "Ann One", customer=ann)
        job.extra["status"] = status
        async with harness.caller() as caller:
            shown = await caller.call("get_booking", booking=f"job_{job.id}")
            listed = await caller.call("list_bookings", phone=ANN["phone"])
        assert shown.data["status"] == told
        assert said in shown.data["say"]
        assert [each["status"] for each in listed.data["bookings"]] == [told]

    @pytest.mark.parametrize("tool", ["cancel_booking", "reschedule_booking"])
    async def test_a_job_of_several_visits_is_left_to_a_person(
        self, harness: SchedulingHarness, tool: str
    ) -> None:
        """PUT /jobs/{job_id}/schedule says that it cannot; DELETE would take all of them off."""
        ann = vendor_of(harness).add_customer("Ann", "One", mobile_number=ANN["phone"])
        job = harness.vendor.calendar.book(7, tomorrow_at(10), "Ann One", customer=ann)
        days = (tomorrow_at(10), tomorrow_at(10) + DAY)
        job.extra["appointments"] = [{"id": "apt", "start_time": to_utc(each)} for each in days]
        slot = {"slot": f"piano-lesson-{tomorrow_at(12):%a-%H:%M}".lower()}
        async with harness.caller() as caller:
            answer = await caller.call(
                tool, booking=f"job_{job.id}", **(slot if tool == "reschedule_booking" else {})
            )
        assert answer.error == "rejected"
        assert "Someone will call you back" in answer.text
        assert harness.vendor.written() == []

    @pytest.mark.parametrize("has_time", [True, False])
    @pytest.mark.parametrize("days", [0, 1])
    async def test_a_job_at_any_time_of_a_day_is_told_by_its_day(
        self, harness: SchedulingHarness, days: int, has_time: bool
    ) -> None:
        """`Appointment`: `anytime` with a `start_date`. What its times are then is not said."""
        zone = ZoneInfo("America/Chicago")
        vendor_of(harness).zone = zone.key
        day = (datetime.now(zone) + days * DAY).date()
        midnight = datetime(day.year, day.month, day.day, tzinfo=UTC)
        ann = vendor_of(harness).add_customer("Ann", "One", mobile_number=ANN["phone"])
        job = harness.vendor.calendar.book(7, midnight, "Ann One", customer=ann)
        job.extra["appointments"] = [{"id": "a", "start_date": f"{day}", "anytime": True}]
        job.extra["no_time"] = not has_time
        async with harness.caller() as caller:
            listed = await caller.call("list_bookings", phone=ANN["phone"])
            (found,) = listed.data["bookings"]
            assert found["starts_at"] == f"{day}"
            assert found["label"] == ("today" if days == 0 else f"{day:%A}")
            assert " at " not in listed.data["say"]
            gone = await caller.call("cancel_booking", booking=found["id"], reason="ill")
            assert gone.data["status"] == "cancelled", gone
            assert f"It was to be on {day}." in notes_of(job)[-1]
            shown = await caller.call("get_booking", booking=found["id"])
        assert (shown.data["status"], shown.data["starts_at"]) == ("cancelled", f"{day}")

    async def test_jobs_and_customers_are_read_to_the_last_page(
        self, harness: SchedulingHarness
    ) -> None:
        vendor = vendor_of(harness)
        ann = vendor.add_customer("Ann", "One")
        for n in range(120):
            vendor.add_customer("Joanna", f"Onesimo {n}")
        jobs = [
            vendor.calendar.book(7, tomorrow_at(9) + timedelta(hours=n), "Ann One", customer=ann)
            for n in range(120)
        ]
        provider = provider_of(harness, self.secrets)
        found = await provider.find_bookings("Ann One", None)
        assert [each.starts_at for each in found] == [each.start for each in jobs]

    async def test_of_many_namesakes_the_number_is_asked_for(
        self, harness: SchedulingHarness
    ) -> None:
        for n in range(12):
            vendor_of(harness).add_customer("Ann", "One", mobile_number=f"55500{n:02}")
        async with harness.caller() as caller:
            answer = await caller.call("list_bookings", name="Ann One")
        assert answer.error == "rejected"
        assert "What is your phone number, please?" in answer.text

    async def test_a_time_zone_that_nobody_knows_is_not_booked_in(
        self, harness: SchedulingHarness
    ) -> None:
        vendor_of(harness).zone = "Middle Earth"
        async with harness.caller() as caller:
            answer = await caller.call("get_available_slots", service="piano", when="tomorrow")
        assert answer.error == "unavailable"

    async def test_of_an_endless_price_book_the_first_pages_are_read(
        self, harness: SchedulingHarness
    ) -> None:
        vendor_of(harness).pages = 1000
        assert len((await provider_of(harness, self.secrets).calendar_info()).services) == 2
        assert len(harness.vendor.requests) == 4

    async def test_without_any_address_nothing_is_written_and_a_person_calls_back(
        self, harness: SchedulingHarness
    ) -> None:
        vendor = vendor_of(harness)
        homeless = vendor.add_customer("Ann", "One", mobile_number=ANN["phone"])
        partly = {name: text for name, text in self.settings.items() if name != "default_zip"}
        provider = provider_of(harness, self.secrets, partly)
        piano = (await provider.calendar_info()).services[0]
        for caller in (Attendee(**ANN), Attendee(name="Ben Two", phone="+4930555999")):
            with pytest.raises(Rejected) as refusal:
                await provider.book(piano, tomorrow_at(9), caller)
            assert "Someone will call you back" in refusal.value.spoken
        assert vendor.written() == []
        homeless["addresses"] = [{"id": "adr_home"}]
        assert await provider.book(piano, tomorrow_at(9), Attendee(**ANN))


def vendor_of(harness: SchedulingHarness) -> HousecallPro:
    """Return the fake Housecall Pro of a harness."""
    assert isinstance(harness.vendor, HousecallPro)
    return harness.vendor


def provider_of(
    harness: SchedulingHarness, secrets: dict[str, str], settings: dict[str, Any] | None = None
) -> Provider:
    """Return the provider itself, outside of any tool call."""
    client = httpx2.AsyncClient(transport=harness.vendor.transport())
    call = ToolCall(harness.tenant.claims(), Runtime(client, DatabaseVault(harness.database, None)))
    return Provider(Account("housecallpro", None, secrets, settings or {}), call)
