"""The Acuity provider, against a fake Acuity: https://developers.acuityscheduling.com/reference.

Its only public OpenAPI file is a third party's and lacks most paths. The fake follows the vendor's
reference, which is prose, and responses that its users have published.
"""

import asyncio
import json
import re
from base64 import b64encode
from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Any, ClassVar
from zoneinfo import ZoneInfo

import httpx2
import pytest

from config.database import Database
from config.security.vault import Account, DatabaseVault
from scheduling.provider import Attendee, Service
from scheduling.providers.acuity import provider
from tests.conftest import Tenant
from tests.scheduling.contract import (
    CANARY,
    CalendarVendor,
    SchedulingContract,
    SchedulingHarness,
    tomorrow_at,
)
from tests.scheduling.fake_calendar import ZONE, FakeBooking
from tests.support.vendors import BODY_CANARY
from toolkit.errors import Disconnected, Forbidden, Rejected, Unavailable
from toolkit.tenancy import Attempt, Runtime, ToolCall

ANNA, BEN = 31, 32  # two teachers' calendars
ACCOUNT_ZONE = "Europe/Berlin"
ZONES = {ANNA: ACCOUNT_ZONE, BEN: "Europe/London"}
SECRETS = {"user_id": "12345", "api_key": f"key-{CANARY}"}
LOGIN = b64encode(":".join(SECRETS.values()).encode()).decode()
PIANO = Service(id="7", name="Piano lesson", minutes=45)
EVA = Attendee(name="Eva Four", phone="+4930555044")


