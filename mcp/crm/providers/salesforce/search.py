"""Builds SOQL queries and SOSL searches, in which input from callers and models is quoted.

https://developer.salesforce.com/docs/atlas.en-us.soql_sosl.meta/soql_sosl
"""

import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from functools import partial
from typing import NoReturn
from zoneinfo import ZoneInfo

from config.columns import now
from crm.provider import Filter, InputValues, Kind, Query, StandardField, Value
from crm.providers.salesforce.mapping import to_json_value
from crm.providers.salesforce.objects import (
    ALL_DAY_DATE,
    IS_ALL_DAY,
    MASTER,
    SOBJECTS,
    Column,
    Sobject,
    Type,
    about_field,
    check_field_path,
    check_id,
)
from toolkit.errors import Rejected
from toolkit.instants import first_moment
from toolkit.speech.people import fold, significant_digits
from toolkit.speech.times import format_utc

_MAX_LENGTH = 10_000  # characters: a longer statement makes a URL that Salesforce refuses
_MAX_TEXT = 4000  # characters of a literal
_RECENT = timedelta(days=1)
_ONE_DAY = timedelta(days=1)
_MAX_LOOKALIKES = 200  # records with digits in the order of a number's
_MAX_RECENT = 5  # records that a lost create is looked for among
_MAX_TERMS = 8  # of a search
_MIN_TERM = 2  # characters of a search term
_PREFIX_LENGTH = 3  # characters of the prefix by which a single word is searched
_VOWELS = frozenset("aeiouy")
_ESCAPES = {"\\": r"\\", "'": r"\'", '"': r"\"", "\n": r"\n", "\r": r"\r", "\t": r"\t"}
_ESCAPED_CATEGORIES = frozenset({"Cc", "Cs", "Zl", "Zp"})  # of Unicode characters
_OPERATORS = {"is": "=", "is_not": "!=", "above": ">", "below": "<"}
_SEARCH_OPERATORS = frozenset({"and", "or", "not"})
# The types of other fields that Salesforce defines: a literal is written by its type.
_FIELD_TYPES: Mapping[str, Type] = {
    **dict.fromkeys(("birthdate", "activitydate", "closedate", "converteddate"), "date"),
    **dict.fromkeys(("lastactivitydate", "lastvieweddate"), "date"),
    **dict.fromkeys(("createddate", "lastmodifieddate", "systemmodstamp", "closeddate"), "moment"),
    **dict.fromkeys(("startdatetime", "enddatetime", "activitydatetime"), "moment"),
    **dict.fromkeys(("description",), "long"),
}
# Salesforce knows which of a tenant's own statuses are closed ones.
_STATUS_CONDITIONS: Mapping[tuple[Kind, StandardField], Mapping[str, str]] = {
    ("task", "status"): {"open": "IsClosed = false", "done": "IsClosed = true"},
    ("case", "status"): {
        "new": "Status = 'New'",
        "open": "(IsClosed = false AND Status != 'New')",
        "closed": "IsClosed = true",
    },
}


def quote(text: str) -> str:
    """Return a text as a SOQL literal.

    Raises:
        Rejected: it is longer than SOQL takes.
    """
    escaped = _escape(text)
    if len(escaped) > _MAX_TEXT:
        _reject(f"A text is longer than the {_MAX_TEXT} characters that Salesforce compares.")
    return f"'{escaped}'"


def like(text: str, *, inside: bool) -> str:
    """Return a LIKE pattern for what begins with a text, or contains it if `inside`."""
    pattern = quote(text)[1:-1].replace("%", r"\%").replace("_", r"\_")
    return f"'{'%' if inside else ''}{pattern}%'"


