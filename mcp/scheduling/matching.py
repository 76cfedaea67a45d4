"""Whether a booking is a caller's, where the vendor itself cannot be asked for that."""

import re

from scheduling.provider import Attendee

_TELLING = 7  # digits at the end of a number, whatever country and trunk code stand before them


def is_person(attendee: Attendee, name: str | None, phone: str | None) -> bool:
    """Say whether a booking is for the person with this name, or with this number."""
    if phone and attendee.phone and same_number(attendee.phone, phone):
        return True
    return bool(name) and _folded(attendee.name) == _folded(name or "")


def same_number(one: str, other: str) -> bool:
    """Say whether two ways of writing a phone number mean the same line."""
    first, second = (re.sub(r"\D", "", each) for each in (one, other))
    shorter = min(len(first), len(second))
    if shorter < _TELLING:
        return first == second
    return first[-shorter:].lstrip("0")[-_TELLING:] == second[-shorter:].lstrip("0")[-_TELLING:]


def _folded(name: str) -> str:
    return " ".join(name.casefold().split())