class Acuity(CalendarVendor):
    """A fake with appointments by id, in Anna's calendar unless another one is named."""

    base = "https://acuityscheduling.com/api/v1"
    specification = "acuity/openapi-v1-THIRDPARTY.json"
    uncovered = re.compile(
        r"GET /(?:me|calendars|appointment-types|availability/(?:dates|times)|appointments/\d+)"
        r"|PUT /appointments/\d+/(?:cancel|reschedule)"
    )

    def __init__(self, *calendars: int) -> None:
        super().__init__()
        self.calendars = calendars or (ANNA,)
        self.closed_on: date | None = None  # a day whose times it refuses to list
        self.forbidden: str | None = None  # what a client may not do
        self.lists_elsewhere = True  # a type of another calendar
        self.strange: dict[str, list[Any]] = {}  # entries of a list that are no records, by path
        self.at_once = self.most_at_once = 0

    def open_at_night(self, zone: ZoneInfo, minutes: int) -> None:
        super().open_at_night(zone, minutes)
        self.lists_elsewhere = False

    def answer(self, request: httpx2.Request) -> httpx2.Response:
        assert request.headers["Authorization"] == f"Basic {LOGIN}"
        query = dict(request.url.params)
        body: dict[str, Any] = json.loads(request.content) if request.content else {}
        match request.method, request.url.path.removeprefix("/api/v1/").split("/"):
            case "GET", ["me"]:
                assert query == {}
                return _json({"id": 12345, "timezone": self.zone, "currency": "EUR"})
            case "GET", ["calendars"]:
                assert query == {}
                calendars = [{"id": each, "timezone": ZONES[each]} for each in self.calendars]
                return self._list("calendars", calendars)
            case "GET", ["appointment-types"]:
                assert query == {}
                return self._list("appointment-types", self._types())
            case "GET", ["availability", "dates"]:
                return self._list("dates", self._dates(query))
            case "GET", ["availability", "times"]:
                return self._times(query)
            case "GET", ["appointments"]:
                listed = [_to_json(each) for each in self._find_bookings(query)]
                return self._list("appointments", listed[: int(query["max"])])
            case "POST", ["appointments"]:
                assert query == {"admin": "true"}
                return self._book(body)
            case method, ["appointments", number, *action]:
                assert query == {}
                found = self.calendar.find(int(number))
                return self._one(method, action, found, body) if found else _error(404, "not_found")
            case unexpected:
                raise AssertionError(unexpected)

    def transport(self) -> httpx2.MockTransport:
        async def serve(request: httpx2.Request) -> httpx2.Response:
            self.at_once += 1
            self.most_at_once = max(self.most_at_once, self.at_once)
            await asyncio.sleep(0)
            self.at_once -= 1
            return self._serve(request)

        return httpx2.MockTransport(serve)

    def queries_of(self, path: str) -> list[dict[str, str]]:
        """Return the query parameters of the requests to a path."""
        return [
            dict(each.url.params)
            for each in self.requests
            if each.url.path.removeprefix("/api/v1/") == path
        ]

    def _check(self, request: httpx2.Request) -> None:
        """Add the e-mail address that the file requires; Acuity's example for admins has none."""
        if request.method == "POST":
            body = {"email": "", **json.loads(request.content)}
            login = {"Authorization": request.headers["Authorization"]}
            request = httpx2.Request("POST", request.url, headers=login, json=body)
        super()._check(request)

    def _types(self) -> list[dict[str, Any]]:
        common: dict[str, Any] = {
            "active": True,
            "private": False,
            "type": "service",
            "duration": 60,
            "calendarIDs": list(self.calendars),
        }
        lessons = [
            {"id": each.id, "name": each.name, "duration": each.minutes}
            for each in self.calendar.services
        ]
        others: list[dict[str, Any]] = [
            {"id": 91, "name": "Old lesson", "active": False},
            {"id": 92, "name": "Secret lesson", "private": True},
            {"id": 93, "name": "Choir", "type": "class"},
        ]
        if self.lists_elsewhere:
            others.append({"id": 94, "name": "Elsewhere", "calendarIDs": [99]})
        return [common | each for each in lessons + others]

    def _starts(self, query: dict[str, str], first: date, last: date) -> list[datetime]:
        """Return the free times of any calendar, or of the one that the query names."""
        assert query["timezone"] in (self.zone, *ZONES.values())
        assert int(query["appointmentTypeID"]) in (7, 8)
        named = int(query.get("calendarID", 0))
        assert named in (0, *self.calendars)
        free: set[datetime] = set()
        for calendar in [named] if named else self.calendars:
            mine = [
                each
                for each in self.calendar.bookings
                if _calendar(each) == calendar
                and str(each.id) != query.get("ignoreAppointmentIDs[]")
            ]
            free.update(replace(self.calendar, bookings=mine).free_starts(first, last))
        return sorted(free)

    def _dates(self, query: dict[str, str]) -> list[dict[str, str]]:
        assert query.keys() - {"calendarID"} == {"month", "appointmentTypeID", "timezone"}
        assert re.fullmatch(r"\d{4}-\d\d", query["month"])
        first = date.fromisoformat(f"{query['month']}-01")
        days = (first + timedelta(days=n) for n in range(31))
        return [
            {"date": day.isoformat()}
            for day in days
            if day.month == first.month and self._starts(query, day, day)
        ]

    def _times(self, query: dict[str, str]) -> httpx2.Response:
        optional = {"calendarID", "ignoreAppointmentIDs[]"}
        assert query.keys() - optional == {"date", "appointmentTypeID", "timezone"}
        day = date.fromisoformat(query["date"])
        assert day >= datetime.now(ZONE).date()
        if day == self.closed_on:
            return _error(403, "forbidden")
        starts = self._starts(query, day, day)
        times = [{"time": _format_time(each), "slotsAvailable": 1} for each in starts]
        return self._list("times", times)

    def _find_bookings(self, query: dict[str, str]) -> list[FakeBooking]:
        named = {"minDate", "maxDate", "appointmentTypeID", "calendarID"}
        assert query.keys() - named == {"max", "direction", "excludeForms"}
        assert query["excludeForms"] == "true"
        first, last = query.get("minDate", ""), query.get("maxDate", "9999")
        found = [
            each
            for each in self.calendar.active_bookings()
            if first <= each.start.astimezone(ZONE).date().isoformat() <= last
            and query.get("appointmentTypeID", str(each.service.id)) == str(each.service.id)
            and query.get("calendarID", str(_calendar(each))) == str(_calendar(each))
        ]
        found.sort(key=lambda each: each.start, reverse=query["direction"] == "DESC")
        return found

    def _list(self, path: str, entries: list[Any]) -> httpx2.Response:
        return _json(self.strange.get(path, []) + entries)

    def _book(self, body: dict[str, Any]) -> httpx2.Response:
        """Book for an admin: like Acuity, without checking that the time is free."""
        assert body["calendarID"] in self.calendars
        assert body["timezone"] in (self.zone, *ZONES.values())
        booking = self.calendar.book(
            body["appointmentTypeID"],
            _parse_time(body["datetime"]),
            f"{body['firstName']} {body['lastName']}",
            phone=body.get("phone"),
            email=body.get("email"),
            calendarID=body["calendarID"],
            notes=body.get("notes"),
        )
        return _json(_to_json(booking))

    def _one(
        self, method: str, action: list[str], booking: FakeBooking, body: dict[str, Any]
    ) -> httpx2.Response:
        match method, action:
            case "GET", []:
                pass
            case "PUT", ["cancel"]:
                assert body.keys() == {"cancelNote"}
                if self.forbidden == "cancel" or booking.cancelled:
                    return _error(400, "cancel_too_close")
                booking.cancelled = True
            case "PUT", ["reschedule"]:
                assert body.keys() == {"datetime", "calendarID"}
                start = _parse_time(body["datetime"])
                query = {"appointmentTypeID": "7", "timezone": ACCOUNT_ZONE}
                query |= {
                    "calendarID": body["calendarID"],
                    "ignoreAppointmentIDs[]": str(booking.id),
                }
                day = start.astimezone(self.calendar.zone).date()
                if self.forbidden == "reschedule":
                    return _error(400, "reschedule_not_allowed")
                if start not in self._starts(query, day, day):
                    return _error(400, "not_available")
                booking.start, booking.extra["calendarID"] = start, body["calendarID"]
            case unexpected:
                raise AssertionError(unexpected)
        return _json(_to_json(booking))


