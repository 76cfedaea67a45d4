"""Cal.com API v2: https://cal.com/docs/api-reference/v2.

Where Cal.com's specification leaves a response open, the models hold no more than what is used.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, ClassVar, Literal

from pydantic import AwareDatetime, BaseModel, SecretStr

from config.columns import now
from config.security.vault import Account
from scheduling.matching import attendee_of, of_person
from scheduling.provider import Attendee, Booking, CalendarInfo, Service, Slot, TimeZone
from toolkit.errors import Conflict, NotFound, Rejected
from toolkit.http.client import HeaderAuth, VendorApi
from toolkit.instants import add
from toolkit.speech.numbers import spoken_phone_number
from toolkit.speech.times import format_utc
from toolkit.tenancy import Credentials, ToolCall

# Cal.com versions each resource on its own date.
_BOOKINGS = {"cal-api-version": "2024-08-13"}
_SLOTS = {"cal-api-version": "2024-09-04"}
_EVENT_TYPES = {"cal-api-version": "2024-06-14"}
_INFO_TTL = 300.0  # seconds
_METADATA_KEY = "antiphon"  # metadata key of the idempotency key that a booking was created with
_PAGE_SIZE = 100
_MINUTE = timedelta(minutes=1)


class CalComCredentials(Credentials):
    """What a tenant pastes in to connect Cal.com."""

    api_key: SecretStr


class _Me(BaseModel):
    timeZone: TimeZone


class _MeResponse(BaseModel):
    data: _Me


class _EventType(BaseModel):
    id: int
    title: str
    lengthInMinutes: int
    hidden: bool = False


class _EventTypesResponse(BaseModel):
    data: list[_EventType]


class _SlotStart(BaseModel):
    start: AwareDatetime


class _SlotsResponse(BaseModel):
    data: dict[str, list[_SlotStart]]


class _Attendee(BaseModel):
    name: str
    email: str | None = None
    phoneNumber: str | None = None


class _Booking(BaseModel):
    uid: str
    title: str
    status: Literal["cancelled", "accepted", "rejected", "pending"]
    start: AwareDatetime
    duration: int
    eventTypeId: int
    attendees: list[_Attendee]
    metadata: dict[str, Any] | None = None


class _BookingResponse(BaseModel):
    data: _Booking


class _BookingsResponse(BaseModel):
    data: list[_Booking]


class CalCom:
    """A tenant's Cal.com calendar. A service is an event type."""

    credentials: ClassVar[type[Credentials]] = CalComCredentials
    unsupported: ClassVar[Mapping[str, str]] = {}

    def __init__(self, account: Account, call: ToolCall) -> None:
        key = CalComCredentials.model_validate(account.secrets).api_key.get_secret_value()
        self._account = account
        self._call = call
        self._api = VendorApi(
            "Cal.com",
            account.base_url("https://api.cal.com"),
            call.vendor_connection(account),
            HeaderAuth("Authorization", f"Bearer {key}"),
        )

    async def check(self) -> None:
        """Read the profile of the key's owner."""
        await self._api.call("GET", ("v2", "me"), _MeResponse)

    async def calendar_info(self) -> CalendarInfo:
        """Return the event types that are not hidden, and the owner's time zone."""
        key = "calendar info"
        return await self._call.cached(self._account, key, _INFO_TTL, self._fetch_calendar_info)

    async def find_slots(
        self,
        service: Service,
        start: AwareDatetime,
        end: AwareDatetime,
        moving: Booking | None = None,
    ) -> list[Slot]:
        """Return the free times that start in [start, end)."""
        params = {"eventTypeId": service.id, "start": format_utc(start), "end": format_utc(end)}
        if moving is not None:
            params["bookingUidToReschedule"] = moving.id
        answer = await self._api.call(
            "GET", ("v2", "slots"), _SlotsResponse, params=params, headers=_SLOTS
        )
        length, current = timedelta(minutes=service.minutes), now()
        starts = sorted(each.start for day in answer.data.values() for each in day)
        return [
            Slot(starts_at=each, ends_at=each + length)
            for each in starts
            if start <= each < end and each > current
        ]

    async def book(
        self, service: Service, start: AwareDatetime, attendee: Attendee
    ) -> Booking | None:
        """Book a time; return None when it is no longer free."""
        person = {
            "name": attendee.name,
            "email": attendee.email,
            "phoneNumber": _international(attendee.phone),
            "timeZone": (await self.calendar_info()).time_zone,
        }
        body: dict[str, Any] = {
            "eventTypeId": int(service.id),
            "start": format_utc(start),
            "attendee": {name: value for name, value in person.items() if value is not None},
        }
        if attendee.notes:
            body["bookingFieldsResponses"] = {"notes": attendee.notes}
        if self._call.idempotency_key:
            body["metadata"] = {_METADATA_KEY: self._call.idempotency_key}
        path = ("v2", "bookings")
        return await self._book_or_move(service, start, path, body)

    async def find_lost_booking(
        self, service: Service, start: AwareDatetime, attendee: Attendee
    ) -> Booking | None:
        """Return the booking whose metadata has this call's idempotency key.

        Only a retry looks for it.
        """
        if not self._call.is_retry:
            return None
        end = add(start, timedelta(minutes=service.minutes))
        bookings = await self._list_bookings(
            eventTypeId=service.id, afterStart=format_utc(start), beforeEnd=format_utc(end)
        )
        services = await self._services()
        for each in bookings:
            if (each.metadata or {}).get(_METADATA_KEY) == self._call.idempotency_key:
                return _to_booking(each, services)
        return None

    async def booking(self, reference: str) -> Booking | None:
        """Return a booking by its uid."""
        path = ("v2", "bookings", reference.strip())
        try:
            answer = await self._api.call("GET", path, _BookingResponse, headers=_BOOKINGS)
        except NotFound:
            return None
        return _to_booking(answer.data, await self._services())

    async def find_bookings(self, name: str | None, phone: str | None) -> list[Booking]:
        """Return the future bookings of the person with this name or phone, earliest first.

        Cal.com's own search misses names, so all future bookings are read and compared here.
        """
        services = await self._services()
        upcoming = await self._list_bookings(status="upcoming")
        bookings = [_to_booking(each, services) for each in upcoming]
        return of_person(bookings, attendee_of, name, phone)

    async def move(self, booking: Booking, start: AwareDatetime) -> Booking | None:
        """Move a booking; the moved one has a new uid. Return None when the time is not free."""
        path = ("v2", "bookings", booking.id, "reschedule")
        return await self._book_or_move(
            booking.service, start, path, {"start": format_utc(start)}, booking
        )

    async def cancel(self, booking: Booking, reason: str | None) -> Booking:
        """Cancel a booking. Cancelling it again is not an error."""
        if booking.status == "cancelled":
            return booking
        path = ("v2", "bookings", booking.id, "cancel")
        body = {"cancellationReason": reason or "cancelled by phone"}
        answer = await self._api.call("POST", path, _BookingResponse, json=body, headers=_BOOKINGS)
        return _to_booking(answer.data, await self._services())

    async def _fetch_calendar_info(self) -> CalendarInfo:
        me = await self._api.call("GET", ("v2", "me"), _MeResponse)
        path = ("v2", "event-types")
        types = await self._api.call("GET", path, _EventTypesResponse, headers=_EVENT_TYPES)
        services = tuple(
            Service(id=str(each.id), name=each.title, minutes=each.lengthInMinutes)
            for each in types.data
            if not each.hidden
        )
        return CalendarInfo(time_zone=me.data.timeZone, services=services)

    async def _services(self) -> Mapping[str, Service]:
        return {service.id: service for service in (await self.calendar_info()).services}

    async def _list_bookings(self, **filters: str) -> Sequence[_Booking]:
        params = {**filters, "take": str(_PAGE_SIZE), "sortStart": "asc"}
        path = ("v2", "bookings")
        answer = await self._api.call(
            "GET", path, _BookingsResponse, params=params, headers=_BOOKINGS
        )
        return answer.data

    async def _book_or_move(
        self,
        service: Service,
        start: datetime,
        path: tuple[str, ...],
        body: Mapping[str, Any],
        moving: Booking | None = None,
    ) -> Booking | None:
        """Send a booking; return None where it is refused because the time is no longer free."""
        try:
            answer = await self._api.call(
                "POST", path, _BookingResponse, json=body, headers=_BOOKINGS
            )
        except (Conflict, Rejected):
            # Cal.com answers 400 for a time that is taken, and for every other refusal.
            if await self.find_slots(service, start, add(start, _MINUTE), moving):
                raise
            return None
        return _to_booking(answer.data, {service.id: service})


def _to_booking(booking: _Booking, services: Mapping[str, Service]) -> Booking:
    """Return the booking; an event type that is no longer offered is named by its title."""
    attendee = booking.attendees[0] if booking.attendees else _Attendee(name="")
    service_id = str(booking.eventTypeId)
    service = services.get(service_id) or Service(
        id=service_id, name=booking.title, minutes=booking.duration
    )
    return Booking(
        id=booking.uid,
        reference=booking.uid,
        service=service.model_copy(update={"minutes": booking.duration}),
        starts_at=booking.start,
        attendee=Attendee(name=attendee.name, phone=attendee.phoneNumber, email=attendee.email),
        status="cancelled" if booking.status in ("cancelled", "rejected") else "booked",
    )


def _international(phone: str | None) -> str | None:
    """Return a number with its country code; None for any other, which Cal.com would refuse."""
    return phone if phone and phone.startswith("+") and spoken_phone_number(phone) else None
