"""Models of Zendesk's responses: https://developer.zendesk.com/api-reference/ticketing/.

They hold what is used, and everything but ids may be missing.
"""

from typing import Any

from pydantic import AwareDatetime, BaseModel, Field, RootModel

from tickets.provider import Role
from toolkit.http.records import RecordList, Records

_FINISHED = frozenset({"completed", "failed", "killed"})
_AUTOMATIC = ("rule", "system")


class EmptyRecord(BaseModel):
    """A response of which nothing is used."""


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

    @property
    def is_deleted(self) -> bool:
        """Return whether the ticket has been deleted; Zendesk keeps it for some weeks."""
        return self.status == "deleted"


class AuditEvent(BaseModel):
    """One thing that an update of a ticket did; `id` is the comment's for the type Comment."""

    id: int | None = None
    type: str | None = None


class Audit(BaseModel):
    """What an update of a ticket did."""

    events: Records[AuditEvent]


class TicketUpdateRecord(BaseModel):
    """The response to an update of a ticket."""

    audit: Audit


class CommentRecord(BaseModel):
    """A comment. Authors below zero are Zendesk itself."""

    id: int
    author_id: int | None = None
    body: str | None = None
    plain_body: str | None = None
    public: bool | None = None
    via: Any = None
    created_at: AwareDatetime | None = None

    @property
    def is_automatic(self) -> bool:
        """Return whether Zendesk or one of the business's rules has written it."""
        match self.via:
            case {"channel": channel} if channel in _AUTOMATIC:
                return True
            case _:
                return self.author_id is not None and self.author_id < 0


class OwnUserRecord(BaseModel):
    """The user whose token we have; without an id if the token is no longer valid."""

    id: int | None = None


class UserRecord(BaseModel):
    """A user; one who has been deleted is not active."""

    id: int
    name: str | None = None
    email: str | None = None
    phone: str | None = None
    role: str | None = None
    organization_id: int | None = None
    active: bool | None = None
    created_at: AwareDatetime | None = None

    @property
    def is_gone(self) -> bool:
        """Return whether the user has been deleted; Zendesk keeps them for their tickets."""
        return self.active is False

    @property
    def our_role(self) -> Role | None:
        """Return whether the user is a customer or an agent; None if Zendesk does not say."""
        if self.role in ("agent", "admin"):
            return "agent"
        return "customer" if self.role == "end-user" else None


class OrganizationRecord(BaseModel):
    """An organization."""

    id: int
    name: str
    notes: str | None = None
    details: str | None = None


class OrganizationPage(BaseModel):
    """Some organizations."""

    organizations: Records[OrganizationRecord]


class TicketPageRecord(BaseModel):
    """Some tickets."""

    tickets: RecordList[TicketRecord]


class CallRecord(BaseModel):
    """A call of Talk's."""

    id: int


class TalkStateRecord(BaseModel):
    """What an agent does on the phone; `call_status` is None while they are in no call."""

    agent_state: str | None = None
    call_status: str | None = None

    @property
    def is_available(self) -> bool:
        """Return whether a call would be put through."""
        return self.agent_state == "online" and self.call_status is None


class PresenceAttributes(BaseModel):
    """Whose presence it is."""

    agent_id: int


class PresenceRecord(BaseModel):
    """An agent who is online."""

    attributes: PresenceAttributes


class PresencePage(BaseModel):
    """Some agents who are online."""

    data: Records[PresenceRecord]


class JobResult(BaseModel):
    """What a job did with one record, named by its index, by its id, or by its place."""

    id: int | None = None
    index: int | None = None
    success: bool | None = None
    error: Any = None
    errors: Any = None

    def is_done(self, *, created: bool) -> bool:
        """Return whether the record was written; one that was to be created has an id."""
        is_refused = self.success is False or bool(self.error) or bool(self.errors)
        return not is_refused and not (created and self.id is None)


class JobRecord(BaseModel):
    """A job. Its results are in the order of what was sent, or say where they belong.

    A result that cannot be read stays where it is, for the others' places.
    """

    id: str = Field(pattern=r"^[0-9A-Za-z_-]+$")
    status: str
    results: list[JobResult | Any] | dict[str, Any] | None = Field(
        default=None, union_mode="left_to_right"
    )

    @property
    def is_finished(self) -> bool:
        """Return whether the job has ended, well or badly."""
        return self.status in _FINISHED


SingleTicketRecords = RootModel[list[TicketRecord]]  # of a request for one
TicketRecords = RecordList[TicketRecord]
CommentRecords = RecordList[CommentRecord]
SingleUserRecords = RootModel[list[UserRecord]]  # of a request for one
UserRecords = RecordList[UserRecord]
