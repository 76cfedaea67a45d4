"""The ticket provider protocol: what a vendor must be able to do, and the models it speaks in.

A provider is one tenant's account at one vendor. Its operations are in four parts, each with a
protocol of its own: `tickets`, `comments`, `people` and `calls`.
"""

from collections.abc import Mapping, Sequence
from typing import Annotated, Literal, Protocol

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

Status = str  # one of STATUSES, or a status that the tenant has defined
STATUSES = ("new", "open", "pending", "solved", "closed")
Priority = Literal["low", "normal", "high", "urgent"]
TicketType = Literal["question", "incident", "problem", "task"]
Role = Literal["customer", "agent"]
Writer = Literal["us", "agent", "customer", "system", "unknown"]
# How a user or an organization is related to a ticket.
Relation = Literal["requested", "assigned", "copied", "organization"]
FieldValue = str | int | float | bool
FieldName = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_.]{0,79}$")]
Fields = Mapping[str, FieldValue | None]
MAX_BATCH = 100  # records in one bulk call


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True)


class Ticket(_Model):
    """One ticket. `requester`, `assignee` and `organization` are ids.

    `other_ids` are the ids that it was read by, where they are not its own: it may have moved.
    """

    id: str
    other_ids: tuple[str, ...] = ()
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


class TicketDraft(_Model):
    """A ticket to create.

    The requester is a user's id, or the user who has the name, e-mail address and phone number;
    a vendor adds that user where there is none.
    """

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
    fields: Fields = Field(default_factory=dict[str, FieldValue | None])


class TicketChange(_Model):
    """Changes of one ticket; None leaves a value as it is. In `fields`, None empties a field."""

    id: str
    subject: str | None = None
    status: Status | None = None
    priority: Priority | None = None
    type: TicketType | None = None
    assignee: str | None = None
    add_tags: tuple[str, ...] = ()
    remove_tags: tuple[str, ...] = ()
    fields: Fields = Field(default_factory=dict[str, FieldValue | None])


class TicketQuery(_Model):
    """Matches tickets that fulfil every condition that is not None, last changed first.

    `related_to` is the id of a user, or of an organization where `relation` is "organization".
    """

    text: str | None = None
    status: Status | None = None
    type: TicketType | None = None
    related_to: str | None = None
    relation: Relation | None = None
    limit: int = 20


class TicketPage(_Model):
    """Some tickets, and whether there are more."""

    tickets: tuple[Ticket, ...]
    more: bool = False


class Comment(_Model):
    """One comment. `by` is "us" for the account that we use, "agent" for any other agent.

    It is "system" for the vendor itself and for apps, and "unknown" where the vendor does not say;
    so is `public` None.
    """

    id: str
    text: str
    by: Writer
    author: str | None = None
    public: bool | None = None
    created_at: AwareDatetime | None = None


class User(_Model):
    """A customer or an agent. `organization` is an id; `role` is None where nothing tells it.

    One who is `gone` has been deleted or deactivated; the vendor still has the record.
    """

    id: str
    name: str
    email: str | None = None
    phone: str | None = None
    role: Role | None = "customer"
    organization: str | None = None
    gone: bool = False


class UserDraft(_Model):
    """A user to create, or to change where `id` is set; None leaves a value as it is.

    `organization` is an id or a name.
    """

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


class Refusal(_Model):
    """A record of a bulk call that was not written.

    `record` is its id, or its position in the call, counted from 1. `reason` is in our words.
    """

    record: str
    reason: str


class BatchOutcome(_Model):
    """The outcome of a bulk call: the ids that were written, and the records that were not.

    `job` is the id of the vendor's job where that still runs; `done` and `refused` then say
    nothing of the records in it.
    """

    done: tuple[str, ...] = ()
    refused: tuple[Refusal, ...] = ()
    job: str | None = None


class CallLog(_Model):
    """A phone call to log. `phone` is the other party's number, `ticket` a ticket's id."""

    phone: str
    direction: Literal["inbound", "outbound"]
    started_at: AwareDatetime
    seconds: int
    summary: str
    ticket: str | None = None


class Availability(_Model):
    """Whether an agent, by id, can take a call now."""

    agent: str
    name: str
    available: bool


