"""Maps records to LeadSquared's fields and back, and queries to lookups."""

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Any, Never

from crm.provider import (
    STANDARD_FIELDS,
    CustomFields,
    Filter,
    InputValue,
    InputValues,
    Kind,
    Query,
    Record,
    StandardField,
    Value,
)
from toolkit.errors import Rejected
from toolkit.speech.people import is_same_number, significant_digits

Row = Mapping[str, Any]
LookupCondition = tuple[str, str, str]  # a field, an SQL operator and a value

LEAD_COLUMNS: Mapping[StandardField, tuple[str, ...]] = {
    "name": ("FirstName", "LastName"),
    "company": ("Company",),
    "title": ("JobTitle",),
    "phone": ("Phone", "Mobile"),
    "email": ("EmailAddress",),
    "status": ("ProspectStage",),
    "source": ("Source",),
    "notes": ("Notes",),
}
REQUESTED_COLUMNS = (
    "ProspectID",
    *(name for names in LEAD_COLUMNS.values() for name in names),
    "CreatedOn",
)
_ALL_LEADS: LookupCondition = ("CreatedOn", ">", "1990-01-01 00:00:00")
# In UTC: the same day nearly everywhere, while midnight is on another day in India.
_NOON = "12:00:00"


def to_lead(row: Row, fields: Sequence[str] = ()) -> Record:
    """Return a lead as a record, with the `fields` that have a value as custom fields."""
    texts = {
        field: [to_text(row.get(name)) for name in names] for field, names in LEAD_COLUMNS.items()
    }
    values = {field: next(filter(None, each), "") for field, each in texts.items()}
    values["name"] = " ".join(filter(None, texts["name"]))
    return to_record("lead", str(row["ProspectID"]), values, row, fields)


def to_record(
    kind: Kind,
    record_id: str,
    values: Mapping[StandardField, Value],
    row: Row,
    fields: Sequence[str],
) -> Record:
    """Return a record with the values and the custom `fields` that are not empty."""
    custom = {name: to_text(row.get(name)) for name in fields}
    return Record(
        kind=kind,
        id=record_id,
        values={field: value for field, value in values.items() if value != ""},
        fields={name: value for name, value in custom.items() if value},
    )


def to_attributes(values: InputValues, fields: CustomFields) -> list[dict[str, str]]:
    """Return the attributes of a lead, for a create or an update."""
    row: dict[str, str] = {}
    for field, value in values.items():
        if field == "name":
            # A single word is the first name.
            first, _, last = f" {value}".rpartition(" ")
            row |= {"FirstName": first.strip() or last, "LastName": last if first.strip() else ""}
        else:
            row[LEAD_COLUMNS[field][0]] = str(value)
    row |= {name: to_text(value) for name, value in fields.items()}
    return [{"Attribute": name, "Value": value} for name, value in row.items()]


def to_opportunity(
    record_id: str,
    known: Mapping[StandardField, str | None],
    row: Row,
    fields: Sequence[str],
    names: Mapping[StandardField, str | None],
) -> Record:
    """Return an opportunity as a record.

    `known` are values that are not among the fields of the `row`; `names` has the name of the
    field for each of our fields.
    """
    values: dict[StandardField, Value] = {field: value or "" for field, value in known.items()}
    values |= {field: to_text(row.get(name)) for field, name in names.items() if name}
    amount = parse_number(str(values.pop("amount", "")))
    values |= {"amount": amount} if amount is not None else {}
    values["close_date"] = str(values.get("close_date", ""))[:10]
    return to_record("opportunity", record_id, values, row, fields)


def to_opportunity_payload(
    values: InputValues,
    fields: CustomFields,
    names: Mapping[StandardField, str | None],
) -> dict[str, Any]:
    """Return the body for an opportunity, for a create or an update.

    Raises:
        Rejected: there is no field for a value, or the value is another lead.
    """
    row: dict[str, str] = {}
    for field, value in values.items():
        if field == "account":
            raise Rejected("An opportunity stays with its lead.")
        if field != "notes":
            name = names.get(field) or refuse_without_setting(
                field.replace("_", " "), f"{field}_field"
            )
            row[name] = to_noon(value) if field == "close_date" else to_text(value)
    body: dict[str, Any] = {"Fields": to_schema_fields({**row, **fields})}
    return body | ({"OpportunityNote": values["notes"]} if "notes" in values else {})


def to_schema_fields(fields: CustomFields) -> list[dict[str, str]]:
    """Return the fields of an opportunity or an activity as a request has them."""
    return [{"SchemaName": name, "Value": to_text(value)} for name, value in fields.items()]


