"""Jira's records, and how they are ours."""

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import AwareDatetime, BaseModel

from tickets.provider import STATUSES, Comment, Priority, Role, Ticket, TicketType, User
from tickets.providers.jira.adf import plain
from tickets.providers.jira.settings import Settings
from toolkit.errors import Rejected

MARK = "antiphon"  # the property in which a record names the call that has made it
SHOWN = (
    *("summary", "status", "priority", "issuetype", "reporter", "assignee", "labels"),
    *("description", "created", "updated"),
)
CATEGORIES: Mapping[str, str] = {
    **{"new": "new", "open": "indeterminate", "pending": "indeterminate"},
    **{"solved": "done", "closed": "done"},
}
CATEGORY_NAMES = {"new": "To Do", "indeterminate": "In Progress", "done": "Done"}
# The names of the workflows that Jira brings along; any other is the tenant's own.
_STATUSES = {
    **{"to do": "new", "backlog": "new", "in progress": "open", "reopened": "open"},
    **{"on hold": "pending", "waiting for customer": "pending"},
    **{"done": "solved", "resolved": "solved"},
}
_OUR_PRIORITIES: Mapping[str, Priority] = {
    **{"lowest": "low", "low": "low", "trivial": "low", "minor": "low", "medium": "normal"},
    **{"high": "high", "major": "high"},
    **{"highest": "urgent", "critical": "urgent", "blocker": "urgent"},
}
_TYPES: Mapping[str, TicketType] = {
    **{"question": "question", "incident": "incident", "problem": "problem", "task": "task"}
}


class Nothing(BaseModel):
    """An answer of which nothing is used."""


class Named(BaseModel):
    """Something of which the name is used."""

    name: str = ""


class Category(BaseModel):
    """What kind of status a status is."""

    key: str = ""


class Status(Named):
    """Where a workflow stands."""

    statusCategory: Category = Category()

    def ours(self) -> str:
        """Return the status in our words, or the tenant's own."""
        name = self.name.casefold()
        return name if name in STATUSES else _STATUSES.get(name, self.name)

    def means(self, wanted: str) -> bool:
        """Say whether that is what is wanted."""
        return wanted.casefold() in (self.name.casefold(), self.ours())


class Account(BaseModel):
    """Somebody's Atlassian account; privacy may hide its address."""

    accountId: str
    accountType: str = "atlassian"
    displayName: str = ""
    emailAddress: str | None = None
    active: bool = True

    @property
    def role(self) -> Role:
        """Return whether it is one of those who work there."""
        return "customer" if self.accountType in ("customer", "app") else "agent"

    def user(self) -> User:
        """Return it in our words."""
        return User(
            id=self.accountId,
            name=self.displayName,
            email=self.emailAddress or None,
            role=self.role,
        )


class Fields(BaseModel):
    """What is read of an issue."""

    summary: str | None = None
    status: Status = Status()
    priority: Named | None = None
    issuetype: Named | None = None
    reporter: Account | None = None
    assignee: Account | None = None
    labels: tuple[str, ...] = ()
    description: Any = None
    created: AwareDatetime | None = None
    updated: AwareDatetime | None = None


class Way(BaseModel):
    """A transition: a step that a workflow allows."""

    id: str
    to: Status = Status()
    isAvailable: bool = True


class Property(BaseModel):
    """What an app has written to a record."""

    key: str
    value: Any = None


