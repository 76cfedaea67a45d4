"""The results of the tools, and how they are kept short enough for a model to read.

The classes' docstrings are part of the tools' output schemas, which models read.
"""

import json
from collections.abc import Collection, Mapping, Sequence
from datetime import date
from typing import Any, ClassVar, Literal, TypeVar, cast

from pydantic import BaseModel, ConfigDict

from crm.provider import Kind, Page, Record, StandardField, Value
from toolkit.middleware.results import Result
from toolkit.speech.text import shorten

Detail = Literal["brief", "full"]

MAX_HITS = 3  # of a search
_BRIEF_BYTES = 1200  # of a brief result, without its sentence
_RAW_BYTES = 6000  # of the rows of a raw query
# Characters of each text in a brief result; the largest width that fits is used.
_TEXT_WIDTHS = (300, 100, 40)
_HIT_FIELDS: tuple[StandardField, ...] = ("company", "phone", "email")


class CrmResult(Result):
    """One record: its standard fields, and the custom fields that were requested."""

    kind: ClassVar[Kind]

    id: str
    fields: dict[str, Value] | None = None


ResultT = TypeVar("ResultT", bound=CrmResult)


class Lead(CrmResult):
    """Somebody who may become a customer."""

    kind = "lead"

    name: str | None = None
    company: str | None = None
    title: str | None = None
    phone: str | None = None
    email: str | None = None
    status: str | None = None
    source: str | None = None
    notes: str | None = None


class Contact(CrmResult):
    """A person; `account` is the id of the company."""

    kind = "contact"

    name: str | None = None
    title: str | None = None
    phone: str | None = None
    email: str | None = None
    account: str | None = None
    notes: str | None = None


class Account(CrmResult):
    """A company."""

    kind = "account"

    name: str | None = None
    phone: str | None = None
    website: str | None = None
    industry: str | None = None
    notes: str | None = None


class Opportunity(CrmResult):
    """A sale that may come about; `account` is the id of the company."""

    kind = "opportunity"

    name: str | None = None
    stage: str | None = None
    amount: float | None = None
    close_date: str | None = None
    account: str | None = None
    notes: str | None = None


class Task(CrmResult):
    """Something to do; `about` is the id of the record that it is about."""

    kind = "task"

    subject: str | None = None
    status: str | None = None
    priority: str | None = None
    due_date: str | None = None
    about: str | None = None
    notes: str | None = None


class Event(CrmResult):
    """An appointment; `about` is the id of the record that it is about."""

    kind = "event"

    subject: str | None = None
    starts_at: str | None = None
    ends_at: str | None = None
    location: str | None = None
    about: str | None = None
    notes: str | None = None


class Case(CrmResult):
    """A complaint or a question; `contact` and `account` are ids."""

    kind = "case"

    subject: str | None = None
    status: str | None = None
    priority: str | None = None
    contact: str | None = None
    account: str | None = None
    notes: str | None = None


class SearchHit(BaseModel):
    """A record that may be meant."""

    model_config = ConfigDict(frozen=True)

    kind: Kind
    id: str
    title: str
    company: str | None = None
    phone: str | None = None
    email: str | None = None


class SearchResult(Result):
    """Records that may be meant, the likeliest first; `more` says whether there are others."""

    found: list[SearchHit]
    more: bool = False


class QueryRow(BaseModel):
    """A record that fulfils a query, with the values that were asked for."""

    model_config = ConfigDict(frozen=True)

    id: str
    title: str
    values: dict[str, Value] | None = None


class QueryResult(Result):
    """Records that fulfil a query; `more` says whether there are others."""

    rows: list[QueryRow]
    more: bool = False


class RawQueryResult(Result):
    """What the vendor answered to a query in its own language."""

    rows: list[dict[str, Any]]
    more: bool = False


def build_record_result(
    result_type: type[ResultT],
    record_id: str,
    values: Mapping[StandardField, Any],
    fields: Mapping[str, Value | None],
    say: str,
    detail: Detail = "brief",
) -> ResultT:
    """Return the result for one record; a brief one has its texts shortened to fit."""
    standard = {field: format_value(field, value) for field, value in values.items()}
    custom = {name: value for name, value in fields.items() if value is not None}
    content: dict[str, Any] = {"id": record_id, **standard, "fields": custom or None}
    if detail == "brief":
        content = _shorten_to_fit(content)
    return result_type.model_validate({"say": say, **content})


def build_query_result(page: Page, names: Collection[str], say: str, detail: Detail) -> QueryResult:
    """Return the result of a query.

    A full result has every record with all of its fields. A brief one has the fields that are
    in `names`, and as many records as fit.
    """
    if detail == "full":
        rows = [
            _to_row(record, record.values.keys() | record.fields.keys()) for record in page.records
        ]
        return QueryResult(say=say, rows=rows, more=page.more)
    rows = [_to_row(record, names, shortened=True) for record in page.records]
    fitting = _count_fitting([row.model_dump() for row in rows], _BRIEF_BYTES)
    return QueryResult(say=say, rows=rows[:fitting], more=page.more or fitting < len(rows))


def build_raw_query_result(rows: Sequence[Mapping[str, Any]], limit: int) -> RawQueryResult:
    """Return the first `limit` rows as the vendor returned them, as many as fit."""
    first = [dict(row) for row in rows[:limit]]
    fitting = _count_fitting(first, _RAW_BYTES)
    return RawQueryResult(rows=first[:fitting], more=fitting < len(rows))


def build_hit(record: Record) -> SearchHit:
    """Return a search hit with the fields that distinguish it from others."""
    known = {name: str(record.values[name]) for name in _HIT_FIELDS if record.values.get(name)}
    return SearchHit(kind=record.kind, id=record.id, title=record.title, **known)


def format_value(field: StandardField, value: Any) -> Value:
    """Return a standard field's value as a result shows it: dates and datetimes in ISO 8601."""
    if isinstance(value, date):  # a datetime is a date, too
        return value.isoformat()
    return value if field == "amount" else str(value)


def _to_row(record: Record, names: Collection[str], *, shortened: bool = False) -> QueryRow:
    standard = {field: format_value(field, value) for field, value in record.values.items()}
    values: dict[str, Any] = {
        name: value for name, value in {**standard, **record.fields}.items() if name in names
    }
    if shortened:
        values = _shorten_to_fit(values)
    return QueryRow(id=record.id, title=record.title, values=values or None)


def _shorten_to_fit(content: Mapping[str, Any]) -> dict[str, Any]:
    """Return the same content with its texts shortened until it fits a brief result."""
    shortened = dict(content)
    for width in _TEXT_WIDTHS:
        shortened = {
            key: value if key == "id" else _shorten_texts(value, width)
            for key, value in content.items()
        }
        if _encoded_size(shortened) <= _BRIEF_BYTES:
            break
    return shortened


def _shorten_texts(value: Any, width: int) -> Any:
    if isinstance(value, str):
        return shorten(value, width)
    if isinstance(value, dict):
        items = cast("dict[str, Any]", value).items()
        return {name: _shorten_texts(item, width) for name, item in items}
    return value


def _count_fitting(rows: Sequence[object], max_bytes: int) -> int:
    """Return how many of the first rows fit into `max_bytes`; at least one."""
    total = 0
    for count, row in enumerate(rows):
        total += _encoded_size(row)
        if total > max_bytes and count:
            return count
    return len(rows)


def _encoded_size(content: object) -> int:
    """Return the size of `content` as JSON, in bytes."""
    return len(json.dumps(content, ensure_ascii=False, default=str).encode())
