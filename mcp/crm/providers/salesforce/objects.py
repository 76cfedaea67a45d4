"""Salesforce's objects: the sObject of each kind, and the column of each standard field."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from crm.provider import Kind, StandardField
from toolkit.errors import NotFound, Rejected

_ID = re.compile(r"[A-Za-z0-9]{15}(?:[A-Za-z0-9]{3})?")
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
_MAX_PATH_LENGTH = 6  # names: a field may be reached over five relationships
LEAD_PREFIX, _CONTACT = "00Q", "003"
# The fields that say whether a lead has become a contact, and whether an event has no hours.
IS_CONVERTED, IS_ALL_DAY, ALL_DAY_DATE = "IsConverted", "IsAllDayEvent", "ActivityDate"
# These objects can be merged: one of two is deleted then, and refers to the other one.
MERGED_KINDS: tuple[Kind, ...] = ("lead", "contact", "account")
MASTER = "MasterRecordId"

Type = Literal["text", "long", "number", "date", "moment", "id", "any"]


@dataclass(frozen=True)
class Column:
    """One field of an sObject. Its value may be in a `fallback` field where it is empty."""

    name: str
    type: Type = "text"
    fallbacks: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """Return the names of all fields that may have the value."""
        return (self.name, *self.fallbacks)


@dataclass(frozen=True)
class Sobject:
    """One sObject. The phone and e-mail fields are those by which a search finds a caller.

    `open_condition` is the SOQL condition for records that a search may return. `state_fields` say
    what the values of others mean.
    """

    name: str
    prefix: str
    columns: Mapping[StandardField, Column]
    phone_fields: tuple[str, ...] = ()
    email_fields: tuple[str, ...] = ()
    open_condition: str | None = None
    state_fields: tuple[str, ...] = ()
    picklists: Mapping[StandardField, Mapping[str, str]] = field(
        default_factory=dict[StandardField, Mapping[str, str]]
    )

    def field_names(self, fields: Sequence[str] = ()) -> tuple[str, ...]:
        """Return the fields to select, each once: Salesforce refuses one that is named twice."""
        standard = (name for column in self.columns.values() for name in column.names)
        names = ("Id", *standard, *self.phone_fields, *self.state_fields, *fields)
        return tuple({name.casefold(): name for name in names}.values())


def _columns(*texts: str, **others: Column) -> Mapping[StandardField, Column]:
    """Return columns by field: `texts` are pairs of field and name; the notes are added."""
    named = {field: Column(name) for field, name in (text.split() for text in texts)}
    return {**named, **others, "notes": Column("Description", "long")}


_ABOUT = Column("WhoId", "id", ("WhatId",))
_ACCOUNT = Column("AccountId", "id")
_PHONE = Column("Phone", fallbacks=("MobilePhone",))
# A contact's assistant has another one, which is not the contact's.
_CONTACT_PHONE = Column("Phone", fallbacks=("MobilePhone", "HomePhone", "OtherPhone"))
_PRIORITIES = {"low": "Low", "normal": "Normal", "high": "High"}

SOBJECTS: Mapping[Kind, Sobject] = {
    "lead": Sobject(
        "Lead",
        LEAD_PREFIX,
        _columns(
            *("name Name", "company Company", "title Title", "email Email", "status Status"),
            "source LeadSource",
            phone=_PHONE,
        ),
        phone_fields=_PHONE.names,
        email_fields=("Email",),
        # A search finds what a lead was converted into; the lead itself can no longer be changed.
        open_condition=f"{IS_CONVERTED} = false",
        state_fields=(IS_CONVERTED,),
    ),
    "contact": Sobject(
        "Contact",
        _CONTACT,
        _columns("name Name", "title Title", "email Email", phone=_CONTACT_PHONE, account=_ACCOUNT),
        phone_fields=_CONTACT_PHONE.names,
        email_fields=("Email",),
    ),
    "account": Sobject(
        "Account",
        "001",
        _columns("name Name", "phone Phone", "website Website", "industry Industry"),
        phone_fields=("Phone",),
    ),
    "opportunity": Sobject(
        "Opportunity",
        "006",
        _columns(
            *("name Name", "stage StageName"),
            amount=Column("Amount", "number"),
            close_date=Column("CloseDate", "date"),
            account=_ACCOUNT,
        ),
    ),
    "task": Sobject(
        "Task",
        "00T",
        _columns(
            *("subject Subject", "status Status", "priority Priority"),
            due_date=Column("ActivityDate", "date"),
            about=_ABOUT,
        ),
        picklists={
            "status": {"open": "Not Started", "done": "Completed"},
            "priority": _PRIORITIES,
        },
    ),
    "event": Sobject(
        "Event",
        "00U",
        _columns(
            *("subject Subject", "location Location"),
            starts_at=Column("StartDateTime", "moment"),
            ends_at=Column("EndDateTime", "moment"),
            about=_ABOUT,
        ),
        state_fields=(IS_ALL_DAY, ALL_DAY_DATE),
    ),
    "case": Sobject(
        "Case",
        "500",
        _columns(
            *("subject Subject", "status Status", "priority Priority"),
            contact=Column("ContactId", "id"),
            account=_ACCOUNT,
        ),
        phone_fields=("CaseNumber",),
        picklists={
            "status": {"new": "New", "open": "Working", "closed": "Closed"},
            "priority": {**_PRIORITIES, "normal": "Medium"},
        },
    ),
}
KIND_OF_SOBJECT: Mapping[str, Kind] = {sobject.name: kind for kind, sobject in SOBJECTS.items()}


def is_id(text: str, kind: Kind | None = None) -> bool:
    """Say whether a text has the form of an id, or of an id of this kind."""
    prefix = SOBJECTS[kind].prefix if kind else ""
    return _ID.fullmatch(text) is not None and text.startswith(prefix)


def check_id(text: object) -> str:
    """Return the id of another record.

    Raises:
        NotFound: the text does not have the form of an id.
    """
    if not is_id(str(text)):
        raise NotFound("Salesforce has no such record.")
    return str(text)


def about_field(record_id: str) -> str:
    """Return the field of an activity that refers to this record: leads and contacts are people."""
    return "WhoId" if record_id[:3] in (LEAD_PREFIX, _CONTACT) else "WhatId"


def check_field_path(name: str) -> str:
    """Return the name of a field, which may be a related record's: `Owner.Name`.

    Raises:
        Rejected: no field can have this name.
    """
    names = name.split(".")
    if len(names) > _MAX_PATH_LENGTH or not all(_NAME.fullmatch(each) for each in names):
        raise Rejected("That is not the name of a field.", next="Call again without it.")
    return name
