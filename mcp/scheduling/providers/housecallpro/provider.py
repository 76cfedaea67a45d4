"""Housecall Pro's API: https://docs.housecallpro.com. A booking is a customer's scheduled job."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import chain, count
from typing import Any, ClassVar
from zoneinfo import ZoneInfo

from pydantic import AwareDatetime, SecretStr

from config.columns import now
from config.security.vault import Account
from scheduling.matching import of_person
from scheduling.provider import Attendee, Booking, CalendarInfo, Service, Slot
from scheduling.providers.housecallpro import mapping
from scheduling.sentences import say
from toolkit.errors import NotFound, OutcomeUnknown, Rejected
from toolkit.http.client import HeaderAuth, VendorApi
from toolkit.instants import add, utc
from toolkit.speech.times import format_utc
from toolkit.tenancy import Credentials, ToolCall

_CATALOG_TTL = 300.0  # seconds
_PAGE_SIZE = "100"
_MAX_PAGES = 3  # of the price book
_MAX_CUSTOMERS = 3  # whose jobs are read for one caller
_NATIONAL_DIGITS = 10  # digits of a North American number: its country code is not always stored
_BOOKABLE_ONLINE = {
    "filters[][property]": "online_booking_enabled",
    "filters[][operator]": "eq",
    "filters[][value]": "true",
    "sort_direction": "asc",
}


class HousecallProCredentials(Credentials):
    """What a tenant pastes in to connect Housecall Pro."""

    api_key: SecretStr


@dataclass(frozen=True)
class _ServiceCatalog:
    """The calendar info, and the vendor's own id of each service."""

    calendar_info: CalendarInfo
    uuids: Mapping[str, str]


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
        catalog = await self._service_catalog()
        # The API does not document the time zone of `start_date`, so the range covers both.
        zones = (UTC, ZoneInfo(catalog.calendar_info.time_zone))
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
        if moving is not None:
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
        booking = mapping.to_booking(
            await self._api.call("POST", ("jobs",), mapping.Job, json=body), [service]
        )
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
        jobs = await self._list_jobs(scheduled_start_min=at, scheduled_start_max=at)
        candidates = [each for each in jobs if tag in each.notes_text] or [
            # Where the list leaves out the notes, the job is recognized by what was sent.
            each
            for each in jobs
            if not each.notes
            and each.description == service.name
            and each.customer.is_caller(attendee)
        ]
        return next(iter(mapping.to_bookings(candidates, [service])), None)

    async def booking(self, reference: str) -> Booking | None:
        """Return a booking by the id of its job."""
        try:
            job = await self._api.call("GET", ("jobs", reference.strip()), mapping.Job)
        except NotFound:
            return None
        return mapping.to_booking(job, (await self.calendar_info()).services)

    async def find_bookings(self, name: str | None, phone: str | None) -> list[Booking]:
        """Return the future bookings of the person with this name or phone, earliest first."""
        customers = await self._search_customers(phone, name)
        matching = of_person(customers, lambda each: each.attendees, name, phone)
        jobs: list[mapping.Job] = []
        for each in matching[:_MAX_CUSTOMERS]:
            jobs += await self._list_jobs(
                customer_id=each.id, scheduled_start_min=format_utc(now())
            )
        bookings = mapping.to_bookings(jobs, (await self.calendar_info()).services)
        return sorted(bookings, key=lambda each: each.starts_at)

    async def move(self, booking: Booking, start: AwareDatetime) -> Booking | None:
        """Move a job; return None when the time is no longer free."""
        if not await self._is_free(booking.service, start, booking):
            return None
        end = add(start, timedelta(minutes=booking.service.minutes))
        body = {"start_time": format_utc(start), "end_time": format_utc(end)}
        moved = await self._api.call(
            "PUT", ("jobs", booking.id, "schedule"), mapping.ScheduleResponse, json=body
        )
        return booking.model_copy(update={"starts_at": moved.start_time})

    async def cancel(self, booking: Booking, reason: str | None) -> Booking:
        """Take a job off the schedule: the API cannot cancel it. Doing it again is not an error."""
        if booking.status == "cancelled":
            return booking
        # The note comes first: without it, a job without a time could not be read as a booking.
        note = {"content": mapping.cancellation_note(booking.starts_at, reason)}
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
    ) -> list[mapping.Customer]:
        """Return the customers that the vendor finds by the phone, then those by `other`."""
        digits = re.sub(r"\D", "", phone or "")[-_NATIONAL_DIGITS:]
        customers: dict[str, mapping.Customer] = {}
        for term in filter(None, (digits, other)):
            params = {"q": term, "page_size": _PAGE_SIZE}
            answer = await self._api.call(
                "GET", ("customers",), mapping.CustomersPage, params=params
            )
            customers |= {each.id: each for each in answer.customers}
        return list(customers.values())

    async def _find_customer(self, attendee: Attendee) -> mapping.Customer | None:
        """Return the caller's record; of several with the phone, the one with the same name."""
        customers = await self._search_customers(attendee.phone, attendee.email)
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

    async def _list_jobs(self, **filters: str) -> Sequence[mapping.Job]:
        params = {**filters, "page_size": _PAGE_SIZE}
        return (await self._api.call("GET", ("jobs",), mapping.JobsPage, params=params)).jobs