def build_query(query: Query, zone: ZoneInfo) -> str:
    """Return the SOQL of a query, whose limit is `row_limit`.

    Its days are those of `zone`. Records that are gone, such as converted leads, are found only
    if a filter asks for them.

    Raises:
        Rejected: SOQL has no such condition or order.
        NotFound: a reference does not have the form of an id.
    """
    sobject = SOBJECTS[query.kind]
    conditions = [build_condition(query.kind, each, zone) for each in query.filters]
    if (is_open := sobject.open_condition) and not any(
        is_open.casefold().startswith(f"{each.field.casefold()} ") for each in query.filters
    ):
        conditions.append(is_open)
    order = "CreatedDate DESC"
    if query.order_by is not None:
        column = _column(sobject, query.order_by)
        if column.type == "long":
            _reject("Records cannot be put in order by their notes.")
        order = f"{column.name} {'DESC' if query.descending else 'ASC'} NULLS LAST"
    return build_select(sobject, query.fields, conditions, order=order, limit=row_limit(query))


def row_limit(query: Query) -> int:
    """Return how many rows to ask for: one more than are wanted shows that there are others.

    By a number others are found, too, which `mapping.matches_phone_filters` leaves out.
    """
    by_phone = any(each.field == "phone" for each in query.filters)
    return _MAX_LOOKALIKES if by_phone else query.limit + 1


def build_select(
    sobject: Sobject,
    fields: Sequence[str],
    conditions: Sequence[str],
    *,
    limit: int,
    order: str = "CreatedDate DESC",
) -> str:
    """Return a SELECT for the records that satisfy every condition.

    Raises:
        Rejected: the statement is too long, or a field's name cannot be one.
    """
    columns = ", ".join(sobject.field_names([check_field_path(each) for each in fields]))
    where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
    statement = f"SELECT {columns} FROM {sobject.name}{where} ORDER BY {order} LIMIT {limit:d}"  # noqa: S608 - names are checked, values quoted
    if len(statement) > _MAX_LENGTH:
        _reject("That is more than can be asked at once.")
    return statement


def build_master_query(kind: Kind, record_id: str) -> str:
    """Return a query, which is to include deleted records, for what a record was merged into."""
    conditions = f"Id = {quote(record_id)} AND IsDeleted = true"
    return f"SELECT Id, {MASTER} FROM {SOBJECTS[kind].name} WHERE {conditions} LIMIT 1"  # noqa: S608 - the id is quoted


def build_recent_query(kind: Kind, values: InputValues, zone: ZoneInfo) -> str:
    """Return a query for records that were created since yesterday with these values."""
    sobject = SOBJECTS[kind]
    conditions = [
        build_condition(kind, Filter(field=field, value=to_json_value(value)), zone)
        for field, value in values.items()
        if sobject.columns[field].type != "long"
    ]
    since = f"CreatedDate >= {format_utc(now() - _RECENT)}"
    return build_select(sobject, (), [*conditions, since], limit=_MAX_RECENT)


def build_contact_query(
    kind: Kind, *, phone: str | None, email: str | None, limit: int
) -> str | None:
    """Return a query for the records with a phone number or an e-mail address.

    Returns None if the kind has no field for it.
    """
    sobject = SOBJECTS[kind]
    conditions: list[str] = []
    if phone is not None and sobject.phone_fields:
        conditions.append(_phone_condition(sobject.phone_fields, phone))
    elif email is not None and sobject.email_fields:
        conditions.append(_any(f"{name} = {quote(email)}" for name in sobject.email_fields))
    if not conditions:
        return None
    if sobject.open_condition:
        conditions.append(sobject.open_condition)
    return build_select(sobject, (), conditions, limit=limit)


