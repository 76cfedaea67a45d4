"""The models that the tools return: few and short rows for speech, more and longer if `full`."""

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict

from servicenow.provider import Article, Group, Record, User
from toolkit.middleware.results import Result
from toolkit.speech.text import cut

Detail = Literal["short", "full"]

SHORT_ROWS, FULL_ROWS = 3, 20
# The longest texts, in bytes.
_LINE, _NAME, _TITLE = 100, 60, 180
_DETAILS, _SNIPPET, _ARTICLE = 600, 220, 1100
_FULL_DETAILS, _FULL_ARTICLE = 4000, 16_000


class _View(BaseModel):
    model_config = ConfigDict(frozen=True)


class RecordView(_View):
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


class RecordResult(RecordView, Result):
    """One record, and what to say about it."""


class RecordListResult(Result):
    """Some records; `more` says whether there are others."""

    records: list[RecordView]
    more: bool = False


class UserView(_View):
    """A person."""

    id: str
    name: str
    login: str | None = None
    email: str | None = None
    phones: list[str] | None = None
    title: str | None = None
    department: str | None = None


class UserResult(UserView, Result):
    """One person, and what to say about them."""


class UserListResult(Result):
    """People who may be meant; `more` says whether there are others."""

    users: list[UserView]
    more: bool = False


class GroupView(_View):
    """A group that work is assigned to."""

    id: str
    name: str
    description: str | None = None


class GroupListResult(Result):
    """Groups; `more` says whether there are others."""

    groups: list[GroupView]
    more: bool = False


class ArticleView(_View):
    """An article, and where it fits the question."""

    number: str
    title: str
    snippet: str | None = None


class ArticleListResult(Result):
    """Articles, the best first; `more` says whether there are others."""

    articles: list[ArticleView]
    more: bool = False


class ArticleResult(Result):
    """An article; `more` says that it goes on."""

    number: str
    title: str
    text: str
    more: bool = False


def max_rows(detail: Detail) -> int:
    """Return how many rows a result has at most."""
    return FULL_ROWS if detail == "full" else SHORT_ROWS


def to_record_view(record: Record, detail: Detail = "short") -> RecordView:
    """Return a record with its details."""
    size = _FULL_DETAILS if detail == "full" else _DETAILS
    people = {"caller": record.caller, "assignee": record.assignee, "group": record.group}
    return RecordView(
        number=record.number or record.id,
        summary=cut(record.summary, _LINE * 2),
        state=record.state,
        priority=record.priority,
        about=record.about.name if record.about else None,
        details=cut(record.details, size) if record.details else None,
        opened_at=_to_iso(record.opened_at),
        updated_at=_to_iso(record.updated_at),
        due_at=_to_iso(record.due_at),
        **{name: cut(person.name, _NAME) for name, person in people.items() if person},
    )


def to_record_row(record: Record, detail: Detail) -> RecordView:
    """Return a row of a list; unless `full`, with only what tells records apart."""
    if detail == "full":
        return to_record_view(record).model_copy(update={"details": None})
    return RecordView(
        number=record.number or record.id,
        summary=cut(record.summary, _LINE),
        state=record.state,
        priority=record.priority,
        due_at=_to_iso(record.due_at),
    )


def to_user_view(user: User) -> UserView:
    """Return a user with names and titles cut to a line's length."""
    return UserView(
        id=user.id,
        name=cut(user.name, _NAME),
        login=user.login,
        email=user.email,
        phones=list(user.phones) or None,
        title=cut(user.title, _NAME) if user.title else None,
        department=cut(user.department, _NAME) if user.department else None,
    )


def to_group_view(group: Group) -> GroupView:
    """Return a group with its description cut to a line's length."""
    description = cut(group.description, _LINE) if group.description else None
    return GroupView(id=group.id, name=cut(group.name, _NAME), description=description)


def to_article_view(article: Article) -> ArticleView:
    """Return an article with the beginning of its text as the snippet."""
    text = " ".join(article.text.split())
    return ArticleView(
        number=article.number or article.id,
        title=cut(article.title, _LINE),
        snippet=cut(text, _SNIPPET) or None,
    )


def to_article_result(article: Article, detail: Detail) -> ArticleResult:
    """Return an article with as much of its text as `detail` allows."""
    size = _FULL_ARTICLE if detail == "full" else _ARTICLE
    text = cut(article.text, size)
    return ArticleResult(
        number=article.number or article.id,
        title=cut(article.title, _TITLE),
        text=text,
        more=text != article.text,
    )


def _to_iso(time: datetime | None) -> str | None:
    return time.isoformat(timespec="minutes") if time else None
