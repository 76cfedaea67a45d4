"""Maps records to LeadSquared's fields and back, and queries to lookups."""

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import Any, Never
from zoneinfo import ZoneInfo

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
ACCOUNT_COLUMNS: Mapping[StandardField, str] = {
    "name": "CompanyName",
    "phone": "Phone",
    "website": "Website",
}
REQUESTED_COLUMNS = (
    "ProspectID",
    *(name for names in LEAD_COLUMNS.values() for name in names),
    "CreatedOn",
)
_ALL_LEADS: LookupCondition = ("CreatedOn", ">", "1990-01-01 00:00:00")
_MAX_VALUES = 5  # of a list, each of which is a lookup of its own
_TIMESTAMP = re.compile(r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d(:\d\d)?(\.\d+)?")
_DOTNET_DATE = re.compile(r"/Date\((-?\d+)([+-]\d{4})?\)/")
_AMERICAN = "%m/%d/%Y %I:%M:%S %p"
# How narrow a lookup is; the first that a query has is the one that is sent.
_LOOKUPS = ("is", "one_of", "contains", "starts_with", "above", "below")


def to_lead(row: Row, zone: ZoneInfo, fields: Sequence[str] = ()) -> Record:
    """Return a lead as a record, with the `fields` that have a value as custom fields."""
    texts = {
        field: [to_text(row.get(name)) for name in names] for field, names in LEAD_COLUMNS.items()
    }
    values = {field: next(filter(None, each), "") for field, each in texts.items()}
    values["name"] = " ".join(filter(None, texts["name"]))
    return to_record("lead", str(row["ProspectID"]), values, row, fields, zone)


def to_account(row: Row, zone: ZoneInfo, fields: Sequence[str] = ()) -> Record:
    """Return an account as a record."""
    values = {field: to_text(row.get(name)) for field, name in ACCOUNT_COLUMNS.items()}
    return to_record("account", str(row["CompanyId"]), values, row, fields, zone)


def to_account_properties(values: InputValues, fields: CustomFields) -> list[dict[str, str]]:
    """Return the properties of an account, for a create or an update.

    Raises:
        Rejected: there is no field for a value.
    """
    unknown = sorted(values.keys() - ACCOUNT_COLUMNS.keys())
    if unknown:
        raise Rejected(
            f"LeadSquared's accounts have no field for {', '.join(unknown)}.",
            next="Call again without it, or with the business's own field for it.",
        )
    row = {ACCOUNT_COLUMNS[field]: to_text(value) for field, value in values.items()}
    row |= {name: to_text(value) for name, value in fields.items()}
    return [{"Attribute": name, "Value": value} for name, value in row.items()]


def to_record(
    kind: Kind,
    record_id: str,
    values: Mapping[StandardField, Value],
    row: Row,
    fields: Sequence[str],
    zone: ZoneInfo,
) -> Record:
    """Return a record with the values and the custom `fields` that are not empty.

    LeadSquared's times are in UTC and do not say so; a record's are in the business's `zone`.
    """
    custom = {name: _with_zone(to_text(row.get(name)), zone) for name in fields}
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
    zone: ZoneInfo,
) -> Record:
    """Return an opportunity as a record.

    `known` are values that are not among the fields of the `row`; `names` has the name of the
    field for each of our fields.
    """
    values: dict[StandardField, Value] = {field: value or "" for field, value in known.items()}
    values |= {field: to_text(row.get(name)) for field, name in names.items() if name}
    amount = parse_number(str(values.pop("amount", "")))
    values |= {"amount": amount} if amount is not None else {}
    values["close_date"] = to_day(str(values.get("close_date", "")), zone)
    return to_record("opportunity", record_id, values, row, fields, zone)


