"""Maps records to HubSpot's objects and back: kinds to object types, fields to properties."""

import html
import re
from collections.abc import Mapping, Sequence
from datetime import date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from pydantic import BaseModel, Field

from config.columns import now
from crm.provider import (
    STANDARD_FIELDS,
    CustomFields,
    InputValue,
    InputValues,
    Kind,
    Record,
    StandardField,
    Value,
)
from crm.providers.hubspot.options import Options
from toolkit.http.records import Records
from toolkit.instants import add
from toolkit.speech.times import format_utc

OBJECTS: Mapping[Kind, str] = {
    "lead": "contacts",
    "contact": "contacts",
    "account": "companies",
    "opportunity": "deals",
    "task": "tasks",
    "event": "meetings",
    "case": "tickets",
}
PROPERTIES: Mapping[Kind, Mapping[StandardField, str]] = {
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
        "account": "hs_primary_company_id",
        "notes": "content",
    },
}
PERSON_KINDS: tuple[Kind, ...] = ("lead", "contact")
FIRST_NAME, LAST_NAME, LIFECYCLE_STAGE = "firstname", "lastname", "lifecyclestage"
LEAD_STAGE = "lead"  # the lifecycle stage of those contacts that are leads
PHONE_PROPERTIES = ("phone", "mobilephone")
ADDITIONAL_EMAILS = "hs_additional_emails"
REFERENCES: Mapping[StandardField, tuple[str, ...]] = {
    "account": ("companies",),
    "contact": ("contacts",),
    "about": ("contacts", "deals", "tickets", "companies"),
}
PIPELINES: Mapping[Kind, str] = {"opportunity": "pipeline", "case": "hs_pipeline"}
ENUM_VALUES: Mapping[tuple[Kind, StandardField], Mapping[str, str]] = {
    ("task", "status"): {"open": "NOT_STARTED", "done": "COMPLETED"},
    ("task", "priority"): {"low": "LOW", "normal": "MEDIUM", "high": "HIGH"},
    ("case", "priority"): {"low": "LOW", "normal": "MEDIUM", "high": "HIGH"},
}
# The ids of the association types; those to companies are for the primary company:
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
# The associations with the primary one of several companies.
_PRIMARY_TYPES = frozenset({"contact_to_company", "deal_to_company", "ticket_to_company"})
# These are moments at HubSpot: noon of a day is on that day wherever HubSpot's users look at it.
_NOON = time(12)
_MEETING_LENGTH = timedelta(minutes=30)  # where no end is given
_TAG = re.compile(r"<[^<>]+>")


class Association(BaseModel):
    """An object that another one is associated with."""

    id: str
    type: str = ""


class _Associations(BaseModel):
    results: Records[Association] = Field(default_factory=list[Association])


class CrmObject(BaseModel):
    """An object as HubSpot returns it: every property is a text."""

    id: str
    archived: bool = False
    properties: dict[str, str | None] = Field(default_factory=dict[str, str | None])
    associations: dict[str, _Associations] = Field(default_factory=dict[str, _Associations])

    def associated(self, field: StandardField) -> tuple[str, str] | None:
        """Return the type and id of the object that a reference field refers to.

        Returns None if there is no such object, or if it is unknown which of several it is: only
        of companies HubSpot marks one as the primary one.
        """
        for name in REFERENCES[field]:
            results = self.associations.get(name, _Associations()).results
            primary = {each.id for each in results if each.type in _PRIMARY_TYPES}
            ids = primary or {each.id for each in results}
            if ids:
                return (name, ids.pop()) if len(ids) == 1 else None
        return None


def association_types(source: str, target: str) -> list[dict[str, Any]]:
    """Return the types of the association between objects of two types, as a request has them."""
    type_id = _ASSOCIATIONS[source, target]
    return [{"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": type_id}]


def properties_by_field(kind: Kind, source: str | None) -> Mapping[StandardField, str]:
    """Return the property of each field that is stored in a single one.

    A person's name is in two properties, and some references are associations only. `source` is
    the tenant's own property for the source of a lead.
    """
    custom = {"source": source} if source and "source" in STANDARD_FIELDS[kind] else {}
    return {**PROPERTIES[kind], **custom}


def requested_properties(kind: Kind, source: str | None, fields: Sequence[str] = ()) -> list[str]:
    """Return the names of the properties to request, each once."""
    of_people = (FIRST_NAME, LAST_NAME, LIFECYCLE_STAGE, *PHONE_PROPERTIES, ADDITIONAL_EMAILS)
    names = (
        *(of_people if kind in PERSON_KINDS else ()),
        *properties_by_field(kind, source).values(),
        *fields,
    )
    return list(dict.fromkeys(names))


