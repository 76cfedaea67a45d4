"""Maps records to the fields of Salesforce's sObjects and back."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any, cast

from config.columns import now
from crm.provider import (
    STANDARD_FIELDS,
    CustomFields,
    InputValue,
    InputValues,
    Kind,
    Query,
    Record,
    StandardField,
    Value,
)
from crm.providers.salesforce.objects import (
    ALL_DAY_DATE,
    IS_ALL_DAY,
    LEAD_PREFIX,
    SOBJECTS,
    Sobject,
    about_field,
    check_field_path,
    check_id,
)
from crm.providers.salesforce.responses import SobjectRecord
from crm.sentences import say
from toolkit.errors import Rejected
from toolkit.speech.people import is_same_number, significant_digits
from toolkit.speech.times import format_utc

# A lead must have a company. A word such as "Unknown" would be read out, and be found by those
# who search for a company; a dash is neither, and is read back as no value.
NO_COMPANY = "-"
# An opportunity must have a stage and a closing date, which callers are not asked for.
_DEFAULT_STAGE = "Prospecting"
_DEFAULT_CLOSE = timedelta(days=30)
_DEFAULT_MINUTES = 30  # an event must have a length

# Neither Salesforce nor an automation in it fills these in.
_CALLER_FIELDS = ("phone", "email", "amount", "due_date", "location")


def to_record(row: SobjectRecord, kind: Kind, fields: Sequence[str]) -> Record:
    """Return a row as a record, with the `fields` that have a value as custom fields."""
    content = row.model_extra or {}
    sobject = SOBJECTS[kind]
    values = {field: _standard_value(content, sobject, field) for field in sobject.columns}
    custom = {name: _field_value(content, name) for name in fields}
    return Record(
        kind=kind,
        id=row.Id,
        values={field: value for field, value in values.items() if value is not None},
        fields={name: value for name, value in custom.items() if value is not None},
    )


def to_new_record(kind: Kind, values: InputValues, fields: CustomFields) -> dict[str, Any]:
    """Return the body of a create, with defaults for what Salesforce requires.

    Raises:
        Rejected: an event has no beginning, or a field's name cannot be one.
        NotFound: a reference does not have the form of an id.
    """
    payload = to_payload(kind, values, fields)
    filled = {name: value for name, value in payload.items() if value not in (None, "")}
    body = _defaults(kind) | filled
    if kind == "event":
        if not body.get("StartDateTime"):
            raise Rejected(
                "An event must begin at some time.",
                say=say("which_time"),
                next="Call again with what the caller says.",
            )
        if not body.get("EndDateTime"):
            body.setdefault("DurationInMinutes", _DEFAULT_MINUTES)
    return body


def to_payload(kind: Kind, values: InputValues, fields: CustomFields) -> dict[str, Any]:
    """Return the body of an update; None empties a field.

    Raises:
        Rejected: a field's name cannot be one, or is a related record's.
        NotFound: a reference does not have the form of an id.
    """
    body: dict[str, Any] = {}
    for field, value in values.items():
        body |= _to_fields(kind, field, value)
    if kind == "event" and "starts_at" in values:  # an event of a whole day keeps no hours
        body[IS_ALL_DAY] = False
    if any("." in check_field_path(name) for name in fields):
        raise Rejected("A field of another record cannot be changed here.")
    return body | dict(fields)


def matches_phone_filters(row: SobjectRecord, query: Query) -> bool:
    """Say whether a row has the phone numbers of a query: its SOQL matches others, too."""
    content = row.model_extra or {}
    numbers = [str(content.get(name) or "") for name in SOBJECTS[query.kind].phone_fields]
    for each in query.filters:
        if each.field == "phone" and each.op in ("is", "one_of"):
            texts = each.value if isinstance(each.value, list) else [str(each.value)]
            wanted = [text for text in texts if significant_digits(text)]
            if wanted and not any(
                is_same_number(one, other) for one in wanted for other in numbers
            ):
                return False
    return True


def is_same_record(record: Record, values: InputValues) -> bool:
    """Say whether a record that a query for these values found has no further ones.

    Compared are the notes, which SOQL cannot filter by, and whether those fields have a value
    that nobody but a caller fills in.
    """
    fields = {field for field in _CALLER_FIELDS if field in STANDARD_FIELDS[record.kind]}
    notes = [" ".join(str(each.get("notes", "")).split()) for each in (record.values, values)]
    same_fields = all((field in values) == (field in record.values) for field in fields)
    return notes[0] == notes[1] and same_fields


def _defaults(kind: Kind) -> dict[str, Any]:
    if kind == "lead":
        return {"Company": NO_COMPANY}
    if kind == "opportunity":
        return {
            "StageName": _DEFAULT_STAGE,
            "CloseDate": (now().date() + _DEFAULT_CLOSE).isoformat(),
        }
    return {"Origin": "Phone"} if kind == "case" else {}


def _to_fields(kind: Kind, field: StandardField, value: InputValue) -> dict[str, Any]:
    """Return the fields, by Salesforce's names, that a standard field is written to."""
    sobject = SOBJECTS[kind]
    column = sobject.columns[field]
    if kind in ("lead", "contact") and field == "name":
        # Salesforce requires a last name, and computes the full name itself.
        first, _, last = " ".join(str(value).split()).rpartition(" ")
        return {"FirstName": first or None, "LastName": last}
    if field == "about":
        return _about_fields(check_id(value))
    if column.type == "id":
        return {column.name: check_id(value)}
    return {column.name: sobject.picklists.get(field, {}).get(str(value), to_json_value(value))}


def _about_fields(record_id: str) -> dict[str, Any]:
    """Return the fields that make an activity be about a record instead of any other.

    An activity about a contact may have a `WhatId`, too; one about a lead may not.
    """
    if about_field(record_id) == "WhatId":
        return {"WhatId": record_id, "WhoId": None}
    no_what: dict[str, Any] = {"WhatId": None} if record_id.startswith(LEAD_PREFIX) else {}
    return {"WhoId": record_id, **no_what}


def to_json_value(value: InputValue) -> Any:
    """Return a value for a JSON body: dates and datetimes in ISO 8601."""
    if isinstance(value, datetime):
        return format_utc(value)
    return value.isoformat() if isinstance(value, date) else value


def _standard_value(
    content: Mapping[str, Any], sobject: Sobject, field: StandardField
) -> Value | None:
    column = sobject.columns[field]
    values = (_field_value(content, name) for name in column.names)
    value = next((each for each in values if each is not None), None)
    if value is None or (field == "company" and value == NO_COMPANY):
        return None
    if column.type == "moment" and content.get(IS_ALL_DAY):
        # Such an event has days, and midnights in UTC that mean nothing.
        day = content.get(ALL_DAY_DATE) if field == "starts_at" else None
        return str(day or value)[: len("YYYY-MM-DD")]
    if column.type == "moment":
        return _to_utc(str(value))
    standard = {theirs: ours for ours, theirs in sobject.picklists.get(field, {}).items()}
    return standard.get(str(value), value)


def _field_value(content: Mapping[str, Any], path: str) -> Value | None:
    """Return a field by its path; Salesforce spells names as defined, not as requested."""
    value: object = content
    for name in path.split("."):
        if not isinstance(value, Mapping):
            return None
        items = cast("Mapping[str, object]", value).items()
        value = next((each for key, each in items if key.casefold() == name.casefold()), None)
    return value if isinstance(value, str | int | float | bool) and value != "" else None


def _to_utc(text: str) -> str:
    try:
        return format_utc(datetime.fromisoformat(text))
    except ValueError:
        return text
