"""Maps records to Zoho CRM's modules and fields and back."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, cast

from crm.provider import InputValue, InputValues, Kind, Record, SearchQuery, StandardField, Value
from toolkit.instants import add
from toolkit.speech.people import is_same_number
from toolkit.speech.times import format_utc

Row = Mapping[str, Any]

MODULES: Mapping[Kind, str] = {
    "lead": "Leads",
    "contact": "Contacts",
    "account": "Accounts",
    "opportunity": "Deals",
    "task": "Tasks",
    "event": "Events",
    "case": "Cases",
}
COLUMNS: Mapping[Kind, Mapping[StandardField, str]] = {
    "lead": {
        "name": "Full_Name",
        "company": "Company",
        "title": "Designation",
        "phone": "Phone",
        "email": "Email",
        "status": "Lead_Status",
        "source": "Lead_Source",
        "notes": "Description",
    },
    "contact": {
        "name": "Full_Name",
        "title": "Title",
        "phone": "Phone",
        "email": "Email",
        "account": "Account_Name",
        "notes": "Description",
    },
    "account": {
        "name": "Account_Name",
        "phone": "Phone",
        "website": "Website",
        "industry": "Industry",
        "notes": "Description",
    },
    "opportunity": {
        "name": "Deal_Name",
        "stage": "Stage",
        "amount": "Amount",
        "close_date": "Closing_Date",
        "account": "Account_Name",
        "notes": "Description",
    },
    "task": {
        "subject": "Subject",
        "status": "Status",
        "priority": "Priority",
        "due_date": "Due_Date",
        "about": "What_Id",
        "notes": "Description",
    },
    "event": {
        "subject": "Event_Title",
        "starts_at": "Start_DateTime",
        "ends_at": "End_DateTime",
        "location": "Venue",
        "about": "What_Id",
        "notes": "Description",
    },
    "case": {
        "subject": "Subject",
        "status": "Status",
        "priority": "Priority",
        "contact": "Related_To",
        "account": "Account_Name",
        "notes": "Description",
    },
}
# An activity can be about a contact and, at the same time, about one other record.
WHO_ID = "Who_Id"
REFERENCES = frozenset({"account", "contact", "about"})
PHONE_FIELDS: Mapping[Kind, tuple[str, ...]] = {
    "lead": ("Phone", "Mobile"),
    "contact": ("Phone", "Mobile", "Home_Phone", "Other_Phone"),
    "account": ("Phone",),
    "case": ("Phone",),
}
EMAIL_FIELDS: Mapping[Kind, tuple[str, ...]] = {
    "lead": ("Email", "Secondary_Email"),
    "contact": ("Email", "Secondary_Email"),
    "case": ("Email",),
}
TITLE_FIELDS = ("name", "subject")
# Zoho's standard layout requires a company of every lead; a dash is read back as no value.
_NO_COMPANY = "-"
_DEFAULT_STAGE = "Qualification"
_DEFAULT_CLOSE = timedelta(days=30)
_EVENT_LENGTH = timedelta(minutes=30)


@dataclass(frozen=True)
class PicklistValues:
    """Translates standard values to an account's picklist values; others are unchanged."""

    case_statuses: Mapping[str, str]

    def to_zoho(self, kind: Kind, field: StandardField, value: InputValue) -> Any:
        """Return a value as Zoho stores it."""
        match value:
            case datetime():
                return with_utc_offset(format_utc(value))
            case date():
                return value.isoformat()
            case str() if field.endswith("_at"):
                return with_utc_offset(value)
            case str():
                return self._picklist(kind, field).get(value, value)
            case _:
                return value

    def from_zoho(self, kind: Kind, field: StandardField, value: Value) -> Value:
        """Return the standard value for a picklist value of Zoho's."""
        standard = {theirs: ours for ours, theirs in self._picklist(kind, field).items()}
        return standard.get(value, value) if isinstance(value, str) else value

    def _picklist(self, kind: Kind, field: StandardField) -> Mapping[str, str]:
        match kind, field:
            case "task", "status":
                return {"open": "Not Started", "done": "Completed"}
            case "task", "priority":
                return {"low": "Low", "normal": "Normal", "high": "High"}
            case "case", "priority":
                return {"low": "Low", "normal": "Medium", "high": "High"}
            case "case", "status":
                return self.case_statuses
            case _:
                return {}


