"""Builds statements in COQL, the query language of Zoho CRM.

https://www.zoho.com/crm/developer/docs/api/v8/Get-Records-through-COQL-Query.html
"""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from functools import reduce
from zoneinfo import ZoneInfo

from crm.provider import STANDARD_FIELDS, Filter, Kind, Query, Value
from crm.providers.zoho.mapping import (
    COLUMNS,
    EMAIL_FIELDS,
    MODULES,
    PHONE_FIELDS,
    TITLE_FIELDS,
    WHO_ID,
    PicklistValues,
    with_utc_offset,
)
from toolkit.errors import Rejected
from toolkit.speech.people import digits, significant_digits
from toolkit.speech.times import format_utc

# https://www.zoho.com/crm/developer/docs/api/v8/COQL-Limitations.html
_MAX_CONDITIONS = 25
_MAX_VALUES = 100  # of `in`
_OPERATORS = {"is": "=", "is_not": "!=", "above": ">", "below": "<"}
# The times that every module has; the types of other fields are the account's own.
_TIME_COLUMNS = frozenset({"Created_Time", "Modified_Time", "Last_Activity_Time"})
_DAY = re.compile(r"\d{4}-\d\d-\d\d")
_TIME = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:?\d\d)?")
_COLUMN = re.compile(r"[A-Za-z][A-Za-z0-9_]*(\.[A-Za-z][A-Za-z0-9_]*){0,2}")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]+")
_PREFIX_LENGTH = 3  # letters at the beginning of a name, which are rarely misheard
_MAX_PARTS = 4  # of a name, for each of which there is a condition


@dataclass(frozen=True)
class Condition:
    """A condition in COQL, and of how many it is made."""

    text: str
    size: int = 1


def build_query(query: Query, picklists: PicklistValues, zone: ZoneInfo) -> str:
    """Return the COQL statement for a query; times without a zone are in the business's.

    Raises:
        Rejected: COQL has no such condition, a field's name cannot be one, or they are too many.
    """
    conditions = [_condition(query.kind, each, picklists, zone) for each in query.filters]
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
    conditions: Sequence[Condition],
    *,
    fields: Sequence[str] = (),
    limit: int,
    order: str = "Created_Time",
    descending: bool = True,
) -> str:
    """Return a COQL statement for the records that satisfy every condition.

    COQL requires at least one condition, and takes conditions in pairs only.

    Raises:
        Rejected: there are more conditions than COQL takes.
    """
    about = (WHO_ID,) if "about" in STANDARD_FIELDS[kind] else ()
    names = (*COLUMNS[kind].values(), *about, *(_column(kind, name) for name in fields))
    where = join_in_pairs(conditions or [Condition("id is not null")], "and")
    if where.size > _MAX_CONDITIONS:
        raise Rejected(
            f"Zoho CRM takes {_MAX_CONDITIONS} conditions at most, and these are {where.size}.",
            next="Call again with fewer conditions, or with fewer values in a list.",
        )
    columns = ", ".join(dict.fromkeys(names))
    by = f"{order} {'desc' if descending else 'asc'}"
    clauses = ("select", columns, "from", MODULES[kind], "where", where.text, "order by", by)
    return " ".join((*clauses, "limit", str(limit)))


def join_in_pairs(conditions: Sequence[Condition], joint: str) -> Condition:
    """Return the conditions as `((a and b) and c)`; `joint` is `and` or `or`."""
    return reduce(
        lambda left, right: Condition(
            f"({left.text} {joint} {right.text})", left.size + right.size
        ),
        conditions,
    )


def equals(column: str, value: Value) -> Condition:
    """Return the condition that a field has this value."""
    return Condition(f"{column} = {to_literal(value)}")


def recent_conditions(kind: Kind, title: str, since: datetime) -> list[Condition]:
    """Return the conditions for records with this name or subject, created since a time."""
    column = next(COLUMNS[kind][field] for field in TITLE_FIELDS if field in COLUMNS[kind])
    return [
        equals(column, title),
        Condition(f"Created_Time >= {to_literal(with_utc_offset(format_utc(since)))}"),
    ]


def has_number(columns: Sequence[str], number: str) -> Condition:
    """Return the condition that a column has a phone number, in whatever format."""
    pattern = _number_pattern(number)
    return join_in_pairs([Condition(f"{column} like {pattern}") for column in columns], "or")


def has_address(columns: Sequence[str], address: str) -> Condition:
    """Return the condition that a column has an e-mail address."""
    return join_in_pairs([equals(column, address) for column in columns], "or")


