"""Turns filters and sort orders into SQL expressions, in which every value is bound."""

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Numeric,
    String,
    case,
    cast,
    false,
    func,
    literal,
    not_,
    or_,
    true,
)
from sqlmodel import col

from crm.provider import STANDARD_FIELDS, Filter, Kind, Query, StandardField, Value
from crm.providers.builtin.tables import CrmRecord
from toolkit.speech.people import is_same_number, significant_digits

REFERENCES: Mapping[StandardField, Kind | None] = {
    "account": "account",
    "contact": "contact",
    "about": None,
}
_ID = re.compile(r"[0-9a-f]{8,32}")
_NUMBER = r"^-?[0-9]+(\.[0-9]+)?$"


def id_prefix(reference: str) -> str | None:
    """Return the first digits of a record's id; None if the text is no id or too short."""
    prefix = reference.strip().lower().replace("-", "")
    return prefix if _ID.fullmatch(prefix) else None


def build_condition(kind: Kind, condition: Filter) -> ColumnElement[bool]:
    """Return the expression for a filter; a field without a value satisfies `is_not` only."""
    element = _element(kind, condition.field)
    text = element.astext
    match condition.op, condition.value:
        case "one_of", list(values):
            return or_(false(), *(_equality(kind, condition.field, value) for value in values))
        case _, list():
            return false()
        case "is", value:
            return _equality(kind, condition.field, value)
        case "is_not", _ if _is_phone(kind, condition.field):
            return true()  # `has_number` decides: other numbers have the same last digits
        case "is_not", value:
            return or_(text.is_(None), not_(_equality(kind, condition.field, value)))
        case "contains", value:
            return func.lower(text).contains(str(value).lower(), autoescape=True)
        case "starts_with", value:
            return func.lower(text).startswith(str(value).lower(), autoescape=True)
        case ("above" | "below") as op, value:
            return _comparison(text, value, above=op == "above")
        case _:
            return false()


def filters_by_phone(query: Query) -> bool:
    """Say whether `has_number` has to check what the expressions find."""
    return any(_is_phone(query.kind, each.field) for each in query.filters)


def has_number(query: Query, phone: str) -> bool:
    """Say whether a phone number satisfies a query, whose expressions compare the last digits."""
    for condition in query.filters:
        if not _is_phone(query.kind, condition.field):
            continue
        values = condition.value if isinstance(condition.value, list) else [str(condition.value)]
        is_same = any(is_same_number(value, phone) for value in values)
        if condition.op in ("is", "one_of", "is_not") and is_same != (condition.op != "is_not"):
            return False
    return True


def sort_order(query: Query) -> list[ColumnElement[Any]]:
    """Return the ORDER BY expressions of a query, which puts the newest record first by default."""
    newest: list[ColumnElement[Any]] = [
        col(CrmRecord.created_at).desc(),
        col(CrmRecord.id).asc(),
    ]
    if query.order_by is None:
        return newest
    element = _element(query.kind, query.order_by)
    by = element.desc() if query.descending else element.asc()
    return [by.nulls_last(), *newest]


def _element(kind: Kind, field: str) -> Any:
    column = CrmRecord.data if field in STANDARD_FIELDS[kind] else CrmRecord.fields
    return col(column)[field]


def _is_phone(kind: Kind, field: str) -> bool:
    return field == "phone" and field in STANDARD_FIELDS[kind]


def _equality(kind: Kind, field: str, value: Value) -> ColumnElement[bool]:
    text = _element(kind, field).astext
    if field in STANDARD_FIELDS[kind] and field in REFERENCES:
        prefix = id_prefix(str(value))
        return cast(text, String).startswith(prefix) if prefix else false()
    if _is_phone(kind, field):
        return col(CrmRecord.phone_digits) == significant_digits(str(value))
    if isinstance(value, bool):
        return cast(text, String) == str(value).lower()
    if isinstance(value, int | float):
        return _as_number(text) == Decimal(str(value))
    return func.lower(text) == value.lower()


def _comparison(text: Any, value: Value, *, above: bool) -> ColumnElement[bool]:
    """Compare numbers as numbers, and all else, such as ISO dates, as text."""
    is_number = isinstance(value, int | float)
    left: ColumnElement[Any] = _as_number(text) if is_number else cast(text, String).collate("C")
    right = literal(Decimal(str(value)) if is_number else value)
    return left > right if above else left < right


def _as_number(text: Any) -> ColumnElement[Decimal]:
    return case((text.regexp_match(_NUMBER), cast(text, Numeric)))