def to_record(kind: Kind, row: Row, fields: Sequence[str], picklists: PicklistValues) -> Record:
    """Return a row as a record, with the `fields` that have a value as custom fields."""
    known = {field: _field_value(row, column) for field, column in COLUMNS[kind].items()}
    if "about" in known:
        known["about"] = known["about"] or _field_value(row, WHO_ID)
    values = {
        field: picklists.from_zoho(kind, field, value)
        for field, value in known.items()
        if value not in (None, "") and (field, value) != ("company", _NO_COMPANY)
    }
    requested = {name: _field_value(row, name, "name") for name in fields}
    custom = {name: value for name, value in requested.items() if value not in (None, "")}
    return Record(kind=kind, id=str(row["id"]), values=values, fields=custom)


def to_row(kind: Kind, values: InputValues, picklists: PicklistValues) -> dict[str, Any]:
    """Return values by Zoho's field names; `about` is left out, for which see `about_fields`."""
    row: dict[str, Any] = {}
    for field, value in values.items():
        column = COLUMNS[kind][field]
        if column == "Full_Name":
            first, _, last = str(value).strip().rpartition(" ")
            row |= {"First_Name": first.strip() or None, "Last_Name": last}
        elif field in REFERENCES - {"about"}:
            row[column] = {"id": str(value)}
        elif field != "about":
            row[column] = picklists.to_zoho(kind, field, value)
    return row


def about_fields(kind: Kind, record_id: str, *, new: bool) -> dict[str, Any]:
    """Return the fields that make an activity be about a record of `kind` instead of any other.

    A `new` activity is about nothing yet, so that there is nothing to empty.
    """
    other = {"id": record_id}
    if kind == "contact":
        return {WHO_ID: other} if new else {WHO_ID: other, "What_Id": None}
    about = {"What_Id": other, "$se_module": MODULES[kind]}
    return about if new else {**about, WHO_ID: None}


def with_required_fields(
    kind: Kind, row: Row, starts_at: InputValue | None, picklists: PicklistValues
) -> dict[str, Any]:
    """Return a new record with defaults for the fields that Zoho's standard layouts require."""
    required: dict[str, Any] = {}
    match kind:
        case "lead":
            required = {"Company": _NO_COMPANY}
        case "opportunity":
            required = {"Stage": _DEFAULT_STAGE}
        case "event" if isinstance(starts_at, datetime):
            ends_at = add(starts_at, _EVENT_LENGTH)
            required = {"End_DateTime": with_utc_offset(format_utc(ends_at))}
        case "case":
            required = {"Case_Origin": "Phone", "Status": picklists.case_statuses["new"]}
        case _:
            pass
    return {**required, **row}


def default_close_date(today: date) -> dict[str, str]:
    """Return the closing date of a new opportunity, which Zoho's standard layout requires."""
    return {COLUMNS["opportunity"]["close_date"]: (today + _DEFAULT_CLOSE).isoformat()}


def matching_fields(row: Row, query: SearchQuery) -> list[str]:
    """Return the names of a row's fields that have the phone number or the address of a query."""
    texts = {name: value for name, value in row.items() if isinstance(value, str)}
    if query.phone:
        return [name for name, value in texts.items() if is_same_number(value, query.phone)]
    address = (query.email or "").casefold()
    return [name for name, value in texts.items() if address and value.casefold() == address]


def _field_value(row: Row, column: str, key: str = "id") -> Value | None:
    """Return the value of a field; of a lookup its `key`, which is `id` or `name`."""
    value: Any = row.get(column)
    if value is None and "." in column:
        first, _, rest = column.partition(".")
        inner: Any = row.get(first)
        return _field_value(cast(Row, inner), rest, key) if isinstance(inner, dict) else None
    match value:
        case dict():
            lookup = cast("dict[str, Any]", value)
            return lookup.get(key) or lookup.get("id")
        case list():
            return ", ".join(str(each) for each in cast("list[object]", value))
        case str() | int() | float():
            return value
        case _:
            return None


def with_utc_offset(moment: str) -> str:
    """Return a time in UTC with the offset that Zoho writes instead of a Z."""
    return f"{moment[:-1]}+00:00" if moment.endswith("Z") else moment
