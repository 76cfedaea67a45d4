"""What Acuity answers, and how that reads in our words.

Acuity describes its answers in prose only: what is not used here is not read.
"""

from collections.abc import Mapping
from datetime import date

from pydantic import AwareDatetime, BaseModel

from scheduling.matching import is_person
from scheduling.provider import Attendee, Booking, Service, TimeZone
from toolkit.speech.people import same_number

NO_LAST_NAME = "-"  # Acuity wants a last name, and not every caller gives one


class Clock(BaseModel):
    """An account, or a calendar of it."""

    id: int
    timezone: TimeZone


class Type(BaseModel):
    """An appointment type."""

    id: int
    name: str
    duration: int
    active: bool
    private: bool
    type: str
    calendarIDs: list[int]


class Date(BaseModel):
    """A day on which something is free."""

    date: date


class Time(BaseModel):
    """A free time."""

    time: AwareDatetime


class Appointment(BaseModel):
    """An appointment."""

    id: int
    firstName: str
    lastName: str
    phone: str | None = None
    email: str | None = None
    datetime: AwareDatetime
    duration: int
    type: str
    appointmentTypeID: int
    calendarID: int
    canceled: bool = False


def booking_of(found: Appointment, services: Mapping[str, Service]) -> Booking:
    """Return an appointment in our words; a type that is no longer offered goes by its name."""
    service_id = str(found.appointmentTypeID)
    service = services.get(service_id) or Service(
        id=service_id, name=found.type, minutes=found.duration
    )
    last = found.lastName if found.lastName != NO_LAST_NAME else ""
    return Booking(
        id=str(found.id),
        reference=str(found.id),
        service=service.model_copy(update={"minutes": found.duration}),
        starts_at=found.datetime,
        attendee=Attendee(
            name=f"{found.firstName} {last}".strip(),
            phone=found.phone or None,
            email=found.email or None,
        ),
        status="cancelled" if found.canceled else "booked",
    )


def has(found: Attendee, sent: Attendee) -> bool:
    """Say whether an appointment has all that was sent of a person."""
    return (
        is_person(found, sent.name, None)
        and (not sent.phone or same_number(found.phone or "", sent.phone))
        and (not sent.email or (found.email or "").casefold() == sent.email.casefold())
    )
