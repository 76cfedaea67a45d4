"""The sample records of the tests, and how they are compared with stored ones."""

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from crm.provider import Kind
from toolkit.speech.people import digits

ZONE = ZoneInfo("Europe/Berlin")  # of tests.conftest.new_tenant
DAY = datetime.now(UTC).date() + timedelta(days=40)
# A kind comes after those that it can refer to.
ORDER: tuple[Kind, ...] = ("account", "contact", "lead", "opportunity", "task", "event", "case")
REFERENCES: Mapping[Kind, Mapping[str, tuple[Kind, ...]]] = {
    "contact": {"account": ("account",)},
    "opportunity": {"account": ("account",)},
    "task": {"about": ("contact", "lead")},
    "event": {"about": ("contact", "lead")},
    "case": {"contact": ("contact",), "account": ("account",)},
}
CREATE: Mapping[Kind, Mapping[str, Any]] = {
    "account": {
        "name": "Berg Printing",
        "phone": "+49 30 555 0100",
        "website": "https://berg.example.com",
        "industry": "Printing",
        "notes": "Two presses.",
    },
    "contact": {
        "name": "Ann Berg",
        "title": "Buyer",
        "phone": "+49 30 555 0177",
        "email": "ann.berg@example.com",
        "notes": "Calls in the morning.",
    },
    "lead": {
        "name": "Tom Hill",
        "company": "Hill Tools",
        "title": "Owner",
        "phone": "+49 30 555 0142",
        "email": "tom.hill@example.com",
        "status": "Working",
        "source": "Phone",
        "notes": "Would like a quote.",
    },
    "opportunity": {
        "name": "New press",
        "stage": "Proposal",
        "amount": 12500,
        "close": DAY.isoformat(),
        "notes": "Wants it in spring.",
    },
    "task": {
        "subject": "Call about the offer",
        "due": DAY.isoformat(),
        "status": "open",
        "priority": "high",
        "notes": "After lunch.",
    },
    "event": {
        "subject": "Visit to the workshop",
        "when": f"{DAY.isoformat()}T10:00",
        "minutes": 45,
        "location": "Main Street 5",
        "notes": "Bring samples.",
    },
    "case": {
        "subject": "The press is noisy",
        "status": "new",
        "priority": "normal",
        "notes": "Since Monday.",
    },
}
UPDATE: Mapping[Kind, Mapping[str, Any]] = {
    "account": {"industry": "Publishing", "phone": "+49 30 555 0101"},
    "contact": {"title": "Head of buying", "email": "ann@example.org"},
    "lead": {"name": "Tom B. Hill", "status": "Qualified", "phone": "+49 30 555 0199"},
    "opportunity": {"stage": "Negotiation", "amount": 9900.5},
    "task": {"status": "done", "priority": "low"},
    "event": {"when": f"{(DAY + timedelta(days=1)).isoformat()}T14:30", "minutes": 60},
    "case": {"status": "closed", "priority": "high"},
}
HOSTILE = ("../x", "a/b?c#d", "%2e%2e", "' OR 1=1 --", " ", "..", "\u0000", "null", "x" * 100)


def title_field(kind: Kind) -> str:
    """Return the field that is the title of a record, `name` or `subject`."""
    return "name" if "name" in CREATE[kind] else "subject"


def merge(base: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return arguments with changes; None leaves an argument out."""
    return {key: value for key, value in {**base, **changes}.items() if value is not None}


def to_stored_fields(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return a tool's arguments as the standard fields that they are stored in."""
    fields = dict(arguments)
    for argument, field in (("due", "due_date"), ("close", "close_date")):
        if argument in fields:
            fields[field] = fields.pop(argument)
    if "when" in fields:
        start = datetime.fromisoformat(fields.pop("when")).replace(tzinfo=ZONE)
        fields["starts_at"] = start.isoformat()
        fields["ends_at"] = (start + timedelta(minutes=fields.pop("minutes"))).isoformat()
    fields.pop("fields", None)
    return fields


def differences(expected: Mapping[str, Any], stored: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields that are not as expected, each with both values."""
    return {
        field: (value, stored.get(field))
        for field, value in expected.items()
        if not _is_equal(field, value, stored.get(field))
    }


def _is_equal(field: str, expected: Any, stored: Any) -> bool:
    if stored is None:
        return False
    match field:
        case "phone":
            return digits(str(stored)) == digits(str(expected))
        case "amount":
            return float(stored) == float(expected)
        case "due_date" | "close_date":
            return date.fromisoformat(str(stored)) == date.fromisoformat(expected)
        case "starts_at" | "ends_at":
            moment = datetime.fromisoformat(str(stored))
            return moment.tzinfo is not None and moment == datetime.fromisoformat(expected)
        case _:
            return str(stored) == str(expected)
