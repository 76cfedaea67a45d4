"""Zendesk's records, and what they are in our words."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any, get_args

from pydantic import AwareDatetime, BaseModel, Field, RootModel

from tickets.provider import (
    Batch,
    Comment,
    Draft,
    Organization,
    Priority,
    Refused,
    Role,
    Ticket,
    TicketType,
    User,
)

_ENDED = frozenset({"completed", "failed", "killed"})
_HELD = "hold"  # Of what Zendesk calls on hold, we say that it is pending.


class Done(BaseModel):
    """An answer of which nothing is used."""


class TicketRecord(BaseModel):
    """A ticket."""

    id: int
    subject: str | None = None
    description: str | None = None
    status: str | None = None
    priority: str | None = None
    type: str | None = None
    requester_id: int | None = None
    assignee_id: int | None = None
    organization_id: int | None = None
    tags: list[str] | None = None
    created_at: AwareDatetime | None = None
    updated_at: AwareDatetime | None = None

    def ticket(self) -> Ticket:
        """Return it in our words."""
        return Ticket(
            id=str(self.id),
            subject=self.subject or "",
            status="pending" if self.status == _HELD else self.status or "open",
            priority=_one_of(get_args(Priority), self.priority),
            type=_one_of(get_args(TicketType), self.type),
            requester=_text(self.requester_id),
            assignee=_text(self.assignee_id),
            organization=_text(self.organization_id),
            tags=tuple(self.tags or ()),
            text=self.description,
            created_at=self.created_at,
            updated_at=self.updated_at,
        )


class _Event(BaseModel):
    id: int | None = None
    type: str | None = None


class _Audit(BaseModel):
    events: list[_Event]


class Said(BaseModel):
    """What one change of a ticket did."""

    audit: _Audit

    def comment(self) -> str:
        """Return the comment that was added."""
        ids = [each.id for each in self.audit.events if each.type == "Comment"]
        return str(next((each for each in ids if each is not None), ""))


class CommentRecord(BaseModel):
    """A comment."""

    id: int
    author_id: int | None = None
    body: str | None = None
    public: bool | None = None
    created_at: AwareDatetime | None = None

    def is_after(self, moment: datetime) -> bool:
        """Say whether it was written after a moment."""
        return self.created_at is not None and self.created_at > moment

    def comment(self, us: int | None, agents: Collection[int | None]) -> Comment:
        """Return it in our words."""
        ours = self.author_id is not None and self.author_id == us
        return Comment(
            id=str(self.id),
            text=self.body or "",
            by="us" if ours else "agent" if self.author_id in agents else "customer",
            author=_text(self.author_id),
            public=self.public is not False,
            created_at=self.created_at,
        )


class Us(BaseModel):
    """Whose token it is: nobody's where it has gone."""

    id: int | None = None


class UserRecord(BaseModel):
    """A user."""

    id: int
    name: str | None = None
    email: str | None = None
    phone: str | None = None
    role: str | None = None
    organization_id: int | None = None
    created_at: AwareDatetime | None = None

    @property
    def part(self) -> Role:
        """Return whether it is a customer or an agent."""
        return "agent" if self.role in ("agent", "admin") else "customer"

    def user(self) -> User:
        """Return it in our words."""
        return User(
            id=str(self.id),
            name=self.name or "",
            email=self.email or None,
            phone=self.phone or None,
            role=self.part,
            organization=_text(self.organization_id),
        )


class OrganizationRecord(BaseModel):
    """An organization."""

    id: int
    name: str
    notes: str | None = None
    details: str | None = None

    def organization(self) -> Organization:
        """Return it in our words."""
        return Organization(id=str(self.id), name=self.name, notes=self.notes or self.details)


class OrganizationsFound(BaseModel):
    """Organizations."""

    organizations: list[OrganizationRecord]


class TicketsFound(BaseModel):
    """Tickets."""

    tickets: list[TicketRecord]


class CallRecord(BaseModel):
    """A call."""

    id: int


class Line(BaseModel):
    """What an agent does on the phone: neither of them while nobody is called."""

    agent_state: str | None = None
    call_status: str | None = None

    @property
    def free(self) -> bool:
        """Say whether a call would be put through."""
        return self.agent_state == "online" and self.call_status is None


class _Agent(BaseModel):
    agent_id: int


class _Presence(BaseModel):
    attributes: _Agent


class Presences(BaseModel):
    """Agents who are there."""

    data: list[_Presence]


class _Result(BaseModel):
    id: int | None = None
    index: int | None = None
    success: bool | None = None
    error: Any = None
    errors: Any = None

    @property
    def refused(self) -> bool:
        return self.success is False or bool(self.error) or bool(self.errors)


class Job(BaseModel):
    """A job. Its results are in the order of what was sent, or say where they belong."""

    id: str = Field(pattern=r"^[0-9A-Za-z_-]+$")
    status: str
    results: list[_Result] | dict[str, Any] | None = None

    @property
    def ended(self) -> bool:
        """Say whether it will do no more."""
        return self.status in _ENDED


TicketRecords = RootModel[list[TicketRecord]]
CommentRecords = RootModel[list[CommentRecord]]
UserRecords = RootModel[list[UserRecord]]


def batch_of(job: Job, sent: Sequence[str], *, created: bool) -> Batch:
    """Return what became of the records that were sent: by their ids, or new ones in their places.

    Of a record that a job does not tell of, its end tells: but what is new has to have an id.
    """
    results = job.results if isinstance(job.results, list) else []
    ids = () if created else sent
    found = {_place(result, n, ids): result for n, result in enumerate(results)}
    silent = job.status == "completed" and not created
    done: list[str] = []
    refused: list[Refused] = []
    for place, each in enumerate(sent):
        result = found.get(place)
        if silent if result is None else not result.refused:
            done.append(str(result.id) if created and result else each)
        else:
            refused.append(Refused(which=each, reason="Zendesk did not take it."))
    return Batch(done=tuple(done), refused=tuple(refused))


def found_again(drafts: Sequence[Draft], tickets: Sequence[TicketRecord]) -> Batch | None:
    """Return which tickets a lost try has opened; None where it has opened none."""
    left = sorted(tickets, key=lambda each: each.id)
    done: list[str] = []
    refused: list[Refused] = []
    for place, draft in enumerate(drafts, start=1):
        found = next((each for each in left if each.subject == draft.subject), None)
        if found is None:
            refused.append(Refused(which=str(place), reason="It is not known to be open yet."))
        else:
            left.remove(found)
            done.append(str(found.id))
    return Batch(done=tuple(done), refused=tuple(refused)) if tickets else None


def _place(result: _Result, n: int, ids: Sequence[str]) -> int:
    if result.index is not None:
        return result.index
    return ids.index(str(result.id)) if str(result.id) in ids else n


def _text(value: int | None) -> str | None:
    return None if value is None else str(value)


def _one_of(known: Sequence[Any], value: str | None) -> Any:
    return value if value in known else None
