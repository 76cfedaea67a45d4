"""Whether a booking is a caller's, where the vendor itself cannot be asked for that."""

from scheduling.provider import Attendee
from toolkit.speech.people import fold, same_number


def is_person(attendee: Attendee, name: str | None, phone: str | None) -> bool:
    """Say whether a booking is for the person with this name, or with this number."""
    if phone and attendee.phone and same_number(attendee.phone, phone):
        return True
    return bool(name) and fold(attendee.name) == fold(name or "")
