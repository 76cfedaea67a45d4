"""Texts: cleaned of characters that a person cannot see, and names that may have been meant."""

import difflib
import re
import unicodedata
from collections.abc import Iterable
from typing import Any, cast

_LINE_BREAKS = re.compile(r"\r\n?|[\v\f\x85\u2028\u2029]")
# Persian, Hindi and others spell with joiners; anywhere else they can only hide something.
_JOINERS = re.compile("(.?)[\u200c\u200d]+", re.DOTALL)
_JOINED = ("Lo", "Mn", "Mc")
_BLANK_LETTERS = "\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0"
_VARIATION_SELECTORS = (range(0x180B, 0x1810), range(0xFE00, 0xFE10), range(0xE0100, 0xE01F0))
_MAX_SHOWN = 30  # names
_ALLOWED = "\n\t\u200c\u200d"


def storable(text: str) -> str:
    """Return `text` as PostgreSQL can store it: without NUL and without lone surrogates."""
    return text.replace("\x00", "").encode("utf-8", "replace").decode()


def clean(text: str) -> str:
    """Return `text` without control characters and invisible characters."""
    if text.isascii() and text.isprintable():
        return text
    text = _JOINERS.sub(_drop_joiners, _LINE_BREAKS.sub("\n", text))
    return text.translate(
        {ord(character): None for character in set(text) if _is_hidden(character)}
    )


def suggest(name: str, known: Iterable[str]) -> str:
    """Return half a sentence with the names that may have been meant, else all that there are."""
    names = list(known)
    if near := difflib.get_close_matches(name, names):
        return f"did you mean {' or '.join(near)}?"
    shown = ", ".join(names[:_MAX_SHOWN])
    more = f" and {len(names) - _MAX_SHOWN} more" if len(names) > _MAX_SHOWN else ""
    return f"there are {shown}{more}" if names else "there is none"


def clean_all(value: object) -> Any:
    """Return a value of JSON with each of its strings cleaned."""
    match value:
        case str():
            return clean(value)
        case dict():
            items = cast("dict[str, object]", value).items()
            return {key: clean_all(each) for key, each in items}
        case list():
            return [clean_all(each) for each in cast("list[object]", value)]
        case _:
            return value


def _is_hidden(character: str) -> bool:
    if character in _ALLOWED:
        return False
    return (
        unicodedata.category(character).startswith("C")
        or character in _BLANK_LETTERS
        or any(ord(character) in selectors for selectors in _VARIATION_SELECTORS)
    )


def _drop_joiners(match: re.Match[str]) -> str:
    before = match[1]
    spelled = before and unicodedata.category(before) in _JOINED and not _is_hidden(before)
    return match[0][:2] if spelled else before
