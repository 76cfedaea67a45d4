"""Records of Salesforce's in our words, and ours as it wants them."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any, cast

from config.columns import now
from crm.provider import WORDS, Fields, Given, Kind, Query, Record, Value, Word
from crm.providers.salesforce.objects import LEAD, SOBJECTS, Sobject, about, path, reference
from crm.providers.salesforce.responses import Row
from toolkit.errors import Rejected
from toolkit.speech.people import same_number, significant_digits
from toolkit.speech.times import utc

# A lead must have a company. A word such as "Unknown" would be read out as one, and be found by
# those who look for a company; a dash is nothing to anybody, and is not read back as a value.
NO_COMPANY = "-"
# An opportunity must have both: a caller who shows interest is asked for neither.
_FIRST_STAGE = "Prospecting"
_OPEN_FOR = timedelta(days=30)
_HALF_AN_HOUR = 30  # minutes: an event must have a length

# What Salesforce, or an automation in it, does not fill in by itself.
_TOLD = ("phone", "email", "amount", "due_date", "location")


def record(row: Row, kind: Kind, fields: Sequence[str]) -> Record:
    """Return a record in our words, with the vendor's own fields that are named."""
    held = row.model_extra or {}
    sobject = SOBJECTS[kind]
    values = {word: _value(held, sobject, word) for word in sobject.columns}
    own = {name: _found(held, name) for name in fields}
    return Record(
        kind=kind,
        id=row.Id,
        values={word: value for word, value in values.items() if value is not None},
        fields={name: value for name, value in own.items() if value is not None},
    )


def new(kind: Kind, values: Mapping[Word, Given], fields: Fields) -> dict[str, Any]:
    """Return a record to create, with what Salesforce demands of it.

    Raises:
        Rejected: what only the caller can say is missing.
        NotFound: another record that it names cannot exist.
    """
    given = changed(kind, values, fields)
    body = _demanded(kind) | {name: each for name, each in given.items() if each not in (None, "")}
    if kind == "event":
        if not body.get("StartDateTime"):
            raise Rejected(
                "An event must begin at some time.",
                say="On which day, and at what time?",
                next="Call again with what the caller says.",
            )
        if not body.get("EndDateTime"):
            body.setdefault("DurationInMinutes", _HALF_AN_HOUR)
    return body


def changed(kind: Kind, values: Mapping[Word, Given], fields: Fields) -> dict[str, Any]:
    """Return what changes of a record; what is to be emptied is None.

    Raises:
        Rejected: a field has no name that a field can have.
        NotFound: another record that it names cannot exist.
    """
    body: dict[str, Any] = {}
    for word, value in values.items():
        body |= _written(kind, word, value)
    if any("." in path(name) for name in fields):
        raise Rejected("A field of another record cannot be changed here.")
    return body | dict(fields)


def rings(row: Row, query: Query) -> bool:
    """Say whether a record has the numbers that are asked for: a pattern finds others, too."""
    held = row.model_extra or {}
    numbers = [str(held.get(name) or "") for name in SOBJECTS[query.kind].numbers]
    for asked in query.filters:
        if asked.field == "phone" and asked.op in ("is", "one_of"):
            meant = asked.value if isinstance(asked.value, list) else [str(asked.value)]
            named = [number for number in meant if significant_digits(number)]
            if named and not any(same_number(one, other) for one in named for other in numbers):
                return False
    return True


def same(one: Record, values: Mapping[Word, Given]) -> bool:
    """Say whether a record has just what was given, as far as nobody but the caller says it."""
    told = {word for word in _TOLD if word in WORDS[one.kind]}
    notes = [" ".join(str(each.get("notes", "")).split()) for each in (one.values, values)]
    return notes[0] == notes[1] and all((word in values) == (word in one.values) for word in told)


def _demanded(kind: Kind) -> dict[str, Any]:
    if kind == "lead":
        return {"Company": NO_COMPANY}
    if kind == "opportunity":
        return {"StageName": _FIRST_STAGE, "CloseDate": (now().date() + _OPEN_FOR).isoformat()}
    return {"Origin": "Phone"} if kind == "case" else {}


def _written(kind: Kind, word: Word, value: Given) -> dict[str, Any]:
    sobject = SOBJECTS[kind]
    column = sobject.columns[word]
    if kind in ("lead", "contact") and word == "name":
        # Salesforce demands a last name only, and puts the whole one together itself.
        first, _, last = " ".join(str(value).split()).rpartition(" ")
        return {"FirstName": first or None, "LastName": last}
    if word == "about":
        return _pointing(reference(value))
    if column.type == "id":
        return {column.name: reference(value)}
    return {column.name: sobject.choices.get(word, {}).get(str(value), plain(value))}


def _pointing(record_id: str) -> dict[str, Any]:
    """Return how an activity comes to be about a record, and about no other before it.

    One that is about a contact may have a thing besides; about a lead it may not.
    """
    if about(record_id) == "WhatId":
        return {"WhatId": record_id, "WhoId": None}
    lead: dict[str, Any] = {"WhatId": None} if record_id.startswith(LEAD) else {}
    return {"WhoId": record_id, **lead}


def plain(value: Given) -> Any:
    """Return a value as JSON has it."""
    if isinstance(value, datetime):
        return utc(value)
    return value.isoformat() if isinstance(value, date) else value


def _value(held: Mapping[str, Any], sobject: Sobject, word: Word) -> Value | None:
    column = sobject.columns[word]
    there = (_found(held, name) for name in column.names)
    value = next((each for each in there if each is not None), None)
    if value is None or (word == "company" and value == NO_COMPANY):
        return None
    if column.type == "moment":
        return _moment(str(value))
    theirs = {name: ours for ours, name in sobject.choices.get(word, {}).items()}
    return theirs.get(str(value), value)


def _found(held: Mapping[str, Any], name: str) -> Value | None:
    """Return a field by its name, which Salesforce spells as it was defined, not as asked for."""
    found: object = held
    for part in name.split("."):
        if not isinstance(found, Mapping):
            return None
        items = cast("Mapping[str, object]", found).items()
        found = next((each for key, each in items if key.casefold() == part.casefold()), None)
    return found if isinstance(found, str | int | float | bool) and found != "" else None


def _moment(text: str) -> str:
    try:
        return utc(datetime.fromisoformat(text))
    except ValueError:
        return text