class TestAcuity(SchedulingContract):
    provider = "acuity"
    secrets: ClassVar[dict[str, str]] = SECRETS

    def new_vendor(self) -> Acuity:
        return Acuity()

    def slot_taken_response(self) -> httpx2.Response:
        """Return Acuity's refusal, which is the same for every reason."""
        return _error(400, "not_available")

    async def test_a_first_name_alone_is_enough(self, harness: SchedulingHarness) -> None:
        async with harness.caller() as caller:
            booked = await harness.book(
                caller, name="Cleo", phone=None, email=None, notes="Left hand"
            )
            assert booked.error is None, booked
            assert booked.data["name"] == "Cleo"
            listed = await caller.call("list_bookings", name="cleo")
            assert [each["id"] for each in listed.data["bookings"]] == [booked.data["id"]]
        (written,) = harness.vendor.written()
        body = json.loads(written.content)
        assert (body["firstName"], body["lastName"], body["notes"]) == ("Cleo", "-", "Left hand")
        assert body.keys().isdisjoint({"email", "phone"})

    async def test_only_what_clients_may_choose_is_offered(
        self, harness: SchedulingHarness
    ) -> None:
        async with harness.caller() as caller:
            for hidden in ("old lesson", "secret lesson", "choir"):
                answer = await caller.call("get_available_slots", service=hidden, when="tomorrow")
                assert "Old" not in answer.text
                assert answer.error == "rejected"

    async def test_the_owner_decides_until_when_a_client_may_cancel(
        self, harness: SchedulingHarness
    ) -> None:
        assert isinstance(harness.vendor, Acuity)
        async with harness.caller() as caller:
            booked = await harness.book(caller)
            harness.vendor.forbidden = "cancel"
            refused = await caller.call("cancel_booking", booking=booked.data["id"])
        assert refused.error == "rejected"
        assert len(harness.vendor.calendar.active_bookings()) == 1

    async def test_a_record_that_cannot_be_read_hides_no_other(
        self, harness: SchedulingHarness
    ) -> None:
        vendor = harness.vendor
        assert isinstance(vendor, Acuity)
        vendor.strange = {
            "appointments": [{"id": 900, "datetime": None}, None],
            "appointment-types": [{"id": 70, "name": None}],
            "dates": [{"date": "soon"}],
            "times": [{"time": None}, "09:00"],
        }
        async with harness.caller() as caller:
            booked = await harness.book(caller)
            assert booked.error is None, booked
            listed = await caller.call("list_bookings", name="Ann One")
            week = await caller.call("get_available_slots", service="piano", when="next week")
        assert [each["id"] for each in listed.data["bookings"]] == [booked.data["id"]]
        assert week.data["offered"]

    @pytest.mark.parametrize("status", [400, 409, 500])
    @pytest.mark.parametrize(
        "code",
        ["not_available", "no_available_calendar", "not_available_min_hours_in_advance"],
    )
    async def test_a_time_that_the_vendor_says_is_taken_is_taken(
        self, harness: SchedulingHarness, status: int, code: str
    ) -> None:
        """Its own code counts before the status, and however free the time looks."""
        harness.vendor.fail(lambda _: _error(status, code), writes=True)
        async with harness.caller() as caller:
            answer = await harness.book(caller)
        assert answer.error == "rejected", answer
        assert "Free instead" in answer.text

    async def test_a_refused_address_is_asked_for_again(self, harness: SchedulingHarness) -> None:
        harness.vendor.fail(lambda _: _error(400, "invalid_email"), writes=True)
        async with harness.caller() as caller:
            answer = await harness.book(caller)
        assert answer.error == "rejected"
        assert "What is your e-mail address, please?" in answer.text

    @pytest.mark.parametrize(
        ("tool", "code", "said"),
        [
            ("cancel_booking", "cancel_not_allowed", "can't be cancelled by phone"),
            ("cancel_booking", "cancel_too_close", "too late to cancel"),
            ("reschedule_booking", "reschedule_not_allowed", "can't be moved by phone"),
            ("reschedule_booking", "reschedule_too_close", "too late to move"),
            ("reschedule_booking", "reschedule_series", "Someone will call you back"),
            ("reschedule_booking", "reschedule_canceled", "has been cancelled"),
        ],
    )
    async def test_why_a_change_is_refused_is_told(
        self, harness: SchedulingHarness, tool: str, code: str, said: str
    ) -> None:
        """The codes of PUT /appointments/:id/cancel and /reschedule in the vendor's reference."""
        async with harness.caller() as caller:
            booked = await harness.book(caller)
            handle = f"7-{tomorrow_at(12):%a-%H:%M}".lower()
            slot = {"slot": handle} if tool == "reschedule_booking" else {}
            harness.vendor.fail(lambda _: _error(400, code), writes=True)
            answer = await caller.call(tool, booking=booked.data["id"], **slot)
        assert answer.error == "rejected", answer
        assert said in answer.text
        assert "is not free" not in answer.text

    async def test_bookings_are_read_as_far_as_they_go(self, harness: SchedulingHarness) -> None:
        """`max` bounds a response, and there are no pages: the next one begins at a later day."""
        vendor = harness.vendor
        assert isinstance(vendor, Acuity)
        vendor.strange = {"appointments": [None]}
        for n in range(1500):
            vendor.calendar.book(7, tomorrow_at(9) + timedelta(hours=n), "Somebody Else")
        last = vendor.calendar.book(7, tomorrow_at(9) + timedelta(hours=1500), "Ann One")
        async with harness.caller() as caller:
            listed = await caller.call("list_bookings", name="Ann One")
        assert [each["id"] for each in listed.data["bookings"]] == [str(last.id)]

    async def test_nobody_is_told_that_there_is_no_booking_where_not_all_were_read(
        self, harness: SchedulingHarness
    ) -> None:
        for n in range(1500):
            harness.vendor.calendar.book(7, tomorrow_at(9) + timedelta(minutes=n % 9), "Other")
        async with harness.caller() as caller:
            listed = await caller.call("list_bookings", name="Ann One")
        assert listed.error == "rejected"
        assert "can't look through all the bookings" in listed.text


