"""Decides whether a record is the one that an earlier attempt of a call created.

Providers whose vendor has no idempotency keys compare the values.
"""

from collections.abc import Collection
from datetime import date, datetime

from crm.provider import InputValue, InputValues, Record, StandardField, Value
from toolkit.instants import utc
from toolkit.speech.people import is_same_number

# A workflow at the vendor may have changed these since.
_STATE_FIELDS: tuple[StandardField, ...] = ("status", "stage")


def is_same_record(
    record: Record, values: InputValues, *, ignored: Collection[StandardField] = ()
) -> bool:
    """Say whether a record has the given values; its status and stage may differ.

    Fields that the vendor rewrites when it stores them are `ignored`.
    """
    return all(
        _is_equal(field, record.values.get(field), value)
        for field, value in values.items()
        if field not in _STATE_FIELDS and field not in ignored
    )


def _is_equal(field: StandardField, stored: Value | None, expected: InputValue) -> bool:
    match expected:
        case datetime():
            return isinstance(stored, str) and datetime.fromisoformat(stored) == utc(expected)
        case date():
            return stored == expected.isoformat()
        case str() if field == "phone":
            return is_same_number(str(stored), expected)
        case str():
            return str(stored).casefold().split() == expected.casefold().split()
        case _:
            return stored == expected
