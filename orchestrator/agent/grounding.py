"""What a small model may pass on: only what the caller has really said.

A small model fills an optional argument with something likely, such as a telephone number that
nobody has given. A value that the caller's words do not hold is dropped. A whole sentence is passed
on only if most of it was said: else one that is needed is replaced by the caller's last words.
"""

import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any

_FEW = 5  # words, in which a caller's own may be said differently
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
    """Return the arguments without texts that the caller has not said."""
    said = " ".join(heard)
    passed_on: dict[str, Any] = {}
    for name, value in arguments.items():
        if not isinstance(value, str) or _was_said(value, said):
            passed_on[name] = value
        elif name in required:
            passed_on[name] = heard[-1] if heard and _is_sentence(value) else value
    return passed_on


def _was_said(value: str, said: str) -> bool:
    if any(character.isdigit() for character in value):
        digits = _digits(value)
        return bool(digits) and digits in _digits(said)
    words, known = _words(value), set(_words(said))
    if _is_sentence(value):
        return sum(word in known for word in words) * 2 >= len(words)
    return not known.isdisjoint(words)


def _is_sentence(value: str) -> bool:
    return len(_words(value)) > _FEW


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", text.lower())


def _digits(text: str) -> str:
    return "".join(_DIGITS.get(word, "".join(filter(str.isdigit, word))) for word in _words(text))
