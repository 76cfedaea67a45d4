"""Numbers as callers say them, and as they are written."""

import re

from config.language.english import CARDINALS, ORDINAL_TENS, ORDINALS, TENS

_CARDINAL_VALUES = {word: number for number, word in enumerate(CARDINALS)} | TENS
_ORDINAL_VALUES = {word: number for number, word in enumerate(ORDINALS)} | ORDINAL_TENS
_UNIT = "|".join(CARDINALS[1:10] + ORDINALS[1:10])
_SINGLE = "|".join([*_CARDINAL_VALUES, *_ORDINAL_VALUES])
_SPOKEN = re.compile(rf"\b(?:({'|'.join(TENS)})[ -]({_UNIT})|({_SINGLE}))\b")
_REPEATED = re.compile(r"\b(double|triple) (\w+)")
_PHONE_LENGTHS = range(3, 16)  # digits


def ordinal(number: int) -> str:
    """Return `26th`."""
    suffix = "th" if number in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{suffix}"


def words_to_digits(text: str) -> str:
    """Replace the number words below sixty by digits; `text` has to be in lower case."""
    return _SPOKEN.sub(_to_digits, text)


def spoken_phone_number(text: str) -> str | None:
    """Return a phone number's digits, with its leading plus; None without a number."""
    text = _REPEATED.sub(lambda m: f"{m[2]} " * (2 if m[1] == "double" else 3), text.lower())
    text = re.sub(r"\b(?:oh|o)\b", "zero", text)
    plus = "+" if re.match(r"\s*(?:\+|plus\b)", text) else ""
    digits = "".join(re.findall(r"\d", words_to_digits(text)))
    return plus + digits if len(digits) in _PHONE_LENGTHS else None


def _to_digits(match: re.Match[str]) -> str:
    tens, unit, single = match.groups()
    word, tens_value = (unit, TENS[tens]) if tens else (single, 0)
    if word in _ORDINAL_VALUES:
        return ordinal(tens_value + _ORDINAL_VALUES[word])
    return str(tens_value + _CARDINAL_VALUES[word])
