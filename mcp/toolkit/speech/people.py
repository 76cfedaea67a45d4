"""Compares names and phone numbers as they are heard with those that are stored."""

import re
import unicodedata
from collections.abc import Sequence

from phonenumbers import MatchType, is_number_match
from rapidfuzz.fuzz import token_set_ratio, token_sort_ratio

from toolkit.speech.numbers import spoken_phone_number, words_to_digits

_SIGNIFICANT = 7  # digits; fewer at the end of a number do not identify it
_SIMILAR = 72.0  # per cent
# Letters that sound alike at the beginning of a name.
_SOUNDS = ("ckqgx", "szcx", "fvwp", "ijyg", "bp", "dt", "aeiouhy", "mn")
_MIN_PHONE_DIGITS = 5  # of a text that is taken for a phone number
_PHONE_WORDS = frozenset(
    [*("oh", "o", "double", "triple", "plus", "and"), *("my", "phone", "number", "is", "it's")]
)


def is_same_number(one: str, other: str) -> bool:
    """Say whether two spellings are of the same phone number."""
    first, second = (re.sub(r"[^\d+]", "", each) for each in (one, other))
    if min(len(digits(first)), len(digits(second))) < _SIGNIFICANT:
        return bool(digits(first)) and digits(first) == digits(second)
    match = is_number_match(_international(first), _international(second))
    if match in (MatchType.EXACT_MATCH, MatchType.NSN_MATCH, MatchType.SHORT_NSN_MATCH):
        return True
    # Without a country on either side, a trunk code on one of them is all that may differ.
    shorter = min(len(digits(first)), len(digits(second)))
    ends = (digits(each)[-shorter:].lstrip("0")[-_SIGNIFICANT:] for each in (first, second))
    return match == MatchType.NOT_A_NUMBER and len({*ends}) == 1


def digits(number: str) -> str:
    """Return the digits of a number, without all else."""
    return re.sub(r"\D", "", number)


def significant_digits(number: str) -> str:
    """Return the last digits of a number, to search for it whatever its format."""
    return digits(number)[-_SIGNIFICANT:]


def similarity(said: str, written: str) -> float:
    """Return the similarity of a name that was heard to one that is stored, from 0 to 1.

    A part of the stored name has similarity 1: callers give one name, or two of three. A single
    word, unless it is a number, is compared with each part of the stored name, too.
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
    """Say whether a name that was heard may be the stored one."""
    return similarity(said, written) * 100 >= _SIMILAR


def similar_prefixes(said: Sequence[str], letters: int) -> list[str]:
    """Return the prefixes, `letters` long, of names that sound like one of these words."""
    heard = {word[:letters] for word in said}
    first = {word: {c for group in _SOUNDS if word[0] in group for c in group} for word in heard}
    return sorted(heard | {f"{c}{word[1:]}" for word, others in first.items() for c in others})


def as_phone_number(text: str) -> str | None:
    """Return the digits of a text that is a phone number, and nothing but one; else None."""
    others = set(re.findall(r"[^\W\d_][\w']*", words_to_digits(text.lower()))) - _PHONE_WORDS
    number = None if others else spoken_phone_number(text)
    return number if number and len(digits(number)) >= _MIN_PHONE_DIGITS else None


def fold(name: str) -> str:
    """Return a name in lower case, without accents and punctuation."""
    decomposed = unicodedata.normalize("NFKD", name.casefold())
    bare = "".join(char for char in decomposed if not unicodedata.combining(char))
    return " ".join(re.findall(r"\w+", bare))


def _international(number: str) -> str:
    return f"+{number[2:]}" if number.startswith("00") else number
