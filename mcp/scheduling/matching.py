"""Which service a caller means, and whose a booking is."""

import re
from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

from scheduling.provider import Attendee, Booking, Service
from scheduling.sentences import say
from toolkit.errors import Rejected
from toolkit.speech.people import fold, is_same_number, is_similar

T = TypeVar("T")

_FILLERS = frozenset(
    [
        *("a", "an", "the", "my", "me", "i", "we", "you", "it", "one", "some", "any", "there"),
        *("for", "of", "to", "on", "in", "at", "with", "and", "or", "please", "free"),
        *("is", "do", "have", "would", "like", "want", "need", "book"),
    ]
)
# Stems of words that name any service at all.
_GENERIC = frozenset(["appointment", "book", "visit", "slot", "tim", "session", "reservation"])


def find_service(text: str, services: Sequence[Service]) -> Service | None:
    """Return the one service that `text` names; None if it names none, or several equally well."""
    for service in services:
        if _squeeze(text) in (_squeeze(service.id), _squeeze(service.name)):
            return service
    scores = {service.id: _score(text, service) for service in services}
    best = max(scores.values(), default=(0, 0))
    candidates = [service for service in services if scores[service.id] == best]
    if len(candidates) == 1 and best[0] > 0:
        return candidates[0]
    only_one = len(services) == 1 and _stems(text) <= _GENERIC
    return services[0] if only_one else None


def is_booked_by(attendee: Attendee, name: str | None, phone: str | None) -> bool:
    """Say whether the attendee has this name or this phone number."""
    if phone and attendee.phone and is_same_number(attendee.phone, phone):
        return True
    return bool(name) and fold(attendee.name) == fold(name or "")


def of_person(
    found: Iterable[T],
    attendees: Callable[[T], Iterable[Attendee]],
    name: str | None,
    phone: str | None,
) -> list[T]:
    """Return what is of the person with this name or phone; else, of one whose name sounds so.

    For calendars whose own search is missing, partial, undocumented or exact.
    """
    every = [(each, list(attendees(each))) for each in found]
    exact = [each for each, people in every if any(is_booked_by(p, name, phone) for p in people)]
    if exact or not name:
        return exact
    return [each for each, people in every if any(is_similar(name, p.name) for p in people)]


def too_many_bookings(happened: str) -> Rejected:
    """Return the error where a person's bookings are among more than can be read."""
    return Rejected(
        happened,
        say=say("too_many_bookings"),
        next="Do not retry. See that the caller's number is known for the call back.",
    )


def attendee_of(booking: Booking) -> list[Attendee]:
    """Return whose a booking is."""
    return [booking.attendee]


def _score(text: str, service: Service) -> tuple[int, int]:
    """Return how many words of the service are in `text`, and minus how many are not."""
    said, own = _stems(text), _stems(service.name) | _stems(service.id)
    if _squeeze(service.name) in _squeeze(text):
        return len(own), 0
    shared = own & said
    return len(shared), len(shared) - len(own)


def _stems(text: str) -> set[str]:
    words = re.findall(r"[^\W_]+", text.lower())
    return {_stem(word) for word in words if word not in _FILLERS}


def _stem(word: str) -> str:
    return re.sub(r"(?<=\w\w\w)(?:ing|ed|es|(?<!s)s|e)$", "", word)


def _squeeze(text: str) -> str:
    """Return the letters and digits of `text`, in lower case."""
    return re.sub(r"[\W_]", "", text.lower())
