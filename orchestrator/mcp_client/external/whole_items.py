"""Fits data into what a model may read: whole items of its lists, and how many more there are."""

import json
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass
from typing import Any, cast

_MORE = "more_items"
_HINT = "Ask for the next ones, or for fewer."
_MAX_LISTS = 20  # that are shortened
_LONG_TEXT = 400  # characters that a text keeps, where texts and not lists are too long


def to_json(value: object) -> str:
    """Return compact JSON."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def fit_data(data: dict[str, Any], limit: int) -> str:
    """Return data as JSON of at most `limit` characters, as far as whole items can be left out."""
    whole = to_json(data)
    if len(whole) <= limit:
        return whole
    shortened = deepcopy(data)
    notes: list[str] = []
    for _ in range(_MAX_LISTS):
        longest = max(_lists(shortened), key=lambda each: len(to_json(each.items)), default=None)
        if longest is None:
            break
        total = len(longest.items)
        _shorten(shortened, longest.items, notes, limit)
        notes.append(f"{total - len(longest.items)} of {total} in {longest.path} are left out.")
        if len(text := _with_notes(shortened, notes)) <= limit:
            return text
    _shorten_texts(shortened)
    return fit_text(_with_notes(shortened, notes), limit)


def fit_text(text: str, limit: int) -> str:
    """Return at most about `limit` characters, whole words, and how many more there are."""
    if len(text) <= limit:
        return text
    kept = text[:limit]
    kept = kept[: max(kept.rfind(" "), kept.rfind("\n"), limit // 2)].rstrip()
    return f"{kept} [{len(text) - len(kept)} more characters are left out]"


@dataclass(frozen=True)
class _List:
    path: str
    items: list[Any]


def _lists(value: object, path: str = "") -> Iterator[_List]:
    if isinstance(value, dict):
        for name, each in cast("dict[str, object]", value).items():
            yield from _lists(each, f"{path}.{name}" if path else name)
    elif isinstance(value, list):
        items = cast("list[object]", value)
        if items:
            yield _List(path, items)
        for each in items:
            yield from _lists(each, path)


def _shorten(data: dict[str, Any], items: list[Any], notes: list[str], limit: int) -> None:
    """Keep as many of the items, from the first, as fit."""
    every = list(items)
    fitting, too_many = 0, len(every)
    while fitting + 1 < too_many:
        middle = (fitting + too_many) // 2
        items[:] = every[:middle]
        note = f"{len(every)} of {len(every)} in a list with a name are left out."
        if len(_with_notes(data, [*notes, note])) <= limit:
            fitting = middle
        else:
            too_many = middle
    items[:] = every[:fitting]


def _with_notes(data: dict[str, Any], notes: list[str]) -> str:
    return to_json({**data, _MORE: " ".join([*notes, _HINT])} if notes else data)


def _shorten_texts(value: object) -> None:
    entries: Any = ()
    if isinstance(value, dict):
        entries = list(cast("dict[str, object]", value).items())
    elif isinstance(value, list):
        entries = list(enumerate(cast("list[object]", value)))
    for key, each in entries:
        if isinstance(each, str):
            cast("dict[Any, Any]", value)[key] = fit_text(each, _LONG_TEXT)
        else:
            _shorten_texts(each)
