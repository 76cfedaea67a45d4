"""What Freshdesk answers.

It publishes no specification: only what is used here is read, and all of it but ids may be missing.
https://developers.freshdesk.com/api/
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
    RootModel,
)

# Numbers of phones come as numbers where they look like some.
Text = Annotated[str | None, BeforeValidator(lambda value: value if value is None else str(value))]


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True)


class Created(_Record):
    """Anything that has been added."""

    id: int


class Nothing(_Record):
    """An answer that says no more than its status."""


class Requester(_Record):
    """Who has asked for a ticket, where a list includes that."""

    email: str | None = None
    phone: Text = None
    mobile: Text = None


class Ticket(_Record):
    """A ticket. In the trash it is still shown, as deleted."""

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
    deleted: bool | None = None
    requester: Requester | None = None


class Tickets(RootModel[list[Ticket]]):
    """One page of a list."""


class TicketsFound(_Record):
    """One page of a search, and how many there are on all."""

    results: list[Ticket] = []
    total: int = 0


class Conversation(_Record):
    """A reply or a note; what is incoming was written by a customer."""

    id: int
    body_text: str | None = None
    incoming: bool | None = None
    private: bool | None = None
    user_id: int | None = None
    created_at: AwareDatetime | None = None


class Conversations(RootModel[list[Conversation]]):
    """One page of a ticket's conversations."""


class TimeEntry(_Record):
    """A span of work on a ticket."""

    id: int
    note: str | None = None
    created_at: AwareDatetime | None = None


class TimeEntries(RootModel[list[TimeEntry]]):
    """The spans of work on a ticket."""


class Contact(_Record):
    """A customer."""

    id: int
    name: str | None = None
    email: str | None = None
    phone: Text = None
    mobile: Text = None
    company_id: int | None = None
    created_at: AwareDatetime | None = None
    deleted: bool | None = None


class Contacts(RootModel[list[Contact]]):
    """One page of customers."""


class Named(_Record):
    """A customer or a company, where only the name was looked for."""

    id: int
    name: str | None = None


class NamedContacts(RootModel[list[Named]]):
    """Customers whose names begin alike."""


class NamedCompanies(_Record):
    """Companies whose names begin alike."""

    companies: list[Named] = []


class AgentContact(_Record):
    """What is known of an agent as a person."""

    name: str | None = None
    email: str | None = None
    phone: Text = None
    mobile: Text = None


class Agent(_Record):
    """An agent; one who is available is given tickets."""

    id: int
    available: bool | None = None
    contact: AgentContact = AgentContact()


class Agents(RootModel[list[Agent]]):
    """One page of agents."""


class Company(_Record):
    """A company whose people are customers."""

    id: int
    name: str
    note: str | None = None
    description: str | None = None


class TicketField(_Record):
    """A field of a ticket. The choices of the status are by its number."""

    type: str | None = None
    choices: dict[str, object] | list[object] | None = None


class TicketFields(RootModel[list[TicketField]]):
    """The fields of a ticket."""


class JobStarted(_Record):
    """Work that Freshdesk has taken."""

    job_id: str


class JobResult(_Record):
    """What became of one record of a job."""

    id: int
    success: bool | None = None


class Job(_Record):
    """Work that Freshdesk has taken, and how far it is."""

    status: str
    data: list[JobResult] | None = None

    @property
    def ended(self) -> bool:
        """Say whether nothing more will come of it."""
        return self.status.casefold() in ("completed", "failed")

    def done(self, ids: Sequence[str]) -> list[str]:
        """Return the records of `ids` that it has done; all, where it does not tell them apart."""
        if self.data is None:
            return [*ids] if self.status.casefold() == "completed" else []
        done = {str(each.id) for each in self.data if each.success}
        return [each for each in ids if each in done]
