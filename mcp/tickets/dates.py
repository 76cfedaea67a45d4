"""Days and moments in the fields of a ticket: vendors do not take one for the other.

A day has no time zone, so that it is never made of a moment in UTC, nor a moment of it.
"""

import re
from collections.abc import Iterable
from datetime import date, datetime

from tickets.provider import Fields, FieldValue
from toolkit.errors import Rejected

_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


def require_moments(fields: Fields, names: Iterable[str]) -> None:
    """Make sure that these fields, where they are set, are moments with their offset from UTC.

    Raises:
        Rejected: one of them is not.
    """
    for name in names:
        value = fields.get(name)
        if value is not None and not _is_moment(value):
            raise Rejected(
                f"{name} is a moment: a day, a time, and the offset from UTC.",
                next="Call again with one such as 2026-12-01T17:00:00+01:00.",
            )


def to_day(name: str, value: FieldValue) -> str:
    """Return the day of a field as `2026-12-01`: of a moment, the day where it was written.

    Raises:
        Rejected: it is neither a day nor a moment.
    """
    text = str(value)
    if _is_moment(value):
        return datetime.fromisoformat(text).date().isoformat()
    try:
        # Without the form, it would take more than days.
        return date.fromisoformat(text if _DAY.fullmatch(text) else "").isoformat()
    except ValueError:
        raise Rejected(
            f"{name} is a day.", next="Call again with one such as 2026-12-01."
        ) from None


def _is_moment(value: FieldValue) -> bool:
    try:
        return datetime.fromisoformat(str(value)).utcoffset() is not None
    except ValueError:
        return False
