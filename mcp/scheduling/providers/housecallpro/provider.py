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
from scheduling.provider import Agenda, Attendee, Booking, Service, Slot
from scheduling.providers.housecallpro import mapping as records
from toolkit.errors import NotFound, OutcomeUnknown, Rejected
from toolkit.http.client import HeaderAuth, VendorApi
from toolkit.speech.times import utc
from toolkit.tenancy import Credentials, ToolCall

_AGENDA_HOLDS = 300.0  # seconds
_PAGE = "100"
_PAGES = 3  # of the price book
_NAMESAKES = 3  # customers whose jobs are looked at for one caller
_NATIONAL = 10  # digits of a North American number: its country code is not always stored
_BOOKABLE = {
    "filters[][property]": "online_booking_enabled",
    "filters[][operator]": "eq",
    "filters[][value]": "true",
    "sort_direction": "asc",
}


class HousecallProCredentials(Credentials):
    """What a tenant pastes in to connect Housecall Pro."""

    api_key: SecretStr


@dataclass(frozen=True)
class _Offer:
    """The agenda, and what the vendor calls each of its services."""

    agenda: Agenda
    uuids: Mapping[str, str]


class HousecallPro:
    """A tenant's Housecall Pro company. A service is one that can be booked online.

    The key is an Application API Key: a company's own key may not read the price book. A caller
    who is no customer yet is booked at the settings `default_street`, `default_city`,
    `default_state`, `default_zip` and `default_country` (US), until the office knows better;
    without them such a booking is refused.
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
        """Read the company, and what it offers: a company's own key may do the first only."""
        await self._read_offer()

    async def agenda(self) -> Agenda:
        """Return the services that can be booked online, and the company's time zone."""
        return (await self._offer()).agenda

    async def free(
        self,
        service: Service,
        start: AwareDatetime,
        end: AwareDatetime,
        moving: Booking | None = None,
    ) -> list[Slot]:
        """Return the free times that start in [start, end)."""
        offer = await self._offer()
        # Nobody says on whose clock these days begin: they are asked for on either.
        zones = (UTC, ZoneInfo(offer.agenda.time_zone))
        first = min(start.astimezone(zone).replace(tzinfo=None) for zone in zones)
        last = max(end.astimezone(zone).date() for zone in zones)
        params: dict[str, str | int] = {
            "start_date": first.isoformat(timespec="seconds"),
            "show_for_days": (last - first.date()).days + 1,
            "service_duration": service.minutes,
        }
        if uuid := offer.uuids.get(service.id):
            params["service_id"] = uuid
        path = ("company", "schedule_availability", "booking_windows")
        answer = await self._api.call("GET", path, records.Windows, params=params)
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
        customer = await self._caller(attendee)
        address = records.default_address(self._account.settings)
        if address is None and not (customer and customer.address_id):
            raise Rejected(
                "A job needs an address, and none is known for this caller.",
                say="I can't complete that booking myself. Someone will call you back to do it.",
                next="Do not retry. See that the caller's number is known for the call back.",
            )
        if not await self._is_free(service, start):
            return None
        customer = customer or await self._new_customer(attendee, address)
        body = {
            "customer_id": customer.id,
            "address_id": customer.address_id or await self._new_address(customer, address),
            "schedule": {
                "scheduled_start": utc(start),
                "scheduled_end": utc(start + timedelta(minutes=service.minutes)),
            },
            "line_items": [{"name": service.name}],
            "notes": records.booking_note(attendee, self._call.idempotency_key),
        }
        booked = records.booking_of(
            await self._api.call("POST", ("jobs",), records.Job, json=body), [service]
        )
        if booked is None:
            raise OutcomeUnknown("Housecall Pro took the job, and did not say for when.")
        return booked.model_copy(update={"service": service})

    async def find_lost_booking(
        self, service: Service, start: AwareDatetime, attendee: Attendee
    ) -> Booking | None:
        """Return the job whose notes name this call; only a lost try is looked for."""
        if not self._call.is_retry:
            return None
        at, mark = utc(start), records.mark(self._call.idempotency_key or "")
        jobs = await self._jobs(scheduled_start_min=at, scheduled_start_max=at)
        found = [each for each in jobs if mark in each.noted] or [
            # A list that leaves the notes out leaves only what was sent.
            each
            for each in jobs
            if not each.notes
            and each.description == service.name
            and each.customer.is_caller(attendee)
        ]
        return next(iter(records.bookings_of(found, [service])), None)

    async def booking(self, reference: str) -> Booking | None:
        """Return a booking by the id of its job."""
        try:
            job = await self._api.call("GET", ("jobs", reference.strip()), records.Job)
        except NotFound:
            return None
        return records.booking_of(job, (await self.agenda()).services)

    async def upcoming(self, name: str | None, phone: str | None) -> list[Booking]:
        """Return a person's bookings from now on."""
        alike = await self._customers(phone, name)
        own = [each for each in alike if each.is_person(name, phone)][:_NAMESAKES]
        jobs: list[records.Job] = []
        for each in own:
            jobs += await self._jobs(customer_id=each.id, scheduled_start_min=utc(now()))
        found = records.bookings_of(jobs, (await self.agenda()).services)
        return sorted(found, key=lambda each: each.starts_at)

    async def move(self, booking: Booking, start: AwareDatetime) -> Booking | None:
        """Move a job; return None when the time is no longer free."""
        if not await self._is_free(booking.service, start, booking):
            return None
        end = start + timedelta(minutes=booking.service.minutes)
        body = {"start_time": utc(start), "end_time": utc(end)}
        moved = await self._api.call(
            "PUT", ("jobs", booking.id, "schedule"), records.Moved, json=body
        )
        return booking.model_copy(update={"starts_at": moved.start_time})

    async def cancel(self, booking: Booking, reason: str | None) -> Booking:
        """Take a job off the schedule: there is no cancelling it. Twice is not an error."""
        if booking.status == "cancelled":
            return booking
        # The note comes first: it is true whatever follows, and a job without a time needs it.
        note = {"content": records.cancellation(booking.starts_at, reason)}
        await self._api.call("POST", ("jobs", booking.id, "notes"), records.Note, json=note)
        await self._api.call("DELETE", ("jobs", booking.id, "schedule"), records.Unscheduled)
        return booking.model_copy(update={"status": "cancelled"})

    async def _offer(self) -> _Offer:
        return await self._call.cached(self._account, "offer", _AGENDA_HOLDS, self._read_offer)

    async def _read_offer(self) -> _Offer:
        company = await self._api.call("GET", ("company",), records.Company)
        services: list[Service] = []
        uuids: dict[str, str] = {}
        for each in await self._price_book():
            # The vendor's own ids are too long to be a part of a handle.
            name = records.slug(each.name)
            names = chain([name], (f"{name}-{n}" for n in count(2)))
            key = next(one for one in names if one not in uuids)
            uuids[key] = each.uuid
            services.append(
                Service(id=key, name=each.name, minutes=each.duration or records.UNTIMED)
            )
        # By a name alone nobody's record, and so nobody's address, is taken for the caller's.
        agenda = Agenda(time_zone=company.time_zone, services=tuple(services), needs=("phone",))
        return _Offer(agenda, uuids)

    async def _price_book(self) -> list[records.PricedService]:
        found: list[records.PricedService] = []
        for page in range(1, _PAGES + 1):
            params = {**_BOOKABLE, "page": str(page), "page_size": _PAGE}
            path = ("api", "price_book", "services")
            answer = await self._api.call("GET", path, records.PriceBook, params=params)
            found += answer.data
            if page >= answer.total_pages:
                break
        return [each for each in found if each.online_booking_enabled]

    async def _is_free(
        self, service: Service, start: datetime, moving: Booking | None = None
    ) -> bool:
        """Look once more: the vendor takes whatever it is sent."""
        slots = await self.free(service, start, start + timedelta(minutes=1), moving)
        return any(slot.starts_at == start for slot in slots)

    async def _customers(self, phone: str | None, other: str | None) -> list[records.Customer]:
        """Return whoever is alike, first by the number."""
        digits = re.sub(r"\D", "", phone or "")[-_NATIONAL:]
        found: dict[str, records.Customer] = {}
        for term in filter(None, (digits, other)):
            params = {"q": term, "page_size": _PAGE}
            answer = await self._api.call("GET", ("customers",), records.Customers, params=params)
            found |= {each.id: each for each in answer.customers}
        return list(found.values())

    async def _caller(self, attendee: Attendee) -> records.Customer | None:
        """Return the caller's own record; where a line is shared, the one of the same name."""
        alike = await self._customers(attendee.phone, attendee.email)
        own = [each for each in alike if each.is_caller(attendee)]
        return max(own, key=lambda each: each.is_person(attendee.name, None), default=None)

    async def _new_customer(
        self, attendee: Attendee, address: Mapping[str, str] | None
    ) -> records.Customer:
        first, _, last = attendee.name.rpartition(" ")
        body: dict[str, Any] = {
            "first_name": first or last,
            "last_name": last if first else None,
            "mobile_number": attendee.phone,
            "email": attendee.email,
            "addresses": [address],
        }
        return await self._api.call("POST", ("customers",), records.Customer, json=body)

    async def _new_address(
        self, customer: records.Customer, address: Mapping[str, str] | None
    ) -> str:
        path = ("customers", customer.id, "addresses")
        return (await self._api.call("POST", path, records.Address, json=address)).id

    async def _jobs(self, **wanted: str) -> Sequence[records.Job]:
        params = {**wanted, "page_size": _PAGE}
        return (await self._api.call("GET", ("jobs",), records.Jobs, params=params)).jobs