class AcuityAccount:
    """A tenant's account at a fake Acuity; `open` returns a provider, as each tool call does."""

    def __init__(self, database: Database, tenant: Tenant, *calendars: int) -> None:
        self.vendor = Acuity(*calendars)
        client = httpx2.AsyncClient(transport=self.vendor.transport())
        self._runtime = Runtime(client, DatabaseVault(database, None), database)
        self._tenant = tenant

    def open(self, *, is_retry: bool = False, **settings: Any) -> provider.Acuity:
        """Return the provider for one call."""
        account = Account("acuity", secrets=SECRETS, settings=settings)
        call = ToolCall(self._tenant.claims(), self._runtime, Attempt("k1", is_retry))
        return provider.Acuity(account, call)

    def add_booking(
        self, start: datetime, calendar: int = ANNA, name: str = "Somebody Else"
    ) -> FakeBooking:
        """Add a booking to the fake."""
        return self.vendor.calendar.book(7, start, name, calendarID=calendar)


@pytest.fixture
def acuity(database: Database, tenant: Tenant) -> AcuityAccount:
    return AcuityAccount(database, tenant)


@pytest.fixture
def school(database: Database, tenant: Tenant) -> AcuityAccount:
    """A school with two teachers, either of whom will do."""
    return AcuityAccount(database, tenant, ANNA, BEN)


