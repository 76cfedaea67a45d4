"""The `calendars` section of a declaration."""

from collections.abc import Sequence
from typing import Annotated, Any
from zoneinfo import available_timezones

from pydantic import Field, field_validator
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from config.columns import now
from config.declarations.section import ApplyContext, Change
from config.models import DeclarationModel
from scheduling.providers.builtin.opening_hours import parse_week
from scheduling.providers.builtin.tables import Calendar, CalendarService

_DAY = 24 * 60


class ServiceDeclaration(DeclarationModel):
    """Something that can be booked."""

    # It is part of a handle: lower case, and nothing that would need quoting.
    id: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]*$", max_length=40)]
    name: Annotated[str, Field(min_length=1, max_length=80)]
    minutes: Annotated[int, Field(ge=5, le=_DAY)]


class CalendarDeclaration(DeclarationModel):
    """A calendar: what can be booked in it, and when it is open."""

    name: Annotated[str, Field(min_length=1, max_length=80)]
    time_zone: str | None = None
    services: Annotated[list[ServiceDeclaration], Field(min_length=1)]
    hours: dict[str, str]

    @field_validator("time_zone")
    @classmethod
    def _check_time_zone(cls, name: str | None) -> str | None:
        if name is not None and name not in available_timezones():
            raise ValueError(f"{name!r} is not a time zone like Europe/Paris.")
        return name

    @field_validator("hours")
    @classmethod
    def _check_hours(cls, hours: dict[str, str]) -> dict[str, str]:
        parse_week(hours)
        return hours

    @field_validator("services")
    @classmethod
    def _check_distinct_ids(cls, services: list[ServiceDeclaration]) -> list[ServiceDeclaration]:
        ids = [service.id for service in services]
        if twice := {each for each in ids if ids.count(each) > 1}:
            raise ValueError(f"the service {min(twice)!r} is declared twice.")
        return services


class CalendarsSection:
    """The `calendars` of a declaration."""

    @property
    def item(self) -> type[DeclarationModel]:
        """Return the model of one entry."""
        return CalendarDeclaration

    @property
    def after_bots(self) -> bool:
        """Say that bots name these, not the other way round."""
        return False

    async def apply(self, applying: ApplyContext, items: Sequence[Any]) -> list[Change]:
        """Bring the calendars in line with what is declared; bookings stay as they are."""
        changes: list[Change] = []
        for item in items:
            declared = CalendarDeclaration.model_validate(item)
            changes += await _apply(applying, declared)
        return changes


CALENDARS = CalendarsSection()


async def _apply(applying: ApplyContext, declared: CalendarDeclaration) -> list[Change]:
    session = applying.session
    what = f"calendar {declared.name}"
    zone, hours = declared.time_zone or applying.time_zone, parse_week(declared.hours)
    query = select(Calendar).where(col(Calendar.name) == declared.name).with_for_update()
    calendar = (await session.execute(query)).scalar_one_or_none()
    changes: list[Change] = []
    if calendar is None:
        calendar = Calendar(
            business_id=applying.business_id, name=declared.name, time_zone=zone, hours=hours
        )
        session.add(calendar)
        await session.flush()
        changes.append(Change("add", what))
    if calendar.time_zone != zone:
        changes.append(Change("change", what, f"time zone {calendar.time_zone} to {zone}"))
        calendar.time_zone, calendar.updated_at = zone, now()
    if calendar.hours != hours:
        changes.append(Change("change", what, "hours"))
        calendar.hours, calendar.updated_at = hours, now()
    return changes + await _apply_services(session, calendar, declared.services, what)


async def _apply_services(
    session: AsyncSession, calendar: Calendar, declared: Sequence[ServiceDeclaration], what: str
) -> list[Change]:
    """Store exactly the declared services; bookings of a removed one keep their own length."""
    statement = select(CalendarService).where(col(CalendarService.calendar_id) == calendar.id)
    stored = {row.service_key: row for row in (await session.execute(statement)).scalars()}
    changes: list[Change] = []
    for service in declared:
        name = f"{what}: service {service.id}"
        row = stored.pop(service.id, None)
        if row is None:
            session.add(
                CalendarService(
                    business_id=calendar.business_id,
                    calendar_id=calendar.id,
                    service_key=service.id,
                    name=service.name,
                    minutes=service.minutes,
                )
            )
            changes.append(Change("add", name))
        elif (row.name, row.minutes) != (service.name, service.minutes):
            detail = f"{row.name}, {row.minutes} minutes to {service.name}, {service.minutes}"
            row.name, row.minutes = service.name, service.minutes
            changes.append(Change("change", name, detail))
    for row in stored.values():
        await session.delete(row)
        changes.append(Change("remove", f"{what}: service {row.service_key}"))
    await session.flush()
    return changes