def has_similar_name(kind: Kind, text: str) -> Condition | None:
    """Return the condition for names that contain the beginning of a word of the text.

    Returns None if the text has no words.
    """
    fields = (*TITLE_FIELDS, "company")
    columns = [COLUMNS[kind][field] for field in fields if field in COLUMNS[kind]]
    # COQL distinguishes accented letters from others, so the text is used as it is.
    prefixes = [word[:_PREFIX_LENGTH] for word in re.findall(r"\w{2,}", text)][:_MAX_PARTS]
    conditions = [
        Condition(f"{column} like {to_literal(f'%{prefix}%')}")
        for column in columns
        for prefix in prefixes
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


def _condition(
    kind: Kind, condition: Filter, picklists: PicklistValues, zone: ZoneInfo
) -> Condition:
    columns = _columns(kind, condition.field)
    # Of several columns with the like, none is to have what the record is not to have.
    joint = "and" if condition.op == "is_not" else "or"
    numbers = _numbers(condition) if condition.field == "phone" else []
    if numbers:
        found = [_number_condition(column, each, joint) for each in numbers for column in columns]
    else:
        found = [_comparison(column, condition, kind, picklists, zone) for column in columns]
    return join_in_pairs(found, joint)


def _columns(kind: Kind, field: str) -> tuple[str, ...]:
    """Return the columns that have a field: a person has several numbers and addresses."""
    several: Mapping[str, tuple[str, ...]] = {
        "phone": PHONE_FIELDS.get(kind, ()),
        "email": EMAIL_FIELDS.get(kind, ()),
        "about": (COLUMNS[kind].get("about", ""), WHO_ID),
    }
    return (field in COLUMNS[kind] and several.get(field)) or (_column(kind, field),)


def _numbers(condition: Filter) -> list[str]:
    """Return the phone numbers that a filter is about; none if not all values are numbers."""
    if condition.op not in ("is", "is_not", "one_of"):
        return []
    values = condition.value if isinstance(condition.value, list) else [str(condition.value)]
    return values if all(len(digits(each)) > 1 for each in values) else []


def _number_condition(column: str, number: str, joint: str) -> Condition:
    pattern = _number_pattern(number)
    if joint == "or":
        return Condition(f"{column} like {pattern}")
    return Condition(f"({column} not like {pattern} or {column} is null)", 2)


def _number_pattern(number: str) -> str:
    return to_literal("".join(f"%{digit}" for digit in significant_digits(number)))


def _comparison(
    column: str, condition: Filter, kind: Kind, picklists: PicklistValues, zone: ZoneInfo
) -> Condition:
    match condition.op, condition.value:
        case "one_of", list(values):
            return _is_one_of(
                column, [picklists.to_zoho(kind, condition.field, each) for each in values]
            )
        case _, list():
            raise Rejected(f"{condition.op} takes one value.", next="Call again with one value.")
        case "contains", value:
            return Condition(f"{column} like {to_literal(f'%{value}%')}")
        case "starts_with", value:
            return Condition(f"{column} like {to_literal(f'{value}%')}")
        case operator, value:
            stored = picklists.to_zoho(kind, condition.field, _with_zone(column, value, zone))
            comparison = f"{column} {_OPERATORS[operator]} {to_literal(stored)}"
            # COQL does not compare a null with anything.
            if operator == "is_not":
                return Condition(f"({comparison} or {column} is null)", 2)
            return Condition(comparison)


def _is_one_of(column: str, values: Sequence[Value]) -> Condition:
    """Return the condition that a column has one of the values, of which `in` takes a hundred."""
    chunks = [values[at : at + _MAX_VALUES] for at in range(0, len(values), _MAX_VALUES)]
    conditions = [
        Condition(f"{column} in ({', '.join(to_literal(each) for each in chunk)})")
        for chunk in chunks
    ]
    return join_in_pairs(conditions, "or") if conditions else Condition("id is null")


def _with_zone(column: str, value: Value, zone: ZoneInfo) -> Value:
    """Return a time with an offset, without which COQL takes none; another value unchanged."""
    if not isinstance(value, str):
        return value
    is_time = _TIME.fullmatch(value) or (column in _TIME_COLUMNS and _DAY.fullmatch(value))
    if not is_time:
        return value
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        return value
    return (moment if moment.tzinfo else moment.replace(tzinfo=zone)).isoformat(timespec="seconds")


def _column(kind: Kind, name: str) -> str:
    if name in COLUMNS[kind]:
        return COLUMNS[kind][name]
    if not _COLUMN.fullmatch(name):
        raise Rejected("There is no such field.", next="Call again without it.")
    return name