async def test_a_week_costs_as_many_requests_as_it_has_free_days(acuity: AcuityAccount) -> None:
    monday = tomorrow_at(0)
    free_on = {1, 4}
    for n in {0, 1, 2, 3, 4, 5, 6} - free_on:
        for hour in range(9, 17):
            acuity.add_booking(monday + timedelta(days=n, hours=hour))
    calendar = acuity.open()
    found = await calendar.find_slots(PIANO, monday, monday + timedelta(days=7))
    assert {
        (each.starts_at.astimezone(ZONE).date() - monday.date()).days for each in found
    } == free_on
    assert [each.starts_at for each in found] == sorted(each.starts_at for each in found)
    assert len(acuity.vendor.queries_of("availability/times")) == len(free_on)
    months = len(acuity.vendor.queries_of("availability/dates"))
    assert months <= 2
    await calendar.find_slots(PIANO, monday, monday + timedelta(days=7))
    assert len(acuity.vendor.queries_of("availability/dates")) == months
    violin = Service(id="8", name="Violin lesson", minutes=60)
    await calendar.find_slots(violin, monday, monday + timedelta(days=7))
    assert len(acuity.vendor.queries_of("availability/dates")) == 2 * months


async def test_days_are_asked_for_together_but_not_all_at_once(acuity: AcuityAccount) -> None:
    """Acuity takes ten requests a second, from everybody behind one address."""
    await acuity.open().find_slots(PIANO, tomorrow_at(0), tomorrow_at(0) + timedelta(days=14))
    assert len(acuity.vendor.queries_of("availability/times")) == 14
    assert 2 <= acuity.vendor.most_at_once <= 5


async def test_a_moment_costs_one_request(acuity: AcuityAccount) -> None:
    start = tomorrow_at(10)
    calendar = acuity.open()
    (found,) = await calendar.find_slots(PIANO, start, start + timedelta(minutes=1))
    assert (found.starts_at, found.ends_at) == (start, start + timedelta(minutes=45))
    assert len(acuity.vendor.queries_of("availability/times")) == 1
    assert acuity.vendor.queries_of("availability/dates") == []


async def test_what_has_passed_is_not_asked_for(acuity: AcuityAccount) -> None:
    past = tomorrow_at(0) - timedelta(days=9)
    assert await acuity.open().find_slots(PIANO, past, past + timedelta(days=7)) == []
    assert acuity.vendor.queries_of("availability/times") == []
    found = await acuity.open().find_slots(PIANO, past, tomorrow_at(10))
    assert all(each.starts_at > datetime.now(ZONE) for each in found)
    assert acuity.vendor.queries_of("availability/dates") == []


async def test_a_week_of_which_one_day_fails_fails(acuity: AcuityAccount) -> None:
    acuity.vendor.closed_on = tomorrow_at(0).date() + timedelta(days=5)
    with pytest.raises(Forbidden):
        await acuity.open().find_slots(PIANO, tomorrow_at(0), tomorrow_at(0) + timedelta(days=7))


async def test_a_moved_booking_is_not_in_its_own_way(acuity: AcuityAccount) -> None:
    for hour in range(9, 17):
        acuity.add_booking(tomorrow_at(hour))
    calendar = acuity.open()
    booking = await calendar.booking("101")
    assert booking is not None
    start = booking.starts_at
    for end in (start + timedelta(minutes=1), start + timedelta(days=7)):
        assert start not in [
            each.starts_at for each in await calendar.find_slots(PIANO, start, end)
        ]
        found = await calendar.find_slots(PIANO, start, end, moving=booking)
        assert start in [each.starts_at for each in found]


