"""Housecall Pro's API: https://docs.housecallpro.com. A booking is a customer's scheduled job."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import chain, count
from typing import Any, ClassVar, TypeVar
from zoneinfo import ZoneInfo

from pydantic import AwareDatetime, SecretStr

from config.columns import now
from config.security.vault import Account
from scheduling.matching import of_person, too_many_bookings
from scheduling.provider import Attendee, Booking, CalendarInfo, Service, Slot
from scheduling.providers.housecallpro import mapping
from scheduling.sentences import say
from toolkit.errors import NotFound, OutcomeUnknown, Rejected
from toolkit.http.client import HeaderAuth, VendorApi
from toolkit.http.concurrency import map_concurrently
from toolkit.instants import add, utc
from toolkit.speech.times import format_utc
from toolkit.tenancy import Credentials, ToolCall

_CATALOG_TTL = 300.0  # seconds
_PAGE_SIZE = "100"
_MAX_PAGES = 3  # of the price book
_MAX_LIST_PAGES = 10  # of customers or jobs
_MAX_CUSTOMERS = 10  # whose jobs are read for one caller
_MAX_CONCURRENT = 4
_DAY = timedelta(days=1)
_EXPANDED = {"expand[]": "appointments"}
_NATIONAL_DIGITS = 10  # digits of a North American number: its country code is not always stored
_BOOKABLE_ONLINE = {
    "filters[][property]": "online_booking_enabled",
    "filters[][operator]": "eq",
    "filters[][value]": "true",
    "sort_direction": "asc",
}


PageT = TypeVar("PageT", bound=mapping.Page)


class HousecallProCredentials(Credentials):
    """What a tenant pastes in to connect Housecall Pro."""

    api_key: SecretStr


@dataclass(frozen=True)
class _ServiceCatalog:
    """The calendar info, and the vendor's own id of each service."""

    calendar_info: CalendarInfo
    uuids: Mapping[str, str]

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.calendar_info.time_zone)

    def to_booking(self, job: mapping.Job) -> Booking | None:
        """Return the booking of a job, if it has a time."""
        return mapping.to_booking(job, self.calendar_info.services, self.zone)


