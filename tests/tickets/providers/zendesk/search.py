"""The search of the fake Zendesk: words, and words of a field."""

import re
from collections.abc import Callable
from typing import Any

from toolkit.speech.people import digits, fold

# A quoted text, or the beginning of a word; a number may be given by its end.
TERM = r'(?:(\w+):)?("[^"\\*]*"|\*?\w+\*?)'
_QUERY = re.compile(rf"{TERM}(?: {TERM})*")
Record = dict[str, Any]


def search(records: list[Record], text: str, comments: Callable[[Record], str]) -> list[Record]:
    """Return the records that match; `comments` returns the text of a ticket's comments."""
    assert _QUERY.fullmatch(text), text
    terms: dict[str, list[str]] = {}
    for match in re.finditer(TERM, text):
        terms.setdefault(match[1] or "", []).append(match[2])
    return [
        each
        for each in records
        if all(_in_words(word, f"{each['subject']} {comments(each)}") for word in terms.get("", []))
        and all(_fits(each, name, some) for name, some in terms.items() if name)
    ]


def _fits(record: Record, name: str, values: list[str]) -> bool:
    match name:
        case "type":
            return values == ["ticket"]
        case "name":
            return any(_in_words(value, record["name"]) for value in values)
        case "email":
            return (record["email"] or "").casefold() in [_bare(each).casefold() for each in values]
        case "phone":
            return any(_is_number(value, record["phone"]) for value in values)
        case "status":
            return record["status"] in map(_bare, values)
        case "ticket_type":
            return record["type"] in map(_bare, values)
        case "requester" | "assignee" | "organization":
            return str(record[f"{name}_id"]) in map(_bare, values)
        case "cc":
            return not {*map(_bare, values)}.isdisjoint(map(str, record["collaborator_ids"]))
        case unexpected:
            raise AssertionError(unexpected)


def _bare(value: str) -> str:
    return value.strip('"').casefold()


def _in_words(value: str, text: str) -> bool:
    """Return whether the text has words that begin with the value."""
    return f" {fold(_bare(value))}" in f" {fold(text)}"


def _is_number(value: str, number: str | None) -> bool:
    if number is None:
        return False
    if value.startswith("*"):
        return digits(number).endswith(digits(value))
    return digits(_bare(value)) == digits(number)