async def test_two_calls_that_book_the_same_moment_do_not_both_get_it(
    acuity: AcuityAccount,
) -> None:
    """Acuity would not stop them: an admin may book what is taken."""
    both = await asyncio.gather(
        *(
            acuity.open().book(PIANO, tomorrow_at(10), Attendee(name=name))
            for name in ("A B", "C D")
        )
    )
    assert both.count(None) == 1
    assert len(acuity.vendor.calendar.active_bookings()) == 1


async def test_a_time_that_acuity_refuses_is_gone_only_if_it_is(acuity: AcuityAccount) -> None:
    def lost(_: httpx2.Request) -> httpx2.Response:
        acuity.add_booking(tomorrow_at(10))
        return _error(400, "not_available")

    acuity.vendor.fail(lost, writes=True)
    assert await acuity.open().book(PIANO, tomorrow_at(10), EVA) is None
    acuity.vendor.fail(lambda _: _error(400, "invalid_email"), writes=True)
    with pytest.raises(Rejected):
        await acuity.open().book(PIANO, tomorrow_at(11), EVA)


async def test_a_lesson_is_booked_with_whoever_is_free(school: AcuityAccount) -> None:
    school.add_booking(tomorrow_at(10), ANNA)
    booked = await school.open().book(PIANO, tomorrow_at(10), EVA)
    assert booked is not None
    assert school.vendor.calendar.bookings[-1].extra["calendarID"] == BEN
    assert await school.open().book(PIANO, tomorrow_at(10), EVA) is None


async def test_a_lesson_stays_with_its_teacher_if_it_can(school: AcuityAccount) -> None:
    lesson = school.add_booking(tomorrow_at(10), BEN, "Eva Four")
    for hour, busy, with_whom in ((11, (), BEN), (12, (BEN,), ANNA), (13, (ANNA, BEN), None)):
        for calendar in busy:
            school.add_booking(tomorrow_at(hour), calendar)
        provider = school.open()
        booking = await provider.booking(str(lesson.id))
        assert booking is not None
        moved = await provider.move(booking, tomorrow_at(hour))
        assert (moved is None) == (with_whom is None)
        if moved is not None:
            assert (moved.id, moved.starts_at) == (booking.id, tomorrow_at(hour))
            assert lesson.extra["calendarID"] == with_whom


async def test_the_owner_decides_whether_a_client_may_move(acuity: AcuityAccount) -> None:
    lesson = acuity.add_booking(tomorrow_at(10))
    booking = await acuity.open().booking(str(lesson.id))
    assert booking is not None
    acuity.vendor.forbidden = "reschedule"
    with pytest.raises(Rejected):
        await acuity.open().move(booking, tomorrow_at(11))


async def test_a_tenant_may_be_one_calendar_of_an_account(school: AcuityAccount) -> None:
    other = school.add_booking(tomorrow_at(10), ANNA, "Eva Four")
    calendar = school.open(calendar_id=str(BEN))
    assert await calendar.booking(str(other.id)) is None
    assert await calendar.find_bookings("Eva Four", None) == []
    info = await calendar.calendar_info()
    assert info.time_zone == ZONES[BEN]
    assert "Elsewhere" not in [each.name for each in info.services]
    booked = await calendar.book(PIANO, tomorrow_at(10), EVA)
    assert booked is not None
    assert school.vendor.calendar.bookings[-1].extra["calendarID"] == BEN
    assert await calendar.booking(booked.id) == booked
    assert await calendar.find_bookings("Eva Four", None) == [booked]
    assert await calendar.find_slots(PIANO, tomorrow_at(10), tomorrow_at(11)) == []
    school.add_booking(tomorrow_at(11), BEN)
    assert await calendar.find_slots(PIANO, tomorrow_at(11), tomorrow_at(12)) == []
    assert await calendar.move(booked, tomorrow_at(11)) is None
    assert all(
        each["timezone"] == ZONES[BEN] for each in school.vendor.queries_of("availability/times")
    )
    with pytest.raises(Disconnected):
        await school.open(calendar_id=99).calendar_info()


async def test_an_unknown_time_zone_is_no_answer(acuity: AcuityAccount) -> None:
    acuity.vendor.zone = "Europe/Nowhere"
    with pytest.raises(Unavailable):
        await acuity.open().calendar_info()