def build_condition(kind: Kind, condition: Filter, zone: ZoneInfo) -> str:
    """Return the SOQL condition for a filter; a day is one in `zone`.

    Raises:
        Rejected: SOQL has no such condition.
        NotFound: a reference does not have the form of an id.
    """
    field, op, value = condition.field, condition.op, condition.value
    if op == "one_of":
        values = value if isinstance(value, list) else [value]
        if not values:
            _reject("There is nothing to choose from.")
        filters = (condition.model_copy(update={"op": "is", "value": each}) for each in values)
        return _any(build_condition(kind, each, zone) for each in filters)
    if isinstance(value, list):
        _reject(f"{op} takes one value.")
    column = _column(SOBJECTS[kind], field)
    if column.type == "long":
        _reject("Records cannot be picked by their notes.", "Look for the words with search.")
    if column.type == "moment" and (day := _parse_day(value)) is not None:
        return _day_condition(column.name, op, day, zone)
    literals = _literals(zone)
    if op in ("is", "is_not"):
        return _equality(kind, condition, column, literals[column.type])
    if column.type == "id":
        _reject(f"{field} is another record: it is the one or not.")
    if op in ("above", "below"):
        compared = f"{column.name} {_OPERATORS[op]} {literals[column.type](value)}"
        all_day = _all_day_condition(op, value, zone) if field == "starts_at" else None
        return (
            compared if all_day is None else f"(({IS_ALL_DAY} = false AND {compared}) OR {all_day})"
        )
    if column.type not in ("text", "any"):
        _reject(f"{field} can only be compared with another value.")
    return f"{column.name} LIKE {like(str(value), inside=op == 'contains')}"


def build_search(terms: Sequence[str], kinds: Sequence[Kind], limit: int) -> str | None:
    """Return a search for records with a word that begins with one of the terms.

    Returns None if there are no terms.
    """
    return _find(" OR ".join(f"{term}*" for term in terms), kinds, limit)


def build_fuzzy_search(terms: Sequence[str], kinds: Sequence[Kind], limit: int) -> str | None:
    """Return a search for records with words that sound or begin like all of the terms.

    Returns None if there are no terms.
    """
    length = _PREFIX_LENGTH if len(terms) == 1 else _MIN_TERM
    patterns = [
        f"({' OR '.join(dict.fromkeys((*_sound_patterns(term), f'{term[:length]}*')))})"
        for term in terms
    ]
    return _find(" AND ".join(patterns), kinds, limit)


def search_terms(text: str) -> tuple[str, ...]:
    """Return the words of a text that SOSL can search for, without its operators and signs."""
    words = re.findall(r"[^\W_]+", unicodedata.normalize("NFC", text))
    terms = [
        word
        for word in words
        if len(word) >= _MIN_TERM and word.casefold() not in _SEARCH_OPERATORS
    ]
    return tuple(dict.fromkeys(terms))[:_MAX_TERMS]


def _escape(text: str) -> str:
    return "".join(_ESCAPES.get(char) or _escape_unseen(char) for char in text)


def _escape_unseen(char: str) -> str:
    return f"\\u{ord(char):04x}" if unicodedata.category(char) in _ESCAPED_CATEGORIES else char


def _column(sobject: Sobject, name: str) -> Column:
    return sobject.columns.get(name) or Column(
        check_field_path(name), _FIELD_TYPES.get(name.casefold(), "any")
    )


def _equality(
    kind: Kind, condition: Filter, column: Column, literal: Callable[[Value], str]
) -> str:
    field, operator = condition.field, _OPERATORS[condition.op]
    value = str(condition.value) if isinstance(condition.value, list) else condition.value
    special = _STATUS_CONDITIONS.get((kind, field), {}).get(str(value))
    if field == "phone" and significant_digits(str(value)):
        special = _phone_condition(column.names, str(value))
    if special is not None:
        return f"(NOT {special})" if condition.op == "is_not" else special
    name = about_field(check_id(value)) if field == "about" else column.name
    picklist_value = SOBJECTS[kind].picklists.get(field, {}).get(str(value), value)
    return f"{name} {operator} {literal(picklist_value)}"


def _day_condition(name: str, op: str, day: date, zone: ZoneInfo) -> str:
    """Return the condition for a field that holds a moment of a day in a time zone."""
    first, next_day = (
        format_utc(first_moment(each, time.min, zone)) for each in (day, day + _ONE_DAY)
    )
    within = f"({name} >= {first} AND {name} < {next_day})"
    conditions = {
        "above": f"{name} >= {next_day}",
        "below": f"{name} < {first}",
        "is": within,
        "is_not": f"(NOT {within})",
    }
    if op not in conditions:
        _reject("A day is on, before or after another one.")
    return conditions[op]