def refuse_without_setting(description: str, setting: str) -> Never:
    """Raise the failure for a value that needs a setting which the account does not have.

    Raises:
        Rejected: always.
    """
    raise Rejected(
        f"The account does not say what LeadSquared's {description} is.",
        next=f"Go on without it; someone has to set {setting} for the account.",
    )


def to_task(record_id: str, row: Row, fields: Sequence[str]) -> Record:
    """Return a task as a record."""
    values = {
        "subject": to_text(row.get("Name")),
        "status": {"0": "open", "1": "done"}.get(to_text(row.get("StatusCode")), ""),
        "due_date": to_text(row.get("DueDate"))[:10],
        "about": to_text(row.get("RelatedEntityId")),
        "notes": to_text(row.get("Description")),
    }
    return to_record("task", record_id, values, row, fields)


def to_note(values: InputValues) -> str:
    """Return the notes, and a line for each value that a task or an activity has no field for."""
    labels = {"priority": "Priority", "location": "Location", "ends_at": "Until"}
    lines = [
        f"{label}: {f'{to_timestamp(value)} UTC' if isinstance(value, datetime) else value}"
        for field, label in labels.items()
        if (value := values.get(field))
    ]
    return "\n".join([*([str(values["notes"])] if "notes" in values else []), *lines])


def to_text(value: object) -> str:
    """Return a value as LeadSquared writes it; what is not a single value becomes empty."""
    match value:
        case bool():
            return str(int(value))
        case str() | int() | float():
            return str(value)
        case _:
            return ""


def parse_number(value: str) -> float | None:
    """Return a number, which may be written as 200,000; None if the text is not a number."""
    try:
        return float(value.replace(",", ""))
    except ValueError:
        return None


def to_timestamp(moment: datetime) -> str:
    """Return a time in UTC, as LeadSquared writes it."""
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S}"


def to_noon(day: InputValue) -> str:
    """Return a time on a day: LeadSquared has no dates."""
    return f"{day.isoformat() if isinstance(day, date) else day} {_NOON}"


def is_created_after(timestamp: object, moment: datetime) -> bool:
    """Say whether a timestamp of LeadSquared's is at or after a time."""
    try:
        return datetime.fromisoformat(str(timestamp)).replace(tzinfo=UTC) >= moment
    except ValueError:
        return False


def lookup_conditions(query: Query) -> list[LookupCondition]:
    """Return the conditions for the first filter of a query, of which a lookup takes one.

    The lookups return too many leads: the caller applies all filters with `satisfies`.
    """
    first = next(iter(query.filters), None)
    if first is None:
        return [_ALL_LEADS]
    columns = LEAD_COLUMNS.get(first.field, (first.field,))
    value = "" if isinstance(first.value, list) else to_text(first.value)
    match first.field, first.op:
        case "phone", "is":
            pattern = significant_digits(value)
        case "name", "is" | "contains" | "starts_with":
            pattern = max(value.split(), key=len, default="")
        case _, "contains" | "starts_with":
            pattern = value
        case _, "is":
            return [(column, "=", value) for column in columns]
        case field, "above" | "below" if field not in STANDARD_FIELDS["lead"]:
            return [(field, ">" if first.op == "above" else "<", value)]
        case _:
            return [_ALL_LEADS]
    return [(column, "LIKE", f"%{pattern}%") for column in columns]


def satisfies(lead: Record, condition: Filter) -> bool:
    """Say whether a lead satisfies a filter; a field without a value satisfies `is_not` only."""
    field = condition.field
    stored = to_text((lead.values if field in STANDARD_FIELDS["lead"] else lead.fields).get(field))
    match condition.op, condition.value:
        case "is_not", value:
            return not _is_equal(field, stored, value)
        case _ if not stored:
            return False
        case "one_of", list(values):
            return any(_is_equal(field, stored, each) for each in values)
        case "is", value:
            return _is_equal(field, stored, value)
        case "contains", value:
            return to_text(value).casefold() in stored.casefold()
        case "starts_with", value:
            return stored.casefold().startswith(to_text(value).casefold())
        case op, int() | float() as value:
            left = parse_number(stored)
            return left is not None and (left > value if op == "above" else left < value)
        case op, value:
            return stored > to_text(value) if op == "above" else stored < to_text(value)


def is_same_record(record: Record, values: InputValues) -> bool:
    """Say whether a record has the given values; its status and stage may differ."""
    return all(
        _is_equal(field, to_text(record.values.get(field)), value)
        for field, value in values.items()
        if field not in ("status", "stage")
    )


def _is_equal(field: str, stored: str, expected: object) -> bool:
    match expected:
        case bool():
            return stored == to_text(expected)
        case int() | float():
            return parse_number(stored) == float(expected)
        case date():
            return stored == expected.isoformat()
        case str() if field == "phone":
            return is_same_number(stored, expected)
        case _:
            return stored.casefold().split() == to_text(expected).casefold().split()
