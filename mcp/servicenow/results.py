"""What the tools return: rows that are short for the ear, and whole where `full` is asked for."""

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict

from servicenow.provider import Article, Group, Record, User
from toolkit.middleware.results import Result
from toolkit.speech.text import cut

Detail = Literal["short", "full"]

SHORT, FULL = 3, 20  # rows
_LINE, _NAME = 100, 60  # bytes
_DETAILS, _SNIPPET, _ARTICLE = 600, 220, 1100
_WHOLE, _WHOLE_ARTICLE = 4000, 16_000


class _Row(BaseModel):
    model_config = ConfigDict(frozen=True)


class RecordRow(_Row):
    """An incident, a case or a task; people and groups by name."""

    number: str
    summary: str
    state: str
    priority: str | None = None
    caller: str | None = None
    assignee: str | None = None
    group: str | None = None
    about: str | None = None
    details: str | None = None
    opened_at: str | None = None
    updated_at: str | None = None
    due_at: str | None = None


class RecordAnswer(RecordRow, Result):
    """One record, and what to say about it."""


class RecordList(Result):
    """Some records; `more` says whether there are others."""

    records: list[RecordRow]
    more: bool = False


class UserRow(_Row):
    """A person."""

    id: str
    name: str
    login: str | None = None
    email: str | None = None
    phones: list[str] | None = None
    title: str | None = None
    department: str | None = None


class UserAnswer(UserRow, Result):
    """One person, and what to say about them."""


class UserList(Result):
    """People who may be meant; `more` says whether there are others."""

    users: list[UserRow]
    more: bool = False


class GroupRow(_Row):
    """A group that work is assigned to."""

    id: str
    name: str
    description: str | None = None


class GroupList(Result):
    """Groups; `more` says whether there are others."""

    groups: list[GroupRow]
    more: bool = False


class ArticleRow(_Row):
    """An article, and where it fits the question."""

    number: str
    title: str
    snippet: str | None = None


class ArticleList(Result):
    """Articles, the best first; `more` says whether there are others."""

    articles: list[ArticleRow]
    more: bool = False


class ArticleAnswer(Result):
    """An article; `more` says that it goes on."""

    number: str
    title: str
    text: str
    more: bool = False


def rows(detail: Detail) -> int:
    """Return how many rows an answer has at most."""
    return FULL if detail == "full" else SHORT


def shown(record: Record, detail: Detail = "short") -> RecordRow:
    """Return a record with its details."""
    size = _WHOLE if detail == "full" else _DETAILS
    people = {"caller": record.caller, "assignee": record.assignee, "group": record.group}
    return RecordRow(
        number=record.number or record.id,
        summary=cut(record.summary, _LINE * 2),
        state=record.state,
        priority=record.priority,
        about=record.about.name if record.about else None,
        details=cut(record.details, size) if record.details else None,
        opened_at=_written(record.opened_at),
        updated_at=_written(record.updated_at),
        due_at=_written(record.due_at),
        **{name: cut(party.name, _NAME) for name, party in people.items() if party},
    )


def listed(record: Record, detail: Detail) -> RecordRow:
    """Return a row of a list; unless it is `full`, only what tells records apart."""
    if detail == "full":
        return shown(record).model_copy(update={"details": None})
    return RecordRow(
        number=record.number or record.id,
        summary=cut(record.summary, _LINE),
        state=record.state,
        priority=record.priority,
        due_at=_written(record.due_at),
    )


def listed_user(user: User) -> UserRow:
    """Return a person as a row."""
    return UserRow(
        id=user.id,
        name=cut(user.name, _NAME),
        login=user.login,
        email=user.email,
        phones=list(user.phones) or None,
        title=cut(user.title, _NAME) if user.title else None,
        department=cut(user.department, _NAME) if user.department else None,
    )


def listed_group(group: Group) -> GroupRow:
    """Return a group as a row."""
    description = cut(group.description, _LINE) if group.description else None
    return GroupRow(id=group.id, name=cut(group.name, _NAME), description=description)


def listed_article(article: Article) -> ArticleRow:
    """Return an article as a row."""
    text = " ".join(article.text.split())
    return ArticleRow(
        number=article.number or article.id,
        title=cut(article.title, _LINE),
        snippet=cut(text, _SNIPPET) or None,
    )


def read_article(article: Article, detail: Detail) -> tuple[str, bool]:
    """Return the beginning of an article, and whether it goes on."""
    size = _WHOLE_ARTICLE if detail == "full" else _ARTICLE
    text = cut(article.text, size)
    return text, text != article.text


def _written(moment: datetime | None) -> str | None:
    return moment.isoformat(timespec="minutes") if moment else None
