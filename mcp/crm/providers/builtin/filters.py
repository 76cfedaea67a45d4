"""Filters as PostgreSQL understands them, every value bound."""

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
)
from sqlmodel import col

from crm.provider import WORDS, Filter, Kind, Query, Value, Word
from crm.providers.builtin.tables import CrmRecord
from toolkit.speech.people import significant_digits

REFERENCES: Mapping[Word, Kind | None] = {"account": "account", "contact": "contact", "about": None}
_ID = re.compile(r"[0-9a-f]{8,32}")
_NUMBER = r"^-?[0-9]+(\.[0-9]+)?$"


def beginning(reference: str) -> str | None:
    """Return the first digits of an id; None where it is none, or too short to be one."""
    prefix = reference.strip().lower().replace("-", "")
    return prefix if _ID.fullmatch(prefix) else None


def condition(kind: Kind, asked: Filter) -> ColumnElement[bool]:
    """Return a filter as an expression. What a record does not have fulfils `is_not` only."""
    element = _element(kind, asked.field)
    text = element.astext
    match asked.op, asked.value:
        case "one_of", list(values):
            return or_(false(), *(_is(kind, asked.field, value) for value in values))
        case _, list():
            return false()
        case "is", value:
            return _is(kind, asked.field, value)
        case "is_not", value:
            return or_(text.is_(None), not_(_is(kind, asked.field, value)))
        case "contains", value:
            return func.lower(text).contains(str(value).lower(), autoescape=True)
        case "starts_with", value:
            return func.lower(text).startswith(str(value).lower(), autoescape=True)
        case ("above" | "below") as op, value:
            return _compared(text, value, above=op == "above")
        case _:
            return false()


def order(query: Query) -> list[ColumnElement[Any]]:
    """Return what a query's records are ordered by: the newest first, if nothing else is said."""
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
    column = CrmRecord.data if field in WORDS[kind] else CrmRecord.fields
    return col(column)[field]


def _is(kind: Kind, field: str, value: Value) -> ColumnElement[bool]:
    text = _element(kind, field).astext
    if field in WORDS[kind] and field in REFERENCES:
        prefix = beginning(str(value))
        return cast(text, String).startswith(prefix) if prefix else false()
    if field in WORDS[kind] and field == "phone":
        return col(CrmRecord.phone_digits) == significant_digits(str(value))
    if isinstance(value, bool):
        return cast(text, String) == str(value).lower()
    if isinstance(value, int | float):
        return _number(text) == Decimal(str(value))
    return func.lower(text) == value.lower()


def _compared(text: Any, value: Value, *, above: bool) -> ColumnElement[bool]:
    """Compare numbers as numbers, and anything else, such as ISO dates, as text."""
    number = isinstance(value, int | float)
    left: ColumnElement[Any] = _number(text) if number else cast(text, String).collate("C")
    right = literal(Decimal(str(value)) if number else value)
    return left > right if above else left < right


def _number(text: Any) -> ColumnElement[Decimal]:
    return case((text.regexp_match(_NUMBER), cast(text, Numeric)))
