"""What a small model may pass on: only what the caller has really said.

A small model fills an optional argument with something likely, such as a telephone number that
nobody has given. A value that the caller's words do not hold is dropped.
"""

import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any

_DIGITS = {
    "oh": "0",
    "zero": "0",
    "one": "1",
    "two": "2",
    "three": "3",
    "four": "4",
    "five": "5",
    "six": "6",
    "seven": "7",
    "eight": "8",
    "nine": "9",
}


def grounded(
    arguments: Mapping[str, Any], required: Collection[str], heard: Sequence[str]
) -> dict[str, Any]:
    """Return the arguments without optional texts that the caller has not said."""
    said = " ".join(heard)
    return {
        name: value
        for name, value in arguments.items()
        if name in required or not isinstance(value, str) or _was_said(value, said)
    }


def _was_said(value: str, said: str) -> bool:
    if any(character.isdigit() for character in value):
        digits = _digits(value)
        return bool(digits) and digits in _digits(said)
    words = set(_words(value))
    return bool(words & set(_words(said)))


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", text.lower())


def _digits(text: str) -> str:
    return "".join(_DIGITS.get(word, "".join(filter(str.isdigit, word))) for word in _words(text))
