"""Cal.com: what every scheduling vendor must do, and what only it does."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any, ClassVar
from uuid import uuid4

import httpx2
import pytest

from config.database import Database
from tests.scheduling.contract import (
    ANN,
    BEN,
    CANARY,
    SchedulingContract,
    SchedulingHarness,
    tomorrow_at,
)
from tests.scheduling.fake_calendar import ZONE, FakeBooking
from tests.scheduling.providers.calcom.double import MAX_TAKE, WEEK, CalCom, refusal, uid_of
from tests.support.clock_changes import CLOCK_CHANGES, ClockChange
from tests.support.faults import SwitchableBreakers
from tests.support.servers import Servers
from tests.support.vendors import BODY_CANARY, Exchange, refused, timed_out

PIANO, VIOLIN = 7, 8
# Records that no caller asks about: each breaks a rule of the specification.
STRANGE: list[dict[str, Any]] = [
    {"uid": "uid900", "status": "accepted"},
    {"uid": "uid901", "title": "x", "status": None, "start": "soon", "duration": 45},
    {"uid": "uid902", "title": "x", "status": "accepted", "start": None, "duration": 45},
]
# Codes of the vendor's source (`ErrorCode`) that say that a time is taken.
TAKEN = [
    (409, "booking_conflict_error"),
    (409, "booking_seats_full_error"),
    (409, "no_available_users_found_error"),
    (400, "booking_time_out_of_bounds_error"),
    (500, "hosts_unavailable_for_booking"),
]
WHICH_NUMBER = "What is the country code of that number, please?"
NUMBER_OR_EMAIL = "What is the country code of that number, or else your e-mail address?"


class TestCalCom(SchedulingContract):
    """It has many methods because each is a test of what only this vendor does."""

    provider = "calcom"
    secrets: ClassVar[dict[str, str]] = {"api_key": f"cal_live_{CANARY}"}

    def new_vendor(self) -> CalCom:
        return CalCom()

    async def test_nothing_hidden_reaches_a_model(self, harness: SchedulingHarness) -> None:
        """A stranger fills in a booking form: what a person could not see, a model does not get."""
        name = "Ann\u202e One\U000e0041\u200b\x1b"
        harness.vendor.calendar.book(7, tomorrow_at(10), name)
        async with harness.caller() as caller:
            listed = await caller.call("list_bookings", name="Ann One")
        assert [each["name"] for each in listed.data["bookings"]] == ["Ann One"]

    @pytest.mark.parametrize("change", CLOCK_CHANGES, ids=str)
    async def test_a_refusal_of_a_free_time_after_a_change_of_the_clocks_is_a_refusal(
        self, harness: SchedulingHarness, change: ClockChange
    ) -> None:
        """The free times are looked at again: the refusal alone does not say which it is."""
        harness.vendor.open_at_night(change.zone, minutes=60)
        harness.vendor.fail(refused(400), writes=True)
        async with harness.caller() as caller:
            answer = await caller.call("create_booking", slot=change.iso(0), **ANN)
        assert answer.error == "rejected"
        assert "is not free" not in answer.text

    async def test_a_record_that_cannot_be_read_hides_no_other(
        self, harness: SchedulingHarness
    ) -> None:
        vendor = vendor_of(harness)
        vendor.more_bookings = STRANGE
        vendor.more_types = [{"id": 70, "title": None, "lengthInMinutes": "?"}]
        async with harness.caller() as caller:
            booked = await harness.book(caller)
            assert booked.error is None, booked
            listed = await caller.call("list_bookings", name="Ann One")
        assert [each["id"] for each in listed.data["bookings"]] == [booked.data["id"]]

    async def test_one_record_that_cannot_be_read_is_a_failure(
        self, harness: SchedulingHarness
    ) -> None:
        booking = harness.vendor.calendar.book(PIANO, tomorrow_at(10), "Ann One")
        answer = {"status": "success", "data": STRANGE[1]}
        harness.vendor.fail(lambda _: httpx2.Response(200, json=answer))
        async with harness.caller() as caller:
            await caller.call("get_available_slots", service="piano", when="tomorrow")
            harness.vendor.fail(lambda _: httpx2.Response(200, json=answer))
            shown = await caller.call("get_booking", booking=uid_of(booking))
        assert shown.error == "unavailable"

    @pytest.mark.parametrize(
        ("status", "told", "said"),
        [
            ("pending", "requested", "still has to be confirmed"),
            ("awaiting_host", "unknown", "can't tell whether it is confirmed"),
            ("rejected", "cancelled", "has been cancelled"),
        ],
    )
    async def test_only_what_is_accepted_is_told_as_booked(
        self, harness: SchedulingHarness, status: str, told: str, said: str
    ) -> None:
        details = {"status": status, "email": ANN["email"]}
        booking = harness.vendor.calendar.book(PIANO, tomorrow_at(10), "Ann One", **details)
        async with harness.caller() as caller:
            shown = await caller.call("get_booking", booking=uid_of(booking))
            listed = await caller.call("list_bookings", name="Ann One")
        assert shown.data["status"] == told
        assert said in shown.data["say"]
        assert [each["status"] for each in listed.data["bookings"]] == [told]

    async def test_what_the_owner_has_to_confirm_is_a_request(
        self, harness: SchedulingHarness
    ) -> None:
        vendor_of(harness).confirmed_by_owner = {PIANO}
        async with harness.caller() as caller:
            booked = await harness.book(caller)
            assert booked.data["status"] == "requested"
            assert booked.data["say"] == (
                f"I have asked for {booked.data['label']}. It is only booked once that is"
                " confirmed. Is there anything else?"
            )
            listed = await caller.call("list_bookings", name="Ann One")
            assert [each["status"] for each in listed.data["bookings"]] == ["requested"]
            assert "still to be confirmed" in listed.data["say"]
            later = await caller.call("get_available_slots", service="piano", when="tomorrow")
            handle = later.data["offered"][-1]["handle"]
            moved = await caller.call("reschedule_booking", booking=booked.data["id"], slot=handle)
        assert moved.data["status"] == "requested"
        assert "only counts once that is confirmed" in moved.data["say"]

    @pytest.mark.parametrize("confirmed", [True, False])
    async def test_a_series_is_told_as_one(
        self, harness: SchedulingHarness, confirmed: bool
    ) -> None:
        """`CreateBookingOutput`: of a recurring event type, a list comes back."""
        vendor = vendor_of(harness)
        vendor.series = {PIANO: 4}
        vendor.confirmed_by_owner = set() if confirmed else {PIANO}
        async with harness.caller() as caller:
            booked = await harness.book(caller)
            assert booked.error is None, booked
            starts = [each.start for each in vendor.calendar.active_bookings()]
            assert starts == [starts[0] + n * WEEK for n in range(4)]
            listed = await caller.call("list_bookings", phone=ANN["phone"])
            assert len(listed.data["bookings"]) == 4
            gone = await caller.call("cancel_booking", booking=booked.data["id"], reason="ill")
            assert gone.data["status"] == "cancelled"
            whole = await caller.call("get_booking", booking="series101")
        assert ("the first of 4 appointments" in booked.data["say"]) == confirmed
        assert whole.data["id"] == "uid102"
        assert len(vendor.calendar.active_bookings()) == 3

    async def test_a_series_is_asked_for_as_one(self, harness: SchedulingHarness) -> None:
        vendor_of(harness).series = {PIANO: 4}
        async with harness.caller(confirm=("create_booking",)) as caller:
            asked = await harness.book(caller)
        assert "the first of 4 appointments, for Ann One" in asked.data["say"]
        assert harness.vendor.written() == []

    async def test_a_lost_series_is_found(self, harness: SchedulingHarness) -> None:
        vendor_of(harness).series = {PIANO: 4}
        vendor_of(harness).confirmed_by_owner = {PIANO}
        harness.vendor.fail(timed_out, writes=True, done=True)
        async with harness.caller(uuid4()) as caller:
            offer = await caller.call("get_available_slots", service="piano", when="tomorrow")
            arguments = {**ANN, "slot": offer.data["offered"][0]["handle"]}
            assert (await caller.call("create_booking", **arguments)).error == "outcome_unknown"
            await harness.let_time_pass()
            repeated = await caller.call("create_booking", **arguments)
        assert repeated.data["status"] == "requested"
        assert len(harness.vendor.calendar.active_bookings()) == 4

    async def test_free_times_may_be_texts(self, harness: SchedulingHarness) -> None:
        vendor_of(harness).slots_are_texts = True
        async with harness.caller() as caller:
            assert (await harness.book(caller)).error is None

    async def test_of_a_shared_booking_one_seat_is_one_person_s(
        self, harness: SchedulingHarness
    ) -> None:
        """`CancelSeatedBookingInput`, `RescheduleSeatedBookingInput`: without a seat, all go."""
        vendor = vendor_of(harness)
        vendor.seats = {PIANO: 3}
        ben = vendor.attend(PIANO, tomorrow_at(9), "Ben Two", phone=BEN["phone"])
        async with harness.caller() as caller:
            booked = await harness.book(caller)
            assert booked.error is None, booked
            assert (booked.data["name"], booked.data["phone"]) == ("Ann One", ANN["phone"])
            for person in ({"name": "Ann One"}, {"phone": ANN["phone"]}):
                listed = await caller.call("list_bookings", **person)
                assert [each["id"] for each in listed.data["bookings"]] == [booked.data["id"]]
            shown = await caller.call("get_booking", booking=booked.data["id"])
            assert shown.data["name"] == "Ann One"
            handle = f"7-{tomorrow_at(12):%a-%H:%M}".lower()
            moved = await caller.call("reschedule_booking", booking=booked.data["id"], slot=handle)
            assert (moved.error, moved.data["name"]) == (None, "Ann One"), moved
            assert [each.start for each in vendor.calendar.active_bookings()] == [
                ben.start,
                tomorrow_at(12),
            ]
            gone = await caller.call("cancel_booking", booking=moved.data["id"], reason="ill")
            assert gone.data["status"] == "cancelled"
        assert vendor.calendar.active_bookings() == [ben]

    async def test_who_leaves_a_shared_booking_leaves_the_others_there(
        self, harness: SchedulingHarness
    ) -> None:
        vendor = vendor_of(harness)
        vendor.seats = {PIANO: 3}
        ben = vendor.attend(PIANO, tomorrow_at(9), "Ben Two")
        async with harness.caller() as caller:
            booked = await harness.book(caller)
            gone = await caller.call("cancel_booking", booking=booked.data["id"], reason="ill")
            assert gone.data["status"] == "cancelled"
            again = await caller.call("get_booking", booking=booked.data["id"])
        assert vendor.calendar.active_bookings() == [ben]
        assert again.error == "not_found"

    async def test_a_shared_booking_is_nobody_s_until_it_is_said_whose(
        self, harness: SchedulingHarness
    ) -> None:
        vendor = vendor_of(harness)
        vendor.seats = {PIANO: 3}
        shared = [vendor.attend(PIANO, tomorrow_at(9), name) for name in ("Ann One", "Ben Two")]
        async with harness.caller() as caller:
            for tool in ("get_booking", "cancel_booking"):
                answer = await caller.call(tool, booking=uid_of(shared[0]))
                assert answer.error == "rejected"
                assert "Several people share that booking." in answer.text
        assert harness.vendor.written() == []

    async def test_a_shared_booking_whose_people_are_hidden_is_left_to_a_person(
        self, harness: SchedulingHarness
    ) -> None:
        """`GET /v2/bookings/{bookingUid}`: with 'show attendees' off, there may be none."""
        data: dict[str, Any] = {"uid": "uid1", "title": "Piano", "status": "accepted"}
        data |= {"start": tomorrow_at(9).isoformat(), "duration": 45, "attendees": []}
        async with harness.caller() as caller:
            await caller.call("get_available_slots", service="piano", when="tomorrow")
            harness.vendor.fail(lambda _: httpx2.Response(200, json={"data": data}))
            answer = await caller.call("cancel_booking", booking="uid1")
        assert answer.error == "rejected"
        assert "Someone will call you back" in answer.text
        assert harness.vendor.written() == []

    async def test_a_lost_seat_is_found_by_its_own_key(self, harness: SchedulingHarness) -> None:
        vendor = vendor_of(harness)
        vendor.seats = {PIANO: 3}
        vendor.attend(PIANO, tomorrow_at(9), "Ben Two", metadata={"antiphon": "other"})
        harness.vendor.fail(timed_out, writes=True, done=True)
        async with harness.caller(uuid4()) as caller:
            offer = await caller.call("get_available_slots", service="piano", when="tomorrow")
            arguments = {**ANN, "slot": offer.data["offered"][0]["handle"]}
            assert (await caller.call("create_booking", **arguments)).error == "outcome_unknown"
            await harness.let_time_pass()
            repeated = await caller.call("create_booking", **arguments)
        assert repeated.data["name"] == "Ann One"
        assert len(vendor.calendar.active_bookings()) == 2

    @pytest.mark.parametrize(
        ("by_phone", "contact", "asked"),
        [
            (False, {"phone": "030 555 014"}, "What is your e-mail address, please?"),
            (False, {"phone": "+4930555014"}, "What is your e-mail address, please?"),
            (True, {"phone": "030 555 014"}, WHICH_NUMBER),
            (True, {"phone": "030 555 014", "email": ANN["email"]}, WHICH_NUMBER),
            (True, {"email": ANN["email"]}, "What is your phone number, please?"),
        ],
    )
    async def test_what_an_event_type_needs_is_asked_for_before_it_is_sent(
        self, harness: SchedulingHarness, by_phone: bool, contact: dict[str, str], asked: str
    ) -> None:
        vendor_of(harness).phone_only = {PIANO} if by_phone else set()
        async with harness.caller() as caller:
            answer = await harness.book(caller, **{"phone": None, "email": None, **contact})
        assert answer.error == "rejected"
        assert asked in answer.text
        assert harness.vendor.written() == []

    async def test_either_a_number_or_an_address_is_needed(
        self, harness: SchedulingHarness
    ) -> None:
        """`CreateBookingAttendee`: both are optional; the vendor's source wants one of them."""
        vendor_of(harness).calendar.services = ()
        vendor_of(harness).more_types = [{"id": 7, "title": "Piano lesson", "lengthInMinutes": 45}]
        async with harness.caller() as caller:
            slot = f"piano lesson on {tomorrow_at(10):%Y-%m-%d} at 10:00"
            answers = [
                await caller.call("create_booking", slot=slot, name="Ann One", **contact)
                for contact in ({}, {"phone": "030 555 014"})
            ]
        assert [each.error for each in answers] == ["rejected", "rejected"]
        assert "or else your e-mail address?" in answers[0].text
        assert NUMBER_OR_EMAIL in answers[1].text

    async def test_a_number_without_a_country_code_goes_into_the_notes(
        self, harness: SchedulingHarness
    ) -> None:
        async with harness.caller() as caller:
            booked = await harness.book(caller, phone="030 555 014", notes="Left hand")
        assert booked.error is None, booked
        (there,) = harness.vendor.calendar.active_bookings()
        assert there.extra["notes"] == "Left hand\nPhone: 030555014"

    async def test_the_country_of_an_account_completes_a_number(
        self,
        exchange: Exchange,
        vendor_servers: Servers,
        database: Database,
        breakers: SwitchableBreakers,
    ) -> None:
        class Here(TestCalCom):
            settings: ClassVar[dict[str, Any]] = {"default_country": "de"}

        harness = await Here().open_harness(exchange, vendor_servers, database, breakers)
        vendor_of(harness).phone_only = {PIANO}
        async with harness.caller() as caller:
            booked = await harness.book(caller, phone="030 555 014", email=None)
            assert booked.error is None, booked
        (there,) = harness.vendor.calendar.active_bookings()
        assert (there.phone, there.extra["notes"]) == ("+4930555014", None)

    async def test_an_extension_goes_into_the_notes(self, harness: SchedulingHarness) -> None:
        async with harness.caller() as caller:
            booked = await harness.book(caller, phone="+49 30 555014 extension 12")
        assert booked.error is None, booked
        (there,) = harness.vendor.calendar.active_bookings()
        assert (there.phone, there.extra["notes"]) == ("+4930555014", "Phone: +4930555014 ext. 12")

    @pytest.mark.parametrize(("status", "code"), TAKEN)
    async def test_a_time_that_the_vendor_says_is_taken_is_taken(
        self, harness: SchedulingHarness, status: int, code: str
    ) -> None:
        """Its own code counts before the status, and however free the time looks."""
        harness.breakers.disabled = False
        harness.vendor.fail(plain(status, code), writes=True, times=9)
        async with harness.caller() as caller:
            for _ in range(9):
                answer = await harness.book(caller)
                assert answer.error == "rejected", answer
                assert "Free instead" in answer.text
        assert harness.vendor.calendar.active_bookings() == []

    @pytest.mark.parametrize(
        ("code", "kind", "said"),
        [
            ("already_signed_up_for_this_booking_error", "rejected", "already have a place"),
            ("booker_limit_exceeded_error", "rejected", "Someone will call you back"),
            ("booker_email_blocked", "rejected", "Someone will call you back"),
            ("invalid_phone_number", "rejected", "What is your phone number"),
            ("event_type_not_found_error", "not_found", ""),
        ],
    )
    async def test_why_a_booking_is_refused_is_told(
        self, harness: SchedulingHarness, code: str, kind: str, said: str
    ) -> None:
        def lost(request: httpx2.Request) -> httpx2.Response:
            harness.vendor.calendar.book(PIANO, tomorrow_at(9), "Somebody Else")
            return refusal(500, code, BODY_CANARY)

        harness.vendor.fail(lost, writes=True)
        async with harness.caller() as caller:
            answer = await harness.book(caller)
        assert answer.error == kind, answer
        assert said in answer.text
        assert "is not free" not in answer.text

    async def test_what_somebody_else_has_cancelled_is_cancelled(
        self, harness: SchedulingHarness
    ) -> None:
        async with harness.caller() as caller:
            booked = await harness.book(caller)
            (there,) = harness.vendor.calendar.bookings

            def lost(_: httpx2.Request) -> httpx2.Response:
                there.cancelled = True
                return refusal(400, "BadRequestException", BODY_CANARY)

            harness.vendor.fail(lost, writes=True)
            gone = await caller.call("cancel_booking", booking=booked.data["id"], reason="ill")
        assert (gone.error, gone.data["status"]) == (None, "cancelled"), gone

    async def test_bookings_are_read_to_the_last_page(self, harness: SchedulingHarness) -> None:
        for n in range(2 * MAX_TAKE):
            add(harness, n, "Somebody Else")
        mine = add(harness, 2 * MAX_TAKE, "Ann One")
        async with harness.caller() as caller:
            listed = await caller.call("list_bookings", name="Ann One")
        assert [each["id"] for each in listed.data["bookings"]] == [uid_of(mine)]

    async def test_nobody_is_told_that_there_is_no_booking_where_not_all_were_read(
        self, harness: SchedulingHarness
    ) -> None:
        for n in range(5 * MAX_TAKE):
            add(harness, n, "Somebody Else")
        async with harness.caller() as caller:
            listed = await caller.call("list_bookings", name="Ann One")
        assert listed.error == "rejected"
        assert "can't look through all the bookings" in listed.text

    async def test_a_booking_whose_service_is_gone_is_still_shown(
        self, harness: SchedulingHarness
    ) -> None:
        """`eventTypeId` is deprecated, and null once the event type is deleted."""
        booking = harness.vendor.calendar.book(PIANO, tomorrow_at(10), "Ann One")
        record = {
            "uid": "uid800",
            "title": "Old lesson with Ann One",
            "status": "accepted",
            "start": tomorrow_at(11).isoformat(),
            "duration": 30,
            "eventTypeId": None,
            "eventType": None,
            "attendees": [{"name": "Ann One"}],
        }
        vendor_of(harness).more_bookings = [record]
        async with harness.caller() as caller:
            listed = await caller.call("list_bookings", name="Ann One")
            found = [each["id"] for each in listed.data["bookings"]]
            assert found == [uid_of(booking), "uid800"]
            harness.vendor.fail(lambda _: httpx2.Response(200, json={"data": record}))
            slot = f"{tomorrow_at(12):%Y-%m-%dT%H:%M}"
            moved = await caller.call("reschedule_booking", booking="uid800", slot=slot)
        assert moved.error == "rejected"
        assert "Someone will call you back" in moved.text


def vendor_of(harness: SchedulingHarness) -> CalCom:
    """Return the fake Cal.com of a harness."""
    assert isinstance(harness.vendor, CalCom)
    return harness.vendor


def plain(status: int, code: str) -> Callable[[httpx2.Request], httpx2.Response]:
    """Return a refusal without the vendor's envelope, as its exceptions of HTTP give it."""
    body = {"statusCode": status, "message": code}
    return lambda _: httpx2.Response(status, json=body)


def add(harness: SchedulingHarness, hours: int, name: str) -> FakeBooking:
    """Store a booking that is that many hours from tomorrow at nine."""
    start = (tomorrow_at(9) + timedelta(hours=hours)).astimezone(ZONE)
    return harness.vendor.calendar.book(PIANO, start, name)
