"""Acuity Scheduling API v1: https://developers.acuityscheduling.com/reference."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import partial
from typing import Any, ClassVar, Literal
from zoneinfo import ZoneInfo

import httpx2
from pydantic import AwareDatetime, BaseModel, RootModel, SecretStr

from config.columns import now
from config.security.vault import Account
from scheduling.matching import is_person
from scheduling.provider import Agenda, Attendee, Booking, Service, Slot
from scheduling.providers.acuity import mapping as records
from toolkit.errors import Conflict, Disconnected, NotFound, Rejected
from toolkit.http.client import Model, Params, VendorApi
from toolkit.http.concurrency import map_concurrently
from toolkit.tenancy import Credentials, ToolCall

_OFFICE_HOLDS = 300.0  # seconds
_FEW = 2  # days that are asked for without looking first on which there is anything
_AT_ONCE = 4  # Acuity takes ten requests a second from an address, whomever they are for
_MOST = "1000"  # appointments in one answer
_NUMBER = re.compile(r"[0-9]{1,18}")
_DAY = timedelta(days=1)


class AcuityCredentials(Credentials):
    """What a tenant pastes in to connect Acuity."""

    user_id: str
    api_key: SecretStr


class _Settings(BaseModel):
    calendar_id: int | None = None


@dataclass(frozen=True)
class _Office:
    """What can be booked, and in which calendars."""

    agenda: Agenda
    calendars: Mapping[str, Sequence[int]]

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.agenda.time_zone)


class Acuity:
    """A tenant's Acuity account, or one calendar of it. A service is an appointment type.

    The setting `calendar_id` limits it to one calendar, on whose clock its callers then are.
    """

    credentials: ClassVar[type[Credentials]] = AcuityCredentials
    unsupported: ClassVar[Mapping[str, str]] = {}

    def __init__(self, account: Account, call: ToolCall) -> None:
        given = AcuityCredentials.model_validate(account.secrets)
        self._account = account
        self._call = call
        self._only = _Settings.model_validate(account.settings).calendar_id
        self._free_days: dict[tuple[str, str], set[date]] = {}
        self._api = VendorApi(
            "Acuity",
            account.base_url("https://acuityscheduling.com"),
            call.vendor_connection(account),
            httpx2.BasicAuth(given.user_id, given.api_key.get_secret_value()),
        )

    async def check(self) -> None:
        """Read whose key it is."""
        await self._get(records.Clock, "me")

    async def agenda(self) -> Agenda:
        """Return the appointment types that clients see, and the time zone."""
        return (await self._office()).agenda

    async def free(
        self,
        service: Service,
        start: AwareDatetime,
        end: AwareDatetime,
        moving: Booking | None = None,
    ) -> list[Slot]:
        """Return the free times that start in [start, end); Acuity tells them day by day."""
        zone, current = (await self._office()).zone, now()
        days = _days(max(start, current).astimezone(zone), end.astimezone(zone))
        if len(days) > _FEW:
            own = moving and moving.starts_at.astimezone(zone).date()
            days = [day for day in days if day == own or await self._has_times(service, day)]
        times = partial(self._times, service, self._only, moving)
        starts = sorted(
            each
            for found in await map_concurrently(times, days, at_once=_AT_ONCE)
            for each in found
        )
        length = timedelta(minutes=service.minutes)
        return [
            Slot(starts_at=each, ends_at=each + length)
            for each in starts
            if start <= each < end and each > current
        ]

    async def book(
        self, service: Service, start: AwareDatetime, attendee: Attendee
    ) -> Booking | None:
        """Book a time as an admin; return None when it is no longer free.

        Of a client Acuity demands an e-mail address and filled-in forms, and takes no notes. But
        an admin may book what is taken: that is looked at right before, one call after the other.
        https://developers.acuityscheduling.com/reference/post-appointments
        """
        office = await self._office()
        first, _, last = attendee.name.rpartition(" ")
        details = {"email": attendee.email, "phone": attendee.phone, "notes": attendee.notes}
        body = {
            "appointmentTypeID": int(service.id),
            "firstName": first or last,
            "lastName": last if first else records.NO_LAST_NAME,
            "timezone": office.agenda.time_zone,
            **{name: value for name, value in details.items() if value},
        }
        calendars = office.calendars.get(service.id, ())
        async with self._call.runtime.lock(("acuity", self._call.business_id, self._account.id)):
            return await self._place("POST", ("appointments",), body, service, start, calendars)

    async def find_lost_booking(
        self, service: Service, start: AwareDatetime, attendee: Attendee
    ) -> Booking | None:
        """Return the same person's booking of the same time; only a lost try is looked for."""
        if not self._call.is_retry:
            return None
        # On which clock Acuity reads the two days, it does not say.
        found = await self._list(
            appointmentTypeID=service.id,
            minDate=_utc_day(start - _DAY),
            maxDate=_utc_day(start + _DAY),
        )
        same = (
            each
            for each in found
            if each.starts_at == start and records.has(each.attendee, attendee)
        )
        return next(same, None)

    async def booking(self, reference: str) -> Booking | None:
        """Return a booking by its number."""
        number = reference.strip()
        if not _NUMBER.fullmatch(number):
            return None
        try:
            found = await self._get(records.Appointment, "appointments", number)
        except NotFound:
            return None
        if self._only not in (None, found.calendarID):
            return None
        return records.booking_of(found, await self._services())

    async def upcoming(self, name: str | None, phone: str | None) -> list[Booking]:
        """Return a person's bookings from now on.

        How Acuity compares names and numbers it does not say, so its own filters are not used.
        """
        current = now()
        found = await self._list(minDate=_utc_day(current - _DAY))
        return [
            each
            for each in sorted(found, key=lambda booking: booking.starts_at)
            if each.starts_at > current and is_person(each.attendee, name, phone)
        ]

    async def move(self, booking: Booking, start: AwareDatetime) -> Booking | None:
        """Move a booking, within its calendar if that is free; None when no calendar is.

        It is moved as a client may: Acuity itself looks again, and keeps to the owner's rules.
        https://developers.acuityscheduling.com/reference/put-appointments-id-reschedule
        """
        there = (await self._get(records.Appointment, "appointments", booking.id)).calendarID
        others = (await self._office()).calendars.get(booking.service.id, ())
        calendars = list(dict.fromkeys([there, *others]))
        path = ("appointments", booking.id, "reschedule")
        return await self._place("PUT", path, {}, booking.service, start, calendars, booking)

    async def cancel(self, booking: Booking, reason: str | None) -> Booking:
        """Cancel a booking, as a client may. Cancelling twice is not an error."""
        if booking.status == "cancelled":
            return booking
        path = ("api", "v1", "appointments", booking.id, "cancel")
        try:
            await self._api.call(
                "PUT",
                path,
                records.Appointment,
                json={"cancelNote": reason or "cancelled by phone"},
            )
        except (Conflict, Rejected):
            # Somebody else may have cancelled it; else the owner forbids it, or that late.
            found = await self.booking(booking.id)
            if found is None or found.status != "cancelled":
                raise
        return booking.model_copy(update={"status": "cancelled"})

    async def _office(self) -> _Office:
        key = ("office", self._only)
        return await self._call.cached(self._account, key, _OFFICE_HOLDS, self._read_office)

    async def _read_office(self) -> _Office:
        """Read the time zone and the types, but for classes: their times are not free to choose."""
        if self._only is None:
            time_zone = (await self._get(records.Clock, "me")).timezone
        else:
            clocks = await self._get(RootModel[list[records.Clock]], "calendars")
            zones = {each.id: each.timezone for each in clocks.root}
            if self._only not in zones:
                raise Disconnected("The Acuity account has no such calendar.")
            time_zone = zones[self._only]
        found = await self._get(RootModel[list[records.Type]], "appointment-types")
        types = [
            each
            for each in found.root
            if each.active and not each.private and each.type == "service"
            if self._only is None or self._only in each.calendarIDs
        ]
        services = (
            Service(id=str(each.id), name=each.name, minutes=each.duration) for each in types
        )
        only = None if self._only is None else [self._only]
        calendars = {str(each.id): only or each.calendarIDs for each in types}
        return _Office(Agenda(time_zone=time_zone, services=tuple(services)), calendars)

    async def _services(self) -> Mapping[str, Service]:
        return {service.id: service for service in (await self.agenda()).services}

    async def _has_times(self, service: Service, day: date) -> bool:
        """Say whether anything is free on a day; Acuity tells that for a month."""
        month = (service.id, f"{day:%Y-%m}")
        if month not in self._free_days:
            params = await self._asking(service, self._only, month=month[1])
            found = await self._get(
                RootModel[list[records.Date]], "availability", "dates", params=params
            )
            self._free_days[month] = {each.date for each in found.root}
        return day in self._free_days[month]

    async def _times(
        self, service: Service, calendar_id: int | None, moving: Booking | None, day: date
    ) -> list[datetime]:
        params = await self._asking(service, calendar_id, date=day.isoformat())
        if moving is not None:
            params["ignoreAppointmentIDs[]"] = moving.id
        found = await self._get(
            RootModel[list[records.Time]], "availability", "times", params=params
        )
        return [each.time for each in found.root]

    async def _asking(
        self, service: Service, calendar_id: int | None, **when: str
    ) -> dict[str, str]:
        time_zone = (await self.agenda()).time_zone
        where = {} if calendar_id is None else {"calendarID": str(calendar_id)}
        return {"appointmentTypeID": service.id, "timezone": time_zone, **where, **when}

    async def _list(self, **wanted: str) -> list[Booking]:
        """Return the appointments that are not cancelled, earliest first."""
        params = {**wanted, "direction": "ASC", "max": _MOST, "excludeForms": "true"}
        if self._only is not None:
            params["calendarID"] = str(self._only)
        found = await self._get(RootModel[list[records.Appointment]], "appointments", params=params)
        services = await self._services()
        return [records.booking_of(each, services) for each in found.root if not each.canceled]

    async def _get(self, returns: type[Model], *path: str, params: Params | None = None) -> Model:
        return await self._api.call("GET", ("api", "v1", *path), returns, params=params)

    async def _place(
        self,
        method: Literal["POST", "PUT"],
        path: tuple[str, ...],
        body: Mapping[str, Any],
        service: Service,
        start: datetime,
        calendars: Sequence[int],
        moving: Booking | None = None,
    ) -> Booking | None:
        """Book or move to the first calendar that has the time; return None where none has."""
        local = start.astimezone((await self._office()).zone)
        for calendar_id in calendars:
            if start in await self._times(service, calendar_id, moving, local.date()):
                break
        else:
            return None
        where = {"datetime": f"{local:%Y-%m-%dT%H:%M:%S%z}", "calendarID": calendar_id}
        params = None if moving else {"admin": "true"}
        try:
            answer = await self._api.call(
                method,
                ("api", "v1", *path),
                records.Appointment,
                json={**body, **where},
                params=params,
            )
        except (Conflict, Rejected):
            # Acuity says 400 for a time that is taken, and for all else that it does not like.
            if start in await self._times(service, calendar_id, moving, local.date()):
                raise
            return None
        return records.booking_of(answer, {service.id: service})


def _days(start: datetime, end: datetime) -> list[date]:
    """Return the days that [start, end) touches, on the clock that both are on."""
    first, last = start.date(), (end - timedelta.resolution).date()
    return [first + timedelta(days=n) for n in range((last - first).days + 1)]


def _utc_day(moment: datetime) -> str:
    return moment.astimezone(UTC).date().isoformat()
