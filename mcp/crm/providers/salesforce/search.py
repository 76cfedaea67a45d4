"""SOQL and SOSL of our own: whatever callers and models say stays a value in them.

https://developer.salesforce.com/docs/atlas.en-us.soql_sosl.meta/soql_sosl
"""

import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import NoReturn

from config.columns import now
from crm.provider import Filter, Given, Kind, Query, Value, Word
from crm.providers.salesforce.mapping import plain
from crm.providers.salesforce.objects import (
    SOBJECTS,
    Column,
    Sobject,
    Type,
    about,
    path,
    reference,
)
from toolkit.errors import Rejected
from toolkit.speech.people import fold, significant_digits
from toolkit.speech.times import utc

_LONGEST = 10_000  # characters: more, quoted for an address, is more than Salesforce takes
_LATELY = timedelta(days=1)
_FEW = 5  # records that an earlier try may have created
_WORDS = 8  # that are searched for
_SHORT = 2  # characters: of fewer Salesforce makes no search
_BEGUN = 3  # characters by which one word alone is looked for
_VOWELS = frozenset("aeiouy")
_ESCAPES = {"\\": r"\\", "'": r"\'", '"': r"\"", "\n": r"\n", "\r": r"\r", "\t": r"\t"}
_UNWRITABLE = frozenset({"Cc", "Cs", "Zl", "Zp"})  # categories of characters
_OPERATORS = {"is": "=", "is_not": "!=", "above": ">", "below": "<"}
_NOT_WORDS = frozenset({"and", "or", "not"})
# Fields of Salesforce's own that are none of our words, by the type that a query must know.
_OWN_TYPES: Mapping[str, Type] = {
    **dict.fromkeys(("birthdate", "activitydate", "closedate", "converteddate"), "date"),
    **dict.fromkeys(("lastactivitydate", "lastvieweddate"), "date"),
    **dict.fromkeys(("createddate", "lastmodifieddate", "systemmodstamp", "closeddate"), "moment"),
    **dict.fromkeys(("startdatetime", "enddatetime", "activitydatetime"), "moment"),
    **dict.fromkeys(("description",), "long"),
}
# Which of a tenant's own stati are which of ours, Salesforce knows.
_STATES: Mapping[tuple[Kind, Word], Mapping[str, str]] = {
    ("task", "status"): {"open": "IsClosed = false", "done": "IsClosed = true"},
    ("case", "status"): {
        "new": "Status = 'New'",
        "open": "(IsClosed = false AND Status != 'New')",
        "closed": "IsClosed = true",
    },
}


def quote(text: str) -> str:
    """Return a text as a literal."""
    return f"'{_escaped(text)}'"


def like(text: str, *, inside: bool) -> str:
    """Return a pattern of what begins with a text, or holds it."""
    escaped = _escaped(text).replace("%", r"\%").replace("_", r"\_")
    return f"'{'%' if inside else ''}{escaped}%'"


def query(asked: Query) -> str:
    """Return a query for the records, and for one more, to see whether there are any.

    Raises:
        Rejected: Salesforce cannot be asked this.
        NotFound: a record that is named cannot exist.
    """
    sobject = SOBJECTS[asked.kind]
    conditions = [condition(asked.kind, each) for each in asked.filters]
    order = "CreatedDate DESC"
    if asked.order_by is not None:
        column = _column(sobject, asked.order_by)
        if column.type == "long":
            _cannot("Records cannot be put in order by their notes.")
        order = f"{column.name} {'DESC' if asked.descending else 'ASC'} NULLS LAST"
    return select(sobject, asked.fields, conditions, order=order, limit=asked.limit + 1)


def select(
    sobject: Sobject,
    fields: Sequence[str],
    conditions: Sequence[str],
    *,
    limit: int,
    order: str = "CreatedDate DESC",
) -> str:
    """Return a query; each condition holds.

    Raises:
        Rejected: it has become too long, or a field has no name that a field can have.
    """
    columns = ", ".join(sobject.selected([path(each) for each in fields]))
    where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
    statement = f"SELECT {columns} FROM {sobject.name}{where} ORDER BY {order} LIMIT {limit:d}"  # noqa: S608 - names are checked, values quoted
    if len(statement) > _LONGEST:
        _cannot("That is more than can be asked at once.")
    return statement


def lately(kind: Kind, values: Mapping[Word, Given]) -> str:
    """Return a query for what was created lately with these values."""
    sobject = SOBJECTS[kind]
    asked = [
        condition(kind, Filter(field=word, value=plain(value)))
        for word, value in values.items()
        if sobject.columns[word].type != "long"
    ]
    since = f"CreatedDate >= {utc(now() - _LATELY)}"
    return select(sobject, (), [*asked, since], limit=_FEW)


def found_by(kind: Kind, *, phone: str | None, email: str | None, limit: int) -> str | None:
    """Return a query for whom a number or an address may belong to; None where nobody has any."""
    sobject = SOBJECTS[kind]
    conditions: list[str] = []
    if phone is not None and sobject.numbers:
        conditions.append(_number(sobject.numbers, phone))
    elif email is not None and sobject.emails:
        conditions.append(_any(f"{name} = {quote(email)}" for name in sobject.emails))
    if not conditions:
        return None
    current = [sobject.current] if sobject.current else []
    return select(sobject, (), [*conditions, *current], limit=limit)


