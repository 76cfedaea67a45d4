"""Cal.com's responses and refusals, and their translation into the server's models.

Where its specification leaves a response open, the models hold no more than what is used.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any

import httpx2
from pydantic import AfterValidator, AwareDatetime, BaseModel, BeforeValidator, ValidationError

from scheduling.inputs import international_phone
from scheduling.provider import Attendee, Booking, BookingStatus, Need, Service, TimeZone
from scheduling.sentences import say
from toolkit.errors import Conflict, NotFound, Rejected, ToolFailure
from toolkit.http.records import Records

METADATA_KEY = "antiphon"  # metadata key of the idempotency key that a booking was created with
_STATUSES: Mapping[str, BookingStatus] = {
    "accepted": "booked",
    "pending": "requested",
    "cancelled": "cancelled",
    "rejected": "cancelled",
}
# Booking fields that have to hold a phone number if the event type requires them.
_PHONE_FIELDS = frozenset({"attendeePhoneNumber", "smsReminderNumber"})


def _or_empty(text: Any) -> Any:
    return "" if text is None else text


_Text = Annotated[str, BeforeValidator(_or_empty)]


class _Me(BaseModel):
    timeZone: TimeZone


class MeResponse(BaseModel):
    """The profile of the key's owner."""

    data: _Me


class _BookingField(BaseModel):
    type: str | None = None
    slug: str | None = None
    required: bool | None = None
    hidden: bool | None = None


class _Recurrence(BaseModel):
    occurrences: int | None = None


class EventType(BaseModel):
    """An event type. It is a series where it has a recurrence."""

    id: int
    title: str
    lengthInMinutes: int
    hidden: bool | None = None
    recurrence: _Recurrence | None = None
    bookingFields: Records[_BookingField] = []

    def to_service(self) -> Service:
        """Return the service that it is."""
        times = self.recurrence.occurrences if self.recurrence else None
        return Service(
            id=str(self.id),
            name=self.title,
            minutes=self.lengthInMinutes,
            needs=self._needs(),
            occurrences=max(times or 1, 1),
        )

    def _needs(self) -> tuple[Need, ...]:
        """Return what a booking needs. Where neither detail is required, one of them still is."""
        required = {each.slug or each.type for each in self.bookingFields if each.required}
        needs: list[Need] = []
        if "email" in required:
            needs.append("email")
        if _PHONE_FIELDS & required:
            needs.append("phone")
        return tuple(needs) or ("email_or_phone",)


class EventTypesResponse(BaseModel):
    """The event types of the key's owner."""

    data: Records[EventType]


def _to_object(slot: Any) -> Any:
    return {"start": slot} if isinstance(slot, str) else slot


class _SlotStart(BaseModel):
    start: AwareDatetime


class SlotsResponse(BaseModel):
    """The free times by day, each of them a text or an object."""

    data: dict[str, Records[Annotated[_SlotStart, BeforeValidator(_to_object)]]]


class _Attendee(BaseModel):
    name: _Text = ""
    email: str | None = None
    phoneNumber: str | None = None
    seatUid: str | None = None
    bookingFieldsResponses: dict[str, Any] | None = None
    metadata: dict[str, Any] | None = None

    def to_attendee(self) -> Attendee:
        """Return the person."""
        answered = (self.bookingFieldsResponses or {}).get("attendeePhoneNumber")
        phone = self.phoneNumber or (str(answered) if answered else None)
        return Attendee(name=self.name, phone=phone, email=self.email or None)


class _EventTypeReference(BaseModel):
    id: int | None = None


class BookingRecord(BaseModel):
    """A booking of one person, or of several who have a seat each."""

    uid: str
    title: _Text = ""
    status: _Text = ""
    start: AwareDatetime
    duration: float
    eventTypeId: int | None = None  # deprecated
    eventType: _EventTypeReference | None = None
    attendees: Records[_Attendee] = []
    metadata: dict[str, Any] | None = None
    seatUid: str | None = None
    recurringBookingUid: str | None = None

    def to_bookings(self, services: Mapping[str, Service]) -> list[Booking]:
        """Return a booking for each person who has a seat, or else the one that it is."""
        seated = [each for each in self.attendees if each.seatUid]
        if seated:
            return [self.to_booking(services, each.to_attendee(), each.seatUid) for each in seated]
        people = [each.to_attendee() for each in self.attendees]
        return [self.to_booking(services, people[0] if people else Attendee(name=""))]

    def to_booking(
        self, services: Mapping[str, Service], attendee: Attendee, seat: str | None = None
    ) -> Booking:
        """Return the booking of a person; one without an event type is named by its title."""
        event_type = (self.eventType and self.eventType.id) or self.eventTypeId
        service_id, minutes = str(event_type or ""), round(self.duration)
        service = services.get(service_id) or Service(
            id=service_id, name=self.title, minutes=minutes
        )
        booking_id = f"{self.uid}.{seat}" if seat else self.uid
        return Booking(
            id=booking_id,
            reference=booking_id,
            service=service.model_copy(update={"minutes": minutes}),
            starts_at=self.start,
            attendee=attendee,
            status=_STATUSES.get(self.status, "unknown"),
        )

    def booking_with_key(self, key: str | None, services: Mapping[str, Service]) -> Booking | None:
        """Return the booking that was created with an idempotency key, if it is here."""
        for each in self.attendees:
            if each.seatUid and (each.metadata or {}).get(METADATA_KEY) == key:
                return self.to_booking(services, each.to_attendee(), each.seatUid)
        if (self.metadata or {}).get(METADATA_KEY) != key:
            return None
        return next(iter(self.to_bookings(services)), None)


