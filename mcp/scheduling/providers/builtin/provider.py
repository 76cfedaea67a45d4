"""The builtin provider: calendars with opening hours, services and bookings in PostgreSQL."""

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import ClassVar
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

from pydantic import AwareDatetime
from sqlalchemy import ColumnElement, String, cast, func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from config.columns import now
from config.security.vault import Account
from scheduling.matching import attendee_of, of_person
from scheduling.provider import Attendee, Booking, CalendarInfo, Service, Slot
from scheduling.providers.builtin.opening_hours import OpeningHours
from scheduling.providers.builtin.tables import Calendar, CalendarBooking, CalendarService
from toolkit.errors import Disconnected
from toolkit.instants import utc
from toolkit.speech.people import fold, significant_digits, similar_prefixes
from toolkit.tenancy import Credentials, ToolCall

_ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f-]{0,27})?")
_REFERENCE_LENGTH = 8  # characters of an id, enough to tell the bookings of a calendar apart


async def calendar_names(session: AsyncSession) -> Sequence[str]:
    """Return the names of the tenant's calendars."""
    query = select(col(Calendar.name)).order_by(col(Calendar.name))
    return (await session.scalars(query)).all()


class Builtin:
    """The calendar that the integration names, or the only one there is."""

    credentials: ClassVar[type[Credentials]] = Credentials
    unsupported: ClassVar[Mapping[str, str]] = {}

    def __init__(
        self, account: Account, call: ToolCall, clock: Callable[[], datetime] = now
    ) -> None:
        self._name = account.name
        self._call = call
        self._clock = clock

    async def check(self) -> None:
        """Make sure that the calendar exists."""
        async with self._call.transaction() as session:
            await self._load_calendar(session)

    async def calendar_info(self) -> CalendarInfo:
        """Return the services, the time zone and the opening hours."""
        async with self._call.transaction() as session:
            calendar = await self._load_calendar(session)
            services = await _load_services(session, calendar)
        info = CalendarInfo(time_zone=calendar.time_zone, services=tuple(services.values()))
        hours = _opening_hours(calendar)
        if (bounds := hours.bounds()) is None:
            return info
        opens, closes = bounds
        return info.model_copy(update={"opens": opens, "closes": closes, "nights": hours.nights()})

    async def find_slots(
        self,
        service: Service,
        start: AwareDatetime,
        end: AwareDatetime,
        moving: Booking | None = None,
    ) -> list[Slot]:
        """Return the free times that start in [start, end), earliest first, none of them past."""
        start, end, length = utc(start), utc(end), timedelta(minutes=service.minutes)
        async with self._call.transaction() as session:
            calendar = await self._load_calendar(session)
            taken = await _bookings_between(session, calendar, start, end + length, moving)
        hours, current = _opening_hours(calendar), self._clock()
        first, last = (each.astimezone(hours.zone).date() for each in (start, end))
        slots = [
            Slot(starts_at=each, ends_at=each + length)
            for each in hours.starts(first, last, service.minutes)
            if start <= each < end and each > current
        ]
        return [slot for slot in slots if not _overlaps(slot, taken)]

    async def book(
        self, service: Service, start: AwareDatetime, attendee: Attendee
    ) -> Booking | None:
        """Book a time; return None when it is no longer free."""
        start = utc(start)
        async with self._call.transaction() as session:
            calendar = await self._load_calendar(session, locked=True)
            if existing := await self._find_by_idempotency_key(session):
                return existing
            if not await self._is_bookable(session, calendar, service, start):
                return None
            row = CalendarBooking(
                id=uuid4(),
                business_id=self._call.business_id,
                calendar_id=calendar.id,
                service_key=service.id,
                starts_at=start,
                ends_at=start + timedelta(minutes=service.minutes),
                attendee_name=attendee.name,
                attendee_phone=attendee.phone,
                attendee_email=attendee.email,
                notes=attendee.notes,
                status="booked",
                idempotency_key=self._call.idempotency_key,
            )
            session.add(row)
            return _to_booking(row, {service.id: service})

    async def find_lost_booking(
        self, service: Service, start: AwareDatetime, attendee: Attendee
    ) -> Booking | None:
        """Return the booking with the idempotency key of this tool call, if there is one."""
        async with self._call.transaction() as session:
            return await self._find_by_idempotency_key(session)

    async def booking(self, reference: str) -> Booking | None:
        """Return a booking by its reference or its id, whatever its status."""
        prefix = reference.strip().lower()
        if not _ID.fullmatch(prefix):
            return None
        async with self._call.transaction() as session:
            found = await self._load_bookings(
                session, cast(col(CalendarBooking.id), String).startswith(prefix)
            )
        return found[0] if len(found) == 1 else None

    async def find_bookings(self, name: str | None, phone: str | None) -> list[Booking]:
        """Return the future bookings of the person with this name or phone, earliest first."""
        row = CalendarBooking
        later, booked = col(row.starts_at) > self._clock(), col(row.status) == "booked"
        async with self._call.transaction() as session:
            found = await self._load_bookings(session, _may_be_of(name, phone), later, booked)
        return of_person(found, attendee_of, name, phone)

    async def move(self, booking: Booking, start: AwareDatetime) -> Booking | None:
        """Move a booking; return None when the time is no longer free."""
        start = utc(start)
        async with self._call.transaction() as session:
            calendar = await self._load_calendar(session, locked=True)
            row = await _load_booking(session, booking)
            if row.status != "booked" or not await self._is_bookable(
                session, calendar, booking.service, start, booking
            ):
                return None
            row.starts_at = start
            row.ends_at = start + timedelta(minutes=booking.service.minutes)
            row.updated_at = self._clock()
            return _to_booking(row, {booking.service.id: booking.service})

    async def cancel(self, booking: Booking, reason: str | None) -> Booking:
        """Cancel a booking. Cancelling it again is not an error."""
        async with self._call.transaction() as session:
            await self._load_calendar(session, locked=True)
            row = await _load_booking(session, booking)
            if row.status != "cancelled":
                row.status, row.cancellation_reason = "cancelled", reason
                row.updated_at = self._clock()
            return _to_booking(row, {booking.service.id: booking.service})

    async def _load_calendar(self, session: AsyncSession, *, locked: bool = False) -> Calendar:
        """Return the calendar; `locked` makes every other writer wait for this transaction.

        Raises:
            Disconnected: there is no calendar, or several and none is named.
        """
        statement = select(Calendar)
        if self._name is not None:
            statement = statement.where(col(Calendar.name) == self._name)
        if locked:
            statement = statement.with_for_update()
        calendars = (await session.execute(statement)).scalars().all()
        if len(calendars) == 1:
            return calendars[0]
        if not calendars:
            raise Disconnected("There is no such calendar.")
        raise Disconnected("There are several calendars, and this bot is connected to none.")

    async def _load_bookings(
        self, session: AsyncSession, *conditions: ColumnElement[bool]
    ) -> list[Booking]:
        calendar = await self._load_calendar(session)
        services = await _load_services(session, calendar)
        statement = (
            select(CalendarBooking)
            .where(col(CalendarBooking.calendar_id) == calendar.id, *conditions)
            .order_by(col(CalendarBooking.starts_at))
        )
        rows = (await session.execute(statement)).scalars()
        return [_to_booking(row, services) for row in rows]

    async def _find_by_idempotency_key(self, session: AsyncSession) -> Booking | None:
        key = self._call.idempotency_key
        if key is None:
            return None
        found = await self._load_bookings(session, col(CalendarBooking.idempotency_key) == key)
        return found[0] if found else None

    async def _is_bookable(
        self,
        session: AsyncSession,
        calendar: Calendar,
        service: Service,
        start: datetime,
        moving: Booking | None = None,
    ) -> bool:
        slot = Slot(starts_at=start, ends_at=start + timedelta(minutes=service.minutes))
        taken = await _bookings_between(session, calendar, slot.starts_at, slot.ends_at, moving)
        open_then = _opening_hours(calendar).contains(start, service.minutes)
        return open_then and start > self._clock() and not _overlaps(slot, taken)


