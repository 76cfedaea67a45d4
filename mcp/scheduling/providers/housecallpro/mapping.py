"""Housecall Pro's responses, and their translation into the server's models.

Where its specification leaves a response open, the models hold no more than what is used.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Annotated, Any, Literal
from unicodedata import normalize

from pydantic import AfterValidator, AliasChoices, AliasPath, BaseModel, Field

from scheduling.matching import is_booked_by
from scheduling.provider import Attendee, Booking, Service, TimeZone
from toolkit.speech.times import format_utc

DEFAULT_MINUTES = 30  # what Housecall Pro itself takes for a service without a duration
_CANCELLED = frozenset({"user canceled", "pro canceled"})
_CANCELLED_START = re.compile(r"It was to be on (\S+Z)\.")


def _assume_utc(moment: datetime) -> datetime:
    """Return an aware datetime; one without an offset is in UTC."""
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


_UtcDatetime = Annotated[datetime, AfterValidator(_assume_utc)]


class Company(BaseModel):
    """The company that the key belongs to."""

    time_zone: TimeZone


class PriceBookService(BaseModel):
    """A service of the price book. Its duration is in minutes."""

    uuid: str
    name: str
    online_booking_enabled: bool
    duration: int | None = None


class PriceBookPage(BaseModel):
    """A page of the price book.

    The specification nests the list of services in another list; responses with a plain list have
    been seen, too.
    """

    data: list[PriceBookService] = Field(
        default=[], validation_alias=AliasChoices("data", AliasPath("services", 0, "data"))
    )
    total_pages: int = Field(
        default=1,
        validation_alias=AliasChoices("total_pages", AliasPath("services", 0, "total_pages")),
    )


class _BookingWindow(BaseModel):
    start_time: _UtcDatetime
    available: bool


class BookingWindows(BaseModel):
    """The times at which a technician is available, and those at which none is."""

    booking_windows: list[_BookingWindow]


class Address(BaseModel):
    """A customer's address."""

    id: str
    type: str | None = None


class Customer(BaseModel):
    """A customer of the company."""

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
        """Return one attendee for each phone number of the customer, and at least one."""
        name = " ".join(filter(None, (self.first_name, self.last_name))) or self.company or ""
        numbers = [self.mobile_number, self.home_number, self.work_number]
        phones: list[str | None] = [each for each in numbers if each]
        return [Attendee(name=name, phone=each, email=self.email) for each in phones or [None]]

    @property
    def address_id(self) -> str | None:
        """Return the id of the first address, preferring those that are not billing addresses."""
        addresses = sorted(self.addresses, key=lambda each: each.type == "billing")
        return addresses[0].id if addresses else None

    def matches(self, name: str | None, phone: str | None) -> bool:
        """Say whether the customer has this name or this phone number."""
        return any(is_booked_by(each, name, phone) for each in self.attendees)

    def is_caller(self, caller: Attendee) -> bool:
        """Say whether the customer is the caller: by phone or e-mail, never by the name alone."""
        if caller.phone and self.matches(None, caller.phone):
            return True
        email = (self.email or "").casefold()
        same_email = email != "" and email == (caller.email or "").casefold()
        return same_email and (caller.phone is None or self.matches(caller.name, None))


class CustomersPage(BaseModel):
    """A page of customers."""

    customers: list[Customer]


class Note(BaseModel):
    """A note on a job, for staff."""

    content: str | None = None


class _Schedule(BaseModel):
    scheduled_start: _UtcDatetime | None = None
    scheduled_end: _UtcDatetime | None = None


class Job(BaseModel):
    """A job for a customer. It may have no scheduled time."""

    id: str
    description: str | None = None
    customer: Customer
    notes: list[Note] = []
    work_status: str
    schedule: _Schedule = _Schedule()

    @property
    def notes_text(self) -> str:
        """Return the contents of all its notes, a line each."""
        return "\n".join(each.content or "" for each in self.notes)


class JobsPage(BaseModel):
    """A page of jobs."""

    jobs: list[Job]


class ScheduleResponse(BaseModel):
    """The response to a change of a job's schedule."""

    start_time: _UtcDatetime


class ScheduleDeletion(BaseModel):
    """The response to the deletion of a job's schedule."""

    deleted: Literal[True]


def call_tag(key: str) -> str:
    """Return a short hash of an idempotency key, for a note."""
    return sha256(key.encode()).hexdigest()[:12]


def booking_note(attendee: Attendee, key: str | None) -> str:
    """Return the note on a new job: for staff, and with the tag by which a retry finds the job."""
    booked = f"Booked by phone for {attendee.name}{f', call {call_tag(key)}' if key else ''}."
    return "\n".join(filter(None, (attendee.notes, booked)))


def cancellation_note(starts_at: datetime, reason: str | None) -> str:
    """Return the note on an unscheduled job: for staff, and with the start time that it had."""
    because = f" Reason: {reason}" if reason else ""
    return f"Cancelled by phone. It was to be on {format_utc(starts_at)}.{because}"


def to_bookings(jobs: Iterable[Job], services: Sequence[Service]) -> list[Booking]:
    """Return the bookings of the jobs that have a time and are not cancelled."""
    bookings = [to_booking(job, services) for job in jobs]
    return [each for each in bookings if each and each.status == "booked"]


def to_booking(job: Job, services: Sequence[Service]) -> Booking | None:
    """Return the booking of a job; None if it has no time and was not cancelled by phone."""
    schedule, cancelled_starts = job.schedule, _CANCELLED_START.findall(job.notes_text)
    starts_at = schedule.scheduled_start
    if starts_at is None and not cancelled_starts:
        return None
    cancelled = starts_at is None or job.work_status in _CANCELLED
    return Booking(
        id=job.id,
        reference=job.id,
        service=_to_service(job, services),
        starts_at=starts_at or datetime.fromisoformat(cancelled_starts[-1]),
        attendee=job.customer.attendees[0],
        status="cancelled" if cancelled else "booked",
    )


def _to_service(job: Job, services: Sequence[Service]) -> Service:
    """Return the service of a job; one that is no longer offered is named by the job's title."""
    name, schedule = job.description or "appointment", job.schedule
    unknown = Service(id=slug(name), name=name, minutes=DEFAULT_MINUTES)
    service = next((each for each in services if each.name == name), unknown)
    if schedule.scheduled_start is None or schedule.scheduled_end is None:
        return service
    minutes = (schedule.scheduled_end - schedule.scheduled_start) // timedelta(minutes=1)
    return service.model_copy(update={"minutes": minutes})


def default_address(settings: Mapping[str, Any]) -> Mapping[str, str] | None:
    """Return the address for jobs of callers whose own is unknown; None if it is incomplete."""
    parts = ("street", "city", "state", "zip")
    address = {part: str(settings.get(f"default_{part}") or "") for part in parts}
    address["country"] = str(settings.get("default_country") or "US")
    return address if all(address.values()) else None


def slug(name: str) -> str:
    """Return the id of a service with this name: ASCII letters, digits and hyphens."""
    plain = normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-") or "service"