def to_record(
    kind: Kind,
    crm_object: CrmObject,
    source: str | None,
    zone: ZoneInfo,
    fields: Sequence[str] = (),
    options: Mapping[StandardField, Options] | None = None,
) -> Record:
    """Return an object as a record, with the `fields` that have a value as custom fields.

    Its days are those of `zone`.
    """
    properties = crm_object.properties
    known: dict[StandardField, Value | None] = {
        field: _parse_value(kind, field, properties.get(name), options or {}, zone)
        for field, name in properties_by_field(kind, source).items()
    }
    if kind in PERSON_KINDS:
        known["name"] = " ".join(filter(None, map(properties.get, (FIRST_NAME, LAST_NAME))))
    for field in REFERENCES:
        if field in STANDARD_FIELDS[kind] and (other := crm_object.associated(field)):
            known[field] = other[1]
    values = {field: value for field, value in known.items() if value not in (None, "")}
    custom: dict[str, Value] = {name: text for name in fields if (text := properties.get(name))}
    return Record(kind=kind, id=crm_object.id, values=values, fields=custom)


def to_search_record(
    kinds: Sequence[Kind],
    crm_object: CrmObject,
    source: str | None,
    zone: ZoneInfo,
    email: str | None,
) -> Record:
    """Return an object that a search found as a record of one of `kinds`.

    Its custom fields hold the further phone numbers, and the additional address that is `email`,
    so that `crm.matching` sees them. A contact in the stage of a lead becomes a lead if `kinds`
    has leads.
    """
    is_lead = crm_object.properties.get(LIFECYCLE_STAGE) == LEAD_STAGE
    fitting: list[Kind] = [each for each in kinds if (each == "lead") == is_lead]
    kind = (fitting or list(kinds))[0]
    record = to_record(kind, crm_object, source, zone, PHONE_PROPERTIES[1:])
    others = (crm_object.properties.get(ADDITIONAL_EMAILS) or "").split(";")
    same = [each for each in others if email and each.casefold() == email.casefold()]
    fields = {**record.fields, ADDITIONAL_EMAILS: same[0]} if same else record.fields
    return record.model_copy(update={"fields": fields})


def to_properties(
    kind: Kind, values: InputValues, fields: CustomFields, source: str | None, zone: ZoneInfo
) -> dict[str, str]:
    """Return values as properties; references are left out, which become associations.

    A day becomes noon of that day in `zone`.
    """
    properties: dict[str, str] = {}
    for field, value in values.items():
        if field in REFERENCES:
            continue
        if field == "name" and kind in PERSON_KINDS:
            first, _, last = str(value).strip().rpartition(" ")
            properties |= {FIRST_NAME: first.strip(), LAST_NAME: last}
        else:
            if isinstance(value, date) and not isinstance(value, datetime):
                value = datetime.combine(value, _NOON, zone)
            text = to_text(value)
            name = properties_by_field(kind, source)[field]
            properties[name] = ENUM_VALUES.get((kind, field), {}).get(text, text)
    if kind == "event" and "starts_at" in values:
        properties["hs_timestamp"] = to_text(values["starts_at"])
    custom = {name: "" if value is None else to_text(value) for name, value in fields.items()}
    return {**properties, **custom}


def default_properties(kind: Kind, values: InputValues) -> dict[str, str]:
    """Return the properties that HubSpot requires of a new object, with default values."""
    match kind, values.get("starts_at"):
        case "lead", _:
            return {LIFECYCLE_STAGE: LEAD_STAGE}
        case "task", _:
            return {"hs_timestamp": format_utc(now()), "hs_task_status": "NOT_STARTED"}
        case "event", datetime() as start:
            return {"hs_meeting_end_time": format_utc(add(start, _MEETING_LENGTH))}
        case _:
            return {}


def to_text(value: InputValue | Value) -> str:
    """Return a value as a property has it."""
    match value:
        case datetime():
            return format_utc(value)
        case bool():
            return str(value).lower()
        case float() if value.is_integer():
            return str(int(value))
        case _:
            return str(value)


def _parse_value(
    kind: Kind,
    field: StandardField,
    text: str | None,
    options: Mapping[StandardField, Options],
    zone: ZoneInfo,
) -> Value | None:
    if not text:
        return None
    if field in options:
        return options[field].display_name(text)
    if field.endswith("_date"):
        return _parse_day(text, zone)
    if field == "amount":
        return _parse_number(text)
    if field == "notes" and kind in ("task", "event"):  # which are HTML
        return html.unescape(_TAG.sub("", text)).strip()
    standard = {theirs: ours for ours, theirs in ENUM_VALUES.get((kind, field), {}).items()}
    return standard.get(text, text)


def _parse_day(text: str, zone: ZoneInfo) -> str:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return text
    return (moment.astimezone(zone) if moment.tzinfo else moment).date().isoformat()


def _parse_number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
