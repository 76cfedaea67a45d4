"""Builds statements in COQL, the query language of Zoho CRM.

https://www.zoho.com/crm/developer/docs/api/v8/Get-Records-through-COQL-Query.html
"""

import math
import re
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from functools import reduce

from crm.provider import STANDARD_FIELDS, Filter, Kind, Query, Value
from crm.providers.zoho.mapping import (
    COLUMNS,
    MODULES,
    TITLE_FIELDS,
    WHO_ID,
    PicklistValues,
    with_utc_offset,
)
from toolkit.errors import Rejected
from toolkit.speech.people import digits, significant_digits
from toolkit.speech.times import format_utc

_OPERATORS = {"is": "=", "is_not": "!=", "above": ">", "below": "<"}
_COLUMN = re.compile(r"[A-Za-z][A-Za-z0-9_]*(\.[A-Za-z][A-Za-z0-9_]*){0,2}")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]+")
_PREFIX_LENGTH = 3  # letters at the beginning of a name, which are rarely misheard
_MAX_PARTS = 4  # of a name: COQL takes 25 conditions


def build_query(query: Query, picklists: PicklistValues) -> str:
    """Return the COQL statement for a query.

    Raises:
        Rejected: COQL has no such condition, or a field's name cannot be one.
    """
    conditions = [_condition(query.kind, each, picklists) for each in query.filters]
    order = _column(query.kind, query.order_by) if query.order_by else "Created_Time"
    descending = query.descending or query.order_by is None
    return build_statement(
        query.kind,
        conditions,
        fields=query.fields,
        limit=query.limit,
        order=order,
        descending=descending,
    )


def build_statement(
    kind: Kind,
    conditions: Sequence[str],
    *,
    fields: Sequence[str] = (),
    limit: int,
    order: str = "Created_Time",
    descending: bool = True,
) -> str:
    """Return a COQL statement for the records that satisfy every condition.

    COQL requires at least one condition, and takes conditions in pairs only.
    """
    about = (WHO_ID,) if "about" in STANDARD_FIELDS[kind] else ()
    names = (*COLUMNS[kind].values(), *about, *(_column(kind, name) for name in fields))
    where = join_in_pairs(conditions or ["id is not null"], "and")
    columns = ", ".join(dict.fromkeys(names))
    by = f"{order} {'desc' if descending else 'asc'}"
    clauses = ("select", columns, "from", MODULES[kind], "where", where, "order by", by)
    return " ".join((*clauses, "limit", str(limit)))


def join_in_pairs(conditions: Sequence[str], joint: str) -> str:
    """Return the conditions as `((a and b) and c)`; `joint` is `and` or `or`."""
    return reduce(lambda left, right: f"({left} {joint} {right})", conditions)


def equals(column: str, value: Value) -> str:
    """Return the condition that a field has this value."""
    return f"{column} = {to_literal(value)}"


def recent_conditions(kind: Kind, title: str, since: datetime) -> list[str]:
    """Return the conditions for records with this name or subject, created since a time."""
    column = next(COLUMNS[kind][field] for field in TITLE_FIELDS if field in COLUMNS[kind])
    return [
        equals(column, title),
        f"Created_Time >= {to_literal(with_utc_offset(format_utc(since)))}",
    ]


def has_number(columns: Sequence[str], number: str) -> str:
    """Return the condition that a column has a phone number, in whatever format."""
    pattern = to_literal("".join(f"%{digit}" for digit in significant_digits(number)))
    return join_in_pairs([f"{column} like {pattern}" for column in columns], "or")


def has_address(columns: Sequence[str], address: str) -> str:
    """Return the condition that a column has an e-mail address."""
    return join_in_pairs([equals(column, address) for column in columns], "or")


def has_similar_name(kind: Kind, text: str) -> str | None:
    """Return the condition for names that contain the beginning of a word of the text.

    Returns None if the text has no words.
    """
    fields = (*TITLE_FIELDS, "company")
    columns = [COLUMNS[kind][field] for field in fields if field in COLUMNS[kind]]
    # COQL distinguishes accented letters from others, so the text is used as it is.
    prefixes = [word[:_PREFIX_LENGTH] for word in re.findall(r"\w{2,}", text)][:_MAX_PARTS]
    conditions = [
        f"{column} like {to_literal(f'%{prefix}%')}" for column in columns for prefix in prefixes
    ]
    return join_in_pairs(conditions, "or") if conditions else None


def to_literal(value: Value) -> str:
    """Return a value as a COQL literal.

    A quote is doubled: https://help.zoho.com/portal/en/community/topic/kaizen-171-faqs-on-coql-api.
    Whether a backslash escapes is not documented; a pair of them is safe either way.
    """
    if isinstance(value, bool):
        return f"'{str(value).lower()}'"
    if isinstance(value, str):
        visible = _CONTROL.sub(" ", value)
        doubled = visible.replace("\\", "\\\\").replace("'", "''")
        return f"'{doubled}'"
    if not math.isfinite(value):
        raise Rejected("That is not a number.", next="Call again with a number.")
    return f"{Decimal(str(value)):f}"


def _condition(kind: Kind, condition: Filter, picklists: PicklistValues) -> str:
    column = _column(kind, condition.field)
    if (
        condition.field == "phone"
        and condition.op == "is"
        and len(digits(str(condition.value))) > 1
    ):
        return has_number((column,), str(condition.value))
    if condition.field == "about":
        about_contact = _comparison(WHO_ID, condition, kind, picklists)
        joint = "and" if condition.op == "is_not" else "or"
        return join_in_pairs(
            [_comparison(column, condition, kind, picklists), about_contact], joint
        )
    return _comparison(column, condition, kind, picklists)


def _comparison(column: str, condition: Filter, kind: Kind, picklists: PicklistValues) -> str:
    match condition.op, condition.value:
        case "one_of", list(values):
            literals = [
                to_literal(picklists.to_zoho(kind, condition.field, each)) for each in values
            ]
            return f"{column} in ({', '.join(literals)})" if literals else "id is null"
        case _, list():
            raise Rejected(f"{condition.op} takes one value.", next="Call again with one value.")
        case "contains", value:
            return f"{column} like {to_literal(f'%{value}%')}"
        case "starts_with", value:
            return f"{column} like {to_literal(f'{value}%')}"
        case operator, value:
            literal = to_literal(picklists.to_zoho(kind, condition.field, value))
            comparison = f"{column} {_OPERATORS[operator]} {literal}"
            # COQL does not compare a null with anything.
            return f"({comparison} or {column} is null)" if operator == "is_not" else comparison


def _column(kind: Kind, name: str) -> str:
    if name in COLUMNS[kind]:
        return COLUMNS[kind][name]
    if not _COLUMN.fullmatch(name):
        raise Rejected("There is no such field.", next="Call again without it.")
    return name
