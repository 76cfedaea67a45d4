"""What the tools return."""

from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict

from crm.provider import Kind, Value
from toolkit.middleware.results import Result


class Answer(Result):
    """One record: what is known of it in our words, and in the tenant's own `fields`."""

    kind: ClassVar[Kind]

    id: str
    fields: dict[str, Value] | None = None


class Lead(Answer):
    """Somebody who may become a customer."""

    kind = "lead"

    name: str | None = None
    company: str | None = None
    title: str | None = None
    phone: str | None = None
    email: str | None = None
    status: str | None = None
    source: str | None = None
    notes: str | None = None


class Contact(Answer):
    """A person; `account` is the id of the company."""

    kind = "contact"

    name: str | None = None
    title: str | None = None
    phone: str | None = None
    email: str | None = None
    account: str | None = None
    notes: str | None = None


class Account(Answer):
    """A company."""

    kind = "account"

    name: str | None = None
    phone: str | None = None
    website: str | None = None
    industry: str | None = None
    notes: str | None = None


class Opportunity(Answer):
    """A sale that may come about; `account` is the id of the company."""

    kind = "opportunity"

    name: str | None = None
    stage: str | None = None
    amount: float | None = None
    close_date: str | None = None
    account: str | None = None
    notes: str | None = None


class Task(Answer):
    """Something to do; `about` is the id of the record that it is about."""

    kind = "task"

    subject: str | None = None
    status: str | None = None
    priority: str | None = None
    due_date: str | None = None
    about: str | None = None
    notes: str | None = None


class Event(Answer):
    """An appointment; `about` is the id of the record that it is about."""

    kind = "event"

    subject: str | None = None
    starts_at: str | None = None
    ends_at: str | None = None
    location: str | None = None
    about: str | None = None
    notes: str | None = None


class Case(Answer):
    """A complaint or a question; `contact` and `account` are ids."""

    kind = "case"

    subject: str | None = None
    status: str | None = None
    priority: str | None = None
    contact: str | None = None
    account: str | None = None
    notes: str | None = None


class Hit(BaseModel):
    """A record that may be meant."""

    model_config = ConfigDict(frozen=True)

    kind: Kind
    id: str
    title: str
    company: str | None = None
    phone: str | None = None
    email: str | None = None


class Hits(Result):
    """Records that may be meant, the likeliest first; `more` says whether there are others."""

    found: list[Hit]
    more: bool = False


class Row(BaseModel):
    """A record that fulfils a query, with the values that were asked for."""

    model_config = ConfigDict(frozen=True)

    id: str
    title: str
    values: dict[str, Value] | None = None


class Rows(Result):
    """Records that fulfil a query; `more` says whether there are others."""

    rows: list[Row]
    more: bool = False


class RawRows(Result):
    """What the vendor answered to a query in its own language."""

    rows: list[dict[str, Any]]
    more: bool = False
