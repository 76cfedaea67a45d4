"""What the tools return: result models, and the rows that are made of the provider's records.

A row is short, for speech, or complete where the caller asks for `detail: full`. The docstrings
of the models are in the schemas that clients get.
"""

from datetime import datetime

from pydantic import BaseModel, ConfigDict

from tickets.provider import Comment, Ticket, User
from toolkit.middleware.results import Result
from toolkit.speech.text import cut

SHORT, FULL = 3, 20  # rows of a list
MAX_COMMENTS = 30  # rows of a full list of comments
_SUBJECT, _NAME, _TAG = 90, 70, 30  # bytes, in short rows
_TEXT, _COMMENT = 500, 240  # bytes, in short rows
_TAGS = 5  # in short rows


class _Row(BaseModel):
    model_config = ConfigDict(frozen=True)


class TicketRow(_Row):
    """A ticket. People and organizations are ids."""

    id: str
    subject: str
    status: str | None = None
    priority: str | None = None
    type: str | None = None
    requester: str | None = None
    assignee: str | None = None
    organization: str | None = None
    tags: list[str] | None = None
    text: str | None = None
    created_at: str | None = None
    updated_at: str | None = None


class TicketResult(TicketRow, Result):
    """One ticket, and what to say about it."""


class TicketList(Result):
    """Some tickets; `missing` are the ids that there are no tickets of."""

    tickets: list[TicketRow]
    more: bool = False
    missing: list[str] | None = None


class CommentRow(_Row):
    """A comment: `by` us, an agent, the customer, the system or unknown.

    One that is not public is internal; where the vendor does not say, `public` is missing.
    """

    id: str
    by: str
    author: str | None = None
    text: str
    public: bool | None = None
    created_at: str | None = None


class CommentList(Result):
    """A ticket's last comments, oldest first; `more` says that there are earlier ones."""

    ticket: str
    comments: list[CommentRow]
    more: bool = False


class UserRow(_Row):
    """A customer or an agent."""

    id: str
    name: str | None = None
    email: str | None = None
    phone: str | None = None
    role: str | None = None
    organization: str | None = None


class UserResult(UserRow, Result):
    """One user, and what to say about them."""


class UserList(Result):
    """Some users; `missing` are the ids that there are no users of."""

    users: list[UserRow]
    more: bool = False
    missing: list[str] | None = None


class OrganizationResult(Result):
    """A company whose people are users."""

    id: str
    name: str
    notes: str | None = None


class AddedComment(Result):
    """A comment that has been added."""

    id: str
    ticket: str


class LoggedCall(Result):
    """A call that has been written down."""

    id: str
    ticket: str | None = None


class DeletedUser(Result):
    """What has been deleted."""

    id: str


class BatchResult(Result):
    """How many records were done, the first of their ids, and what was refused, with the reason.

    What is refused goes by its id, or by its place in the list. `job` names what goes on without
    us.
    """

    done: int
    ids: list[str] | None = None
    refused: dict[str, str] | None = None
    job: str | None = None


class AgentRow(_Row):
    """An agent, and whether they can take a call now."""

    agent: str
    name: str
    available: bool


class AvailabilityResult(Result):
    """Who can take a call now."""

    agents: list[AgentRow]
    more: bool = False


def list_row(ticket: Ticket, *, full: bool) -> TicketRow:
    """Return a ticket as a row of a list; a short one has what tells tickets apart, no more."""
    row = ticket_row(ticket, full=full)
    omitted = {"organization": None, "tags": None, "text": None, "created_at": None}
    return row if full else row.model_copy(update=omitted)


def ticket_row(ticket: Ticket, *, full: bool) -> TicketRow:
    """Return a ticket with its text."""
    tags = list(ticket.tags) if full else [cut(tag, _TAG) for tag in ticket.tags[:_TAGS]]
    text = ticket.text or ""
    return TicketRow(
        id=ticket.id,
        subject=ticket.subject if full else cut(ticket.subject, _SUBJECT),
        status=ticket.status,
        priority=ticket.priority,
        type=ticket.type,
        requester=ticket.requester,
        assignee=ticket.assignee,
        organization=ticket.organization,
        tags=tags,
        text=(text if full else cut(text, _TEXT)) or None,
        created_at=_isoformat(ticket.created_at),
        updated_at=_isoformat(ticket.updated_at),
    )


def comment_row(comment: Comment, *, full: bool) -> CommentRow:
    """Return a comment as a row of a list."""
    author = comment.author or ""
    return CommentRow(
        id=comment.id,
        by=comment.by,
        author=(author if full else cut(author, _NAME)) or None,
        text=comment.text if full else cut(comment.text, _COMMENT),
        public=comment.public,
        created_at=_isoformat(comment.created_at),
    )


def user_row(user: User, *, full: bool) -> UserRow:
    """Return a user as a row of a list."""
    return UserRow(
        id=user.id,
        name=user.name if full else cut(user.name, _NAME),
        email=user.email,
        phone=user.phone,
        role=user.role,
        organization=user.organization,
    )


def _isoformat(moment: datetime | None) -> str | None:
    return moment.isoformat(timespec="seconds") if moment else None
