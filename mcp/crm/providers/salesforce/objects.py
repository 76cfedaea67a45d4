"""Salesforce's objects: our words on one side, its fields on the other."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from crm.provider import Kind, Word
from toolkit.errors import NotFound, Rejected

_ID = re.compile(r"[A-Za-z0-9]{15}(?:[A-Za-z0-9]{3})?")
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
_LONGEST_PATH = 6  # names: from a record over five others to a field
LEAD, _CONTACT = "00Q", "003"

Type = Literal["text", "long", "number", "date", "moment", "id", "any"]


@dataclass(frozen=True)
class Column:
    """One field, how it is compared, and where the value is as well where it is not there."""

    name: str
    type: Type = "text"
    otherwise: str | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """Return every field that may hold the value."""
        return (self.name, self.otherwise) if self.otherwise else (self.name,)


@dataclass(frozen=True)
class Sobject:
    """One kind of record. `numbers` and `emails` are fields by which callers are found."""

    name: str
    prefix: str
    columns: Mapping[Word, Column]
    numbers: tuple[str, ...] = ()
    emails: tuple[str, ...] = ()
    current: str | None = None  # what holds for records that are still to be found
    choices: Mapping[Word, Mapping[str, str]] = field(default_factory=dict[Word, Mapping[str, str]])

    def selected(self, fields: Sequence[str] = ()) -> tuple[str, ...]:
        """Return each field to ask for once: Salesforce refuses one that is named twice."""
        ours = (name for column in self.columns.values() for name in column.names)
        names = ("Id", *ours, *self.numbers, *fields)
        return tuple({name.casefold(): name for name in names}.values())


def _columns(*texts: str, **others: Column) -> Mapping[Word, Column]:
    """Return the columns of a kind: texts by word and name, others as they are, and its notes."""
    named = {word: Column(name) for word, name in (text.split() for text in texts)}
    return {**named, **others, "notes": Column("Description", "long")}


_ABOUT = Column("WhoId", "id", "WhatId")
_ACCOUNT = Column("AccountId", "id")
_PHONE = Column("Phone", otherwise="MobilePhone")
_PRIORITIES = {"low": "Low", "normal": "Normal", "high": "High"}

SOBJECTS: Mapping[Kind, Sobject] = {
    "lead": Sobject(
        "Lead",
        LEAD,
        _columns(
            *("name Name", "company Company", "title Title", "email Email", "status Status"),
            "source LeadSource",
            phone=_PHONE,
        ),
        numbers=_PHONE.names,
        emails=("Email",),
        # What it was converted into is found instead; the lead itself cannot be changed any more.
        current="IsConverted = false",
    ),
    "contact": Sobject(
        "Contact",
        _CONTACT,
        _columns("name Name", "title Title", "email Email", phone=_PHONE, account=_ACCOUNT),
        numbers=_PHONE.names,
        emails=("Email",),
    ),
    "account": Sobject(
        "Account",
        "001",
        _columns("name Name", "phone Phone", "website Website", "industry Industry"),
        numbers=("Phone",),
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
        choices={
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
    ),
    "case": Sobject(
        "Case",
        "500",
        _columns(
            *("subject Subject", "status Status", "priority Priority"),
            contact=Column("ContactId", "id"),
            account=_ACCOUNT,
        ),
        numbers=("CaseNumber",),
        choices={
            "status": {"new": "New", "open": "Working", "closed": "Closed"},
            "priority": {**_PRIORITIES, "normal": "Medium"},
        },
    ),
}
KINDS: Mapping[str, Kind] = {sobject.name: kind for kind, sobject in SOBJECTS.items()}


def is_id(text: str, kind: Kind | None = None) -> bool:
    """Say whether a text can be the id of a record, or of one of this kind."""
    prefix = SOBJECTS[kind].prefix if kind else ""
    return _ID.fullmatch(text) is not None and text.startswith(prefix)


def reference(text: object) -> str:
    """Return the id of another record.

    Raises:
        NotFound: it is none.
    """
    if not is_id(str(text)):
        raise NotFound("Salesforce has no such record.")
    return str(text)


def about(record_id: str) -> str:
    """Return which field of an activity points to this record: leads and contacts are people."""
    return "WhoId" if record_id[:3] in (LEAD, _CONTACT) else "WhatId"


def path(name: str) -> str:
    """Return the name of a field, which may be another record's: `Owner.Name`.

    Raises:
        Rejected: no field can be called so.
    """
    names = name.split(".")
    if len(names) > _LONGEST_PATH or not all(_NAME.fullmatch(each) for each in names):
        raise Rejected("That is not the name of a field.", next="Call again without it.")
    return name
