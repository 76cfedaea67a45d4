"""A fake Cal.com: https://cal.com/docs/api-reference/v2.

Its rules are those of the specification (calcom/openapi-v2.json), by the names of its schemas. What
the specification leaves out, such as every refusal, follows the vendor's published source: the
services of `apps/api/v2/src/ee/bookings/2024-08-13` and the errors of `packages/lib/errorCodes.ts`.
"""

import json
import re
from datetime import datetime, timedelta
from typing import Any, cast

import httpx2

from tests.scheduling.contract import CANARY, CalendarVendor
from tests.scheduling.fake_calendar import FakeBooking, FakeService
from tests.support.vendors import BODY_CANARY

MAX_TAKE = 250  # `GetBookingsInput_2024_08_13` of the vendor's source
WEEK = timedelta(days=7)


class CalCom(CalendarVendor):
    """A fake with bookings by uid; a moved booking has a new uid.

    Each person in a seated booking is a booking of the calendar, and they share a uid.
    """

    base = "https://api.cal.com"
    specification = "calcom/openapi-v2.json"

    def __init__(self) -> None:
        super().__init__()
        self.seats: dict[int, int] = {}  # of the event types that have some
        self.series: dict[int, int] = {}  # how often an event type repeats, every week
        self.confirmed_by_owner: set[int] = set()  # event types whose bookings wait for that
        self.phone_only: set[int] = set()  # `EmailDefaultFieldOutput`: team event types may be
        self.more_types: list[dict[str, Any]] = []
        self.more_bookings: list[dict[str, Any]] = []
        self.slots_are_texts = False  # the schema of `GET /v2/slots`; its example has objects

    def _check(self, request: httpx2.Request) -> None:
        # The two bodies of a `oneOf` overlap: whatever has a `seatUid` is both.
        body: dict[str, Any] = json.loads(request.content) if request.content else {}
        if "seatUid" in body:
            assert body.keys() in ({"seatUid", "cancellationReason"}, {"seatUid", "start"})
            body.pop("seatUid")
            request = httpx2.Request(
                request.method, request.url, headers=_without_length(request), json=body
            )
        super()._check(request)

    def answer(self, request: httpx2.Request) -> httpx2.Response:
        assert request.headers["Authorization"] == f"Bearer cal_live_{CANARY}"
        parts = request.url.path.strip("/").split("/")
        body: dict[str, Any] = json.loads(request.content) if request.content else {}
        query = request.url.params
        match request.method, parts:
            case "GET", ["v2", "me"]:
                return _data({"timeZone": self.zone, "email": "owner@example.com"})
            case "GET", ["v2", "event-types"]:
                types = [self._type(each) for each in self.calendar.services]
                return _data(types + self.more_types)
            case "GET", ["v2", "slots"]:
                assert request.headers["cal-api-version"] == "2024-09-04"
                return _data(self._slots(query))
            case "POST", ["v2", "bookings"]:
                return self._book(body)
            case "GET", ["v2", "bookings"]:
                return self._list(query)
            case method, ["v2", "bookings", uid, *action]:
                assert request.headers["cal-api-version"] == "2024-08-13"
                found = self._find(uid)
                if not found:
                    return httpx2.Response(404, json={"error": {"message": BODY_CANARY}})
                return self._one(method, action, found, body)
            case unexpected:
                raise AssertionError(unexpected)

    def is_free(self, service: int, start: datetime) -> bool:
        """Say whether a time can be booked: a seated one, as long as it has seats."""
        group = self._group(service, start)
        if group:
            return len(group) < self.seats[service]
        return self.calendar.is_free(start)

    def attend(self, service: int, start: datetime, name: str, **details: Any) -> FakeBooking:
        """Store a person in a seated booking."""
        group = self._group(service, start)
        booking = self.calendar.book(service, start, name, **details)
        booking.extra["uid"] = uid_of(group[0] if group else booking)
        booking.extra["seat"] = f"5ea7-{booking.id}"
        return booking

    def _group(self, service: int, start: datetime) -> list[FakeBooking]:
        if service not in self.seats:
            return []
        bookings = self.calendar.active_bookings()
        return [each for each in bookings if (each.service.id, each.start) == (service, start)]

    def _type(self, service: FakeService) -> dict[str, Any]:
        by_phone = service.id in self.phone_only
        fields = [{"type": "email", "slug": "email", "required": not by_phone, "hidden": by_phone}]
        if by_phone:
            fields.append({"type": "phone", "slug": "attendeePhoneNumber", "required": True})
        times = self.series.get(service.id)
        weekly = {"interval": 1, "occurrences": times, "frequency": "weekly"}
        return {
            "id": service.id,
            "title": service.name,
            "lengthInMinutes": service.minutes,
            "hidden": False,
            "bookingFields": fields,
            "recurrence": weekly if times else None,
        }

    def _slots(self, query: httpx2.QueryParams) -> dict[str, Any]:
        start, end = (datetime.fromisoformat(query[name]) for name in ("start", "end"))
        assert start.tzinfo is not None
        days: dict[str, Any] = {}
        first, last = (each.astimezone(self.calendar.zone).date() for each in (start, end))
        for each in self.calendar.starts(first, last):
            if each > datetime.now(each.tzinfo) and self.is_free(int(query["eventTypeId"]), each):
                slot = each.isoformat() if self.slots_are_texts else {"start": each.isoformat()}
                days.setdefault(each.date().isoformat(), []).append(slot)
        return days

    def _book(self, body: dict[str, Any]) -> httpx2.Response:
        start, who, service = (
            datetime.fromisoformat(body["start"]),
            body["attendee"],
            body["eventTypeId"],
        )
        assert body["start"].endswith("Z")
        assert re.fullmatch(r"\+\d{6,15}", who.get("phoneNumber", "+000000"))
        email_needed = service not in self.phone_only
        if not who.get("email" if email_needed else "phoneNumber"):
            return refusal(400, "BadRequestException", BODY_CANARY)
        if not self.is_free(service, start):
            return refusal(400, "BadRequestException", BODY_CANARY)
        details = {
            "phone": who.get("phoneNumber"),
            "email": who.get("email"),
            "metadata": body.get("metadata"),
            "notes": body.get("bookingFieldsResponses", {}).get("notes"),
            "status": "pending" if service in self.confirmed_by_owner else "accepted",
        }
        if times := self.series.get(service):
            made = [
                self.calendar.book(service, start + n * WEEK, who["name"], **details)
                for n in range(times)
            ]
            for each in made:
                each.extra["series"] = f"series{made[0].id}"
            return _data([self._json(each) for each in made], 201)
        if service in self.seats:
            booking = self.attend(service, start, who["name"], **details)
            return _data({**self._json(booking), "seatUid": booking.extra["seat"]}, 201)
        return _data(self._json(self.calendar.book(service, start, who["name"], **details)), 201)

    def _list(self, query: httpx2.QueryParams) -> httpx2.Response:
        take, skip = int(query.get("take", "100")), int(query.get("skip", "0"))
        if not 1 <= take <= MAX_TAKE:
            return refusal(400, "BadRequestException", BODY_CANARY)
        found = self._matching(query)
        every = [*self.more_bookings, *{uid_of(each): each for each in found}.values()]
        more = len(every) > skip + take
        pagination = {"totalItems": len(every), "hasNextPage": more, "itemsPerPage": take}
        page = [
            self._json(each) if isinstance(each, FakeBooking) else each
            for each in every[skip : skip + take]
        ]
        return httpx2.Response(
            200, json={"status": "success", "data": page, "pagination": pagination}
        )

    def _matching(self, query: httpx2.QueryParams) -> list[FakeBooking]:
        """Return what the filters leave; without a status, the upcoming ones are listed."""
        statuses = query.get_list("status") or ["upcoming"]
        found: list[FakeBooking] = []
        for each in self.calendar.active_bookings():
            waits = each.extra.get("status") == "pending"
            if ("unconfirmed" in statuses and waits) or (
                "upcoming" in statuses and not (waits and "series" in each.extra)
            ):
                found.append(each)
        if after := query.get("afterStart"):
            found = [each for each in found if each.start > datetime.fromisoformat(after)]
        if before := query.get("beforeEnd"):
            found = [each for each in found if each.end < datetime.fromisoformat(before)]
        return sorted(found, key=lambda each: each.start)

    def _find(self, uid: str) -> list[FakeBooking]:
        """Return the bookings of one uid: of a group, or of a series."""
        bookings = self.calendar.bookings
        return [each for each in bookings if uid in (uid_of(each), each.extra.get("series"))]

    def _one(
        self, method: str, action: list[str], found: list[FakeBooking], body: dict[str, Any]
    ) -> httpx2.Response:
        active = [each for each in found if not each.cancelled] or found
        is_series = uid_of(active[0]) != uid_of(active[-1])
        if seat := body.get("seatUid"):
            found = [each for each in active if each.extra.get("seat") == seat]
            if not found:
                return refusal(400, "BadRequestException", BODY_CANARY)
        match method, action:
            case "GET", []:
                pass
            case "POST", ["cancel"]:
                assert body["cancellationReason"] == "ill"
                if all(each.cancelled for each in found):
                    return refusal(400, "BadRequestException", BODY_CANARY)
                for each in found:
                    each.cancelled = True
            case "POST", ["reschedule"]:
                return self._reschedule(found, datetime.fromisoformat(body["start"]))
            case unexpected:
                raise AssertionError(unexpected)
        if is_series:
            return _data([self._json(each) for each in active])
        return _data(self._json(active[0]))

    def _reschedule(self, found: list[FakeBooking], start: datetime) -> httpx2.Response:
        moved: list[FakeBooking] = []
        for each in found:
            each.cancelled = True
            details = {"phone": each.phone, "email": each.email}
            again = "pending" if each.service.id in self.confirmed_by_owner else "accepted"
            if "seat" in each.extra:
                moved.append(self.attend(each.service.id, start, each.name, **details))
            else:
                service = each.service.id
                moved.append(self.calendar.book(service, start, each.name, status=again, **details))
        seat = {"seatUid": moved[0].extra["seat"]} if "seat" in moved[0].extra else {}
        return _data({**self._json(moved[0]), **seat}, 201)

    def _json(self, booking: FakeBooking) -> dict[str, Any]:
        """Return a record, with everybody who shares it."""
        all_of_it = self._find(uid_of(booking)) if "seat" in booking.extra else [booking]
        sharing = [each for each in all_of_it if not each.cancelled]
        people = sharing or [booking]
        record = {
            "id": booking.id,
            "uid": uid_of(booking),
            "title": f"{booking.service.name} with {booking.name}",
            "status": booking.extra.get("status", "accepted") if sharing else "cancelled",
            "start": booking.start.isoformat(),
            "end": booking.end.isoformat(),
            "duration": booking.service.minutes,
            "eventTypeId": booking.service.id,
            "eventType": {"id": booking.service.id, "slug": "lesson"},
            "attendees": [_attendee(each) for each in people],
        }
        if "seat" not in booking.extra:
            record["metadata"] = booking.extra.get("metadata")
        if "series" in booking.extra:
            record["recurringBookingUid"] = booking.extra["series"]
        return record


def refusal(status: int, code: str, message: str) -> httpx2.Response:
    """Return a refusal in the vendor's envelope."""
    error = {"code": code, "message": message, "details": {"statusCode": status}}
    return httpx2.Response(status, json={"status": "error", "error": error})


def uid_of(booking: FakeBooking) -> str:
    """Return the uid of a booking, which is that of everybody in it."""
    return cast(str, booking.extra.get("uid", f"uid{booking.id}"))


def _attendee(booking: FakeBooking) -> dict[str, Any]:
    who: dict[str, Any] = {"name": booking.name, "email": booking.email}
    if "seat" in booking.extra:  # `SeatedAttendee`
        number = {"attendeePhoneNumber": booking.phone} if booking.phone else {}
        metadata = booking.extra.get("metadata")
        who |= {"seatUid": booking.extra["seat"], "bookingFieldsResponses": number}
        return who | {"metadata": metadata}
    return who | {"phoneNumber": booking.phone}


def _without_length(request: httpx2.Request) -> dict[str, str]:
    return {k: v for k, v in request.headers.items() if k.lower() != "content-length"}


def _data(data: Any, status: int = 200) -> httpx2.Response:
    return httpx2.Response(status, json={"status": "success", "data": data})
