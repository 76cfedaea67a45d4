"""Acuity's responses, and their translation into the server's models.

Acuity documents its responses in prose only, so the models hold no more than what is used.
"""

from collections.abc import Mapping
from datetime import date

from pydantic import AwareDatetime, BaseModel

from scheduling.matching import is_booked_by
from scheduling.provider import Attendee, Booking, Service, TimeZone
from toolkit.speech.people import is_same_number

NO_LAST_NAME = "-"  # Acuity requires a last name, and not every caller gives one


class Me(BaseModel):
    """The account that the API key belongs to."""

    id: int
    timezone: TimeZone


class Calendar(BaseModel):
    """A calendar of the account."""

    id: int
    timezone: TimeZone


class AppointmentType(BaseModel):
    """An appointment type."""

    id: int
    name: str
    duration: int
    active: bool
    private: bool
    type: str
    calendarIDs: list[int]


class AvailableDate(BaseModel):
    """A date on which something is free."""

    date: date


class AvailableTime(BaseModel):
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


def to_booking(appointment: Appointment, services: Mapping[str, Service]) -> Booking:
    """Return the booking of an appointment.

    The appointment may be of a type that is no longer offered: its own name and duration count.
    """
    service_id = str(appointment.appointmentTypeID)
    service = services.get(service_id) or Service(
        id=service_id, name=appointment.type, minutes=appointment.duration
    )
    last = appointment.lastName if appointment.lastName != NO_LAST_NAME else ""
    return Booking(
        id=str(appointment.id),
        reference=str(appointment.id),
        service=service.model_copy(update={"minutes": appointment.duration}),
        starts_at=appointment.datetime,
        attendee=Attendee(
            name=f"{appointment.firstName} {last}".strip(),
            phone=appointment.phone or None,
            email=appointment.email or None,
        ),
        status="cancelled" if appointment.canceled else "booked",
    )


def is_same_attendee(booked: Attendee, sent: Attendee) -> bool:
    """Say whether an appointment's attendee has the name, phone and e-mail that were sent."""
    return (
        is_booked_by(booked, sent.name, None)
        and (not sent.phone or is_same_number(booked.phone or "", sent.phone))
        and (not sent.email or (booked.email or "").casefold() == sent.email.casefold())
    )
