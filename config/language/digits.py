"""Reads the digits of spoken numbers: "forty one" is 41, "eight hundred" 800, "double five" 55."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from config.language.english import CARDINALS, TENS

ZEROS = frozenset(["oh", "o", "zero", "nought", "naught"])
VALUES = {word: number for number, word in enumerate(CARDINALS)} | TENS
_REPEATS = {"double": 2, "triple": 3, "treble": 3}
_SCALES = {"hundred": 100, "thousand": 1000}
NUMBER_WORDS = frozenset([*VALUES, *_SCALES])
_TOKEN = re.compile(r"[a-z]+(?:'[a-z]+)?|\d+|\+|[^\s\d]")


def split_tokens(text: str) -> list[str]:
    """Return the words, numbers and signs of a text in lower case."""
    return _TOKEN.findall(text)


def all_digits(text: str) -> str:
    """Return the digits of every number in a text, whatever else it says."""
    reader, found = DigitReader(split_tokens(text.lower())), list[str]()
    while reader.peek() is not None:
        start = reader.position
        digits = reader.number()
        reader.position = reader.position if digits else start + 1
        found.append(digits or "")
    return "".join(found)


@dataclass
class DigitReader:
    """Reads number words one after the other."""

    tokens: Sequence[str]
    position: int = 0

    def peek(self, ahead: int = 0) -> str | None:
        """Return the word at the position, or some words behind it; None at the end."""
        at = self.position + ahead
        return self.tokens[at] if at < len(self.tokens) else None

    def number(self) -> str | None:
        """Return the digits of the number that begins here, and go on behind it."""
        word = self.peek() or ""
        if word in _REPEATS:
            self.position += 1
            digit = self.peek() or ""
            value = _digit(digit)
            self.position += 1
            return value * _REPEATS[word] if value is not None else None
        value = self._small_number()
        if value is None:
            return None
        scale = _SCALES.get(self.peek() or "")
        if scale is None or not value.isdigit() or value.startswith("0"):
            return value
        self.position += 1
        number = int(value) * scale
        if self.peek() == "and" and scale and (rest := self._rest_of_scale()) is not None:
            number += rest
        return str(number)

    def _rest_of_scale(self) -> int | None:
        """Return what is added after "and": "two hundred and five"."""
        self.position += 1
        value = self._small_number()
        if value is None or len(value) > 2:
            self.position -= 1 if value is None else 2
            return None
        return int(value)

    def _small_number(self) -> str | None:
        word = self.peek() or ""
        if word.isdigit():
            self.position += 1
            return word
        if word in TENS:
            self.position += 1
            unit = self.peek(1) if self.peek() == "-" else self.peek()
            value = VALUES.get(unit or "", 0)
            if 1 <= value <= 9:
                self.position += 2 if self.peek() == "-" else 1
                return str(TENS[word] + value)
            return str(TENS[word])
        if word in ZEROS or word in VALUES:
            self.position += 1
            return "0" if word in ZEROS else str(VALUES[word])
        return None


def _digit(word: str) -> str | None:
    if word in ZEROS:
        return "0"
    if word.isdigit():
        return word if len(word) == 1 else None
    return str(CARDINALS.index(word)) if word in CARDINALS[:10] else None
