"""Records as the contract creates and changes them, and how they are compared."""

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from crm.provider import Kind
from toolkit.speech.people import digits

ZONE = ZoneInfo("Europe/Berlin")  # of tests.conftest.new_tenant
DAY = datetime.now(UTC).date() + timedelta(days=40)
# In the order in which they can refer to each other.
ORDER: tuple[Kind, ...] = ("account", "contact", "lead", "opportunity", "task", "event", "case")
REFERS: Mapping[Kind, Mapping[str, tuple[Kind, ...]]] = {
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


def title_word(kind: Kind) -> str:
    """Return the word that a record of a kind is called by."""
    return "name" if "name" in CREATE[kind] else "subject"


def merged(base: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return arguments with some of them changed; None leaves one out."""
    return {key: value for key, value in {**base, **changes}.items() if value is not None}


def in_words(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return a tool's arguments as the words that they are stored as."""
    words = dict(arguments)
    for argument, word in (("due", "due_date"), ("close", "close_date")):
        if argument in words:
            words[word] = words.pop(argument)
    if "when" in words:
        start = datetime.fromisoformat(words.pop("when")).replace(tzinfo=ZONE)
        words["starts_at"] = start.isoformat()
        words["ends_at"] = (start + timedelta(minutes=words.pop("minutes"))).isoformat()
    words.pop("fields", None)
    return words


def differing(wanted: Mapping[str, Any], there: Mapping[str, Any]) -> dict[str, Any]:
    """Return the words that are not as wanted, each with what is there."""
    return {
        word: (value, there.get(word))
        for word, value in wanted.items()
        if not _same(word, value, there.get(word))
    }


def _same(word: str, wanted: Any, there: Any) -> bool:
    if there is None:
        return False
    match word:
        case "phone":
            return digits(str(there)) == digits(str(wanted))
        case "amount":
            return float(there) == float(wanted)
        case "due_date" | "close_date":
            return date.fromisoformat(str(there)) == date.fromisoformat(wanted)
        case "starts_at" | "ends_at":
            moment = datetime.fromisoformat(str(there))
            return moment.tzinfo is not None and moment == datetime.fromisoformat(wanted)
        case _:
            return str(there) == str(wanted)
