"""Whether a name or a number is a caller's: neither is ever written the way it is said."""

import re
import unicodedata
from collections.abc import Sequence

from phonenumbers import MatchType, is_number_match
from rapidfuzz.fuzz import token_set_ratio, token_sort_ratio

from toolkit.speech.numbers import phone_number, with_digits

_TELLING = 7  # digits: fewer at the end of a number say nothing
_ALIKE = 72.0  # per cent
# Letters that begin a name alike, to the ear.
_SOUNDS = ("ckqgx", "szcx", "fvwp", "ijyg", "bp", "dt", "aeiouhy", "mn")
_SHORTEST = 5  # digits of a number that a text can be, and not only hold
_AROUND = frozenset(
    [*("oh", "o", "double", "triple", "plus", "and"), *("my", "phone", "number", "is", "it's")]
)


def same_number(one: str, other: str) -> bool:
    """Say whether two ways of writing a phone number mean the same line."""
    first, second = (re.sub(r"[^\d+]", "", each) for each in (one, other))
    if min(len(digits(first)), len(digits(second))) < _TELLING:
        return bool(digits(first)) and digits(first) == digits(second)
    match = is_number_match(_international(first), _international(second))
    if match in (MatchType.EXACT_MATCH, MatchType.NSN_MATCH, MatchType.SHORT_NSN_MATCH):
        return True
    # Without a country on either side, a trunk code on one of them is all that may differ.
    shorter = min(len(digits(first)), len(digits(second)))
    ends = (digits(each)[-shorter:].lstrip("0")[-_TELLING:] for each in (first, second))
    return match == MatchType.NOT_A_NUMBER and len({*ends}) == 1


def digits(number: str) -> str:
    """Return the digits of a number alone."""
    return re.sub(r"\D", "", number)


def significant_digits(number: str) -> str:
    """Return the last digits of a number, by which a vendor can look for it in any format."""
    return digits(number)[-_TELLING:]


def likeness(said: str, written: str) -> float:
    """Return how much a name that was heard is like one that is stored, from 0 to 1.

    A part of the whole name is wholly like it: callers give one name, or two of three. A single
    word, unless it is a number, is as like it as it is like one of its parts.
    """
    first, second = fold(said), fold(written)
    if not first or not second:
        return 0.0
    readings = [second, *second.split()] if first.isalpha() else [second]
    return (
        max(
            ratio(first, each) for each in readings for ratio in (token_set_ratio, token_sort_ratio)
        )
        / 100
    )


def is_similar(said: str, written: str) -> bool:
    """Say whether a name that was heard may be the one that is stored."""
    return likeness(said, written) * 100 >= _ALIKE


def sounds_like(said: Sequence[str], letters: int) -> list[str]:
    """Return the first `letters` of names that may have been heard as one of these words."""
    heard = {word[:letters] for word in said}
    first = {word: {c for group in _SOUNDS if word[0] in group for c in group} for word in heard}
    return sorted(heard | {f"{c}{word[1:]}" for word, others in first.items() for c in others})


def number_in(text: str) -> str | None:
    """Return the phone number in digits, where the text is one, spoken or written."""
    others = set(re.findall(r"[^\W\d_][\w']*", with_digits(text.lower()))) - _AROUND
    number = None if others else phone_number(text)
    return number if number and len(digits(number)) >= _SHORTEST else None


def fold(name: str) -> str:
    """Return a name without case, accents and punctuation."""
    decomposed = unicodedata.normalize("NFKD", name.casefold())
    bare = "".join(char for char in decomposed if not unicodedata.combining(char))
    return " ".join(re.findall(r"\w+", bare))


def _international(number: str) -> str:
    return f"+{number[2:]}" if number.startswith("00") else number
