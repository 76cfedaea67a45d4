"""A fake Housecall Pro: https://docs.housecallpro.com.

That `appointments` of a job come with `expand[]` only, and that a page has at most 200 records, is
not in its specification: the maintainers of a client (HouseAccountEng/hcp, on GitHub) found it out.
"""

import json
import re
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any, cast

import httpx2

from tests.scheduling.contract import CANARY, CalendarVendor
from tests.scheduling.fake_calendar import FakeBooking, FakeService
from tests.support.vendors import BODY_CANARY, Fault

HOME = {"street": "1 Main St", "city": "Austin", "state": "TX", "zip": "78701"}
DAY = timedelta(days=1)
NUMBERS = ("mobile", "home", "work")
MAX_PAGE_SIZE = 200
UUID = "olit_1ff1c0dec0de4bad8e5a51a81e36797"  # and the number of the service


class HousecallPro(CalendarVendor):
    """A fake with customers and jobs. Like the vendor, it accepts two jobs at the same time."""

    base = "https://api.housecallpro.com"
    specification = "housecallpro/openapi-v1.json"

    def __init__(self) -> None:
        super().__init__()
        self.customers: list[dict[str, Any]] = []
        self.query_zone: tzinfo = UTC  # in which it reads the dates of a query for free times
        self.nested, self.pages, self.lists_notes = True, 1, True
        self.strange: dict[str, list[Any]] = {}  # entries of a list that are none, by its name
        # The times that somebody else books, one after each query for free times.
        self.rival_starts: list[datetime | None] = []

    def _check(self, request: httpx2.Request) -> None:
        # openapi-core gives up on the parameter `filters`, an array said to be a deep object.
        if request.url.path != "/api/price_book/services":
            super()._check(request)

    def fail_to_post(self, path: str, fault: Fault, *, done: bool = False) -> None:
        """Fail the next request that is posted there."""
        self._faults.append((lambda r: (r.method, r.url.path) == ("POST", path), fault, done))

    def add_customer(self, first: str, last: str, **details: Any) -> dict[str, Any]:
        """Store a customer."""
        customer: dict[str, Any] = {"first_name": first, "last_name": last, "addresses": []}
        self.customers.append({"id": f"cus_{len(self.customers) + 1}", **customer, **details})
        return self.customers[-1]

    def answer(self, request: httpx2.Request) -> httpx2.Response:
        assert request.headers["Authorization"] == f"Token hcp_{CANARY}"
        parts = request.url.path.strip("/").split("/")
        body: dict[str, Any] = json.loads(request.content) if request.content else {}
        query = request.url.params
        match request.method, parts:
            case "GET", ["company"]:
                return _json({"name": "The school", "time_zone": self.zone})
            case "GET", ["api", "price_book", "services"]:
                return _json(self._price_book(query))
            case "GET", ["company", "schedule_availability", "booking_windows"]:
                windows = self._windows(query)
                if self.rival_starts and (start := self.rival_starts.pop(0)):
                    self.calendar.book(7, start, "Somebody Else")
                return _json({"booking_windows": self.strange.get("windows", []) + windows})
            case "GET", ["customers"]:
                found = [each for each in self.customers if _matches_query(each, query["q"])]
                return _json(self._page("customers", found[::-1], query))
            case "POST", ["customers"]:
                return _json(self._new_customer(body), 201)
            case "POST", ["customers", customer, "addresses"]:
                assert {"street", "city", "state", "zip", "country"} == body.keys()
                return _json(self._add_address(self._customer(customer), body))
            case "GET", ["jobs"]:
                jobs = [self._job(each, query) for each in self._find_bookings(query)]
                return _json(self._page("jobs", jobs, query))
            case "POST", ["jobs"]:
                return _json(self._job(self._book(body), query), 201)
            case method, ["jobs", job, *action]:
                booking = self.calendar.find(int(job[4:])) if job.startswith("job_") else None
                if booking is None:
                    return httpx2.Response(404, json={"message": BODY_CANARY})
                if not action:
                    return _json(self._job(booking, query))
                return self._one(method, action, booking, body)
            case unexpected:
                raise AssertionError(unexpected)

    def _price_book(self, query: httpx2.QueryParams) -> dict[str, Any]:
        prefix = "filters[]"
        assert query[f"{prefix}[property]"] == "online_booking_enabled"
        assert (query[f"{prefix}[operator]"], query[f"{prefix}[value]"]) == ("eq", "true")
        services = (
            [_priced(each) for each in self.calendar.services] if query["page"] == "1" else []
        )
        services += self.strange.get("services", [])
        services.append({"uuid": "olit_0", "name": "A part", "online_booking_enabled": False})
        page = {"page": int(query["page"]), "total_pages": self.pages, "data": services}
        return {"services": [page]} if self.nested else page

    def _windows(self, query: httpx2.QueryParams) -> list[dict[str, Any]]:
        service = self.calendar.service(int(query["service_id"].removeprefix(UUID)))
        assert int(query["service_duration"]) == service.minutes
        first = datetime.fromisoformat(query["start_date"])
        assert first.tzinfo is None
        length = timedelta(minutes=service.minutes)
        last = first.date() + timedelta(days=int(query["show_for_days"]) - 1)
        windows = list[dict[str, Any]]()
        for start in self.calendar.starts(first.date() - DAY, last + DAY):
            wall = start.astimezone(self.query_zone).replace(tzinfo=None)
            if first <= wall and wall.date() <= last:
                window = {"start_time": to_utc(start), "end_time": to_utc(start + length)}
                windows.append({**window, "available": not self.calendar.is_taken(start)})
        return windows

    def _new_customer(self, body: dict[str, Any]) -> dict[str, Any]:
        addresses = body.pop("addresses")
        customer = self.add_customer(body.pop("first_name"), body.pop("last_name"), **body)
        for address in addresses:
            self._add_address(customer, address)
        return customer

    def _add_address(self, customer: dict[str, Any], address: dict[str, Any]) -> dict[str, Any]:
        new = {"id": f"adr_{customer['id']}", "type": "service", **address}
        customer["addresses"].append(new)
        return new

    def _customer(self, customer_id: str) -> dict[str, Any]:
        return next(each for each in self.customers if each["id"] == customer_id)

    def _book(self, body: dict[str, Any]) -> FakeBooking:
        schedule, customer = body["schedule"], self._customer(body["customer_id"])
        (line_item,) = body["line_items"]
        service = next(each for each in self.calendar.services if each.name == line_item["name"])
        start, end = (_parse_utc(schedule[f"scheduled_{each}"]) for each in ("start", "end"))
        assert end - start == timedelta(minutes=service.minutes)
        assert body["address_id"] in [each["id"] for each in customer["addresses"]]
        return self.calendar.book(
            service.id,
            start,
            f"{customer['first_name']} {customer['last_name'] or ''}".strip(),
            phone=customer.get("mobile_number"),
            email=customer.get("email"),
            customer=customer,
            address=body["address_id"],
            notes=[body["notes"]],
        )

    def _find_bookings(self, query: httpx2.QueryParams) -> list[FakeBooking]:
        found = self.calendar.active_bookings()
        if customer := query.get("customer_id"):
            found = [each for each in found if owner(each)["id"] == customer]
        if earliest := query.get("scheduled_start_min"):
            found = [each for each in found if each.start >= _parse_utc(earliest)]
        if latest := query.get("scheduled_start_max"):
            found = [each for each in found if each.start <= _parse_utc(latest)]
        return found[::-1]

    def _one(
        self, method: str, action: list[str], booking: FakeBooking, body: dict[str, Any]
    ) -> httpx2.Response:
        match method, action:
            # "Jobs with multi days feature [...] must use appointments endpoints."
            case "PUT" | "DELETE", ["schedule"] if len(appointments_of(booking)) > 1:
                return _json({"error": {"message": BODY_CANARY}}, 422)
            case "PUT", ["schedule"]:
                booking.start = _parse_utc(body["start_time"])
                assert _parse_utc(body["end_time"]) == booking.end
                return _json({"start_time": body["start_time"], "end_time": body["end_time"]})
            case "DELETE", ["schedule"]:
                booking.cancelled = True
                return _json({"object": "schedule", "deleted": True})
            case "POST", ["notes"]:
                notes_of(booking).append(body["content"])
                return _json({"id": "note_1", "content": body["content"]}, 201)
            case unexpected:
                raise AssertionError(unexpected)

    def _page(self, name: str, items: list[Any], query: httpx2.QueryParams) -> dict[str, Any]:
        size, page = int(query["page_size"]), int(query.get("page", "1"))
        assert size <= MAX_PAGE_SIZE
        every = self.strange.get(name, []) + items
        total = {"page": page, "page_size": size, "total_pages": -(-len(every) // size)}
        return {**total, "total_items": len(every), name: every[(page - 1) * size : page * size]}

    def _job(self, booking: FakeBooking, query: httpx2.QueryParams) -> dict[str, Any]:
        when = None if booking.cancelled or booking.extra.get("no_time") else booking
        is_expanded = "appointments" in query.get_list("expand[]")
        notes = notes_of(booking) if self.lists_notes else []
        return {
            "id": f"job_{booking.id}",
            "description": booking.service.name,
            "customer": owner(booking) | {"addresses": []},
            "notes": [{"id": f"note_{n}", "content": each} for n, each in enumerate(notes)],
            "work_status": booking.extra.get("status")
            or ("scheduled" if when else "needs scheduling"),
            "schedule": {
                "scheduled_start": when and to_utc(when.start),
                "scheduled_end": when and to_utc(when.end),
                "arrival_window": 0,
                "appointments": appointments_of(booking) if is_expanded else [],
            },
        }


def _json(data: Any, status: int = 200) -> httpx2.Response:
    return httpx2.Response(status, json=data)


def _priced(service: FakeService) -> dict[str, Any]:
    named = {"uuid": f"{UUID}{service.id}", "name": service.name}
    return {**named, "online_booking_enabled": True, "duration": service.minutes or None}


def _matches_query(customer: dict[str, Any], query: str) -> bool:
    """Say whether a customer matches a query: like the vendor, by any part."""
    numbers = [re.sub(r"\D", "", str(customer.get(f"{each}_number"))) for each in NUMBERS]
    name = f"{customer['first_name']} {customer['last_name']}"
    return query.lower() in " | ".join([name, str(customer.get("email")), *numbers]).lower()


def owner(booking: FakeBooking) -> dict[str, Any]:
    customer = cast(dict[str, Any] | None, booking.extra.get("customer"))
    return customer or {"id": "cus_0", "first_name": booking.name, "last_name": None}


def appointments_of(booking: FakeBooking) -> list[dict[str, Any]]:
    """Return the appointments of a job: usually one, at its own time."""
    if booking.cancelled:
        return []
    own = {"id": "apt_1", "start_time": to_utc(booking.start), "anytime": False}
    return cast(list[dict[str, Any]], booking.extra.get("appointments", [own]))


def notes_of(booking: FakeBooking) -> list[str]:
    return cast(list[str], booking.extra.setdefault("notes", []))


def _parse_utc(text: str) -> datetime:
    """Parse a time in UTC."""
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", text)
    return datetime.fromisoformat(text)


def to_utc(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