def to_opportunity_payload(
    values: InputValues,
    fields: CustomFields,
    names: Mapping[StandardField, str | None],
    zone: ZoneInfo,
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
            row[name] = to_time_on(value, zone) if field == "close_date" else to_text(value)
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


def to_task(record_id: str, row: Row, fields: Sequence[str], zone: ZoneInfo) -> Record:
    """Return a task as a record."""
    values = {
        "subject": to_text(row.get("Name")),
        "status": {"0": "open", "1": "done"}.get(to_text(row.get("StatusCode")), ""),
        "due_date": to_day(to_text(row.get("DueDate")), zone),
        "about": to_text(row.get("RelatedEntityId")),
        "notes": to_text(row.get("Description")),
    }
    return to_record("task", record_id, values, row, fields, zone)


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


def to_time_on(day: InputValue, zone: ZoneInfo) -> str:
    """Return a time that is on a day both in UTC and in the business's zone.

    LeadSquared has no dates: who reads the time sees the day, whichever of the two it is in.
    """
    first = day if isinstance(day, date) else date.fromisoformat(str(day))
    begins = max(_midnight(first, each) for each in (UTC, zone))
    ends = min(_midnight(first + timedelta(days=1), each) for each in (UTC, zone))
    return to_timestamp(begins + (ends - begins) / 2)


def to_day(stored: str, zone: ZoneInfo) -> str:
    """Return the day in the business's zone of a time that LeadSquared has stored."""
    moment = parse_moment(stored)
    return moment.astimezone(zone).date().isoformat() if moment else stored[:10]


def parse_moment(stored: object) -> datetime | None:
    """Return a time that LeadSquared has stored, in UTC; None if it is no time.

    It is written as 2026-05-02 18:30:00.000, by some requests as 5/2/2026 6:30:00 PM or as
    /Date(1777746600000+0000)/.
    """
    text = str(stored).strip()
    if written := _DOTNET_DATE.fullmatch(text):
        return datetime.fromtimestamp(int(written[1]) / 1000, UTC)
    try:
        if _TIMESTAMP.fullmatch(text):
            return datetime.fromisoformat(text).replace(tzinfo=UTC)
        return datetime.strptime(text, _AMERICAN).replace(tzinfo=UTC)
    except ValueError:
        return None


def is_created_after(timestamp: object, moment: datetime) -> bool:
    """Say whether a timestamp of LeadSquared's is at or after a time."""
    created = parse_moment(timestamp)
    return created is not None and created >= moment


def lookup_conditions(query: Query, zone: ZoneInfo) -> list[LookupCondition]:
    """Return the conditions for the narrowest filter of a query, of which a lookup takes one.

    The lookups return too many leads: the caller applies all filters with `satisfies`.

    Raises:
        Rejected: the narrowest filter has more values than LeadSquared is asked for.
    """
    usable = [each for each in query.filters if _is_lookup(each)]
    if not usable:
        return [_ALL_LEADS]
    narrowest = min(usable, key=lambda each: _LOOKUPS.index(each.op))
    values = narrowest.value if isinstance(narrowest.value, list) else [narrowest.value]
    if len(values) > _MAX_VALUES:
        raise Rejected(
            f"LeadSquared is asked for {_MAX_VALUES} values at most.",
            next="Call again with fewer values.",
        )
    found = [_lookups(narrowest.field, narrowest.op, to_text(each), zone) for each in values]
    return list(dict.fromkeys(each for lookups in found for each in lookups))


def _is_lookup(condition: Filter) -> bool:
    match condition.op:
        case "above" | "below":
            return condition.field not in STANDARD_FIELDS["lead"]
        case "one_of":
            return bool(condition.value)
        case op:
            return op in _LOOKUPS


def _lookups(field: str, op: str, value: str, zone: ZoneInfo) -> list[LookupCondition]:
    columns = LEAD_COLUMNS.get(field, (field,))
    match field, op:
        case "phone", "is" | "one_of":
            pattern = significant_digits(value)
        case "name", "is" | "one_of" | "contains" | "starts_with":
            pattern = max(value.split(), key=len, default="")
        case _, "contains" | "starts_with":
            pattern = value
        case _, "above" | "below":
            moment = _parse_filter_moment(value, zone)
            bound = to_timestamp(moment) if moment else value
            return [(field, ">" if op == "above" else "<", bound)]
        case _:
            return [(column, "=", value) for column in columns]
    return [(column, "LIKE", f"%{pattern}%") for column in columns]


def satisfies(lead: Record, condition: Filter, zone: ZoneInfo) -> bool:
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
            mine, other = (_comparable(each, zone) for each in (stored, to_text(value)))
            return mine > other if op == "above" else mine < other


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


def _with_zone(stored: str, zone: ZoneInfo) -> str:
    moment = parse_moment(stored)
    return moment.astimezone(zone).isoformat() if moment else stored


def _midnight(day: date, zone: tzinfo) -> datetime:
    return datetime.combine(day, time.min, zone).astimezone(UTC)


def _parse_filter_moment(value: str, zone: ZoneInfo) -> datetime | None:
    """Return the time that a filter's value is: a day begins at midnight in the zone."""
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=zone)).astimezone(UTC)


def _comparable(text: str, zone: ZoneInfo) -> str:
    """Return a text that is in the order of what it stands for."""
    moment = _parse_filter_moment(text, zone)
    return to_timestamp(moment) if moment else text
