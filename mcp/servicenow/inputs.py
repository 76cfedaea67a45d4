"""Parses what callers call records, and the words that they search by; the arguments' types."""

import re
from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field

from servicenow.provider import Kind, RecordKey
from toolkit.speech.numbers import words_to_digits

NumberedKind = Kind | Literal["article"]

Name = Annotated[str, Field(min_length=1, max_length=120)]
Summary = Annotated[str, Field(min_length=1, max_length=160)]  # ServiceNow stores no more
LongText = Annotated[str, Field(min_length=1, max_length=4000)]

_PREFIXES: Mapping[str, str] = {"incident": "INC", "case": "CS", "task": "TASK", "article": "KB"}
_WIDTH = 7  # digits that a number is padded to, unless an instance is configured otherwise
_MAX_LENGTH = 20  # of the letters, and of the digits, of a number
_ID = re.compile(r"[0-9a-f]{32}")
_SCALES = {"hundred": 100, "thousand": 1000}
_AROUND = re.compile(
    r"\b(?:the|my|is|it|its|it's|and|number|nr|no|incidents?|cases?|tickets?|articles?)\b"
)
_REPEATED = re.compile(r"\b(double|triple) (\w+)")
_TERM = re.compile(r"\w[\w'.+#-]*")
_MAX_TERMS = 8
_STOP_WORDS = frozenset({"and", "are", "for", "from", "has", "not", "that", "the", "this", "with"})
_SHORT = 2  # letters of a word that hardly narrows a search


def parse_record_key(text: str, kind: NumberedKind) -> RecordKey:
    """Return the key of a record: `INC0010001`, `inc 10001`, `i n c ten thousand one`, or an id.

    A number without letters gets the prefix of its kind, and one with too few digits is tried
    with leading zeros first.
    """
    text = text.strip().lower()
    if _ID.fullmatch(text):
        return RecordKey(id=text)
    letters, number = _parse_number(text)
    if not number or len(number) > _MAX_LENGTH:
        return RecordKey()
    prefix = letters.upper() or _PREFIXES[kind]
    forms = (f"{prefix}{number.zfill(_WIDTH)}", f"{prefix}{number}")
    return RecordKey(numbers=tuple(dict.fromkeys(forms)))


def parse_search_terms(text: str) -> tuple[str, ...]:
    """Return the words of a text that are worth searching for, without punctuation."""
    words = list(dict.fromkeys(each.rstrip("'.-") for each in _TERM.findall(text)))
    terms = [word for word in words if len(word) > _SHORT and word.casefold() not in _STOP_WORDS]
    return tuple(terms or words)[:_MAX_TERMS]


def _parse_number(text: str) -> tuple[str, str]:
    """Return the letters and the digits of a spoken number; two empty strings if it is none."""
    text = _REPEATED.sub(lambda m: f"{m[2]} " * (2 if m[1] == "double" else 3), text)
    text = re.sub(r"\b(?:oh|o)\b", "zero", _AROUND.sub(" ", text))
    parts = re.findall(r"[^\W\d_]+|\d+", words_to_digits(text))
    first_digit = next((n for n, part in enumerate(parts) if part.isdecimal()), len(parts))
    letters, spoken = "".join(parts[:first_digit]), parts[first_digit:]
    if not letters.isascii() or len(letters) > _MAX_LENGTH:
        return "", ""
    if any(not part.isdecimal() and part not in _SCALES for part in spoken):
        return "", ""
    return letters, _to_digits(spoken)


def _to_digits(parts: list[str]) -> str:
    """Return `10001` for `10 thousand 1`, and for digits that were said one by one."""
    if not any(part in _SCALES for part in parts):
        return "".join(parts)
    total = current = 0
    for part in parts:
        if part == "thousand":
            total, current = total + max(current, 1) * _SCALES[part], 0
        elif part == "hundred":
            current = max(current, 1) * _SCALES[part]
        else:
            current += int(part)
    return str(total + current)
