"""LeadSquared's fields in our words, and a query's conditions, which it takes one of."""

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Any, Never

from crm.provider import WORDS, Fields, Filter, Given, Kind, Query, Record, Value, Word
from toolkit.errors import Rejected
from toolkit.speech.people import same_number, significant_digits

Row = Mapping[str, Any]
Condition = tuple[str, str, str]  # a field, an SQL operator and a value

LEAD: Mapping[Word, tuple[str, ...]] = {
    "name": ("FirstName", "LastName"),
    "company": ("Company",),
    "title": ("JobTitle",),
    "phone": ("Phone", "Mobile"),
    "email": ("EmailAddress",),
    "status": ("ProspectStage",),
    "source": ("Source",),
    "notes": ("Notes",),
}
COLUMNS = ("ProspectID", *(name for names in LEAD.values() for name in names), "CreatedOn")
_EVER: Condition = ("CreatedOn", ">", "1990-01-01 00:00:00")
_NOON = "12:00:00"  # in UTC: the same day nearly everywhere, while midnight is another one in India


def lead(row: Row, fields: Sequence[str] = ()) -> Record:
    """Return a lead in our words, with those of the tenant's fields that were asked for."""
    texts = {word: [text(row.get(name)) for name in names] for word, names in LEAD.items()}
    values = {word: next(filter(None, known), "") for word, known in texts.items()}
    values["name"] = " ".join(filter(None, texts["name"]))
    return record("lead", str(row["ProspectID"]), values, row, fields)


def record(
    kind: Kind, record_id: str, values: Mapping[Word, Value], row: Row, fields: Sequence[str]
) -> Record:
    """Return a record with what is there."""
    own = {name: text(row.get(name)) for name in fields}
    return Record(
        kind=kind,
        id=record_id,
        values={word: value for word, value in values.items() if value != ""},
        fields={name: value for name, value in own.items() if value},
    )


def attributes(values: Mapping[Word, Given], fields: Fields) -> list[dict[str, str]]:
    """Return what a lead is created from, or changed to."""
    row: dict[str, str] = {}
    for word, value in values.items():
        if word == "name":
            # One word is a first name: nobody is called by a surname alone.
            first, _, last = f" {value}".rpartition(" ")
            row |= {"FirstName": first.strip() or last, "LastName": last if first.strip() else ""}
        else:
            row[LEAD[word][0]] = str(value)
    row |= {name: text(value) for name, value in fields.items()}
    return [{"Attribute": name, "Value": value} for name, value in row.items()]


def opportunity(
    record_id: str,
    mine: Mapping[Word, str | None],
    row: Row,
    fields: Sequence[str],
    names: Mapping[Word, str | None],
) -> Record:
    """Return an opportunity in our words. `names` are its fields by our words."""
    values: dict[Word, Value] = {word: value or "" for word, value in mine.items()}
    values |= {word: text(row.get(name)) for word, name in names.items() if name}
    amount = number(str(values.pop("amount", "")))
    values |= {"amount": amount} if amount is not None else {}
    values["close_date"] = str(values.get("close_date", ""))[:10]
    return record("opportunity", record_id, values, row, fields)


def changed(
    values: Mapping[Word, Given], fields: Fields, names: Mapping[Word, str | None]
) -> dict[str, Any]:
    """Return what an opportunity is created from, or changed to.

    Raises:
        Rejected: it has no field for a value.
    """
    row: dict[str, str] = {}
    for word, value in values.items():
        if word == "account":
            raise Rejected("An opportunity stays with its lead.")
        if word != "notes":
            name = names.get(word) or missing(word.replace("_", " "), f"{word}_field")
            row[name] = noon(value) if word == "close_date" else text(value)
    body: dict[str, Any] = {"Fields": schema({**row, **fields})}
    return body | ({"OpportunityNote": values["notes"]} if "notes" in values else {})


def schema(fields: Fields) -> list[dict[str, str]]:
    """Return the fields of an opportunity or an activity."""
    return [{"SchemaName": name, "Value": text(value)} for name, value in fields.items()]


def missing(what: str, setting: str) -> Never:
    """Refuse what a tenant's own setting is needed for."""
    raise Rejected(
        f"The account does not say what LeadSquared's {what} is.",
        next=f"Go on without it; someone has to set {setting} for the account.",
    )