def _require_any(records: list[BookingRecord]) -> list[BookingRecord]:
    if not records:
        raise ValueError("holds no booking that can be read")
    return sorted(records, key=lambda each: each.start)


class BookingResponse(BaseModel):
    """One booking, or all those of a series."""

    data: BookingRecord | Annotated[Records[BookingRecord], AfterValidator(_require_any)]

    @property
    def records(self) -> Sequence[BookingRecord]:
        """Return the bookings, earliest first."""
        return [self.data] if isinstance(self.data, BookingRecord) else self.data


class _Pagination(BaseModel):
    totalItems: int = 0


class BookingsPage(BaseModel):
    """A page of bookings."""

    data: Records[BookingRecord]
    pagination: _Pagination = _Pagination()


def split_id(booking_id: str) -> tuple[str, str | None]:
    """Return the uid of a booking, and that of the seat in it, if the id names one."""
    uid, _, seat = booking_id.strip().partition(".")
    return uid, seat or None


def to_own_booking(
    answer: BookingResponse, services: Mapping[str, Service], attendee: Attendee
) -> Booking:
    """Return the first of the bookings that were made or moved for a person.

    Who else shares it is left aside, whether or not the vendor names the person's own seat.
    """
    first = answer.records[0]
    people = first.to_bookings(services)
    if first.seatUid:
        people = [each for each in people if split_id(each.id)[1] == first.seatUid]
    elif len(people) > 1:
        people = [each for each in people if each.attendee.name == attendee.name]
    own = people[0] if len(people) == 1 else first.to_booking(services, attendee, first.seatUid)
    return own.model_copy(update={"occurrences": len(answer.records)})


def to_person(attendee: Attendee, time_zone: str) -> dict[str, str]:
    """Return who a booking is for; a number without a country code would be refused."""
    phone = international_phone(attendee.phone or "", None)
    person = {
        "name": attendee.name,
        "email": attendee.email,
        "phoneNumber": phone and phone.partition(" ext. ")[0],
        "timeZone": time_zone,
    }
    return {name: value for name, value in person.items() if value is not None}


def to_notes(attendee: Attendee) -> str | None:
    """Return the notes on a booking, with a phone number that is not stored as it was given."""
    whole = not attendee.phone or attendee.phone == international_phone(attendee.phone, None)
    kept = whole and " ext. " not in (attendee.phone or "")
    notes = [attendee.notes, None if kept else f"Phone: {attendee.phone}"]
    return "\n".join(filter(None, notes)) or None


class SlotTaken(Conflict):
    """Cal.com says that a time cannot be booked, or not any more."""


class Refused(Rejected):
    """Cal.com says why it refuses a booking, and it is not the time."""


class _Error(BaseModel):
    code: str | None = None
    message: str | None = None


class _Refusal(BaseModel):
    error: _Error | str | None = None
    message: str | None = None

    @property
    def codes(self) -> set[str]:
        """Return the texts that may be a code: in the vendor's envelope, or without it."""
        inner = self.error if isinstance(self.error, _Error) else _Error(code=self.error)
        return {text for text in (inner.code, inner.message, self.message) if text}


_TAKEN = frozenset(
    [
        *("no_available_users_found_error", "hosts_unavailable_for_booking"),
        *("fixed_hosts_unavailable_for_booking", "round_robin_host_unavailable_for_booking"),
        *("round_robin_hosts_unavailable_for_booking", "booking_time_out_of_bounds_error"),
        *("booking_conflict_error", "booking_seats_full_error"),
        *("not_enough_available_seats_error", "booking_not_allowed_by_restriction_schedule_error"),
    ]
)
_NO_SUCH_RECORD = frozenset({"booking_not_found_error", "event_type_not_found_error"})


def _needs_a_person() -> Refused:
    return Refused(
        "Cal.com takes no booking of this person.",
        say=say("needs_a_person"),
        next="Do not retry. See that the caller's number is known for the call back.",
    )


_REFUSED: Mapping[str, Callable[[], Refused]] = {
    "already_signed_up_for_this_booking_error": lambda: Refused(
        "This person already has a place at that time.", say=say("already_attending")
    ),
    "cancelled_bookings_cannot_be_rescheduled": lambda: Refused(
        "That booking has been cancelled.", say=say("cancelled_booking")
    ),
    "invalid_phone_number": lambda: Refused(
        "Cal.com does not take that phone number.",
        say=say("which_detail", detail="phone"),
        next="Call again with the caller's phone number and its country code.",
    ),
    "booker_limit_exceeded_error": _needs_a_person,
    "booker_limit_exceeded_error_reschedule": _needs_a_person,
    "booker_email_blocked": _needs_a_person,
    "booker_email_requires_login": _needs_a_person,
}


def read_refusal(response: httpx2.Response) -> ToolFailure | None:
    """Return what a refusal means by its code: https://github.com/calcom/cal.com, `ErrorCode`."""
    try:
        codes = _Refusal.model_validate_json(response.content).codes
    except ValidationError:
        return None
    if codes & _TAKEN:
        return SlotTaken("That time is no longer free.")
    if codes & _NO_SUCH_RECORD:
        return NotFound("Cal.com has no such record.")
    return next((_REFUSED[code]() for code in codes if code in _REFUSED), None)
