"""Marks: the property by which a retry finds what an earlier try of the call has created."""

from collections.abc import Iterable
from typing import Any

from tickets.providers.jira.responses import Property

MARK = "antiphon"  # the key of the property


def mark_properties(idempotency_key: str | None, part: int = 0) -> list[dict[str, Any]]:
    """Return the properties of a record to create, which is that part of the call, from 0."""
    value = {"call": idempotency_key, "part": part}
    return [{"key": MARK, "value": value}] if idempotency_key else []


def marked_part(value: object, idempotency_key: str | None) -> int | None:
    """Return which part of this call has created a record; None if it was another call."""
    match value:
        case {"call": str(key), "part": int(part)} if key == idempotency_key:
            return part
        case _:
            return None


def is_marked(properties: Iterable[Property], idempotency_key: str | None) -> bool:
    """Return whether this call has created the record that has these properties."""
    marks = (each.value for each in properties if each.key == MARK)
    return any(marked_part(value, idempotency_key) is not None for value in marks)
