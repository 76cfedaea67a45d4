"""The protocol of a ServiceNow provider, and the models that it takes and returns."""

from typing import Literal, Protocol

from pydantic import AwareDatetime, BaseModel, ConfigDict

Kind = Literal["incident", "case", "task"]
State = Literal["new", "open", "pending", "solved", "closed"]
Level = Literal["low", "normal", "high"]
Priority = Literal["low", "normal", "high", "urgent"]


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True)


class RecordKey(_Model):
    """What a record is looked up by: its id, or its possible numbers, the likeliest first."""

    id: str | None = None
    numbers: tuple[str, ...] = ()


class RecordReference(_Model):
    """A reference to another record: its id and its display name."""

    id: str
    name: str


class Record(_Model):
    """An incident, a case or a task. A custom state of the tenant's is given by its label.

    It has a field for each fact that a tool shows, so it has more than most models.
    """

    kind: Kind
    id: str
    number: str
    summary: str
    state: State | str
    details: str | None = None
    priority: Priority | None = None
    caller: RecordReference | None = None
    assignee: RecordReference | None = None
    group: RecordReference | None = None
    about: RecordReference | None = None
    opened_at: AwareDatetime | None = None
    updated_at: AwareDatetime | None = None
    due_at: AwareDatetime | None = None


class NewRecord(_Model):
    """A record to create. `caller`, `assignee`, `group` and `about` are ids.

    ServiceNow derives the priority of an incident from its urgency and its impact.
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


class RecordChange(_Model):
    """A change of a record; None leaves a field as it is."""

    state: State | None = None
    note: str | None = None
    assignee: str | None = None
    group: str | None = None
    urgency: Level | None = None
    impact: Level | None = None
    priority: Level | None = None
    due_at: AwareDatetime | None = None


class SearchQuery(_Model):
    """A search for records that meet every condition that is not None, last changed first.

    A record has to contain all the `words`. The state `open` means neither solved nor closed.
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
    """The first records that a query finds; `more` says that there are others."""

    records: tuple[Record, ...]
    more: bool = False


class User(_Model):
    """A user, or a customer's contact. `login` is the user name.

    One who has left is not `active`; ServiceNow keeps the record.
    """

    id: str
    name: str
    login: str | None = None
    email: str | None = None
    phones: tuple[str, ...] = ()
    title: str | None = None
    department: str | None = None
    active: bool = True


class Group(_Model):
    """An assignment group."""

    id: str
    name: str
    description: str | None = None


class Article(_Model):
    """A knowledge article as plain text: all of it, or the snippet that a search returns."""

    id: str
    number: str
    title: str
    text: str


class ServiceNowProvider(Protocol):
    """One tenant's ServiceNow instance."""

    async def check(self) -> None:
        """Make one harmless request that fails if the account does not work."""
        ...

    async def get_record(self, kind: Kind, key: RecordKey) -> Record | None:
        """Return a record; None where there is none."""
        ...

    async def find_task_record(self, key: RecordKey) -> RecordReference | None:
        """Return a reference to the incident, case or task with this key."""
        ...

    async def query(self, query: SearchQuery) -> RecordPage:
        """Return the records that a query finds."""
        ...

    async def create(self, new: NewRecord) -> Record:
        """Create a record."""
        ...

    async def find_lost_create(self, kind: Kind) -> Record | None:
        """Return the record that an earlier attempt of this tool call created, if there is one.

        Raises:
            OutcomeUnknown: there was an earlier attempt, and its outcome cannot be determined.
        """
        ...

    async def update(self, record: Record, change: RecordChange) -> Record:
        """Change a record, and return it as it is afterwards.

        Raises:
            OutcomeUnknown: an earlier attempt of this tool call may have added the note.
        """
        ...

    async def get_user(self, user_id: str, *, contact: bool = False) -> User | None:
        """Return a user, or a customer's contact, by the id."""
        ...

    async def find_users(
        self,
        *,
        email: str | None = None,
        phone: str | None = None,
        name: str | None = None,
        contact: bool = False,
    ) -> list[User]:
        """Return active users, or customers' contacts, by one of the three.

        The result may hold others, too: the caller has to compare. `name` is a name or a login.
        """
        ...

    async def find_groups(self, words: tuple[str, ...] = ()) -> list[Group]:
        """Return the groups whose name contains one of the words; without words, all groups.

        The result may hold others, too: the caller has to compare.
        """
        ...

    async def search_articles(self, words: tuple[str, ...], limit: int) -> list[Article]:
        """Return the knowledge articles that match the words best, best first."""
        ...

    async def get_article(self, key: RecordKey) -> Article | None:
        """Return a knowledge article."""
        ...