async def test_what_somebody_else_has_cancelled_is_cancelled(acuity: AcuityAccount) -> None:
    lesson = acuity.add_booking(tomorrow_at(10))
    calendar = acuity.open()
    booking = await calendar.booking(str(lesson.id))
    assert booking is not None
    lesson.cancelled = True
    assert (await calendar.cancel(booking, None)).status == "cancelled"
    asked = len(acuity.vendor.requests)
    repeated = await acuity.open().booking(str(lesson.id))
    assert repeated is not None
    assert (await acuity.open().cancel(repeated, None)).status == "cancelled"
    assert len(acuity.vendor.written()) == 1
    assert len(acuity.vendor.requests) == asked + 1


async def test_what_is_no_number_is_not_asked_for(acuity: AcuityAccount) -> None:
    for reference in ("", "abc", "1 OR 1", "../101", "101/cancel", "\u0661", "-1", "9" * 19):
        assert await acuity.open().booking(reference) is None
    assert acuity.vendor.requests == []
    assert await acuity.open().booking("999") is None


async def test_a_lost_booking_is_known_by_all_that_was_sent(acuity: AcuityAccount) -> None:
    start = tomorrow_at(10)
    sent = Attendee(name="Eva Four", phone="+4930555044", email="eva@example.com")
    lost = acuity.open(is_retry=True)
    for other in (
        sent.model_copy(update={"name": "Eva Five"}),
        sent.model_copy(update={"phone": "+4930555099"}),
        sent.model_copy(update={"email": "other@example.com"}),
    ):
        acuity.vendor.calendar.book(7, start, other.name, phone=other.phone, email=other.email)
    acuity.vendor.calendar.book(8, start, sent.name, phone=sent.phone, email=sent.email)
    acuity.vendor.calendar.book(7, tomorrow_at(11), sent.name, phone=sent.phone, email=sent.email)
    gone = acuity.vendor.calendar.book(7, start, sent.name, phone=sent.phone, email=sent.email)
    gone.cancelled = True
    assert await lost.find_lost_booking(PIANO, start, sent) is None
    mine = acuity.vendor.calendar.book(
        7, start, "eva four", phone="0049 30 555044", email="Eva@Example.com"
    )
    found = await lost.find_lost_booking(PIANO, start, sent)
    assert found is not None
    assert found.id == str(mine.id)
    asked = len(acuity.vendor.requests)
    assert await acuity.open().find_lost_booking(PIANO, start, sent) is None
    assert len(acuity.vendor.requests) == asked


async def test_bookings_that_are_to_come_are_found_in_order(acuity: AcuityAccount) -> None:
    later = acuity.add_booking(tomorrow_at(12), name="Eva Four")
    sooner = acuity.add_booking(tomorrow_at(10), name="Eva Four")
    acuity.add_booking(tomorrow_at(10) - timedelta(days=1, hours=10), name="Eva Four")
    acuity.add_booking(tomorrow_at(11), name="Eva Four").cancelled = True
    for n in range(1000):  # as many as are asked for
        acuity.add_booking(tomorrow_at(9) + timedelta(days=1 + n))
    found = await acuity.open().find_bookings("Eva Four", None)
    assert [each.id for each in found] == [str(sooner.id), str(later.id)]


def _json(data: Any) -> httpx2.Response:
    return httpx2.Response(200, json=data)


def _error(status: int, code: str) -> httpx2.Response:
    return httpx2.Response(
        status, json={"status_code": status, "message": BODY_CANARY, "error": code}
    )


def _calendar(booking: FakeBooking) -> object:
    return booking.extra.get("calendarID", ANNA)


def _format_time(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S%z")


def _parse_time(text: str) -> datetime:
    """Parse a time in Acuity's format: `2016-02-03T14:00:00-0800`."""
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d{4}", text)
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%S%z")


def _to_json(booking: FakeBooking) -> dict[str, Any]:
    first, _, last = booking.name.partition(" ")
    return {
        "id": booking.id,
        "firstName": first,
        "lastName": last,
        "phone": booking.phone or "",
        "email": booking.email or "",
        "datetime": _format_time(booking.start.astimezone(ZONE)),
        "duration": str(booking.service.minutes),
        "type": booking.service.name,
        "appointmentTypeID": booking.service.id,
        "calendarID": _calendar(booking),
        "timezone": ACCOUNT_ZONE,
        "canceled": booking.cancelled,
    }