class Tickets(Protocol):
    """Reads and writes tickets."""

    async def get(self, ids: Sequence[str]) -> list[Ticket]:
        """Return the tickets that exist, in the order of `ids`."""
        ...

    async def search(self, query: TicketQuery) -> TicketPage:
        """Return tickets that match the query."""
        ...

    async def create(self, drafts: Sequence[TicketDraft]) -> BatchOutcome:
        """Create tickets; many may go into a job of the vendor's.

        `done` are the new ids, in the order of the drafts.
        """
        ...

    async def find_lost_create(self, drafts: Sequence[TicketDraft]) -> BatchOutcome | None:
        """Return what an earlier try of this call has created; None if there is nothing.

        Raises:
            OutcomeUnknown: the vendor cannot tell what the earlier try has created.
        """
        ...

    async def update(self, changes: Sequence[TicketChange]) -> BatchOutcome:
        """Change tickets.

        Raises:
            NotFound: `changes` has one entry, and its ticket does not exist.
        """
        ...

    async def delete(self, ids: Sequence[str]) -> BatchOutcome:
        """Delete tickets.

        Raises:
            NotFound: `ids` has one entry, and its ticket does not exist.
        """
        ...

    async def merge(self, into: str, ids: Sequence[str], comment: str | None) -> BatchOutcome:
        """Close the tickets `ids` as parts of the ticket `into`, and add the comment to that."""
        ...


class Comments(Protocol):
    """Reads and writes the comments of tickets."""

    async def for_ticket(self, ticket_id: str) -> list[Comment] | None:
        """Return a ticket's comments, oldest first; None if the ticket does not exist."""
        ...

    async def add(self, ticket_id: str, text: str, *, public: bool) -> str:
        """Add a comment and return its id.

        Raises:
            NotFound: the ticket does not exist.
        """
        ...

    async def find_lost_create(self, ticket_id: str, text: str) -> str | None:
        """Return the id of the comment that an earlier try of this call has added, if any.

        Raises:
            OutcomeUnknown: the vendor cannot tell whether the earlier try has added it.
        """
        ...


class People(Protocol):
    """Reads and writes users, and reads their organizations."""

    async def get(self, ids: Sequence[str]) -> list[User]:
        """Return the users who exist, in the order of `ids`; some of them may be gone."""
        ...

    async def search(
        self,
        text: str | None,
        *,
        phone: str | None = None,
        email: str | None = None,
        limit: int = 20,
    ) -> UserPage:
        """Return users with a similar name, or that number or address; without any, all users.

        Those who are gone are not among them. The result may hold more users than match: the
        caller compares names and addresses.
        """
        ...

    async def create(self, draft: UserDraft) -> str:
        """Add a user and return the id.

        Raises:
            Conflict: another user has that e-mail address.
        """
        ...

    async def find_lost_create(self, draft: UserDraft) -> str | None:
        """Return the id of the user that an earlier try of this call has added, if any.

        Raises:
            OutcomeUnknown: the vendor cannot tell whether the earlier try has added them.
        """
        ...

    async def update(self, drafts: Sequence[UserDraft]) -> BatchOutcome:
        """Change users by their ids.

        Raises:
            NotFound: `drafts` has one entry, and its user does not exist.
        """
        ...

    async def upsert(self, drafts: Sequence[UserDraft]) -> BatchOutcome:
        """Change the users who have the e-mail address or phone number, and add the others."""
        ...

    async def delete(self, user_id: str) -> None:
        """Delete a user.

        Raises:
            NotFound: the user does not exist.
        """
        ...

    async def get_organization(self, organization_id: str) -> Organization | None:
        """Return an organization; None if it does not exist."""
        ...


class Calls(Protocol):
    """Logs phone calls, and tells who can take one."""

    async def log(self, log: CallLog) -> str:
        """Store a call and return the id of the entry."""
        ...

    async def availability(self, agent: str | None) -> list[Availability]:
        """Return one agent's availability, by id; for None, that of all available agents.

        The list is empty if the agent does not exist.
        """
        ...


class TicketProvider(Protocol):
    """One tenant's account at one vendor."""

    @property
    def tickets(self) -> Tickets:
        """Return the part for tickets."""
        ...

    @property
    def comments(self) -> Comments:
        """Return the part for comments."""
        ...

    @property
    def people(self) -> People:
        """Return the part for users and organizations."""
        ...

    @property
    def calls(self) -> Calls:
        """Return the part for phone calls."""
        ...

    async def check(self) -> None:
        """Make one harmless request, to see that the account works.

        Raises:
            ToolFailure: it does not.
        """
        ...
