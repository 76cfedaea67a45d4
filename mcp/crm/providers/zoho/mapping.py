"""Zoho CRM's records: our words on one side, its modules and fields on the other."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, cast

from config.columns import now
from crm.provider import Given, Kind, Record, Value, Wanted, Word
from toolkit.speech.people import same_number
from toolkit.speech.times import utc

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
COLUMNS: Mapping[Kind, Mapping[Word, str]] = {
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
# A record can be about a contact, and besides about one other record.
PERSON = "Who_Id"
REFERENCES = frozenset({"account", "contact", "about"})
NUMBERS: Mapping[Kind, tuple[str, ...]] = {
    "lead": ("Phone", "Mobile"),
    "contact": ("Phone", "Mobile", "Home_Phone", "Other_Phone"),
    "account": ("Phone",),
    "case": ("Phone",),
}
ADDRESSES: Mapping[Kind, tuple[str, ...]] = {
    "lead": ("Email", "Secondary_Email"),
    "contact": ("Email", "Secondary_Email"),
    "case": ("Email",),
}
TITLES = ("name", "subject")
# Zoho's common layout wants a company of every lead. A dash is nothing that anybody reads out.
_NO_COMPANY = "-"
_FIRST_STAGE = "Qualification"
_OPEN_FOR = timedelta(days=30)
_LENGTH = timedelta(minutes=30)


@dataclass(frozen=True)
class Spelling:
    """How an account spells the values that are ours. Its own pass as they are."""

    case_statuses: Mapping[str, str]

    def zoho(self, kind: Kind, word: Word, value: Given) -> Any:
        """Return a value as Zoho has it."""
        match value:
            case datetime():
                return offset(utc(value))
            case date():
                return value.isoformat()
            case str() if word.endswith("_at"):
                return offset(value)
            case str():
                return self._choices(kind, word).get(value, value)
            case _:
                return value

    def ours(self, kind: Kind, word: Word, value: Value) -> Value:
        """Return a value in our words."""
        choices = {theirs: ours for ours, theirs in self._choices(kind, word).items()}
        return choices.get(value, value) if isinstance(value, str) else value

    def _choices(self, kind: Kind, word: Word) -> Mapping[str, str]:
        match kind, word:
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


def record(kind: Kind, row: Row, fields: Sequence[str], spelling: Spelling) -> Record:
    """Return a row in our words, with those of the tenant's fields that were asked for."""
    known = {word: _value(row, column) for word, column in COLUMNS[kind].items()}
    if "about" in known:
        known["about"] = known["about"] or _value(row, PERSON)
    values = {
        word: spelling.ours(kind, word, value)
        for word, value in known.items()
        if value not in (None, "") and (word, value) != ("company", _NO_COMPANY)
    }
    own = {name: _value(row, name, "name") for name in fields}
    shown = {name: value for name, value in own.items() if value not in (None, "")}
    return Record(kind=kind, id=str(row["id"]), values=values, fields=shown)


def given(kind: Kind, values: Mapping[Word, Given], spelling: Spelling) -> dict[str, Any]:
    """Return values by Zoho's names, without what they are about."""
    row: dict[str, Any] = {}
    for word, value in values.items():
        column = COLUMNS[kind][word]
        if column == "Full_Name":
            first, _, last = str(value).strip().rpartition(" ")
            row |= {"First_Name": first.strip() or None, "Last_Name": last}
        elif word in REFERENCES - {"about"}:
            row[column] = {"id": str(value)}
        elif word != "about":
            row[column] = spelling.zoho(kind, word, value)
    return row


def related(kind: Kind, record_id: str, *, new: bool) -> dict[str, Any]:
    """Return what makes a record be about another one, and nothing else, of some kind."""
    other = {"id": record_id}
    if kind == "contact":
        return {PERSON: other} if new else {PERSON: other, "What_Id": None}
    about = {"What_Id": other, "$se_module": MODULES[kind]}
    return about if new else {**about, PERSON: None}


def completed(kind: Kind, row: Row, starts_at: Given | None, spelling: Spelling) -> dict[str, Any]:
    """Return a new record with what Zoho's common layouts demand."""
    demanded: dict[str, Any] = {}
    match kind:
        case "lead":
            demanded = {"Company": _NO_COMPANY}
        case "opportunity":
            demanded = {
                "Stage": _FIRST_STAGE,
                "Closing_Date": (now() + _OPEN_FOR).date().isoformat(),
            }
        case "event" if isinstance(starts_at, datetime):
            demanded = {"End_DateTime": offset(utc(starts_at + _LENGTH))}
        case "case":
            demanded = {"Case_Origin": "Phone", "Status": spelling.case_statuses["new"]}
        case _:
            pass
    return {**demanded, **row}


def telling(row: Row, wanted: Wanted) -> list[str]:
    """Return the fields of a row that hold the number or the address that is looked for."""
    texts = {name: value for name, value in row.items() if isinstance(value, str)}
    if wanted.phone:
        return [name for name, value in texts.items() if same_number(value, wanted.phone)]
    address = (wanted.email or "").casefold()
    return [name for name, value in texts.items() if address and value.casefold() == address]


def _value(row: Row, column: str, key: str = "id") -> Value | None:
    """Return a field's value; of another record its id, or its name."""
    found: Any = row.get(column)
    if found is None and "." in column:
        first, _, rest = column.partition(".")
        inner: Any = row.get(first)
        return _value(cast(Row, inner), rest, key) if isinstance(inner, dict) else None
    match found:
        case dict():
            other = cast("dict[str, Any]", found)
            return other.get(key) or other.get("id")
        case list():
            return ", ".join(str(each) for each in cast("list[object]", found))
        case str() | int() | float():
            return found
        case _:
            return None


def offset(moment: str) -> str:
    """Return a moment in UTC as Zoho writes it."""
    return f"{moment[:-1]}+00:00" if moment.endswith("Z") else moment
