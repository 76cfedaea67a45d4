"""What callers are told about free times and bookings.

Every `datetime` is in the calendar's own zone; `today` is the date there.
"""

from collections.abc import Sequence
from datetime import date, datetime, time

from scheduling.provider import Booking, Service
from toolkit.speech import phrases
from toolkit.speech.text import capitalize
from toolkit.speech.when import TimeRequest

ASK_FOR_DAY = "For which day would you like to come?"
PAST_DAY = f"That day has already passed. {ASK_FOR_DAY}"
PAST_TIME = f"That time has already passed. {ASK_FOR_DAY}"
_ANYTHING_ELSE = "Is there anything else?"


def describe_slots(
    starts: Sequence[datetime], today: date, request: TimeRequest | None = None
) -> str:
    """Return a sentence that offers these times.

    If the caller asked for an exact time of one day, the sentence says first whether it is free.
    """
    choose = "Would you like it?" if len(starts) == 1 else "Which one would you like?"
    one_day = len({start.date() for start in starts}) == 1
    exact_time = request.daytime.at if request and len(request.days) == 1 else None
    if exact_time and starts[0].time() == exact_time:
        exact, *near = starts
        others = f" I also have {phrases.join_times(near, today)}." if near else ""
        return f"{phrases.datetime_label(exact, today)} is free.{others} {choose}"
    times = phrases.join_times(starts, today)
    if exact_time:
        wanted = datetime.combine(starts[0].date(), exact_time, starts[0].tzinfo)
        return f"{phrases.datetime_label(wanted, today)} is not free, but I have {times}. {choose}"
    if one_day:
        return f"On {phrases.day_label(starts[0].date(), today)} I have {times}. {choose}"
    return f"I have {times}. {choose}"


def describe_full(request: TimeRequest, today: date) -> str:
    """Return a sentence that says that nothing is free in the requested time."""
    if request.days[0] != request.days[-1]:
        return "There is nothing free then."
    day = phrases.day_label(request.days[0], today)
    whole_day = request.daytime.earliest == time.min and request.daytime.latest is None
    return f"On {day} there is nothing free{'' if whole_day else ' at that time'}."


def describe_booking(booking: Booking, label: str) -> str:
    """Return a sentence about a booking whose time is said as `label`."""
    cancelled = " It has been cancelled." if booking.status == "cancelled" else ""
    return f"{booking.service.name} on {label}, for {booking.attendee.name}.{cancelled}"


def describe_bookings(bookings: Sequence[tuple[Service, str]]) -> str:
    """Return a sentence about bookings: what each is for, and how its time is said."""
    if not bookings:
        return "I can't find a booking under that name or number."
    times = [f"{service.name} on {label}" for service, label in bookings]
    return f"I have {phrases.join_words(times, 'and')}."


def confirm_booking(service: Service, label: str, name: str) -> str:
    """Return the question whether to book."""
    return f"{capitalize(service.name)} on {label}, for {name}. Shall I book it?"


def confirm_move(service: Service, before: str, after: str) -> str:
    """Return the question whether to move a booking."""
    return f"{capitalize(service.name)}, from {before} to {after}. Shall I move it?"


def confirm_cancellation(service: Service, label: str) -> str:
    """Return the question whether to cancel a booking."""
    return f"{capitalize(service.name)} on {label}. Shall I cancel it?"


def booking_done(label: str) -> str:
    """Return the sentence after a booking."""
    return f"Done, you are booked for {label}. {_ANYTHING_ELSE}"


def move_done(label: str) -> str:
    """Return the sentence after a booking has been moved."""
    return f"Done, your booking is now on {label}. {_ANYTHING_ELSE}"


def cancellation_done(label: str) -> str:
    """Return the sentence after a cancellation."""
    return f"Done, {label} is cancelled. {_ANYTHING_ELSE}"
