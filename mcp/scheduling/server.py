"""The scheduling tools, as the model sees them."""

from typing import Annotated
from zoneinfo import ZoneInfo

from fastmcp.dependencies import Depends
from fastmcp.tools import tool
from pydantic import Field

from config.columns import now
from scheduling.operations import ASK_FOR_DAY, Desk
from scheduling.provider import Attendee, Booking, SchedulingProvider
from scheduling.registry import PROVIDERS
from scheduling.results import BookingAnswer, BookingList, Offers
from toolkit.effects import CHANGES, DESTROYS, READS, WRITES
from toolkit.errors import Rejected
from toolkit.middleware.confirmation import confirm
from toolkit.server.build import ServerSpec
from toolkit.speech import phrases
from toolkit.speech.numbers import phone_number
from toolkit.tenancy import tenant_provider

CALENDAR: SchedulingProvider = Depends(tenant_provider(PROVIDERS))

_LISTED = 5
_ANYTHING_ELSE = "Is there anything else?"

Text = Annotated[str, Field(max_length=300)]
Name = Annotated[str, Field(min_length=1, max_length=100)]


async def _open_desk(calendar: SchedulingProvider = CALENDAR) -> Desk:
    agenda = await calendar.agenda()
    zone = ZoneInfo(agenda.time_zone)
    return Desk(calendar, agenda, zone, now().astimezone(zone))


DESK: Desk = Depends(_open_desk)


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
async def get_available_slots(service: Text, when: Text, desk: Desk = DESK) -> Offers:
    """Find free times. when: the day or time in the caller's own words."""
    wanted = desk.service(service)
    wish = desk.wish(when)
    if wish is None:
        return Offers(say=ASK_FOR_DAY, offered=[])
    return await desk.offers(wanted, wish)


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
            ]
        }
    },
)
async def create_booking(
    slot: Text,
    name: Name,
    phone: Text | None = None,
    email: Text | None = None,
    notes: Text | None = None,
    desk: Desk = DESK,
) -> BookingAnswer:
    """Book one of the offered times. slot: its handle."""
    service, start = desk.service_of(slot), desk.start(slot)
    attendee = Attendee(name=_tidy(name), phone=phone_number(phone or ""), email=email, notes=notes)
    if before := await desk.calendar.find_lost_booking(service, start, attendee):
        return _booked(desk, before)
    desk.require_complete(attendee)
    await desk.require_free(service, start)
    confirm(
        f"{_sentence(service.name)} on {desk.label(start)}, for {attendee.name}. Shall I book it?"
    )
    booking = await desk.calendar.book(service, start, attendee)
    if booking is None:
        raise await desk.taken(service, start)
    return _booked(desk, booking)


@tool(title="Show a booking", annotations=READS, timeout=8.0)
async def get_booking(booking: Text, desk: Desk = DESK) -> BookingAnswer:
    """Show one booking. booking: its id."""
    found = await desk.booking(booking)
    cancelled = " It has been cancelled." if found.status == "cancelled" else ""
    label = desk.label(found.starts_at)
    say = f"{found.service.name} on {label}, for {found.attendee.name}.{cancelled}"
    return _answer(desk, found, say)


@tool(title="Find a caller's bookings", annotations=READS, tags={"voice"}, timeout=8.0)
async def list_bookings(
    name: Text | None = None,
    phone: Text | None = None,
    when: Text | None = None,
    desk: Desk = DESK,
) -> BookingList:
    """Find the caller's own bookings by name or phone."""
    person, number = _tidy(name or ""), phone_number(phone or "")
    if not (person or number):
        raise Rejected(
            "Bookings are found by the name or the phone number of the caller.",
            say="Under which name is the booking?",
            next="Call again with the caller's name or phone number.",
        )
    found = await desk.calendar.upcoming(person or None, number)
    wish = desk.wish(when) if when else None
    wanted = [each for each in found if wish and wish.includes(desk.local(each.starts_at))]
    shown = (wanted or found)[:_LISTED]
    return BookingList(say=_all(desk, shown), bookings=[desk.details(each) for each in shown])


@tool(title="Move a booking", annotations=CHANGES, tags={"voice"}, timeout=15.0)
async def reschedule_booking(booking: Text, slot: Text, desk: Desk = DESK) -> BookingAnswer:
    """Move a booking to one of the offered times. booking: its id, slot: the handle."""
    found = await desk.open_booking(booking)
    if found.status == "cancelled":
        raise Rejected("That booking has been cancelled.", say="That booking has been cancelled.")
    start = desk.start(slot)
    await desk.require_free(found.service, start, found)
    before, after = desk.label(found.starts_at), desk.label(start)
    confirm(f"{_sentence(found.service.name)}, from {before} to {after}. Shall I move it?")
    moved = await desk.calendar.move(found, start)
    if moved is None:
        raise await desk.taken(found.service, start, found)
    return _answer(desk, moved, f"Done, your booking is now on {after}. {_ANYTHING_ELSE}")


@tool(title="Cancel a booking", annotations=DESTROYS, tags={"voice"}, timeout=15.0)
async def cancel_booking(
    booking: Text, reason: Text | None = None, desk: Desk = DESK
) -> BookingAnswer:
    """Cancel a booking. booking: its id."""
    found = await desk.open_booking(booking)
    label = desk.label(found.starts_at)
    if found.status != "cancelled":
        confirm(f"{_sentence(found.service.name)} on {label}. Shall I cancel it?")
    cancelled = await desk.calendar.cancel(found, reason)
    return _answer(desk, cancelled, f"Done, {label} is cancelled. {_ANYTHING_ELSE}")


TOOLS = (
    get_available_slots,
    create_booking,
    get_booking,
    list_bookings,
    reschedule_booking,
    cancel_booking,
)
SERVER = ServerSpec(
    "scheduling",
    "Free times and bookings. Times are passed on as handles or in the caller's own words.",
    TOOLS,
    providers=PROVIDERS,
)


def _sentence(name: str) -> str:
    """Return a service's name as it begins a sentence."""
    return name[:1].upper() + name[1:]


def _booked(desk: Desk, booking: Booking) -> BookingAnswer:
    label = desk.label(booking.starts_at)
    return _answer(desk, booking, f"Done, you are booked for {label}. {_ANYTHING_ELSE}")


def _answer(desk: Desk, booking: Booking, say: str) -> BookingAnswer:
    return BookingAnswer(say=say, **desk.details(booking).model_dump())


def _all(desk: Desk, bookings: list[Booking]) -> str:
    if not bookings:
        return "I can't find a booking under that name or number."
    times = [f"{each.service.name} on {desk.label(each.starts_at)}" for each in bookings]
    return f"I have {phrases.join_words(times, 'and')}."


def _tidy(name: str) -> str:
    return " ".join(name.split())
