"""Numbers as callers say them, and as they are written down."""

import re

_UNITS = (
    *("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"),
    *("eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen"),
    *("eighteen", "nineteen"),
)
_ORDINALS = (
    *("zeroth", "first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth"),
    *("ninth", "tenth", "eleventh", "twelfth", "thirteenth", "fourteenth", "fifteenth"),
    *("sixteenth", "seventeenth", "eighteenth", "nineteenth"),
)
_TENS = {"twenty": 20, "thirty": 30, "forty": 40, "fifty": 50}
_ROUND_ORDINALS = {"twentieth": 20, "thirtieth": 30}
_CARDINAL_OF = {word: number for number, word in enumerate(_UNITS)} | _TENS
_ORDINAL_OF = {word: number for number, word in enumerate(_ORDINALS)} | _ROUND_ORDINALS
_COMPOUND = "|".join(_UNITS[1:10] + _ORDINALS[1:10])
_SINGLE = "|".join([*_CARDINAL_OF, *_ORDINAL_OF])
_SPOKEN = re.compile(rf"\b(?:({'|'.join(_TENS)})[ -]({_COMPOUND})|({_SINGLE}))\b")
_REPEATED = re.compile(r"\b(double|triple) (\w+)")
_PHONE = range(3, 16)  # digits


def number_words(number: int) -> str:
    """Return a number below sixty as words."""
    if number < len(_UNITS):
        return _UNITS[number]
    tens, unit = divmod(number, 10)
    ten = next(word for word, value in _TENS.items() if value == tens * 10)
    return f"{ten} {_UNITS[unit]}" if unit else ten


def ordinal(number: int) -> str:
    """Return `26th`."""
    suffix = "th" if number in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{suffix}"


def with_digits(text: str) -> str:
    """Write the numbers below sixty in `text`, which is lower case, as digits."""
    return _SPOKEN.sub(_digits, text)


def _digits(match: re.Match[str]) -> str:
    tens, unit, single = match.groups()
    word, tens_value = (unit, _TENS[tens]) if tens else (single, 0)
    if word in _ORDINAL_OF:
        return ordinal(tens_value + _ORDINAL_OF[word])
    return str(tens_value + _CARDINAL_OF[word])


def phone_number(said: str) -> str | None:
    """Return a phone number in digits, with its leading plus; None if there is none in `said`."""
    text = _REPEATED.sub(lambda m: f"{m[2]} " * (2 if m[1] == "double" else 3), said.lower())
    text = re.sub(r"\b(?:oh|o)\b", "zero", text)
    plus = "+" if re.match(r"\s*(?:\+|plus\b)", text) else ""
    digits = "".join(re.findall(r"\d", with_digits(text)))
    return plus + digits if len(digits) in _PHONE else None
