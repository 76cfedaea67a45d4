"""What a ServiceNow instance must be able to do, in our words."""

from typing import Literal, Protocol

from pydantic import AwareDatetime, BaseModel, ConfigDict

Kind = Literal["incident", "case", "task"]
State = Literal["new", "open", "pending", "solved", "closed"]
Level = Literal["low", "normal", "high"]
Priority = Literal["low", "normal", "high", "urgent"]


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True)


class Reference(_Model):
    """What somebody calls a record: its id, or what its number may be, the likeliest first."""

    id: str | None = None
    numbers: tuple[str, ...] = ()


class Party(_Model):
    """A record that another one points to, and what it is called."""

    id: str
    name: str


class Record(_Model):
    """An incident, a case or a task. A state of the tenant's own goes by its label."""

    kind: Kind
    id: str
    number: str
    summary: str
    state: State | str
    details: str | None = None
    priority: Priority | None = None
    caller: Party | None = None
    assignee: Party | None = None
    group: Party | None = None
    about: Party | None = None
    opened_at: AwareDatetime | None = None
    updated_at: AwareDatetime | None = None
    due_at: AwareDatetime | None = None


class Draft(_Model):
    """A record to be created. People, groups and what it is about are ids.

    The priority of an incident follows from its urgency and its impact.
    """

    kind: Kind
    summary: str
    details: str | None = None
    caller: str | None = None
    assignee: str | None = None
    group: str | None = None
    about: str | None = None
    urgency: Level | None = None
    impact: Level | None = None
    priority: Level | None = None
    due_at: AwareDatetime | None = None


class Change(_Model):
    """What is to change of one record; None leaves a thing as it is."""

    state: State | None = None
    note: str | None = None
    assignee: str | None = None
    group: str | None = None
    urgency: Level | None = None
    impact: Level | None = None
    priority: Level | None = None
    due_at: AwareDatetime | None = None


class Wanted(_Model):
    """Records that fulfil every condition that is not None, the last changed first.

    `words` are all to be found in a record; `open` is whatever is neither solved nor closed.
    """

    kind: Kind
    words: tuple[str, ...] = ()
    state: State | None = None
    caller: str | None = None
    assignee: str | None = None
    group: str | None = None
    about: str | None = None
    limit: int = 20


class RecordPage(_Model):
    """Some records, and whether there are more."""

    records: tuple[Record, ...]
    more: bool = False


class User(_Model):
    """A person. `login` is the name that they sign in with."""

    id: str
    name: str
    login: str | None = None
    email: str | None = None
    phones: tuple[str, ...] = ()
    title: str | None = None
    department: str | None = None


class Group(_Model):
    """A group that work is assigned to."""

    id: str
    name: str
    description: str | None = None


class Article(_Model):
    """A knowledge article as plain text: the whole of it, or what a search shows."""

    id: str
    number: str
    title: str
    text: str


class ServiceDesk(Protocol):
    """One tenant's ServiceNow instance."""

    async def check(self) -> None:
        """Make one harmless request, to see that the account works."""
        ...

    async def record(self, kind: Kind, reference: Reference) -> Record | None:
        """Return a record; None where there is none."""
        ...

    async def anything(self, reference: Reference) -> Party | None:
        """Return an incident, a case or a task, whichever it is, as something to point to."""
        ...

    async def query(self, wanted: Wanted) -> RecordPage:
        """Return the records that are wanted."""
        ...

    async def create(self, draft: Draft) -> Record:
        """Create a record."""
        ...

    async def find_lost_create(self, kind: Kind) -> Record | None:
        """Return what an earlier try of this very call has created, if there was one."""
        ...

    async def update(self, record: Record, change: Change) -> Record:
        """Change a record, and return it as it is then.

        Raises:
            OutcomeUnknown: a note may have been added by an earlier try of this call.
        """
        ...

    async def user(self, user_id: str, *, contact: bool = False) -> User | None:
        """Return a user, or a customer's contact, by the id."""
        ...

    async def users(
        self,
        *,
        email: str | None = None,
        phone: str | None = None,
        name: str | None = None,
        contact: bool = False,
    ) -> list[User]:
        """Return users, or customers' contacts, who may be meant by one of these.

        They may be too many: who is alike is judged by those who ask. `name` is a person's, or
        the one that they sign in with.
        """
        ...

    async def groups(self, words: tuple[str, ...] = ()) -> list[Group]:
        """Return groups whose name has one of the words, or any; they may be too many."""
        ...

    async def articles(self, words: tuple[str, ...], limit: int) -> list[Article]:
        """Return the knowledge articles that fit the words best, the best first."""
        ...

    async def article(self, reference: Reference) -> Article | None:
        """Return a knowledge article."""
        ...
