"""The tools for free times and bookings."""

from fastmcp.tools import tool

from scheduling import sentences
from scheduling.inputs import Name, Text, normalize_name
from scheduling.operations import OPERATIONS, SchedulingOperations
from scheduling.provider import Attendee
from scheduling.results import BookingListResult, BookingResult, SlotsResult
from toolkit.effects import CHANGES, DESTROYS, READS, WRITES
from toolkit.errors import Rejected
from toolkit.middleware.confirmation import confirm
from toolkit.speech.contact import optional_email, optional_phone

_MAX_LISTED = 5


@tool(
    title="Find free times",
    annotations=READS,
    tags={"voice"},
    timeout=8.0,
    meta={
        "antiphon": {
            "examples": [
                {
                    "caller": "Could my son have a piano lesson on Tuesday after four?",
                    "arguments": {"service": "piano lesson", "when": "Tuesday after four"},
                }
            ]
        }
    },
)
async def get_available_slots(
    service: Text, when: Text, operations: SchedulingOperations = OPERATIONS
) -> SlotsResult:
    """Find free times. when: the day or time in the caller's own words."""
    wanted = operations.find_service(service)
    request = operations.parse_when(when)
    if request is None:
        return SlotsResult(say=sentences.say("which_day"), offered=[])
    return await operations.offer_slots(wanted, request)


@tool(
    title="Book a time",
    annotations=WRITES,
    tags={"voice"},
    timeout=15.0,
    meta={
        "antiphon": {
            "examples": [
                {
                    "before": "Offered: tue-16:00 Tuesday at four in the afternoon"
                    " | tue-17:30 Tuesday at five thirty in the afternoon",
                    "caller": "Half past five, please. I'm Tom Hill, 555 7781.",
                    "arguments": {"slot": "tue-17:30", "name": "Tom Hill", "phone": "5557781"},
                }
            ],
            "caller": {"name": "name", "phone": "phone", "email": "email"},
        }
    },
)
async def create_booking(
    slot: Text,
    name: Name,
    phone: Text | None = None,
    email: Text | None = None,
    notes: Text | None = None,
    operations: SchedulingOperations = OPERATIONS,
) -> BookingResult:
    """Book one of the offered times. slot: its handle."""
    calendar = operations.calendar
    service, start = operations.find_service_of_slot(slot), operations.parse_start(slot)
    attendee = Attendee(
        name=normalize_name(name),
        phone=optional_phone(phone),
        email=optional_email(email),
        notes=notes,
    )
    booking = await calendar.find_lost_booking(service, start, attendee)
    if booking is None:
        attendee = operations.complete_contact_details(service, attendee)
        await operations.require_free(service, start)
        confirm(sentences.confirm_booking(service, operations.on_label(start), attendee))
        booking = await calendar.book(service, start, attendee)
    if booking is None:
        raise await operations.slot_taken(service, start)
    label = operations.booking_label(booking)
    return operations.to_result(booking, sentences.describe_booked(booking, label))


@tool(title="Show a booking", annotations=READS, timeout=8.0)
async def get_booking(
    booking: Text, operations: SchedulingOperations = OPERATIONS
) -> BookingResult:
    """Show one booking. booking: its id."""
    found = await operations.get_booking(booking)
    on_time = operations.on_booking_label(found)
    return operations.to_result(found, sentences.describe_booking(found, on_time))


@tool(title="Find a caller's bookings", annotations=READS, tags={"voice"}, timeout=8.0)
async def list_bookings(
    name: Text | None = None,
    phone: Text | None = None,
    when: Text | None = None,
    operations: SchedulingOperations = OPERATIONS,
) -> BookingListResult:
    """Find the caller's own bookings by name or phone."""
    person, number = normalize_name(name or ""), optional_phone(phone)
    if not (person or number):
        raise Rejected(
            "Bookings are found by the name or the phone number of the caller.",
            say=sentences.say("which_name"),
            next="Call again with the caller's name or phone number.",
        )
    bookings = await operations.calendar.find_bookings(person or None, number)
    request = operations.parse_when(when) if when else None
    requested = [each for each in bookings if request and operations.is_at(each, request)]
    return operations.to_list_result((requested or bookings)[:_MAX_LISTED])


@tool(title="Move a booking", annotations=CHANGES, tags={"voice"}, timeout=15.0)
async def reschedule_booking(
    booking: Text, slot: Text, operations: SchedulingOperations = OPERATIONS
) -> BookingResult:
    """Move a booking to one of the offered times. booking: its id, slot: the handle."""
    found = await operations.get_upcoming_booking(booking)
    if found.status == "cancelled":
        raise Rejected("That booking has been cancelled.", say=sentences.say("cancelled_booking"))
    start = operations.parse_start(slot)
    await operations.require_free(found.service, start, found)
    before, after = operations.booking_label(found), operations.label(start)
    confirm(sentences.confirm_move(found.service, before, after))
    moved = await operations.calendar.move(found, start)
    if moved is None:
        raise await operations.slot_taken(found.service, start, found)
    on_time = operations.on_booking_label(moved)
    return operations.to_result(moved, sentences.describe_moved(moved, on_time))


@tool(title="Cancel a booking", annotations=DESTROYS, tags={"voice"}, timeout=15.0)
async def cancel_booking(
    booking: Text, reason: Text | None = None, operations: SchedulingOperations = OPERATIONS
) -> BookingResult:
    """Cancel a booking. booking: its id."""
    found = await operations.get_upcoming_booking(booking)
    if found.status != "cancelled":
        on_time = operations.on_booking_label(found)
        confirm(sentences.confirm_cancellation(found.service, on_time))
    cancelled = await operations.calendar.cancel(found, reason)
    label = operations.booking_label(found)
    return operations.to_result(cancelled, sentences.say("cancelled", time=label))
