"""Prepares written text for speech: clauses for early audio, times and codes as words."""

import importlib
import re
from typing import Protocol, cast

from config.language.english import MONTHS

_CLOCK = re.compile(r"\b([01]?\d|2[0-4]):([0-5]\d)(?::[0-5]\d)?(?:\s*([ap])\.?m\b\.?)?", re.I)
_DATE = re.compile(r"\b(\d{4})-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])\b")
_PHONE = re.compile(r"(?<![\w.,$€£])\+?\(?\d[\d ()-]{5,}\d\b(?![.,]\d)")
_CODE = re.compile(r"\b(?=[A-Z-]*\d)[A-Z]{1,6}-?\d[\dA-Z-]*\b")
_LABELLED = re.compile(
    r"(#\s?|\b(?:number|order|ticket|case|code|reference|invoice)\s+#?)(\d{3,})\b", re.I
)
_BOUNDARY = re.compile(r"[.!?;:][\"')]?\s+|,\s+(?=\S+\s+\S+\s+\S)|\n+")
_ABBREVIATION = re.compile(r"\b(?:Dr|Mr|Mrs|Ms|Prof|St|No|[A-Za-z]\.[A-Za-z])\.\s*$")
_PHONE_DIGITS = 7


class _NumberWords(Protocol):
    def __call__(self, number: float, *, to: str = "cardinal") -> str: ...


# Imported by name because the package has no type hints.
number_in_words = cast(_NumberWords, importlib.import_module("num2words").num2words)


def split_clauses(text: str) -> list[str]:
    """Split a text into clauses, so that audio of the first one is ready early."""
    parts: list[str] = []
    start = 0
    for boundary in _BOUNDARY.finditer(text):
        if _ABBREVIATION.search(text[start : boundary.end()]):
            continue
        parts.append(text[start : boundary.end()].strip())
        start = boundary.end()
    parts.append(text[start:].strip())
    return [part for part in parts if re.search(r"\w", part)]


def normalize(text: str) -> str:
    """Return `text` with clock times, dates, phone numbers and codes as spoken words."""
    text = _CLOCK.sub(_clock, text)
    text = _DATE.sub(_date, text)
    text = _PHONE.sub(_phone, text)
    text = _LABELLED.sub(lambda m: m[1].replace("#", "number ") + _spell(m[2]), text)
    return _CODE.sub(lambda m: _spell(m[0]), text)


def _clock(match: re.Match[str]) -> str:
    hour, minute, half = int(match[1]) % 24, int(match[2]), (match[3] or "").lower()
    if not half and (hour > 12 or hour == 0):
        half = "p" if hour > 12 else "a"
    parts = [number_in_words(hour % 12 or 12)]
    if minute:
        parts.append(number_in_words(minute) if minute > 9 else f"oh {number_in_words(minute)}")
    elif not half:
        parts.append("o'clock")
    if half:
        parts.append(f"{half}.m.")
    return " ".join(parts)


def _date(match: re.Match[str]) -> str:
    month, day = MONTHS[int(match[2]) - 1], number_in_words(int(match[3]), to="ordinal")
    return f"{month} {day}, {number_in_words(int(match[1]), to='year')}"


def _phone(match: re.Match[str]) -> str:
    if sum(map(str.isdigit, match[0])) < _PHONE_DIGITS:
        return match[0]
    groups = [group for group in re.split(r"[^\d+]+", match[0]) if group]
    return ", ".join(_spell(group) for group in groups)


def _spell(code: str) -> str:
    return " ".join(_character(character) for character in code if character not in "- ")


def _character(character: str) -> str:
    if character.isdigit():
        return number_in_words(int(character))
    if character == "+":
        return "plus"
    # Piper reads a lone "A" as the article.
    return "ay" if character == "A" else character
