"""Cal.com API v2: https://cal.com/docs/api-reference/v2.

Where Cal.com's own description leaves an answer open, only what is used here is read.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, ClassVar, Literal

from pydantic import AwareDatetime, BaseModel, SecretStr

from config.columns import now
from config.security.vault import Account
from scheduling.matching import is_person
from scheduling.provider import Agenda, Attendee, Booking, Service, Slot, TimeZone
from toolkit.errors import Conflict, NotFound, Rejected
from toolkit.http.client import HeaderAuth, VendorApi
from toolkit.speech.numbers import phone_number
from toolkit.speech.times import utc
from toolkit.tenancy import Credentials, ToolCall

# Cal.com versions each resource on its own date.
_BOOKINGS = {"cal-api-version": "2024-08-13"}
_SLOTS = {"cal-api-version": "2024-09-04"}
_EVENT_TYPES = {"cal-api-version": "2024-06-14"}
_AGENDA_HOLDS = 300.0  # seconds
_KEY = "antiphon"  # where a booking's metadata names the call that made it
_PAGE = 100


class CalComCredentials(Credentials):
    """What a tenant pastes in to connect Cal.com."""

    api_key: SecretStr


class _Me(BaseModel):
    timeZone: TimeZone


class _MeAnswer(BaseModel):
    data: _Me


class _EventType(BaseModel):
    id: int
    title: str
    lengthInMinutes: int
    hidden: bool = False


class _EventTypes(BaseModel):
    data: list[_EventType]


class _Time(BaseModel):
    start: AwareDatetime


class _Times(BaseModel):
    data: dict[str, list[_Time]]


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


class _BookingAnswer(BaseModel):
    data: _Booking


class _Bookings(BaseModel):
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
        """Read whose key it is."""
        await self._api.call("GET", ("v2", "me"), _MeAnswer)

    async def agenda(self) -> Agenda:
        """Return the event types that are not hidden, and the owner's time zone."""
        return await self._call.cached(self._account, "agenda", _AGENDA_HOLDS, self._agenda)

    async def free(
        self,
        service: Service,
        start: AwareDatetime,
        end: AwareDatetime,
        moving: Booking | None = None,
    ) -> list[Slot]:
        """Return the free times that start in [start, end)."""
        params = {"eventTypeId": service.id, "start": utc(start), "end": utc(end)}
        if moving is not None:
            params["bookingUidToReschedule"] = moving.id
        answer = await self._api.call("GET", ("v2", "slots"), _Times, params=params, headers=_SLOTS)
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
        who = {
            "name": attendee.name,
            "email": attendee.email,
            "phoneNumber": _international(attendee.phone),
            "timeZone": (await self.agenda()).time_zone,
        }
        body: dict[str, Any] = {
            "eventTypeId": int(service.id),
            "start": utc(start),
            "attendee": {name: value for name, value in who.items() if value is not None},
        }
        if attendee.notes:
            body["bookingFieldsResponses"] = {"notes": attendee.notes}
        if self._call.idempotency_key:
            body["metadata"] = {_KEY: self._call.idempotency_key}
        path = ("v2", "bookings")
        return await self._unless_taken(service, start, path, body)

    async def find_lost_booking(
        self, service: Service, start: AwareDatetime, attendee: Attendee
    ) -> Booking | None:
        """Return the booking whose metadata name this call; only a lost try is looked for."""
        if not self._call.is_retry:
            return None
        end = start + timedelta(minutes=service.minutes)
        found = await self._list(eventTypeId=service.id, afterStart=utc(start), beforeEnd=utc(end))
        services = await self._services()
        for each in found:
            if (each.metadata or {}).get(_KEY) == self._call.idempotency_key:
                return _booking(each, services)
        return None

    async def booking(self, reference: str) -> Booking | None:
        """Return a booking by its uid."""
        path = ("v2", "bookings", reference.strip())
        try:
            answer = await self._api.call("GET", path, _BookingAnswer, headers=_BOOKINGS)
        except NotFound:
            return None
        return _booking(answer.data, await self._services())

    async def upcoming(self, name: str | None, phone: str | None) -> list[Booking]:
        """Return a person's bookings from now on; Cal.com itself finds names only in part."""
        services = await self._services()
        found = [_booking(each, services) for each in await self._list(status="upcoming")]
        return [each for each in found if is_person(each.attendee, name, phone)]

    async def move(self, booking: Booking, start: AwareDatetime) -> Booking | None:
        """Move a booking, which gets a new uid; return None when the time is no longer free."""
        path = ("v2", "bookings", booking.id, "reschedule")
        return await self._unless_taken(
            booking.service, start, path, {"start": utc(start)}, booking
        )

    async def cancel(self, booking: Booking, reason: str | None) -> Booking:
        """Cancel a booking. Cancelling twice is not an error."""
        if booking.status == "cancelled":
            return booking
        path = ("v2", "bookings", booking.id, "cancel")
        body = {"cancellationReason": reason or "cancelled by phone"}
        answer = await self._api.call("POST", path, _BookingAnswer, json=body, headers=_BOOKINGS)
        return _booking(answer.data, await self._services())

    async def _agenda(self) -> Agenda:
        me = await self._api.call("GET", ("v2", "me"), _MeAnswer)
        path = ("v2", "event-types")
        types = await self._api.call("GET", path, _EventTypes, headers=_EVENT_TYPES)
        services = tuple(
            Service(id=str(each.id), name=each.title, minutes=each.lengthInMinutes)
            for each in types.data
            if not each.hidden
        )
        return Agenda(time_zone=me.data.timeZone, services=services)

    async def _services(self) -> Mapping[str, Service]:
        return {service.id: service for service in (await self.agenda()).services}

    async def _list(self, **wanted: str) -> Sequence[_Booking]:
        params = {**wanted, "take": str(_PAGE), "sortStart": "asc"}
        path = ("v2", "bookings")
        answer = await self._api.call("GET", path, _Bookings, params=params, headers=_BOOKINGS)
        return answer.data

    async def _unless_taken(
        self,
        service: Service,
        start: datetime,
        path: tuple[str, ...],
        body: Mapping[str, Any],
        moving: Booking | None = None,
    ) -> Booking | None:
        """Send a booking; where it is refused because the time has gone, return None."""
        try:
            answer = await self._api.call(
                "POST", path, _BookingAnswer, json=body, headers=_BOOKINGS
            )
        except (Conflict, Rejected):
            # Cal.com says 400 for a time that is taken, and for all else that it does not like.
            if await self.free(service, start, start + timedelta(minutes=1), moving):
                raise
            return None
        return _booking(answer.data, {service.id: service})


def _booking(found: _Booking, services: Mapping[str, Service]) -> Booking:
    """Return a booking in our words; an event type that is no longer offered goes by its title."""
    who = found.attendees[0] if found.attendees else _Attendee(name="")
    service_id = str(found.eventTypeId)
    service = services.get(service_id) or Service(
        id=service_id, name=found.title, minutes=found.duration
    )
    return Booking(
        id=found.uid,
        reference=found.uid,
        service=service.model_copy(update={"minutes": found.duration}),
        starts_at=found.start,
        attendee=Attendee(name=who.name, phone=who.phoneNumber, email=who.email),
        status="cancelled" if found.status in ("cancelled", "rejected") else "booked",
    )


def _international(phone: str | None) -> str | None:
    """Return a number that Cal.com takes: it refuses one without its country."""
    return phone if phone and phone.startswith("+") and phone_number(phone) else None
