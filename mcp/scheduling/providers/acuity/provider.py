"""Acuity Scheduling API v1: https://developers.acuityscheduling.com/reference."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import partial
from typing import Any, ClassVar, Literal
from zoneinfo import ZoneInfo

import httpx2
from pydantic import AwareDatetime, BaseModel, SecretStr

from config.columns import now
from config.security.vault import Account
from scheduling.matching import attendee_of, of_person, too_many_bookings
from scheduling.provider import Attendee, Booking, CalendarInfo, Service, Slot
from scheduling.providers.acuity import mapping
from toolkit.errors import Conflict, Disconnected, NotFound, Rejected
from toolkit.http.client import Model, Params, VendorApi
from toolkit.http.concurrency import map_concurrently
from toolkit.instants import utc
from toolkit.tenancy import Credentials, ToolCall

_INFO_TTL = 300.0  # seconds
_FEW_DAYS = 2  # days that are read without asking first which of them have free times
_MAX_CONCURRENT = 4  # Acuity takes ten requests a second from one address, for all tenants
_MAX_APPOINTMENTS = 1000  # in one response
_MAX_RESPONSES = 4
_APPOINTMENT_ID = re.compile(r"[0-9]{1,18}")
_DAY = timedelta(days=1)


class AcuityCredentials(Credentials):
    """What a tenant pastes in to connect Acuity."""

    user_id: str
    api_key: SecretStr


class _Settings(BaseModel):
    calendar_id: int | None = None


@dataclass(frozen=True)
class _AccountInfo:
    """The calendar info, and the ids of the calendars of each service."""

    calendar_info: CalendarInfo
    calendar_ids: Mapping[str, Sequence[int]]

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.calendar_info.time_zone)


class Acuity:
    """A tenant's Acuity account, or one calendar of it. A service is an appointment type.

    The setting `calendar_id` limits it to one calendar, whose time zone is used then.
    """

    credentials: ClassVar[type[Credentials]] = AcuityCredentials
    unsupported: ClassVar[Mapping[str, str]] = {}

    def __init__(self, account: Account, call: ToolCall) -> None:
        credentials = AcuityCredentials.model_validate(account.secrets)
        self._account = account
        self._call = call
        self._calendar_id = _Settings.model_validate(account.settings).calendar_id
        self._free_days: dict[tuple[str, str], set[date]] = {}
        self._api = VendorApi(
            "Acuity",
            account.base_url("https://acuityscheduling.com"),
            call.vendor_connection(account),
            httpx2.BasicAuth(credentials.user_id, credentials.api_key.get_secret_value()),
            mapping.read_refusal,
        )

    async def check(self) -> None:
        """Read the account that the key belongs to."""
        await self._get(mapping.Me, "me")

    async def calendar_info(self) -> CalendarInfo:
        """Return the appointment types that clients see, and the time zone."""
        return (await self._account_info()).calendar_info

    async def find_slots(
        self,
        service: Service,
        start: AwareDatetime,
        end: AwareDatetime,
        moving: Booking | None = None,
    ) -> list[Slot]:
        """Return the free times that start in [start, end).

        Acuity lists them by day. For more than two days, the days that have any are read first.
        """
        zone, current = (await self._account_info()).zone, now()
        days = _dates_between(max(start, current), end, zone)
        if len(days) > _FEW_DAYS:
            own_day = moving and moving.starts_at.astimezone(zone).date()
            days = [
                day for day in days if day == own_day or await self._has_free_times(service, day)
            ]
        fetch = partial(self._fetch_times, service, self._calendar_id, moving)
        starts = sorted(
            each
            for times in await map_concurrently(fetch, days, limit=_MAX_CONCURRENT)
            for each in times
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

        Acuity requires an e-mail address and filled-in forms of a client, and takes no notes from
        one. An admin may book a time that is taken, so this reads the free times right before, and
        a lock lets one call of the account do so at a time.
        https://developers.acuityscheduling.com/reference/post-appointments
        """
        info = await self._account_info()
        first, _, last = attendee.name.rpartition(" ")
        details = {"email": attendee.email, "phone": attendee.phone, "notes": attendee.notes}
        body = {
            "appointmentTypeID": int(service.id),
            "firstName": first or last,
            "lastName": last if first else mapping.NO_LAST_NAME,
            "timezone": info.calendar_info.time_zone,
            **{name: value for name, value in details.items() if value},
        }
        calendar_ids = info.calendar_ids.get(service.id, ())
        path = ("appointments",)
        async with self._call.runtime.lock(("acuity", self._call.business_id, self._account.id)):
            return await self._book_or_move("POST", path, body, service, start, calendar_ids)

    async def find_lost_booking(
        self, service: Service, start: AwareDatetime, attendee: Attendee
    ) -> Booking | None:
        """Return the booking of the same person, service and time. Only a retry looks for it."""
        if not self._call.is_retry:
            return None
        start = utc(start)
        # Acuity does not document in which time zone it reads the two dates.
        bookings, _ = await self._list_bookings(
            start - _DAY, appointmentTypeID=service.id, maxDate=_utc_date(start + _DAY)
        )
        same = (
            each
            for each in bookings
            if each.starts_at == start and mapping.is_same_attendee(each.attendee, attendee)
        )
        return next(same, None)

    async def booking(self, reference: str) -> Booking | None:
        """Return a booking by the id of its appointment."""
        appointment_id = reference.strip()
        if not _APPOINTMENT_ID.fullmatch(appointment_id):
            return None
        try:
            appointment = await self._get(mapping.Appointment, "appointments", appointment_id)
        except NotFound:
            return None
        if self._calendar_id not in (None, appointment.calendarID):
            return None
        return mapping.to_booking(appointment, await self._services())

    async def find_bookings(self, name: str | None, phone: str | None) -> list[Booking]:
        """Return the future bookings of the person with this name or phone, earliest first.

        Acuity does not document how its filters compare names and numbers, so they are not used.

        Raises:
            Rejected: nobody of that name was found, and there are more bookings than can be read.
        """
        current = now()
        bookings, is_complete = await self._list_bookings(current - _DAY)
        coming = [each for each in bookings if each.starts_at > current]
        mine = of_person(coming, attendee_of, name, phone)
        if not mine and not is_complete:
            raise too_many_bookings("There are more bookings than can be read.")
        return sorted(mine, key=lambda booking: booking.starts_at)

    async def move(self, booking: Booking, start: AwareDatetime) -> Booking | None:
        """Move a booking, within its calendar if possible; return None when no calendar is free.

        It is moved as a client, so that Acuity checks the time and applies the owner's rules.
        https://developers.acuityscheduling.com/reference/put-appointments-id-reschedule
        """
        appointment = await self._get(mapping.Appointment, "appointments", booking.id)
        others = (await self._account_info()).calendar_ids.get(booking.service.id, ())
        calendar_ids = list(dict.fromkeys([appointment.calendarID, *others]))
        path, service = ("appointments", booking.id, "reschedule"), booking.service
        return await self._book_or_move("PUT", path, {}, service, start, calendar_ids, booking)

    async def cancel(self, booking: Booking, reason: str | None) -> Booking:
        """Cancel a booking, as a client may. Cancelling it again is not an error."""
        if booking.status == "cancelled":
            return booking
        path = ("api", "v1", "appointments", booking.id, "cancel")
        try:
            await self._api.call(
                "PUT",
                path,
                mapping.Appointment,
                json={"cancelNote": reason or "cancelled by phone"},
            )
        except (Conflict, Rejected):
            # Either it is cancelled already, or the owner does not allow it, or not that late.
            current = await self.booking(booking.id)
            if current is None or current.status != "cancelled":
                raise
        return booking.model_copy(update={"status": "cancelled"})

    async def _account_info(self) -> _AccountInfo:
        key = ("account info", self._calendar_id)
        return await self._call.cached(self._account, key, _INFO_TTL, self._fetch_account_info)

    async def _fetch_account_info(self) -> _AccountInfo:
        """Read the time zone and the appointment types.

        Classes are left out: their times cannot be chosen freely.
        """
        if self._calendar_id is None:
            time_zone = (await self._get(mapping.Me, "me")).timezone
        else:
            calendars = await self._get(mapping.Calendars, "calendars")
            zones = {each.id: each.timezone for each in calendars.root}
            if self._calendar_id not in zones:
                raise Disconnected("The Acuity account has no such calendar.")
            time_zone = zones[self._calendar_id]
        every_type = await self._get(mapping.AppointmentTypes, "appointment-types")
        types = [
            each
            for each in every_type.root
            if each.active and not each.private and each.type == "service"
            if self._calendar_id is None or self._calendar_id in each.calendarIDs
        ]
        services = (
            Service(id=str(each.id), name=each.name, minutes=each.duration) for each in types
        )
        only = None if self._calendar_id is None else [self._calendar_id]
        calendar_ids = {str(each.id): only or each.calendarIDs for each in types}
        return _AccountInfo(
            CalendarInfo(time_zone=time_zone, services=tuple(services)), calendar_ids
        )

    async def _services(self) -> Mapping[str, Service]:
        return {service.id: service for service in (await self.calendar_info()).services}

    async def _has_free_times(self, service: Service, day: date) -> bool:
        """Say whether anything is free on a day. Acuity answers for a whole month."""
        month = (service.id, f"{day:%Y-%m}")
        if month not in self._free_days:
            params = await self._availability_params(service, self._calendar_id, month=month[1])
            dates = await self._get(mapping.AvailableDates, "availability", "dates", params=params)
            self._free_days[month] = {each.date for each in dates.root}
        return day in self._free_days[month]

    async def _fetch_times(
        self, service: Service, calendar_id: int | None, moving: Booking | None, day: date
    ) -> list[datetime]:
        params = await self._availability_params(service, calendar_id, date=day.isoformat())
        if moving is not None:
            params["ignoreAppointmentIDs[]"] = moving.id
        times = await self._get(mapping.AvailableTimes, "availability", "times", params=params)
        return [each.time for each in times.root]

    async def _availability_params(
        self, service: Service, calendar_id: int | None, **period: str
    ) -> dict[str, str]:
        time_zone = (await self.calendar_info()).time_zone
        calendar = {} if calendar_id is None else {"calendarID": str(calendar_id)}
        return {"appointmentTypeID": service.id, "timezone": time_zone, **calendar, **period}

    async def _list_bookings(self, first: datetime, **filters: str) -> tuple[list[Booking], bool]:
        """Return the bookings that are not cancelled from a day on, and whether these are all.

        Acuity has no pages: what follows a full response is asked for from its last day on.
        """
        params = {**filters, "direction": "ASC", "excludeForms": "true"}
        if self._calendar_id is not None:
            params["calendarID"] = str(self._calendar_id)
        found: dict[int, mapping.Appointment] = {}
        is_complete = False
        for _ in range(_MAX_RESPONSES):
            page = {**params, "max": str(_MAX_APPOINTMENTS), "minDate": _utc_date(first)}
            answer = await self._get(mapping.Appointments, "appointments", params=page)
            records = answer.records()
            found |= {each.id: each for each in records}
            last = max((each.datetime for each in records), default=first, key=utc)
            is_complete = len(answer.root) < _MAX_APPOINTMENTS
            if is_complete or utc(last) - _DAY <= utc(first):
                break
            first = utc(last) - _DAY
        services = await self._services()
        bookings = [
            mapping.to_booking(each, services) for each in found.values() if not each.canceled
        ]
        return bookings, is_complete

    async def _get(self, returns: type[Model], *path: str, params: Params | None = None) -> Model:
        return await self._api.call("GET", ("api", "v1", *path), returns, params=params)

    async def _book_or_move(
        self,
        method: Literal["POST", "PUT"],
        path: tuple[str, ...],
        body: Mapping[str, Any],
        service: Service,
        start: datetime,
        calendar_ids: Sequence[int],
        moving: Booking | None = None,
    ) -> Booking | None:
        """Book or move to the first calendar that is free then; return None where none is."""
        start = utc(start)
        local = start.astimezone((await self._account_info()).zone)
        for calendar_id in calendar_ids:
            if start in await self._fetch_times(service, calendar_id, moving, local.date()):
                break
        else:
            return None
        place = {"datetime": f"{local:%Y-%m-%dT%H:%M:%S%z}", "calendarID": calendar_id}
        params = None if moving else {"admin": "true"}
        try:
            answer = await self._api.call(
                method,
                ("api", "v1", *path),
                mapping.Appointment,
                json={**body, **place},
                params=params,
            )
        except mapping.SlotTaken:
            return None
        except mapping.Refused:
            raise
        except (Conflict, Rejected):
            # The code is none that Acuity documents.
            if start in await self._fetch_times(service, calendar_id, moving, local.date()):
                raise
            return None
        return mapping.to_booking(answer, {service.id: service})


def _dates_between(start: datetime, end: datetime, zone: ZoneInfo) -> list[date]:
    """Return the dates that [start, end) touches in a time zone."""
    instants = (start, utc(end) - timedelta.resolution)
    first, last = (each.astimezone(zone).date() for each in instants)
    return [first + timedelta(days=n) for n in range((last - first).days + 1)]


def _utc_date(moment: datetime) -> str:
    return utc(moment).date().isoformat()