def _all_day_condition(op: str, value: Value, zone: ZoneInfo) -> str:
    """Return the condition for events of whole days that begin before or after a moment."""
    moment = _parse_datetime(value, zone)
    day = moment.astimezone(zone).date()
    # One of that very day begins with the day.
    is_start = moment <= first_moment(day, time.min, zone)
    operator = "<" if op == "below" else ">=" if is_start else ">"
    return f"({IS_ALL_DAY} = true AND {ALL_DAY_DATE} {operator} {day.isoformat()})"


def _phone_condition(columns: Sequence[str], number: str) -> str:
    """Return the condition that a field has the number's digits, with anything between them."""
    pattern = quote("".join(f"%{digit}" for digit in significant_digits(number)) + "%")
    return _any(f"{name} LIKE {pattern}" for name in columns)


def _text_literal(value: Value) -> str:
    return quote(str(value))


def _literal(value: Value) -> str:
    """Return the literal for a field of unknown type, by the type of the value."""
    if isinstance(value, bool):
        return str(value).lower()
    return quote(value) if isinstance(value, str) else _number_literal(value)


def _number_literal(value: Value) -> str:
    try:
        number = Decimal(str(value).replace(",", ""))
    except ArithmeticError:
        number = Decimal("NaN")
    if not number.is_finite() or abs(number.adjusted()) > 18:
        _reject("That is not a number.")
    return f"{number:f}"


def _date_literal(value: Value, zone: ZoneInfo) -> str:
    day = _parse_day(value)
    return (day or _parse_datetime(value, zone).astimezone(zone).date()).isoformat()


def _datetime_literal(value: Value, zone: ZoneInfo) -> str:
    return format_utc(_parse_datetime(value, zone))


def _parse_day(value: Value) -> date | None:
    """Return the day that a value is; None if it is none, or a moment."""
    try:
        return date.fromisoformat(str(value))
    except ValueError:
        return None


def _parse_datetime(value: Value, zone: ZoneInfo) -> datetime:
    try:
        moment = datetime.fromisoformat(str(value))
        return moment if moment.tzinfo else moment.replace(tzinfo=zone)
    except (ValueError, OverflowError):
        _reject("That is neither a day nor a moment.", "Call again with an ISO date or time.")


def _id_literal(value: Value) -> str:
    return quote(check_id(value))


def _literals(zone: ZoneInfo) -> Mapping[Type, Callable[[Value], str]]:
    """Return the function that writes a literal of each type."""
    return {
        "text": _text_literal,
        "any": _literal,
        "number": _number_literal,
        "date": partial(_date_literal, zone=zone),
        "moment": partial(_datetime_literal, zone=zone),
        "id": _id_literal,
    }


def _any(conditions: Iterable[str]) -> str:
    return f"({' OR '.join(conditions)})"


def _sound_patterns(word: str) -> tuple[str, ...]:
    """Return a pattern for words that sound alike: vowels are misheard, and letters doubled."""
    pattern = ""
    for at, char in enumerate(word):
        sign = "*" if at and fold(char) in _VOWELS else char
        pattern += "" if pattern.endswith(sign) else sign
    letters = pattern.replace("*", "")
    return (f"{pattern.rstrip('*')}*",) if len(letters) >= _MIN_TERM else ()


def _find(text: str, kinds: Sequence[Kind], limit: int) -> str | None:
    if not text:
        return None
    returning = ", ".join(_returning(SOBJECTS[kind], limit) for kind in kinds)
    return f"FIND {{{text}}} IN ALL FIELDS RETURNING {returning}"


def _returning(sobject: Sobject, limit: int) -> str:
    where = f" WHERE {sobject.open_condition}" if sobject.open_condition else ""
    return f"{sobject.name}({', '.join(sobject.field_names())}{where} LIMIT {limit:d})"


def _reject(message: str, advice: str = "Call again with other conditions.") -> NoReturn:
    raise Rejected(message, next=advice)
