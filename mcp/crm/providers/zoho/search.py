"""COQL, the query language of Zoho CRM.

https://www.zoho.com/crm/developer/docs/api/v8/Get-Records-through-COQL-Query.html
"""

import math
import re
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from functools import reduce

from crm.provider import WORDS, Filter, Kind, Query, Value
from crm.providers.zoho.mapping import COLUMNS, MODULES, PERSON, TITLES, Spelling, offset
from toolkit.errors import Rejected
from toolkit.speech.people import digits, significant_digits
from toolkit.speech.times import utc

_OPERATORS = {"is": "=", "is_not": "!=", "above": ">", "below": "<"}
_COLUMN = re.compile(r"[A-Za-z][A-Za-z0-9_]*(\.[A-Za-z][A-Za-z0-9_]*){0,2}")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]+")
_HEARD = 3  # letters at the beginning of a name that are heard right
_MOST_PARTS = 4  # of a name: COQL takes 25 conditions


def selected(query: Query, spelling: Spelling) -> str:
    """Return a query as a COQL statement."""
    conditions = [_condition(query.kind, each, spelling) for each in query.filters]
    order = _column(query.kind, query.order_by) if query.order_by else "Created_Time"
    descending = query.descending or query.order_by is None
    return statement(
        query.kind, conditions, fields=query.fields, limit=query.limit, order=order, down=descending
    )


def statement(
    kind: Kind,
    conditions: Sequence[str],
    *,
    fields: Sequence[str] = (),
    limit: int,
    order: str = "Created_Time",
    down: bool = True,
) -> str:
    """Return a COQL statement. It must have conditions, and these must be in pairs."""
    about = (PERSON,) if "about" in WORDS[kind] else ()
    names = (*COLUMNS[kind].values(), *about, *(_column(kind, name) for name in fields))
    where = paired(conditions or ["id is not null"], "and")
    columns = ", ".join(dict.fromkeys(names))
    by = f"{order} {'desc' if down else 'asc'}"
    clauses = ("select", columns, "from", MODULES[kind], "where", where, "order by", by)
    return " ".join((*clauses, "limit", str(limit)))


def paired(conditions: Sequence[str], joint: str) -> str:
    """Return `((a and b) and c)`."""
    return reduce(lambda left, right: f"({left} {joint} {right})", conditions)


def is_exactly(column: str, value: Value) -> str:
    """Return the condition that a field has this value."""
    return f"{column} = {literal(value)}"


def lately(kind: Kind, title: str, since: datetime) -> list[str]:
    """Return the conditions for records of a name that are new."""
    column = next(COLUMNS[kind][word] for word in TITLES if word in COLUMNS[kind])
    return [is_exactly(column, title), f"Created_Time >= {literal(offset(utc(since)))}"]


def has_number(columns: Sequence[str], number: str) -> str:
    """Return the condition for a phone number, however it is written."""
    pattern = literal("".join(f"%{digit}" for digit in significant_digits(number)))
    return paired([f"{column} like {pattern}" for column in columns], "or")


def has_address(columns: Sequence[str], address: str) -> str:
    """Return the condition for an e-mail address."""
    return paired([is_exactly(column, address) for column in columns], "or")


def sounds_like(kind: Kind, text: str) -> str | None:
    """Return the condition for names in which a part begins as one of those that were heard."""
    named = [COLUMNS[kind][word] for word in (*TITLES, "company") if word in COLUMNS[kind]]
    # COQL tells an accented letter from a bare one: the name is looked for as it was said.
    parts = [part[:_HEARD] for part in re.findall(r"\w{2,}", text)][:_MOST_PARTS]
    found = [f"{column} like {literal(f'%{part}%')}" for column in named for part in parts]
    return paired(found, "or") if found else None


def literal(value: Value) -> str:
    """Return a value as COQL has it.

    A quote is doubled: https://help.zoho.com/portal/en/community/topic/kaizen-171-faqs-on-coql-api.
    Of a backslash nothing is said; a pair of them ends no literal, whether it escapes or not.
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


def _condition(kind: Kind, asked: Filter, spelling: Spelling) -> str:
    column = _column(kind, asked.field)
    if asked.field == "phone" and asked.op == "is" and len(digits(str(asked.value))) > 1:
        return has_number((column,), str(asked.value))
    if asked.field == "about":
        other = _compared(PERSON, asked, kind, spelling)
        joint = "and" if asked.op == "is_not" else "or"
        return paired([_compared(column, asked, kind, spelling), other], joint)
    return _compared(column, asked, kind, spelling)


def _compared(column: str, asked: Filter, kind: Kind, spelling: Spelling) -> str:
    match asked.op, asked.value:
        case "one_of", list(values):
            listed = [literal(spelling.zoho(kind, asked.field, each)) for each in values]
            return f"{column} in ({', '.join(listed)})" if listed else "id is null"
        case _, list():
            raise Rejected(f"{asked.op} takes one value.", next="Call again with one value.")
        case "contains", value:
            return f"{column} like {literal(f'%{value}%')}"
        case "starts_with", value:
            return f"{column} like {literal(f'{value}%')}"
        case operator, value:
            compared = literal(spelling.zoho(kind, asked.field, value))
            condition = f"{column} {_OPERATORS[operator]} {compared}"
            # What is empty is not the value either.
            return f"({condition} or {column} is null)" if operator == "is_not" else condition


def _column(kind: Kind, name: str) -> str:
    if name in COLUMNS[kind]:
        return COLUMNS[kind][name]
    if not _COLUMN.fullmatch(name):
        raise Rejected("There is no such field.", next="Call again without it.")
    return name
