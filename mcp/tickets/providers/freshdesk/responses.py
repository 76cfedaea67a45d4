"""Models of Freshdesk's responses: https://developers.freshdesk.com/api/.

Freshdesk publishes no specification. The models hold what is used, and everything but ids may be
missing.
"""

from collections.abc import Sequence
from typing import Annotated

from pydantic import (
    AliasChoices,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
)

from toolkit.http.records import RecordList, Records

# A phone number without signs comes as a JSON number.
Text = Annotated[str | None, BeforeValidator(lambda value: value if value is None else str(value))]


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True)


class Created(_Record):
    """A record that has been added or changed."""

    id: int


class Nothing(_Record):
    """A response without content."""


class Requester(_Record):
    """A ticket's requester, in lists that include it."""

    email: str | None = None
    phone: Text = None
    mobile: Text = None


class Ticket(_Record):
    """A ticket, with a field for each value that is used.

    One in the trash or among the spam can still be read, with `deleted` or `spam` set.
    """

    id: int
    subject: str | None = None
    status: int
    priority: int | None = None
    type: str | None = Field(default=None, validation_alias=AliasChoices("type", "ticket_type"))
    requester_id: int | None = None
    responder_id: int | None = None
    company_id: int | None = None
    tags: list[str] | None = None
    description_text: str | None = None
    created_at: AwareDatetime | None = None
    updated_at: AwareDatetime | None = None
    source: int | None = None
    deleted: bool | None = None
    spam: bool | None = None
    requester: Requester | None = None

    @property
    def is_gone(self) -> bool:
        """Return whether the ticket is in the trash or among the spam."""
        return bool(self.deleted or self.spam)


Tickets = RecordList[Ticket]  # one page of a list


class TicketSearchPage(_Record):
    """One page of a search, and how many tickets are on all pages."""

    results: RecordList[Ticket] = RecordList[Ticket].model_validate([])
    total: int = 0


class Conversation(_Record):
    """A reply or a note. An incoming one was written by a customer."""

    id: int
    body_text: str | None = None
    incoming: bool | None = None
    private: bool | None = None
    user_id: int | None = None
    created_at: AwareDatetime | None = None


Conversations = RecordList[Conversation]  # one page of a ticket's conversations


class TimeEntry(_Record):
    """A span of work on a ticket."""

    id: int
    note: str | None = None
    created_at: AwareDatetime | None = None


TimeEntries = RecordList[TimeEntry]  # the spans of work on a ticket


class Contact(_Record):
    """A customer. One who has been deleted can still be read, with `deleted` set."""

    id: int
    name: str | None = None
    email: str | None = None
    phone: Text = None
    mobile: Text = None
    company_id: int | None = None
    created_at: AwareDatetime | None = None
    deleted: bool | None = None


Contacts = RecordList[Contact]  # one page of customers


class Named(_Record):
    """A customer or a company, as a search by name returns it."""

    id: int
    name: str | None = None


NamedContacts = RecordList[Named]  # customers found by name


class NamedCompanies(_Record):
    """Companies found by name."""

    companies: Records[Named] = []


class AgentContact(_Record):
    """An agent's name, address and numbers."""

    name: str | None = None
    email: str | None = None
    phone: Text = None
    mobile: Text = None


class Agent(_Record):
    """An agent. One who is available gets tickets assigned."""

    id: int
    available: bool | None = None
    contact: AgentContact = AgentContact()


Agents = RecordList[Agent]  # one page of agents


class Company(_Record):
    """A company whose people are customers."""

    id: int
    name: str
    note: str | None = None
    description: str | None = None


class TicketField(_Record):
    """A field of a ticket. The choices of a status field have its numbers as keys."""

    type: str | None = None
    choices: dict[str, object] | list[object] | None = None


TicketFields = RecordList[TicketField]  # the fields of a ticket


class JobStarted(_Record):
    """A job that has been started."""

    job_id: str


class JobResult(_Record):
    """The outcome of one record of a job."""

    id: int
    success: bool | None = None


class Job(_Record):
    """A job's state."""

    status: str
    data: Records[JobResult] | None = None

    @property
    def is_finished(self) -> bool:
        """Return whether the job has ended, well or badly."""
        return self.status.casefold() in ("completed", "failed")

    def done(self, ids: Sequence[str]) -> list[str]:
        """Return the ids that the job has done: all of a completed one that does not list them."""
        if self.data is None:
            return [*ids] if self.status.casefold() == "completed" else []
        done = {str(each.id) for each in self.data if each.success}
        return [each for each in ids if each in done]
