"""Checks the arguments of a small model's tool calls against what the caller has really said.

A small model fills an optional argument with something likely, such as a telephone number that the
caller never gave. A value that the caller's words do not contain is dropped. A whole sentence is
passed on only if most of it was said: else a required one is replaced by the caller's last words.
"""

import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from config.language.digits import all_digits

_SHORT = 5  # words: a longer text is a sentence, which may word differently what was said


def ground_arguments(
    arguments: Mapping[str, Any], required: Collection[str], caller_turns: Sequence[str]
) -> dict[str, Any]:
    """Return the arguments without texts that the caller has not said."""
    spoken = " ".join(caller_turns)
    grounded: dict[str, Any] = {}
    for name, value in arguments.items():
        if not isinstance(value, str) or _is_grounded(value, spoken):
            grounded[name] = value
        elif name in required:
            grounded[name] = caller_turns[-1] if caller_turns and _is_sentence(value) else value
    return grounded


def quote(text: object, caller_turns: Sequence[str]) -> str | None:
    """Return the caller's own words that a text is about.

    Without a text, it is what they said last at length, or None.
    """
    if not isinstance(text, str):
        return next((turn for turn in reversed(caller_turns) if _is_sentence(turn)), None)
    words = set(_words(text))

    def count_common(turn: str) -> int:
        return len(words.intersection(_words(turn)))

    # The last one of those that have most of the text's words.
    return max(reversed(caller_turns), key=count_common, default=None)


def _is_grounded(value: str, spoken: str) -> bool:
    if any(character.isdigit() for character in value):
        digits = all_digits(value)
        return bool(digits) and digits in all_digits(spoken)
    words, known = _words(value), set(_words(spoken))
    if _is_sentence(value):
        return sum(word in known for word in words) * 2 >= len(words)
    return not known.isdisjoint(words)


def _is_sentence(value: str) -> bool:
    return len(_words(value)) > _SHORT


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", text.lower())