class HousecallPro:
    """A tenant's Housecall Pro company. A service is one that can be booked online.

    The key is an Application API Key: a company's own key may not read the price book. A caller
    who is no customer yet is booked at the settings `default_street`, `default_city`,
    `default_state`, `default_zip` and `default_country` (US), until someone corrects the address;
    without these settings such a booking is refused.
    """

    credentials: ClassVar[type[Credentials]] = HousecallProCredentials
    unsupported: ClassVar[Mapping[str, str]] = {}

    def __init__(self, account: Account, call: ToolCall) -> None:
        key = HousecallProCredentials.model_validate(account.secrets).api_key.get_secret_value()
        self._account = account
        self._call = call
        self._api = VendorApi(
            "Housecall Pro",
            account.base_url("https://api.housecallpro.com"),
            call.vendor_connection(account),
            HeaderAuth("Authorization", f"Token {key}"),
        )

    async def check(self) -> None:
        """Read the company and the price book: a company's own key may not read the latter."""
        await self._fetch_service_catalog()

    async def calendar_info(self) -> CalendarInfo:
        """Return the services that can be booked online, and the company's time zone."""
        return (await self._service_catalog()).calendar_info

    async def find_slots(
        self,
        service: Service,
        start: AwareDatetime,
        end: AwareDatetime,
        moving: Booking | None = None,
    ) -> list[Slot]:
        """Return the free times that start in [start, end)."""
        if moving is not None:
            _require_one_visit(moving)
        catalog = await self._service_catalog()
        # The API does not document the time zone of `start_date`, so the range covers both.
        zones = (UTC, catalog.zone)
        first = min(start.astimezone(zone).replace(tzinfo=None) for zone in zones)
        last = max(end.astimezone(zone).date() for zone in zones)
        params: dict[str, str | int] = {
            "start_date": first.isoformat(timespec="seconds"),
            "show_for_days": (last - first.date()).days + 1,
            "service_duration": service.minutes,
        }
        if uuid := catalog.uuids.get(service.id):
            params["service_id"] = uuid
        path = ("company", "schedule_availability", "booking_windows")
        answer = await self._api.call("GET", path, mapping.BookingWindows, params=params)
        starts = {each.start_time for each in answer.booking_windows if each.available}
        if moving is not None and moving.day is None:
            starts.add(moving.starts_at)
        length, current = timedelta(minutes=service.minutes), now()
        return [
            Slot(starts_at=each, ends_at=each + length)
            for each in sorted(starts)
            if start <= each < end and each > current
        ]

    async def book(
        self, service: Service, start: AwareDatetime, attendee: Attendee
    ) -> Booking | None:
        """Book a time; return None when it is no longer free.

        Raises:
            Rejected: the caller's address is not known, and the account has none for that case.
        """
        customer = await self._find_customer(attendee)
        address = mapping.default_address(self._account.settings)
        if address is None and not (customer and customer.address_id):
            raise Rejected(
                "A job needs an address, and none is known for this caller.",
                say=say("needs_a_person"),
                next="Do not retry. See that the caller's number is known for the call back.",
            )
        if not await self._is_free(service, start):
            return None
        customer = customer or await self._create_customer(attendee, address)
        body = {
            "customer_id": customer.id,
            "address_id": customer.address_id or await self._create_address(customer, address),
            "schedule": {
                "scheduled_start": format_utc(start),
                "scheduled_end": format_utc(add(start, timedelta(minutes=service.minutes))),
            },
            "line_items": [{"name": service.name}],
            "notes": mapping.booking_note(attendee, self._call.idempotency_key),
        }
        job = await self._api.call("POST", ("jobs",), mapping.Job, json=body)
        booking = (await self._service_catalog()).to_booking(job)
        if booking is None:
            raise OutcomeUnknown("Housecall Pro took the job, and did not say for when.")
        return booking.model_copy(update={"service": service})

    async def find_lost_booking(
        self, service: Service, start: AwareDatetime, attendee: Attendee
    ) -> Booking | None:
        """Return the booking whose job has this call's tag. Only a retry looks for it."""
        if not self._call.is_retry:
            return None
        at, tag = format_utc(start), mapping.call_tag(self._call.idempotency_key or "")
        jobs, _ = await self._list_jobs(scheduled_start_min=at, scheduled_start_max=at)
        candidates = [each for each in jobs if tag in each.notes_text] or [
            # Where the list leaves out the notes, the job is recognized by what was sent.
            each
            for each in jobs
            if not each.notes
            and each.description == service.name
            and each.customer.is_caller(attendee)
        ]
        zone = (await self._service_catalog()).zone
        return next(iter(mapping.to_bookings(candidates, [service], zone)), None)

    async def booking(self, reference: str) -> Booking | None:
        """Return a booking by the id of its job."""
        try:
            job = await self._api.call(
                "GET", ("jobs", reference.strip()), mapping.Job, params=_EXPANDED
            )
        except NotFound:
            return None
        return (await self._service_catalog()).to_booking(job)

    async def find_bookings(self, name: str | None, phone: str | None) -> list[Booking]:
        """Return the future bookings of the person with this name or phone, earliest first.

        Raises:
            Rejected: too many customers have that name, or there are more than can be read.
        """
        catalog, current = await self._service_catalog(), now()
        customers, is_complete = await self._search_customers(phone, name)
        matching = of_person(customers, lambda each: each.attendees, name, phone)
        if len(matching) > _MAX_CUSTOMERS:
            raise _too_many(has_phone=phone is not None)
        today = current.astimezone(catalog.zone).date()

        async def fetch(customer: mapping.Customer) -> list[Booking]:
            nonlocal is_complete
            # What is for any time of today may have begun.
            jobs, is_all = await self._list_jobs(
                customer_id=customer.id, scheduled_start_min=format_utc(current - 2 * _DAY)
            )
            is_complete = is_complete and is_all
            return mapping.to_bookings(jobs, catalog.calendar_info.services, catalog.zone)

        found = await map_concurrently(fetch, matching, limit=_MAX_CONCURRENT)
        coming = [
            each
            for bookings in found
            for each in bookings
            if (each.day >= today if each.day else each.starts_at > current)
        ]
        if not coming and not is_complete:
            raise _too_many(has_phone=phone is not None)
        return sorted(coming, key=lambda each: each.starts_at)

    async def move(self, booking: Booking, start: AwareDatetime) -> Booking | None:
        """Move a job; return None when the time is no longer free."""
        if not await self._is_free(booking.service, start, booking):
            return None
        end = add(start, timedelta(minutes=booking.service.minutes))
        body = {"start_time": format_utc(start), "end_time": format_utc(end)}
        moved = await self._api.call(
            "PUT", ("jobs", booking.id, "schedule"), mapping.ScheduleResponse, json=body
        )
        return booking.model_copy(update={"starts_at": moved.start_time, "day": None})

    async def cancel(self, booking: Booking, reason: str | None) -> Booking:
        """Take a job off the schedule: the API cannot cancel it. Doing it again is not an error."""
        if booking.status == "cancelled":
            return booking
        _require_one_visit(booking)
        # The note comes first: without it, a job without a time could not be read as a booking.
        note = {"content": mapping.cancellation_note(booking, reason)}
        await self._api.call("POST", ("jobs", booking.id, "notes"), mapping.Note, json=note)
        await self._api.call("DELETE", ("jobs", booking.id, "schedule"), mapping.ScheduleDeletion)
        return booking.model_copy(update={"status": "cancelled"})

    async def _service_catalog(self) -> _ServiceCatalog:
        return await self._call.cached(
            self._account, "catalog", _CATALOG_TTL, self._fetch_service_catalog
        )

    async def _fetch_service_catalog(self) -> _ServiceCatalog:
        company = await self._api.call("GET", ("company",), mapping.Company)
        services: list[Service] = []
        uuids: dict[str, str] = {}
        for each in await self._fetch_price_book():
            # The vendor's own ids are too long to be part of a handle.
            name = mapping.slug(each.name)
            names = chain([name], (f"{name}-{n}" for n in count(2)))
            key = next(each for each in names if each not in uuids)
            uuids[key] = each.uuid
            services.append(
                Service(id=key, name=each.name, minutes=each.duration or mapping.DEFAULT_MINUTES)
            )
        # A name alone does not identify a customer, so the phone number is required.
        info = CalendarInfo(time_zone=company.time_zone, services=tuple(services), needs=("phone",))
        return _ServiceCatalog(info, uuids)

    async def _fetch_price_book(self) -> list[mapping.PriceBookService]:
        services: list[mapping.PriceBookService] = []
        for page in range(1, _MAX_PAGES + 1):
            params = {**_BOOKABLE_ONLINE, "page": str(page), "page_size": _PAGE_SIZE}
            path = ("api", "price_book", "services")
            answer = await self._api.call("GET", path, mapping.PriceBookPage, params=params)
            services += answer.data
            if page >= answer.total_pages:
                break
        return [each for each in services if each.online_booking_enabled]

    async def _is_free(
        self, service: Service, start: datetime, moving: Booking | None = None
    ) -> bool:
        """Read the free times again: the vendor accepts a booking of any time."""
        start = utc(start)
        slots = await self.find_slots(service, start, start + timedelta(minutes=1), moving)
        return any(slot.starts_at == start for slot in slots)

    async def _search_customers(
        self, phone: str | None, other: str | None
    ) -> tuple[list[mapping.Customer], bool]:
        """Return the customers that the vendor finds by the phone, then those by `other`.

        The second value says whether these are all of them.
        """
        digits = re.sub(r"\D", "", phone or "")[-_NATIONAL_DIGITS:]
        customers: dict[str, mapping.Customer] = {}
        is_complete = True
        for term in filter(None, (digits, other)):
            pages = await self._read_pages(("customers",), mapping.CustomersPage, {"q": term})
            customers |= {each.id: each for page in pages for each in page.customers}
            is_complete = is_complete and pages[0].total_pages <= _MAX_LIST_PAGES
        return list(customers.values()), is_complete

    async def _find_customer(self, attendee: Attendee) -> mapping.Customer | None:
        """Return the caller's record; of several with the phone, the one with the same name."""
        customers, _ = await self._search_customers(attendee.phone, attendee.email)
        matching = [each for each in customers if each.is_caller(attendee)]
        return max(matching, key=lambda each: each.matches(attendee.name, None), default=None)

    async def _create_customer(
        self, attendee: Attendee, address: Mapping[str, str] | None
    ) -> mapping.Customer:
        first, _, last = attendee.name.rpartition(" ")
        body: dict[str, Any] = {
            "first_name": first or last,
            "last_name": last if first else None,
            "mobile_number": attendee.phone,
            "email": attendee.email,
            "addresses": [address],
        }
        return await self._api.call("POST", ("customers",), mapping.Customer, json=body)

    async def _create_address(
        self, customer: mapping.Customer, address: Mapping[str, str] | None
    ) -> str:
        path = ("customers", customer.id, "addresses")
        return (await self._api.call("POST", path, mapping.Address, json=address)).id

    async def _list_jobs(self, **filters: str) -> tuple[list[mapping.Job], bool]:
        """Return jobs, and whether these are all of them."""
        pages = await self._read_pages(("jobs",), mapping.JobsPage, {**filters, **_EXPANDED})
        jobs = [each for page in pages for each in page.jobs]
        return jobs, pages[0].total_pages <= _MAX_LIST_PAGES

    async def _read_pages(
        self, path: tuple[str, ...], returns: type[PageT], params: Mapping[str, str]
    ) -> list[PageT]:
        """Return the pages of a list, as many as there may be."""

        async def fetch(page: int) -> PageT:
            numbered = {**params, "page": str(page), "page_size": _PAGE_SIZE}
            return await self._api.call("GET", path, returns, params=numbered)

        first = await fetch(1)
        others = range(2, min(first.total_pages, _MAX_LIST_PAGES) + 1)
        return [first, *await map_concurrently(fetch, others, limit=_MAX_CONCURRENT)]


def _require_one_visit(booking: Booking) -> None:
    """Make sure that a job is no more than one visit: the API changes no single one of several.

    Raises:
        Rejected: it has several.
    """
    if booking.occurrences > 1:
        raise Rejected(
            "That job has several visits, which cannot be changed here.",
            say=say("change_needs_a_person"),
            next="Do not retry. See that the caller's number is known for the call back.",
        )


def _too_many(*, has_phone: bool) -> Rejected:
    if has_phone:
        return too_many_bookings("There are more customers or jobs than can be read.")
    return Rejected(
        "Many customers have that name.",
        say=say("which_detail", detail="phone"),
        next="Call again with the caller's phone number.",
    )
