"""Acuity's responses and refusals, and their translation into the server's models.

Acuity documents its responses in prose only, so the models hold no more than what is used.
"""

from collections.abc import Callable, Mapping
from datetime import date
from typing import Annotated, Any

import httpx2
from pydantic import (
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    RootModel,
    ValidationError,
)

from scheduling.matching import is_booked_by
from scheduling.provider import Attendee, Booking, Service, TimeZone
from scheduling.sentences import say
from toolkit.errors import Conflict, Rejected, ToolFailure
from toolkit.http.records import Records
from toolkit.speech.people import is_same_number

NO_LAST_NAME = "-"  # Acuity requires a last name, and not every caller gives one


def _or_empty(text: Any) -> Any:
    return "" if text is None else text


_Text = Annotated[str, BeforeValidator(_or_empty)]


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
    firstName: _Text = ""
    lastName: _Text = ""
    phone: str | None = None
    email: str | None = None
    datetime: AwareDatetime
    duration: int
    type: _Text = ""
    appointmentTypeID: int
    calendarID: int
    canceled: bool = False


Calendars = RootModel[Records[Calendar]]
AppointmentTypes = RootModel[Records[AppointmentType]]
AvailableDates = RootModel[Records[AvailableDate]]
AvailableTimes = RootModel[Records[AvailableTime]]


_Appointments = RootModel[Records[Appointment]]


class Appointments(RootModel[list[Any]]):
    """A list of appointments. Its length includes those that cannot be read."""

    def records(self) -> list[Appointment]:
        """Return those that can be read."""
        return _Appointments.model_validate(self.root).root


class SlotTaken(Conflict):
    """Acuity says that a time cannot be booked, or not any more."""


class Refused(Rejected):
    """Acuity says why it refuses a booking or a change, and it is not the time."""


class _Refusal(BaseModel):
    error: str


_TAKEN = frozenset(
    [
        *("not_available", "no_available_calendar"),
        *("not_available_min_hours_in_advance", "not_available_max_days_in_advance"),
    ]
)


def _needs_email() -> Refused:
    return Refused(
        "Acuity does not take that e-mail address.",
        say=say("which_detail", detail="email"),
        next="Call again with the caller's e-mail address, or without it.",
    )


def _not_allowed(change: str) -> Refused:
    return Refused("Clients may not do that.", say=say("change_not_allowed", change=change))


def _too_late(change: str) -> Refused:
    return Refused("It is too late for that.", say=say("change_too_late", change=change))


_REFUSED: Mapping[str, Callable[[], Refused]] = {
    "required_email": _needs_email,
    "invalid_email": _needs_email,
    "cancel_not_allowed": lambda: _not_allowed("cancel"),
    "cancel_too_close": lambda: _too_late("cancel"),
    "reschedule_not_allowed": lambda: _not_allowed("move"),
    "reschedule_too_close": lambda: _too_late("move"),
    "reschedule_canceled": lambda: Refused(
        "That booking has been cancelled.", say=say("cancelled_booking")
    ),
    "reschedule_series": lambda: Refused(
        "A series of classes cannot be moved.", say=say("change_needs_a_person")
    ),
}


def read_refusal(response: httpx2.Response) -> ToolFailure | None:
    """Return what a refusal means by its code, which each page of the reference lists.

    https://developers.acuityscheduling.com/reference/put-appointments-id-reschedule
    """
    try:
        code = _Refusal.model_validate_json(response.content).error
    except ValidationError:
        return None
    if code in _TAKEN:
        return SlotTaken("That time is no longer free.")
    return _REFUSED[code]() if code in _REFUSED else None


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
