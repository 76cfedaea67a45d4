"""Numbers as callers say them, and as they are written.

No digit is dropped: where a word stands among the digits that is neither a number nor known talk,
there is no number, and the caller is asked.
"""

import re
from collections.abc import Sequence

from config.language.digits import VALUES, ZEROS, DigitReader, split_tokens
from config.language.english import CARDINALS, ORDINAL_TENS, ORDINALS, TENS

_ORDINAL_VALUES = {word: number for number, word in enumerate(ORDINALS)} | ORDINAL_TENS
_UNIT = "|".join(CARDINALS[1:10] + ORDINALS[1:10])
_SINGLE = "|".join([*VALUES, *_ORDINAL_VALUES])
_SPOKEN = re.compile(rf"\b(?:({'|'.join(TENS)})[ -]({_UNIT})|({_SINGLE}))\b")

_PHONE_LENGTHS = range(5, 16)  # digits
_MAX_DIGITS = 20
_MAX_EXTENSION = 6
_NOT_COUNTED = frozenset(["the", "best", "new", "only", "this", "that", "which", "last", "other"])
# Between the digits, these say nothing.
_SIGNS = frozenset("-.()/#,:;!?")
_TALK = frozenset(
    [
        *("um", "uh", "er", "erm", "ah", "well", "okay", "ok", "yes", "yeah", "right", "hi"),
        *("hello", "please", "thanks", "thank", "you", "cheers", "then", "and", "sure", "let"),
        *("me", "see", "my", "the", "our", "number", "number's", "numbers", "is", "it", "it's"),
        *("its", "that", "this", "phone", "mobile", "cell", "telephone", "tel", "call", "ring"),
        *("reach", "at", "on", "can", "for", "best", "a", "i'm", "i", "am", "with", "in", "code"),
        *("area", "be", "would", "order", "booking", "reference", "ref", "pin", "ticket", "card"),
        *("account", "customer", "case", "invoice", "loyalty", "under", "to", "try", "home"),
        *("work", "office", "so", "alright", "thing", "get", "bye", "great", "perfect", "got"),
    ]
)
_AGAIN = re.compile(
    r"\b(?:i'll say (?:it|that) again|say it again|again|repeat|once more|that's|that is"
    r"|so|yeah|yes)\b"
)
_CORRECTION = re.compile(
    r"\b(?:no|nope|sorry|wait|actually|scratch that|i mean|i meant|hang on|hold on|make that"
    r"|let me start again|start again|that's wrong|that is wrong|correction|rather)\b"
)
_SAYS_NOTHING = re.compile(r"\bthat(?:'s| is) (?:it|all|my number|the number)\b|\bthat's right\b")
_EXTENSION = re.compile(r"\b(?:extension|ext|x)\.?(?=\s|\d)")


def ordinal(number: int) -> str:
    """Return `26th`."""
    suffix = "th" if number in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{suffix}"


def words_to_digits(text: str) -> str:
    """Replace the number words below a hundred by digits; `text` has to be in lower case."""
    return _SPOKEN.sub(_to_digits, text)


def spoken_phone_number(text: str) -> str | None:
    """Return a phone number's digits, with its leading plus, and `ext. 12` if it has an extension.

    None to ask: there is no number, there are several, or a part of it is not clear.
    """
    number, extension, *more = [*_EXTENSION.split(text.lower()), "", ""][:3]
    digits = _read_once(number)
    if digits is None or len(digits.lstrip("+")) not in _PHONE_LENGTHS:
        return None
    if not extension:
        return digits if _EXTENSION.search(text.lower()) is None else None
    inner = _read_once(extension)
    if more != [""] or inner is None or len(inner) > _MAX_EXTENSION or "+" in inner:
        return None
    return f"{digits} ext. {inner}"


def spoken_digits(text: str) -> str | None:
    """Return the digits of an order number, a reference or a PIN; None to ask."""
    digits = _read_once(text.lower())
    if not digits or "+" in digits or len(digits) > _MAX_DIGITS:
        return None
    return digits


def read_digits(words: Sequence[str]) -> str | None:
    """Return the digits of number words alone; None if one of them is none."""
    return _Reader(words).read()


def _read_once(text: str) -> str | None:
    """Return the digits of a text that may say them twice, or correct them."""
    text = _SAYS_NOTHING.sub(" ", re.sub(r"[\u2018\u2019]", "'", text))
    *taken_back, last = (_read_repeated(part) for part in _CORRECTION.split(text))
    said = [part for part in taken_back if part != ""]
    if last is None or (said and not last) or None in said:
        return None
    # What corrects has to be the whole number: of a part, it is not clear which one.
    if any(part is not None and len(part) > len(last) for part in said):
        return None
    whole = all(part is not None and len(part) == len(last) for part in said)
    return last or None if whole else None


def _read_repeated(text: str) -> str | None:
    """Return the digits of a text that may say them twice; empty without any, None if unclear."""
    parts = [_read_digits(part) for part in _AGAIN.split(text)]
    if any(part is None for part in parts):
        return None
    said = {part for part in parts if part}
    if len(said) > 1:
        return None
    return said.pop() if said else ""


def _read_digits(text: str) -> str | None:
    """Return the digits of a text; empty without any, None if something among them is unclear."""
    reader = _Reader(split_tokens(text))
    return reader.read()


class _Reader(DigitReader):
    """Reads a text that is nothing but a number, and talk that says nothing."""

    def read(self) -> str | None:
        """Return the digits."""
        found: list[str] = []
        while (word := self.peek()) is not None:
            if word in ("+", "plus"):
                if found:
                    return None  # a second number
                found.append("+")
                self.position += 1
            elif word in _SIGNS or word in _TALK or (word in ZEROS and self._is_exclamation(found)):
                self.position += 1
            elif word == "one" and self._is_pronoun():
                return None
            elif (digits := self.number()) is not None:
                found.append(digits)
            else:
                return None
        joined = "".join(found)
        return "" if joined == "+" else joined

    def _is_pronoun(self) -> bool:
        """Say whether a "one" counts nothing: "the best one to ring"."""
        return self.position > 0 and self.tokens[self.position - 1] in _NOT_COUNTED

    def _is_exclamation(self, found: Sequence[str]) -> bool:
        """Say whether an "oh" begins a sentence: "oh sure, it's 555"."""
        after = self.peek(1)
        return self.peek() == "oh" and not found and after in _TALK


def _to_digits(match: re.Match[str]) -> str:
    tens, unit, single = match.groups()
    word, tens_value = (unit, TENS[tens]) if tens else (single, 0)
    if word in _ORDINAL_VALUES:
        return ordinal(tens_value + _ORDINAL_VALUES[word])
    return str(tens_value + VALUES[word])