def condition(kind: Kind, asked: Filter) -> str:
    """Return one condition.

    Raises:
        Rejected: Salesforce cannot be asked this.
        NotFound: a record that is named cannot exist.
    """
    several = asked.value if isinstance(asked.value, list) else [asked.value]
    if asked.op == "one_of":
        if not several:
            _cannot("There is nothing to choose from.")
        each = asked.model_copy(update={"op": "is"})
        return _any(condition(kind, each.model_copy(update={"value": one})) for one in several)
    if isinstance(asked.value, list):
        _cannot(f"{asked.op} takes one value.")
    sobject, value = SOBJECTS[kind], asked.value
    column = _column(sobject, asked.field)
    if column.type == "long":
        _cannot("Records cannot be picked by their notes.", "Look for the words with search.")
    if asked.op in ("is", "is_not"):
        return _equal(kind, asked, column, value)
    if column.type == "id":
        _cannot(f"{asked.field} is another record: it is the one or not.")
    if asked.op in ("above", "below"):
        return f"{column.name} {_OPERATORS[asked.op]} {_LITERALS[column.type](value)}"
    if column.type not in ("text", "any"):
        _cannot(f"{asked.field} can only be compared with another value.")
    return f"{column.name} LIKE {like(str(value), inside=asked.op == 'contains')}"


def search(words: Sequence[str], kinds: Sequence[Kind], limit: int) -> str | None:
    """Return a search for records with any word that begins like these; None for no words."""
    return _found(" OR ".join(f"{word}*" for word in words), kinds, limit)


def search_loosely(words: Sequence[str], kinds: Sequence[Kind], limit: int) -> str | None:
    """Return a search for records with all of these words, as they may have been heard."""
    length = _BEGUN if len(words) == 1 else _SHORT
    terms = [
        f"({' OR '.join(dict.fromkeys((*_sounding(word), f'{word[:length]}*')))})" for word in words
    ]
    return _found(" AND ".join(terms), kinds, limit)


def searched(text: str) -> tuple[str, ...]:
    """Return the words of a text that can be searched for: no sign is left that means something."""
    found = re.findall(r"[^\W_]+", unicodedata.normalize("NFC", text))
    words = [word for word in found if len(word) >= _SHORT and word.casefold() not in _NOT_WORDS]
    return tuple(dict.fromkeys(words))[:_WORDS]


def _escaped(text: str) -> str:
    return "".join(_ESCAPES.get(char) or _visible(char) for char in text)


def _visible(char: str) -> str:
    return f"\\u{ord(char):04x}" if unicodedata.category(char) in _UNWRITABLE else char


def _column(sobject: Sobject, name: str) -> Column:
    return sobject.columns.get(name) or Column(path(name), _OWN_TYPES.get(name.casefold(), "any"))


def _equal(kind: Kind, asked: Filter, column: Column, value: Value) -> str:
    word, operator = asked.field, _OPERATORS[asked.op]
    told = _STATES.get((kind, word), {}).get(str(value))
    if word == "phone" and significant_digits(str(value)):
        told = _number(column.names, str(value))
    if told is not None:
        return f"(NOT {told})" if asked.op == "is_not" else told
    name = about(reference(value)) if word == "about" else column.name
    chosen = SOBJECTS[kind].choices.get(word, {}).get(str(value), value)
    return f"{name} {operator} {_LITERALS[column.type](chosen)}"


def _number(columns: Sequence[str], number: str) -> str:
    """Return what holds where a number ends like this one, with anything between its digits."""
    pattern = quote("".join(f"%{digit}" for digit in significant_digits(number)) + "%")
    return _any(f"{name} LIKE {pattern}" for name in columns)


def _text(value: Value) -> str:
    return quote(str(value))


def _whatever(value: Value) -> str:
    """Return the value of a field whose type nobody here knows, as it was given."""
    if isinstance(value, bool):
        return str(value).lower()
    return quote(value) if isinstance(value, str) else _digits(value)


def _digits(value: Value) -> str:
    try:
        number = Decimal(str(value).replace(",", ""))
    except ArithmeticError:
        number = Decimal("NaN")
    if not number.is_finite() or abs(number.adjusted()) > 18:
        _cannot("That is not a number.")
    return f"{number:f}"


def _day(value: Value) -> str:
    return _parsed(value).date().isoformat()


def _instant(value: Value) -> str:
    return utc(_parsed(value))


def _parsed(value: Value) -> datetime:
    try:
        moment = datetime.fromisoformat(str(value))
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        _cannot("That is neither a day nor a moment.", "Call again with an ISO date or time.")


def _id(value: Value) -> str:
    return quote(reference(value))


_LITERALS: Mapping[Type, Callable[[Value], str]] = {
    "text": _text,
    "any": _whatever,
    "number": _digits,
    "date": _day,
    "moment": _instant,
    "id": _id,
}


def _any(conditions: Iterable[str]) -> str:
    return f"({' OR '.join(conditions)})"


def _sounding(word: str) -> tuple[str, ...]:
    """Return a pattern of what sounds like a word: vowels are misheard, and letters doubled."""
    pattern = ""
    for at, char in enumerate(word):
        sign = "*" if at and fold(char) in _VOWELS else char
        pattern += "" if pattern.endswith(sign) else sign
    bare = pattern.replace("*", "")
    return (f"{pattern.rstrip('*')}*",) if len(bare) >= _SHORT else ()


def _found(text: str, kinds: Sequence[Kind], limit: int) -> str | None:
    if not text:
        return None
    returning = ", ".join(_returned(SOBJECTS[kind], limit) for kind in kinds)
    return f"FIND {{{text}}} IN ALL FIELDS RETURNING {returning}"


def _returned(sobject: Sobject, limit: int) -> str:
    where = f" WHERE {sobject.current}" if sobject.current else ""
    return f"{sobject.name}({', '.join(sobject.selected())}{where} LIMIT {limit:d})"


def _cannot(happened: str, advice: str = "Call again with other conditions.") -> NoReturn:
    raise Rejected(happened, next=advice)
