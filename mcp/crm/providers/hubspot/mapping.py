"""HubSpot's objects: our words on one side, its properties on the other."""

import html
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from pydantic import BaseModel, Field

from config.columns import now
from crm.provider import WORDS, Fields, Given, Kind, Record, Value, Word
from crm.providers.hubspot.options import Choices
from toolkit.speech.times import utc

OBJECTS: Mapping[Kind, str] = {
    "lead": "contacts",
    "contact": "contacts",
    "account": "companies",
    "opportunity": "deals",
    "task": "tasks",
    "event": "meetings",
    "case": "tickets",
}
PROPERTIES: Mapping[Kind, Mapping[Word, str]] = {
    "lead": {
        "company": "company",
        "title": "jobtitle",
        "phone": "phone",
        "email": "email",
        "status": "hs_lead_status",
        "notes": "message",
    },
    "contact": {
        "title": "jobtitle",
        "phone": "phone",
        "email": "email",
        "account": "associatedcompanyid",
        "notes": "message",
    },
    "account": {
        "name": "name",
        "phone": "phone",
        "website": "website",
        "industry": "industry",
        "notes": "description",
    },
    "opportunity": {
        "name": "dealname",
        "stage": "dealstage",
        "amount": "amount",
        "close_date": "closedate",
        "account": "hs_primary_associated_company",
        "notes": "description",
    },
    "task": {
        "subject": "hs_task_subject",
        "status": "hs_task_status",
        "priority": "hs_task_priority",
        "due_date": "hs_timestamp",
        "notes": "hs_task_body",
    },
    "event": {
        "subject": "hs_meeting_title",
        "starts_at": "hs_meeting_start_time",
        "ends_at": "hs_meeting_end_time",
        "location": "hs_meeting_location",
        "notes": "hs_meeting_body",
    },
    "case": {
        "subject": "subject",
        "status": "hs_pipeline_stage",
        "priority": "hs_ticket_priority",
        "notes": "content",
    },
}
PEOPLE: tuple[Kind, ...] = ("lead", "contact")
FIRST, LAST, LIFECYCLE = "firstname", "lastname", "lifecyclestage"
LEAD = "lead"  # the lifecycle stage of contacts that are our leads
NUMBERS = ("phone", "mobilephone")
OTHER_ADDRESSES = "hs_additional_emails"
REFERENCES: Mapping[Word, tuple[str, ...]] = {
    "account": ("companies",),
    "contact": ("contacts",),
    "about": ("contacts", "deals", "tickets", "companies"),
}
PIPELINES: Mapping[Kind, str] = {"opportunity": "pipeline", "case": "hs_pipeline"}
SPELLED: Mapping[tuple[Kind, Word], Mapping[str, str]] = {
    ("task", "status"): {"open": "NOT_STARTED", "done": "COMPLETED"},
    ("task", "priority"): {"low": "LOW", "normal": "MEDIUM", "high": "HIGH"},
    ("case", "priority"): {"low": "LOW", "normal": "MEDIUM", "high": "HIGH"},
}
# HubSpot numbers its kinds of association; those of a company are the primary one's:
# https://developers.hubspot.com/docs/api-reference/crm-associations-v4/guide.
_ASSOCIATIONS: Mapping[tuple[str, str], int] = {
    ("contacts", "companies"): 1,
    ("deals", "companies"): 5,
    ("tickets", "companies"): 26,
    ("tickets", "contacts"): 16,
    ("tasks", "contacts"): 204,
    ("tasks", "companies"): 192,
    ("tasks", "deals"): 216,
    ("tasks", "tickets"): 230,
    ("meetings", "contacts"): 200,
    ("meetings", "companies"): 188,
    ("meetings", "deals"): 212,
    ("meetings", "tickets"): 226,
}
_NOON = time(12, tzinfo=UTC)  # on the same day nearly everywhere: HubSpot knows moments only
_LENGTH = timedelta(minutes=30)
_TAG = re.compile(r"<[^<>]+>")


class Associated(BaseModel):
    """One record that another one is associated with."""

    id: str
    type: str = ""


class _Associations(BaseModel):
    results: list[Associated] = Field(default_factory=list[Associated])


class Found(BaseModel):
    """A record as HubSpot returns it: every value is a text."""

    id: str
    properties: dict[str, str | None] = Field(default_factory=dict[str, str | None])
    associations: dict[str, _Associations] = Field(default_factory=dict[str, _Associations])

    def related(self, word: Word) -> tuple[str, str] | None:
        """Return the object and the id of what a reference of ours means."""
        for name in REFERENCES[word]:
            others = self.associations.get(name, _Associations()).results
            # Of several companies one is the primary one.
            ranked = sorted(others, key=lambda each: each.type.endswith("_unlabeled"))
            if ranked:
                return name, ranked[0].id
        return None


