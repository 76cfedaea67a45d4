"""Whether a record is the one that an earlier try of a call has created."""

from collections.abc import Collection, Mapping
from datetime import date, datetime

from crm.provider import Given, Record, Value, Word
from toolkit.speech.people import same_number

_STATE: tuple[Word, ...] = ("status", "stage")


def is_the_same(
    found: Record, values: Mapping[Word, Given], *, rewritten: Collection[Word] = ()
) -> bool:
    """Say whether a record has the values that were given, but for what a vendor has `rewritten`.

    Its state may have moved on since.
    """
    return all(
        _alike(word, found.values.get(word), value)
        for word, value in values.items()
        if word not in _STATE and word not in rewritten
    )


def _alike(word: Word, stored: Value | None, wanted: Given) -> bool:
    match wanted:
        case datetime():
            return isinstance(stored, str) and datetime.fromisoformat(stored) == wanted
        case date():
            return stored == wanted.isoformat()
        case str() if word == "phone":
            return same_number(str(stored), wanted)
        case str():
            return str(stored).casefold().split() == wanted.casefold().split()
        case _:
            return stored == wanted