def _opening_hours(calendar: Calendar) -> OpeningHours:
    return OpeningHours(calendar.hours, ZoneInfo(calendar.time_zone))


async def _load_services(session: AsyncSession, calendar: Calendar) -> dict[str, Service]:
    statement = (
        select(CalendarService)
        .where(col(CalendarService.calendar_id) == calendar.id)
        .order_by(col(CalendarService.created_at), col(CalendarService.service_key))
    )
    rows = (await session.execute(statement)).scalars()
    return {
        row.service_key: Service(id=row.service_key, name=row.name, minutes=row.minutes)
        for row in rows
    }


async def _bookings_between(
    session: AsyncSession,
    calendar: Calendar,
    start: datetime,
    end: datetime,
    moving: Booking | None,
) -> Sequence[CalendarBooking]:
    row = CalendarBooking
    statement = select(row).where(
        col(row.calendar_id) == calendar.id,
        col(row.status) == "booked",
        col(row.starts_at) < end,
        col(row.ends_at) > start,
    )
    if moving is not None:
        statement = statement.where(col(row.id) != UUID(moving.id))
    return (await session.execute(statement)).scalars().all()


def _overlaps(slot: Slot, taken: Sequence[CalendarBooking]) -> bool:
    return any(row.starts_at < slot.ends_at and row.ends_at > slot.starts_at for row in taken)


async def _load_booking(session: AsyncSession, booking: Booking) -> CalendarBooking:
    statement = select(CalendarBooking).where(col(CalendarBooking.id) == UUID(booking.id))
    return (await session.execute(statement)).scalar_one()


def _to_booking(row: CalendarBooking, services: Mapping[str, Service]) -> Booking:
    """Return the booking of a row; a service that is no longer offered is named by its key."""
    minutes = (row.ends_at - row.starts_at) // timedelta(minutes=1)
    offered = services.get(row.service_key)
    name = offered.name if offered else row.service_key
    return Booking(
        id=str(row.id),
        reference=row.id.hex[:_REFERENCE_LENGTH],
        service=Service(id=row.service_key, name=name, minutes=minutes),
        starts_at=row.starts_at,
        attendee=Attendee(
            name=row.attendee_name,
            phone=row.attendee_phone,
            email=row.attendee_email,
            notes=row.notes,
        ),
        status="cancelled" if row.status == "cancelled" else "booked",
    )


def _may_be_of(name: str | None, phone: str | None) -> ColumnElement[bool]:
    """Return the condition that a person may meet: the first letters, or the last digits."""
    row = CalendarBooking
    conditions: list[ColumnElement[bool]] = []
    if name:
        letters = "|".join(re.escape(each) for each in similar_prefixes(fold(name).split(), 1))
        conditions.append(func.lower(col(row.attendee_name)).regexp_match(f"\\m({letters})"))
        conditions.append(col(row.attendee_name).regexp_match("[^ -~]"))
    if phone:
        written = func.regexp_replace(col(row.attendee_phone), "\\D", "", "g")
        conditions.append(written.contains(significant_digits(phone)))
    return or_(*conditions)
