"""What callers are told about free times and bookings.

Every `datetime` is in the calendar's own zone; `today` is the date there.
"""

from collections.abc import Sequence
from datetime import date, datetime, time

from config.language.catalogue import Catalogue
from scheduling.provider import Attendee, Booking, Service
from toolkit.instants import reading
from toolkit.speech import phrases
from toolkit.speech.text import capitalize
from toolkit.speech.when import TimeRequest

say = Catalogue("scheduling")


def datetime_label(start: datetime, today: date) -> str:
    """Return a day and time as they are said; of a time that comes twice, which one it is."""
    return _with_reading(phrases.datetime_label(start, today), start)


def on_datetime(start: datetime, today: date) -> str:
    """Return a day and time within a sentence: `on Thursday at ten`, `today at ten`."""
    return _on(datetime_label(start, today), start.date(), today)


def _on(label: str, day: date, today: date) -> str:
    return say("on", label=label, is_today="yes" if day == today else "no")


def join_times(starts: Sequence[datetime], today: date) -> str:
    """Return times as they are said, with the days if they differ."""
    if all(reading(start) == "only" for start in starts):
        return phrases.join_times(starts, today)
    if len({start.date() for start in starts}) > 1:
        return phrases.join_words([datetime_label(start, today) for start in starts])
    times = [_with_reading(phrases.time_label(start.time()), start) for start in starts]
    return phrases.join_words(times)


def _with_reading(label: str, start: datetime) -> str:
    which = reading(start)
    return label if which == "only" else say("repeated", time=label, reading=which)


def describe_slots(starts: Sequence[datetime], today: date, request: TimeRequest) -> str:
    """Return a sentence that offers these times, which are free when the caller asked for.

    If the caller asked for an exact time of one day, the sentence says first whether it is free.
    """
    exact_time = request.daytime.at if request.is_exact else None
    if exact_time is None:
        return offer_slots(starts, today)
    if starts[0].time() == exact_time:
        exact, *near = starts
        times = join_times(near, today) if near else ""
        label = capitalize(datetime_label(exact, today))
        return say("free", time=label, times=times, count=len(near))
    wanted = datetime.combine(starts[0].date(), exact_time, starts[0].tzinfo)
    return say(
        "free_instead",
        time=capitalize(phrases.datetime_label(wanted, today)),
        times=join_times(starts, today),
        count=len(starts),
    )


def offer_slots(starts: Sequence[datetime], today: date) -> str:
    """Return a sentence that offers these times; empty if there are none."""
    if not starts:
        return ""
    return say(
        "offer",
        on_day=_begin_with_day(starts[0].date(), today),
        times=join_times(starts, today),
        days=len({start.date() for start in starts}),
        count=len(starts),
    )


def describe_full(request: TimeRequest, starts: Sequence[datetime], today: date) -> str:
    """Return a sentence that says that nothing is free in the requested time, but `starts` are."""
    whole_day = request.daytime.earliest == time.min and request.daytime.latest is None
    one_day = len(request.all_days) == 1
    return say(
        "nothing_free",
        asked="days" if not one_day else "day" if whole_day else "time",
        on_day=_begin_with_day(request.days[0], today),
        offer=offer_slots(starts, today),
        count=len(starts),
    )


def _begin_with_day(day: date, today: date) -> str:
    return capitalize(on_day(day, today))


def describe_taken(label: str, starts: Sequence[datetime], today: date) -> str:
    """Return a sentence that says that the time `label` is not free, but `starts` are."""
    return say("taken", time=label, offer=offer_slots(starts, today), count=len(starts))


def day_label(day: date, today: date) -> str:
    """Return a day as it is said: `Thursday`."""
    return phrases.day_label(day, today)


def on_day(day: date, today: date) -> str:
    """Return a day within a sentence: `on Thursday`, `today`."""
    return _on(phrases.day_label(day, today), day, today)


def describe_booked(booking: Booking, time: str) -> str:
    """Return a sentence about a booking that was just made."""
    return say("booked", time=time, status=booking.status, count=booking.occurrences)


def describe_moved(booking: Booking, on_time: str) -> str:
    """Return a sentence about a booking that was just moved."""
    return say("moved", on_time=on_time, status=booking.status)


def describe_booking(booking: Booking, on_time: str) -> str:
    """Return a sentence about a booking."""
    service, name = booking.service.name, booking.attendee.name
    return say("booking", service=service, on_time=on_time, name=name, status=booking.status)


def describe_bookings(bookings: Sequence[tuple[Booking, str]]) -> str:
    """Return a sentence about bookings, each with its time within a sentence."""
    if not bookings:
        return say("no_bookings")
    listed = [
        say("listed_booking", service=each.service.name, on_time=on_time, status=each.status)
        for each, on_time in bookings
    ]
    return say("bookings", bookings=phrases.join_words(listed, "and"), count=len(listed))


def confirm_booking(service: Service, on_time: str, attendee: Attendee) -> str:
    """Return the question whether to book; what will be stored is read back."""
    return say(
        "confirm_booking",
        service=capitalize(service.name),
        on_time=on_time,
        count=service.occurrences,
        name=attendee.name,
        contact="phone" if attendee.phone else "none",
        phone=phrases.phone_label(attendee.phone or ""),
    )


def confirm_move(service: Service, before: str, after: str) -> str:
    """Return the question whether to move a booking."""
    return say("confirm_move", service=capitalize(service.name), before=before, after=after)


def confirm_cancellation(service: Service, on_time: str) -> str:
    """Return the question whether to cancel a booking."""
    return say("confirm_cancellation", service=capitalize(service.name), on_time=on_time)
