"""Housecall Pro's responses, and their translation into the server's models.

Where its specification leaves a response open, the models hold no more than what is used.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from hashlib import sha256
from typing import Annotated, Any, Literal
from unicodedata import normalize
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, AliasChoices, AliasPath, BaseModel, Field

from scheduling.matching import is_booked_by
from scheduling.provider import Attendee, Booking, BookingStatus, Service, TimeZone
from toolkit.http.records import Records
from toolkit.instants import first_moment
from toolkit.speech.times import format_utc

DEFAULT_MINUTES = 30  # what Housecall Pro itself takes for a service without a duration
_STATUSES: Mapping[str, BookingStatus] = {
    "needs scheduling": "requested",
    "scheduled": "booked",
    "in progress": "booked",
    "complete rated": "booked",
    "complete unrated": "booked",
    "user canceled": "cancelled",
    "pro canceled": "cancelled",
}
_CANCELLED_START = re.compile(r"It was to be on (\d{4}-\d\d-\d\d(?:T\S+Z)?)\.")
_DATE_LENGTH = 10  # of `2026-11-26`


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

    data: Records[PriceBookService] = Field(
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

    booking_windows: Records[_BookingWindow]


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
    addresses: Records[Address] = []

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


class Page(BaseModel):
    """A page of a list."""

    total_pages: int = 1


class CustomersPage(Page):
    """A page of customers."""

    customers: Records[Customer]


class Note(BaseModel):
    """A note on a job, for staff."""

    content: str | None = None


class _Appointment(BaseModel):
    # Whatever they hold, an appointment counts as one.
    start_date: Any = None
    anytime: Any = None


class _Schedule(BaseModel):
    scheduled_start: _UtcDatetime | None = None
    scheduled_end: _UtcDatetime | None = None
    appointments: list[_Appointment] = []

    def day(self, zone: ZoneInfo) -> date | None:
        """Return the day of what is scheduled for any time of a day; None if it has a time."""
        appointment = next((each for each in self.appointments if each.anytime is True), None)
        if appointment is None:
            return None
        try:
            return date.fromisoformat(str(appointment.start_date)[:_DATE_LENGTH])
        except ValueError:
            return self.scheduled_start and self.scheduled_start.astimezone(zone).date()


class Job(BaseModel):
    """A job for a customer. It may have no scheduled time."""

    id: str
    description: str | None = None
    customer: Customer
    notes: Records[Note] = []
    work_status: str | None = None
    schedule: _Schedule = _Schedule()
    canceled_at: str | None = None
    deleted_at: str | None = None

    @property
    def status(self) -> BookingStatus:
        """Return the status of the booking that the job is."""
        if self.canceled_at or self.deleted_at:
            return "cancelled"
        return _STATUSES.get(self.work_status or "", "unknown")

    @property
    def notes_text(self) -> str:
        """Return the contents of all its notes, a line each."""
        return "\n".join(each.content or "" for each in self.notes)


class JobsPage(Page):
    """A page of jobs."""

    jobs: Records[Job]


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


def cancellation_note(booking: Booking, reason: str | None) -> str:
    """Return the note on an unscheduled job: for staff, and with the start that it had."""
    because = f" Reason: {reason}" if reason else ""
    start = booking.day.isoformat() if booking.day else format_utc(booking.starts_at)
    return f"Cancelled by phone. It was to be on {start}.{because}"


def to_bookings(jobs: Iterable[Job], services: Sequence[Service], zone: ZoneInfo) -> list[Booking]:
    """Return the bookings of the jobs that have a time or a day and are not cancelled."""
    bookings = [to_booking(job, services, zone) for job in jobs]
    return [each for each in bookings if each and each.status != "cancelled"]


def to_booking(job: Job, services: Sequence[Service], zone: ZoneInfo) -> Booking | None:
    """Return the booking of a job; None if it has no time and was not cancelled by phone.

    A job of several visits counts as so many occurrences.
    """
    schedule = job.schedule
    start, status = schedule.day(zone) or schedule.scheduled_start, job.status
    if start is None:
        start, status = _cancelled_start(job), "cancelled"
    if start is None:
        return None
    day = None if isinstance(start, datetime) else start  # a datetime is a date, too
    return Booking(
        id=job.id,
        reference=job.id,
        service=_to_service(job, services),
        starts_at=start if isinstance(start, datetime) else first_moment(start, time.min, zone),
        attendee=job.customer.attendees[0],
        status=status,
        day=day,
        occurrences=max(len(schedule.appointments), 1),
    )


def _cancelled_start(job: Job) -> datetime | date | None:
    """Return when a job was to be that has been cancelled by phone; a date is a whole day."""
    starts = _CANCELLED_START.findall(job.notes_text)
    if not starts:
        return None
    if len(starts[-1]) == _DATE_LENGTH:
        return date.fromisoformat(starts[-1])
    return datetime.fromisoformat(starts[-1])


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
