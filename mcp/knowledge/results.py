"""The models that the tools return, and what keeps them short.

Sizes are in bytes of JSON: what a result costs on the wire, not its number of characters.
"""

from collections.abc import Iterable, Iterator
from typing import TypeVar
from uuid import UUID

from pydantic import BaseModel, TypeAdapter

from toolkit.middleware.results import Result

M = TypeVar("M", bound=BaseModel)

BRIEF = 1300  # bytes, so that the whole result stays within 1.5 KB
FULL = 16_000  # bytes

_STRING = TypeAdapter(str)


class PassageView(BaseModel):
    """A piece of a document."""

    text: str
    source: str
    score: float


class SearchResult(Result):
    """What may answer the question, best first."""

    passages: list[PassageView]


class DocumentView(BaseModel):
    """A document, by name. `status` is given where it cannot be searched."""

    name: str
    id: UUID
    status: str | None = None


class DocumentListResult(Result):
    """Documents by name; where there are `more`, go on at `next_offset`."""

    documents: list[DocumentView]
    more: bool | None = None
    next_offset: int | None = None


class DocumentResult(Result):
    """A part of a document; where there is `more`, go on at `next_offset`."""

    document: str
    text: str
    more: bool | None = None
    next_offset: int | None = None


def truncate(text: str, size: int) -> str:
    """Return the beginning of `text` that takes at most `size` bytes of JSON."""
    while (length := len(_STRING.dump_json(text))) > size:
        text = text[: len(text) * size // length]
    return text


def take_fitting(items: Iterable[M], size: int) -> Iterator[M]:
    """Yield the first items, as many as take at most `size` bytes of JSON together."""
    for item in items:
        size -= len(item.model_dump_json(exclude_none=True)) + 1
        if size < 0:
            return
        yield item
