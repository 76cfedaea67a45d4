"""The Cal.com provider, against a fake Cal.com: https://cal.com/docs/api-reference/v2."""

import json
from datetime import datetime
from typing import Any, ClassVar

import httpx2
import pytest

from tests.scheduling.contract import (
    ANN,
    CANARY,
    CalendarVendor,
    SchedulingContract,
    SchedulingHarness,
    tomorrow_at,
)
from tests.scheduling.fake_calendar import FakeBooking, FakeService
from tests.support.clock_changes import CLOCK_CHANGES, ClockChange
from tests.support.vendors import BODY_CANARY, refused


class CalCom(CalendarVendor):
    """A fake with bookings by uid; a moved booking has a new uid."""

    base = "https://api.cal.com"
    specification = "calcom/openapi-v2.json"

    def answer(self, request: httpx2.Request) -> httpx2.Response:
        assert request.headers["Authorization"] == f"Bearer cal_live_{CANARY}"
        parts = request.url.path.strip("/").split("/")
        body: dict[str, Any] = json.loads(request.content) if request.content else {}
        query = request.url.params
        match request.method, parts:
            case "GET", ["v2", "me"]:
                return _data({"timeZone": self.zone, "email": "owner@example.com"})
            case "GET", ["v2", "event-types"]:
                return _data([_type(each) for each in self.calendar.services])
            case "GET", ["v2", "slots"]:
                assert request.headers["cal-api-version"] == "2024-09-04"
                return _data(self._slots(query))
            case "POST", ["v2", "bookings"]:
                return self._book(body)
            case "GET", ["v2", "bookings"]:
                return _data([_booking(each) for each in self._find_bookings(query)])
            case method, ["v2", "bookings", uid, *action]:
                assert request.headers["cal-api-version"] == "2024-08-13"
                found = self.calendar.find(int(uid[3:])) if uid.startswith("uid") else None
                if found is None:
                    return httpx2.Response(404, json={"error": {"message": BODY_CANARY}})
                return self._one(method, action, found, body)
            case unexpected:
                raise AssertionError(unexpected)

    def _slots(self, query: httpx2.QueryParams) -> dict[str, Any]:
        start, end = (datetime.fromisoformat(query[name]) for name in ("start", "end"))
        assert start.tzinfo is not None
        days: dict[str, Any] = {}
        for each in self.calendar.free_starts(
            *(each.astimezone(self.calendar.zone).date() for each in (start, end))
        ):
            days.setdefault(each.date().isoformat(), []).append({"start": each.isoformat()})
        return days

    def _book(self, body: dict[str, Any]) -> httpx2.Response:
        start, who = datetime.fromisoformat(body["start"]), body["attendee"]
        assert body["start"].endswith("Z")
        if not self.calendar.is_free(start):
            return httpx2.Response(400, json={"error": {"message": BODY_CANARY}})
        booking = self.calendar.book(
            body["eventTypeId"],
            start,
            who["name"],
            phone=who.get("phoneNumber"),
            email=who.get("email"),
            metadata=body.get("metadata"),
        )
        return _data(_booking(booking), 201)

    def _find_bookings(self, query: httpx2.QueryParams) -> list[FakeBooking]:
        found = self.calendar.bookings
        if query.get("status") == "upcoming":
            found = self.calendar.active_bookings()
        if after := query.get("afterStart"):
            found = [each for each in found if each.start >= datetime.fromisoformat(after)]
        if before := query.get("beforeEnd"):
            found = [each for each in found if each.end <= datetime.fromisoformat(before)]
        return found[: int(query["take"])]

    def _one(
        self, method: str, action: list[str], booking: FakeBooking, body: dict[str, Any]
    ) -> httpx2.Response:
        match method, action:
            case "GET", []:
                pass
            case "POST", ["cancel"]:
                assert body["cancellationReason"] == "ill"
                booking.cancelled = True
            case "POST", ["reschedule"]:
                start = datetime.fromisoformat(body["start"])
                booking.cancelled = True
                booking = self.calendar.book(
                    booking.service.id,
                    start,
                    booking.name,
                    phone=booking.phone,
                    email=booking.email,
                )
                return _data(_booking(booking), 201)
            case unexpected:
                raise AssertionError(unexpected)
        return _data(_booking(booking))


class TestCalCom(SchedulingContract):
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


def _data(data: Any, status: int = 200) -> httpx2.Response:
    return httpx2.Response(status, json={"status": "success", "data": data})


def _type(service: FakeService) -> dict[str, Any]:
    return {"id": service.id, "title": service.name, "lengthInMinutes": service.minutes}


def _booking(booking: FakeBooking) -> dict[str, Any]:
    return {
        "id": booking.id,
        "uid": f"uid{booking.id}",
        "title": f"{booking.service.name} with {booking.name}",
        "status": "cancelled" if booking.cancelled else "accepted",
        "start": booking.start.isoformat(),
        "end": booking.end.isoformat(),
        "duration": booking.service.minutes,
        "eventTypeId": booking.service.id,
        "attendees": [{"name": booking.name, "email": booking.email, "phoneNumber": booking.phone}],
        "metadata": booking.extra.get("metadata"),
    }
