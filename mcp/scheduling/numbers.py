"""Numbers as callers say them, and as they are written down."""

import re

_UNITS = (
    *("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"),
    *("eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen"),
    *("eighteen", "nineteen"),
)
_TENS = {"twenty": 20, "thirty": 30, "forty": 40, "fifty": 50}
_ORDINALS = {
    **{"first": 1, "second": 2, "third": 3, "fifth": 5, "eighth": 8, "ninth": 9, "twelfth": 12},
    **{f"{_UNITS[number]}th": number for number in (4, 6, 7, 10, 11, *range(13, 20))},
    **{"twentieth": 20, "thirtieth": 30},
}
_CARDINALS = {word: number for number, word in enumerate(_UNITS)} | _TENS
_SPOKEN = re.compile(
    rf"\b(?:({'|'.join(_TENS)})[ -])?({'|'.join([*_UNITS[1:10], *list(_ORDINALS)[:7]])}"
    rf"|fourth|sixth|seventh)\b|\b({'|'.join([*_CARDINALS, *_ORDINALS])})\b"
)
_REPEATED = re.compile(r"\b(double|triple) (\w+)")
_PHONE = range(3, 16)  # digits


def words(number: int) -> str:
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
    word = unit or single
    number = _TENS.get(tens, 0) + _CARDINALS.get(word, _ORDINALS.get(word, 0))
    return ordinal(number) if word in _ORDINALS else str(number)


def phone_number(said: str) -> str | None:
    """Return a phone number in digits, with its leading plus; None if there is none in `said`."""
    text = _REPEATED.sub(lambda m: f"{m[2]} " * (2 if m[1] == "double" else 3), said.lower())
    text = re.sub(r"\b(?:oh|o)\b", "0", text)
    plus = "+" if re.match(r"\s*(?:\+|plus\b)", text) else ""
    digits = "".join(re.findall(r"\d", with_digits(text)))
    return plus + digits if len(digits) in _PHONE else None