def task(record_id: str, row: Row, fields: Sequence[str]) -> Record:
    """Return a task in our words."""
    values = {
        "subject": text(row.get("Name")),
        "status": {"0": "open", "1": "done"}.get(text(row.get("StatusCode")), ""),
        "due_date": text(row.get("DueDate"))[:10],
        "about": text(row.get("RelatedEntityId")),
        "notes": text(row.get("Description")),
    }
    return record("task", record_id, values, row, fields)


def noted(values: Mapping[Word, Given]) -> str:
    """Return a text for what a task or an activity has no field for."""
    extra = {"priority": "Priority", "location": "Location", "ends_at": "Until"}
    lines = [
        f"{title}: {f'{stamp(value)} UTC' if isinstance(value, datetime) else value}"
        for word, title in extra.items()
        if (value := values.get(word))
    ]
    return "\n".join([*([str(values["notes"])] if "notes" in values else []), *lines])


def text(value: object) -> str:
    """Return a value as LeadSquared has it; whatever is no single value is empty."""
    match value:
        case bool():
            return str(int(value))
        case str() | int() | float():
            return str(value)
        case _:
            return ""


def number(value: str) -> float | None:
    """Return a number, which may be written as 200,000."""
    try:
        return float(value.replace(",", ""))
    except ValueError:
        return None


def stamp(moment: datetime) -> str:
    """Return a moment in UTC, as LeadSquared writes it."""
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S}"


def noon(day: Given) -> str:
    """Return a day as a moment that is on that day."""
    return f"{day.isoformat() if isinstance(day, date) else day} {_NOON}"


def since(stamped: object, moment: datetime) -> bool:
    """Say whether something was created after a moment."""
    try:
        return datetime.fromisoformat(str(stamped)).replace(tzinfo=UTC) >= moment
    except ValueError:
        return False


def conditions(query: Query) -> list[Condition]:
    """Return what is asked of the vendor, one condition a request: the first that narrows it.

    What comes back may be too much, and is looked through.
    """
    asked = next(iter(query.filters), None)
    if asked is None:
        return [_EVER]
    columns = LEAD.get(asked.field, (asked.field,))
    value = "" if isinstance(asked.value, list) else text(asked.value)
    match asked.field, asked.op:
        case "phone", "is":
            like = significant_digits(value)
        case "name", "is" | "contains" | "starts_with":
            like = max(value.split(), key=len, default="")
        case _, "contains" | "starts_with":
            like = value
        case _, "is":
            return [(column, "=", value) for column in columns]
        case field, "above" | "below" if field not in WORDS["lead"]:
            return [(field, ">" if asked.op == "above" else "<", value)]
        case _:
            return [_EVER]
    return [(column, "LIKE", f"%{like}%") for column in columns]


def fulfils(found: Record, asked: Filter) -> bool:
    """Say whether a lead fulfils a condition. What it does not have fulfils `is_not` only."""
    ours = asked.field in WORDS["lead"]
    stored = text((found.values if ours else found.fields).get(asked.field))
    match asked.op, asked.value:
        case "is_not", value:
            return not _is(asked.field, stored, value)
        case _ if not stored:
            return False
        case "one_of", list(values):
            return any(_is(asked.field, stored, each) for each in values)
        case "is", value:
            return _is(asked.field, stored, value)
        case "contains", value:
            return text(value).casefold() in stored.casefold()
        case "starts_with", value:
            return stored.casefold().startswith(text(value).casefold())
        case op, int() | float() as value:
            left = number(stored)
            return left is not None and (left > value if op == "above" else left < value)
        case op, value:
            return stored > text(value) if op == "above" else stored < text(value)


def is_the_same(found: Record, values: Mapping[Word, Given]) -> bool:
    """Say whether a record has the values that were given; its state may have moved on since."""
    return all(
        _is(word, text(found.values.get(word)), value)
        for word, value in values.items()
        if word not in ("status", "stage")
    )


def _is(field: str, stored: str, wanted: object) -> bool:
    match wanted:
        case bool():
            return stored == text(wanted)
        case int() | float():
            return number(stored) == float(wanted)
        case date():
            return stored == wanted.isoformat()
        case str() if field == "phone":
            return same_number(stored, wanted)
        case _:
            return stored.casefold().split() == text(wanted).casefold().split()