class Issue(BaseModel):
    """One issue."""

    id: str
    key: str
    fields: Fields = Fields()
    transitions: tuple[Way, ...] = ()
    properties: Mapping[str, Any] = {}

    def ticket(self, settings: Settings) -> Ticket:
        """Return it in our words."""
        named = self.fields
        return Ticket(
            id=self.key,
            subject=named.summary or "",
            status=named.status.ours(),
            priority=_OUR_PRIORITIES.get(named.priority.name.casefold())
            if named.priority
            else None,
            type=_type(named.issuetype.name, settings) if named.issuetype else None,
            requester=named.reporter.accountId if named.reporter else None,
            assignee=named.assignee.accountId if named.assignee else None,
            tags=named.labels,
            text=plain(named.description) or None,
            created_at=named.created,
            updated_at=named.updated,
        )

    def step(self, wanted: str) -> str | None:
        """Return the transition to a status; None where it is reached.

        Raises:
            Rejected: the workflow does not lead there from here.
        """
        here, category = self.fields.status, CATEGORIES.get(wanted.casefold())
        ways = [way for way in self.transitions if way.isAvailable]
        named = [way for way in ways if way.to.means(wanted)]
        if here.means(wanted):
            return None
        if not named and category and here.statusCategory.key == category:
            return None
        alike = [way for way in ways if category and way.to.statusCategory.key == category]
        # "Done" before "Won't do".
        alike.sort(key=lambda way: way.to.ours() not in STATUSES)
        for way in (*named, *alike):
            return way.id
        raise Rejected("The workflow of that ticket does not lead to that status.")


class Issues(BaseModel):
    """Some issues, and the token of the next page."""

    issues: tuple[Issue, ...] = ()
    nextPageToken: str | None = None


class Made(BaseModel):
    """An issue that has just been created."""

    key: str


class NotMade(BaseModel):
    """One of many that could not be created, by its place among them."""

    failedElementNumber: int


class ManyMade(BaseModel):
    """Issues that have just been created, in the order in which they were asked for."""

    issues: tuple[Made, ...] = ()
    errors: tuple[NotMade, ...] = ()


class Note(BaseModel):
    """A comment on an issue."""

    id: str
    author: Account | None = None
    body: Any = None
    created: AwareDatetime | None = None
    jsdPublic: bool = True
    visibility: Mapping[str, Any] | None = None
    properties: tuple[Property, ...] = ()

    def comment(self, us: str) -> Comment:
        """Return it in our words; `us` is our own account."""
        by: Literal["us", "agent", "customer"] = self.author.role if self.author else "agent"
        return Comment(
            id=self.id,
            text=plain(self.body),
            by="us" if self.author and self.author.accountId == us else by,
            author=(self.author.displayName or None) if self.author else None,
            public=self.jsdPublic and not self.visibility,
            created_at=self.created,
        )


class Notes(BaseModel):
    """Some of an issue's comments."""

    comments: tuple[Note, ...] = ()
    total: int = 0


class NoteList(BaseModel):
    """Comments that were asked for by their ids."""

    values: tuple[Note, ...] = ()


class Entry(BaseModel):
    """A worklog of an issue."""

    id: str
    properties: tuple[Property, ...] = ()


class Entries(BaseModel):
    """Some of an issue's worklogs."""

    worklogs: tuple[Entry, ...] = ()


class Accounts(BaseModel):
    """Accounts that were asked for by their ids."""

    values: tuple[Account, ...] = ()


class Task(BaseModel):
    """Work that Jira takes and finishes later."""

    taskId: str


class Progress(BaseModel):
    """How far that work is."""

    status: str
    processedAccessibleIssues: tuple[int, ...] = ()
    failedAccessibleIssues: Mapping[str, Any] = {}

    @property
    def ended(self) -> bool:
        """Say whether no more will happen."""
        return self.status in ("COMPLETE", "FAILED", "CANCELLED", "DEAD")

    def did(self, issue_id: str) -> bool:
        """Say whether it has done its work on an issue.

        Of deleted issues the lists may know no more, so of a whole task only failures count.
        """
        if self.status == "COMPLETE":
            return issue_id not in self.failedAccessibleIssues
        return issue_id in map(str, self.processedAccessibleIssues)


def part_of(value: object, call: str | None) -> int | None:
    """Return which part of this call has made a record; None where another call has."""
    match value:
        case {"call": str(made_by), "part": int(part)} if made_by == call:
            return part
        case _:
            return None


def _type(name: str, settings: Settings) -> TicketType | None:
    if name.casefold() == settings.problem_type.casefold():
        return "problem"
    # So Jira Service Management calls those that it brings along.
    return _TYPES.get(name.casefold().removeprefix("[system] "))
