"""What Housecall Pro answers, and how that reads in our words.

Where its own description leaves an answer open, only what is used here is read.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Annotated, Any, Literal
from unicodedata import normalize

from pydantic import AfterValidator, AliasChoices, AliasPath, BaseModel, Field

from scheduling.matching import is_person
from scheduling.provider import Attendee, Booking, Service, TimeZone
from toolkit.speech.times import utc

UNTIMED = 30  # minutes, which the vendor itself takes for a service without a duration
_CANCELLED = frozenset({"user canceled", "pro canceled"})
_WAS_ON = re.compile(r"It was to be on (\S+Z)\.")


def _aware(moment: datetime) -> datetime:
    """Return a moment of the vendor's, which is in UTC where it names no zone."""
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


_Moment = Annotated[datetime, AfterValidator(_aware)]


class Company(BaseModel):
    """The business itself."""

    time_zone: TimeZone


class PricedService(BaseModel):
    """Something in the price book; its duration is in minutes."""

    uuid: str
    name: str
    online_booking_enabled: bool
    duration: int | None = None


class PriceBook(BaseModel):
    """One page. It is described as a list within a list, and has been seen as a plain one."""

    data: list[PricedService] = Field(
        default=[], validation_alias=AliasChoices("data", AliasPath("services", 0, "data"))
    )
    total_pages: int = Field(
        default=1,
        validation_alias=AliasChoices("total_pages", AliasPath("services", 0, "total_pages")),
    )


class _Window(BaseModel):
    start_time: _Moment
    available: bool


class Windows(BaseModel):
    """The times at which somebody could come, and those at which nobody can."""

    booking_windows: list[_Window]


class Address(BaseModel):
    """A customer's address."""

    id: str
    type: str | None = None


class Customer(BaseModel):
    """A customer as the office knows them."""

    id: str
    first_name: str | None = None
    last_name: str | None = None
    company: str | None = None
    email: str | None = None
    mobile_number: str | None = None
    home_number: str | None = None
    work_number: str | None = None
    addresses: list[Address] = []

    @property
    def attendees(self) -> list[Attendee]:
        """Return the customer once for each of their numbers."""
        name = " ".join(filter(None, (self.first_name, self.last_name))) or self.company or ""
        numbers = [self.mobile_number, self.home_number, self.work_number]
        known: list[str | None] = [each for each in numbers if each]
        return [Attendee(name=name, phone=each, email=self.email) for each in known or [None]]

    @property
    def address_id(self) -> str | None:
        """Return where their jobs are: at the first address that is not merely billed."""
        homes = sorted(self.addresses, key=lambda each: each.type == "billing")
        return homes[0].id if homes else None

    def is_person(self, name: str | None, phone: str | None) -> bool:
        """Say whether it is the person with this name, or with this number."""
        return any(is_person(each, name, phone) for each in self.attendees)

    def is_caller(self, caller: Attendee) -> bool:
        """Say whether it is the caller, of whom a name alone does not tell."""
        if caller.phone and self.is_person(None, caller.phone):
            return True
        email = (self.email or "").casefold()
        same_email = email != "" and email == (caller.email or "").casefold()
        return same_email and (caller.phone is None or self.is_person(caller.name, None))


class Customers(BaseModel):
    """Customers who were looked for."""

    customers: list[Customer]


class Note(BaseModel):
    """A note on a job, for staff."""

    content: str | None = None


class _Schedule(BaseModel):
    scheduled_start: _Moment | None = None
    scheduled_end: _Moment | None = None


class Job(BaseModel):
    """Work to be done for a customer, with a time or without."""

    id: str
    description: str | None = None
    customer: Customer
    notes: list[Note] = []
    work_status: str
    schedule: _Schedule = _Schedule()

    @property
    def noted(self) -> str:
        """Return all its notes."""
        return "\n".join(each.content or "" for each in self.notes)


class Jobs(BaseModel):
    """Jobs that were looked for."""

    jobs: list[Job]


class Moved(BaseModel):
    """A job's new time."""

    start_time: _Moment


class Unscheduled(BaseModel):
    """The answer that a job has no time any more."""

    deleted: Literal[True]


def mark(key: str) -> str:
    """Return what tells a call, short enough for a note."""
    return sha256(key.encode()).hexdigest()[:12]


def booking_note(attendee: Attendee, key: str | None) -> str:
    """Return what staff reads on a new job, and what a repeat of the call is told by."""
    booked = f"Booked by phone for {attendee.name}{f', call {mark(key)}' if key else ''}."
    return "\n".join(filter(None, (attendee.notes, booked)))


def cancellation(starts_at: datetime, reason: str | None) -> str:
    """Return the note that tells what an unscheduled job was: here, and to staff."""
    because = f" Reason: {reason}" if reason else ""
    return f"Cancelled by phone. It was to be on {utc(starts_at)}.{because}"


def bookings_of(jobs: Iterable[Job], services: Sequence[Service]) -> list[Booking]:
    """Return the jobs that have a time, and are not cancelled."""
    found = [booking_of(job, services) for job in jobs]
    return [each for each in found if each and each.status == "booked"]


def booking_of(job: Job, services: Sequence[Service]) -> Booking | None:
    """Return a job in our words; None where it has no time, and never lost one by phone."""
    schedule, was_on = job.schedule, _WAS_ON.findall(job.noted)
    starts_at = schedule.scheduled_start
    if starts_at is None and not was_on:
        return None
    cancelled = starts_at is None or job.work_status in _CANCELLED
    return Booking(
        id=job.id,
        reference=job.id,
        service=_service(job, services),
        starts_at=starts_at or datetime.fromisoformat(was_on[-1]),
        attendee=job.customer.attendees[0],
        status="cancelled" if cancelled else "booked",
    )


def _service(job: Job, services: Sequence[Service]) -> Service:
    """Return what a job is for; a service that is no longer offered goes by the job's title."""
    name, schedule = job.description or "appointment", job.schedule
    unknown = Service(id=slug(name), name=name, minutes=UNTIMED)
    service = next((each for each in services if each.name == name), unknown)
    if schedule.scheduled_start is None or schedule.scheduled_end is None:
        return service
    minutes = (schedule.scheduled_end - schedule.scheduled_start) // timedelta(minutes=1)
    return service.model_copy(update={"minutes": minutes})


def default_address(settings: Mapping[str, Any]) -> Mapping[str, str] | None:
    """Return where a job is until the office knows the caller's address."""
    parts = ("street", "city", "state", "zip")
    address = {part: str(settings.get(f"default_{part}") or "") for part in parts}
    address["country"] = str(settings.get("default_country") or "US")
    return address if all(address.values()) else None


def slug(name: str) -> str:
    """Return a name as a service's id."""
    plain = normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-") or "service"