def association(source: str, target: str) -> list[dict[str, Any]]:
    """Return how records of two objects are associated."""
    type_id = _ASSOCIATIONS[source, target]
    return [{"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": type_id}]


def columns(kind: Kind, source: str | None) -> Mapping[Word, str]:
    """Return the property of each word; a name of two parts and references have none of theirs."""
    own = {"source": source} if source and "source" in WORDS[kind] else {}
    return {**PROPERTIES[kind], **own}


def asked(kind: Kind, source: str | None, fields: Sequence[str] = ()) -> list[str]:
    """Return the properties to ask for."""
    people = (FIRST, LAST, LIFECYCLE, *NUMBERS, OTHER_ADDRESSES) if kind in PEOPLE else ()
    return list(dict.fromkeys((*people, *columns(kind, source).values(), *fields)))


def record(
    kind: Kind,
    found: Found,
    source: str | None,
    fields: Sequence[str] = (),
    choices: Mapping[Word, Choices] | None = None,
) -> Record:
    """Return a record in our words."""
    known: dict[Word, Value | None] = {
        word: _ours(kind, word, found.properties.get(name), choices or {})
        for word, name in columns(kind, source).items()
    }
    if kind in PEOPLE:
        known["name"] = " ".join(filter(None, map(found.properties.get, (FIRST, LAST))))
    for word in REFERENCES:
        if word in WORDS[kind] and (other := found.related(word)):
            known[word] = other[1]
    values = {word: value for word, value in known.items() if value not in (None, "")}
    own = {name: found.properties.get(name) for name in fields}
    shown: dict[str, Value] = {name: value for name, value in own.items() if value}
    return Record(kind=kind, id=found.id, values=values, fields=shown)


def hit(kinds: Sequence[Kind], found: Found, source: str | None, address: str | None) -> Record:
    """Return a record that was searched for, with those of its numbers and addresses that tell.

    A contact that is a lead is our lead, where leads are meant, too.
    """
    is_lead = found.properties.get(LIFECYCLE) == LEAD
    mine: list[Kind] = [each for each in kinds if (each == "lead") == is_lead]
    shown = record((mine or list(kinds))[0], found, source, NUMBERS[1:])
    others = (found.properties.get(OTHER_ADDRESSES) or "").split(";")
    same = [each for each in others if address and each.casefold() == address.casefold()]
    fields = {**shown.fields, OTHER_ADDRESSES: same[0]} if same else shown.fields
    return shown.model_copy(update={"fields": fields})


def given(
    kind: Kind, values: Mapping[Word, Given], fields: Fields, source: str | None
) -> dict[str, str]:
    """Return values by HubSpot's names, without references to other records."""
    properties: dict[str, str] = {}
    for word, value in values.items():
        if word in REFERENCES:
            continue
        if word == "name" and kind in PEOPLE:
            first, _, last = str(value).strip().rpartition(" ")
            properties |= {FIRST: first.strip(), LAST: last}
        else:
            spelled = SPELLED.get((kind, word), {})
            text = as_text(value)
            properties[columns(kind, source)[word]] = spelled.get(text, text)
    if kind == "event" and "starts_at" in values:
        properties["hs_timestamp"] = as_text(values["starts_at"])
    own = {name: "" if value is None else as_text(value) for name, value in fields.items()}
    return {**properties, **own}


def completed(kind: Kind, values: Mapping[Word, Given]) -> dict[str, str]:
    """Return what HubSpot demands of a new record, where nothing else is given."""
    match kind, values.get("starts_at"):
        case "lead", _:
            return {LIFECYCLE: LEAD}
        case "task", _:
            return {"hs_timestamp": utc(now()), "hs_task_status": "NOT_STARTED"}
        case "event", datetime() as start:
            return {"hs_meeting_end_time": utc(start + _LENGTH)}
        case _:
            return {}


def as_text(value: Given | Value) -> str:
    """Return a value as HubSpot takes it."""
    match value:
        case datetime():
            return utc(value)
        case date():
            return utc(datetime.combine(value, _NOON))
        case bool():
            return str(value).lower()
        case float() if value.is_integer():
            return str(int(value))
        case _:
            return str(value)


def _ours(
    kind: Kind, word: Word, value: str | None, choices: Mapping[Word, Choices]
) -> Value | None:
    if not value:
        return None
    if word in choices:
        return choices[word].told(value)
    if word.endswith("_date"):
        return value[:10]
    if word == "amount":
        return _number(value)
    if word == "notes" and kind in ("task", "event"):
        # These are HTML.
        return html.unescape(_TAG.sub("", value)).strip()
    spelled = {theirs: ours for ours, theirs in SPELLED.get((kind, word), {}).items()}
    return spelled.get(value, value)


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
