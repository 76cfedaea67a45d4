"""Keeps answers short: what they cost on the wire is counted, not their characters."""

from collections.abc import Iterable, Iterator
from typing import TypeVar

from pydantic import BaseModel, TypeAdapter

M = TypeVar("M", bound=BaseModel)

_STRING = TypeAdapter(str)


def cut(text: str, size: int) -> str:
    """Return the beginning of `text` that takes at most `size` bytes of JSON."""
    while (length := len(_STRING.dump_json(text))) > size:
        text = text[: len(text) * size // length]
    return text


def fitting(items: Iterable[M], size: int) -> Iterator[M]:
    """Yield the first items, as many as take at most `size` bytes of JSON together."""
    for item in items:
        size -= len(item.model_dump_json(exclude_none=True)) + 1
        if size < 0:
            return
        yield item
