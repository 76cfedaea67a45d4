"""What a ticket desk must be able to do, in our words."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Literal, Protocol

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

Status = str  # new, open, pending, solved, closed; or a status of the tenant's own
STATUSES = ("new", "open", "pending", "solved", "closed")
Priority = Literal["low", "normal", "high", "urgent"]
TicketType = Literal["question", "incident", "problem", "task"]
Role = Literal["customer", "agent"]
Part = Literal["requested", "assigned", "copied"]
Value = str | int | float | bool
FieldName = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_.]{0,79}$")]
Fields = Mapping[str, Value | None]
MOST = 100  # records in one bulk call


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True)


class Ticket(_Model):
    """One ticket. People and organizations are ids."""

    id: str
    subject: str
    status: Status
    priority: Priority | None = None
    type: TicketType | None = None
    requester: str | None = None
    assignee: str | None = None
    organization: str | None = None
    tags: tuple[str, ...] = ()
    text: str | None = None
    created_at: AwareDatetime | None = None
    updated_at: AwareDatetime | None = None


class Draft(_Model):
    """A ticket to be opened. The requester is a user's id, or somebody to be found or added."""

    subject: str
    text: str
    requester: str | None = None
    requester_name: str | None = None
    requester_email: str | None = None
    requester_phone: str | None = None
    assignee: str | None = None
    priority: Priority | None = None
    type: TicketType | None = None
    tags: tuple[str, ...] = ()
    fields: Fields = Field(default_factory=dict[str, Value | None])


class Change(_Model):
    """What is to change of one ticket; None leaves a thing as it is."""

    id: str
    subject: str | None = None
    status: Status | None = None
    priority: Priority | None = None
    type: TicketType | None = None
    assignee: str | None = None
    add_tags: tuple[str, ...] = ()
    remove_tags: tuple[str, ...] = ()
    fields: Fields = Field(default_factory=dict[str, Value | None])


class Wanted(_Model):
    """Tickets that fulfil every condition that is not None, the last changed first.

    `of` is a user's or an organization's id, as `part` says.
    """

    text: str | None = None
    status: Status | None = None
    type: TicketType | None = None
    of: str | None = None
    part: Literal["requested", "assigned", "copied", "organization"] | None = None
    limit: int = 20


class TicketPage(_Model):
    """Some tickets, and whether there are more."""

    tickets: tuple[Ticket, ...]
    more: bool = False


class Comment(_Model):
    """One comment. `by` tells our own account's from a colleague's and a customer's."""

    id: str
    text: str
    by: Literal["us", "agent", "customer"]
    author: str | None = None
    public: bool = True
    created_at: AwareDatetime | None = None


class User(_Model):
    """A customer or an agent."""

    id: str
    name: str
    email: str | None = None
    phone: str | None = None
    role: Role = "customer"
    organization: str | None = None


class UserDraft(_Model):
    """A user to be created or changed. `id` is of one who exists; None leaves a thing as it is."""

    id: str | None = None
    name: str | None = None
    email: str | None = None
    phone: str | None = None
    organization: str | None = None


class UserPage(_Model):
    """Some users, and whether there are more."""

    users: tuple[User, ...]
    more: bool = False


class Organization(_Model):
    """A company whose people are users."""

    id: str
    name: str
    notes: str | None = None


class Refused(_Model):
    """One record of a bulk call that was not done: its id or position, and why in our words."""

    which: str
    reason: str


class Batch(_Model):
    """What became of a bulk call. `job` names the vendor's work where it goes on without us."""

    done: tuple[str, ...] = ()
    refused: tuple[Refused, ...] = ()
    job: str | None = None


class CallLog(_Model):
    """A call to be written down. Length in seconds."""

    phone: str
    direction: Literal["inbound", "outbound"]
    started_at: AwareDatetime
    seconds: int
    summary: str
    ticket: str | None = None


class Availability(_Model):
    """Whether an agent can take a call now."""

    agent: str
    name: str
    available: bool


class TicketProvider(Protocol):
    """One tenant's ticket desk at one vendor."""

    async def check(self) -> None:
        """Make one harmless request, to see that the account works."""
        ...

    async def tickets(self, ids: Sequence[str]) -> list[Ticket]:
        """Return those of the tickets that exist, in the order of `ids`."""
        ...

    async def find(self, wanted: Wanted) -> TicketPage:
        """Return tickets that fulfil the conditions."""
        ...

    async def create(self, drafts: Sequence[Draft]) -> Batch:
        """Open tickets: one that is needed at once, or many in the vendor's own job.

        `done` are the new ids, in the order of the drafts.
        """
        ...

    async def find_lost_create(self, drafts: Sequence[Draft]) -> Batch | None:
        """Return what an earlier try of this very call has opened, if there was one.

        Raises:
            OutcomeUnknown: there was a try, and nobody can tell what became of it.
        """
        ...

    async def update(self, changes: Sequence[Change]) -> Batch:
        """Change tickets.

        Raises:
            NotFound: a single one was to be changed, and there is none.
        """
        ...

    async def delete(self, ids: Sequence[str]) -> Batch:
        """Delete tickets, as they are changed."""
        ...

    async def merge(self, into: str, ids: Sequence[str], comment: str | None) -> Batch:
        """Close tickets as parts of another, with a comment in it that says so."""
        ...

    async def comments(self, ticket_id: str) -> list[Comment] | None:
        """Return a ticket's comments, oldest first; None where there is no such ticket."""
        ...

    async def comment(self, ticket_id: str, text: str, *, public: bool) -> str:
        """Add a comment and return its id.

        Raises:
            NotFound: there is no such ticket.
        """
        ...

    async def find_lost_comment(self, ticket_id: str, text: str) -> str | None:
        """Return the comment that an earlier try of this very call has added, if there is one.

        Raises:
            OutcomeUnknown: there was a try, and nobody can tell what became of it.
        """
        ...

    async def users(self, ids: Sequence[str]) -> list[User]:
        """Return those of the users who exist, in the order of `ids`."""
        ...

    async def find_users(
        self,
        text: str | None,
        *,
        phone: str | None = None,
        email: str | None = None,
        limit: int = 20,
    ) -> UserPage:
        """Return users who may be meant, or any where nothing is said.

        They may be too many: who is alike is judged by those who ask.
        """
        ...

    async def create_user(self, draft: UserDraft) -> str:
        """Add a user and return the id.

        Raises:
            Conflict: there is one with that address.
        """
        ...

    async def find_lost_user(self, draft: UserDraft) -> str | None:
        """Return the user that an earlier try of this very call has added, if there is one.

        Raises:
            OutcomeUnknown: there was a try, and nobody can tell what became of it.
        """
        ...

    async def update_users(self, drafts: Sequence[UserDraft]) -> Batch:
        """Change users, each by its id.

        Raises:
            NotFound: a single one was to be changed, and there is none.
        """
        ...

    async def upsert_users(self, drafts: Sequence[UserDraft]) -> Batch:
        """Change the users who exist, by their address, and add the others."""
        ...

    async def delete_user(self, user_id: str) -> None:
        """Delete a user; one who is not there is `NotFound`."""
        ...

    async def organization(self, organization_id: str) -> Organization | None:
        """Return an organization."""
        ...

    async def log_call(self, log: CallLog) -> str:
        """Write a call down and return the entry's id."""
        ...

    async def availability(self, agent: str | None) -> list[Availability]:
        """Return whether an agent, by id, is available; of None, the agents who are."""
        ...
