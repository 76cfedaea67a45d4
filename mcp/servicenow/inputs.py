"""What callers call things by: records by their numbers, articles by words."""

import re
from collections.abc import Mapping
from typing import Literal

from servicenow.provider import Kind, Reference
from toolkit.speech.numbers import with_digits

Numbered = Kind | Literal["article"]

_PREFIXES: Mapping[str, str] = {"incident": "INC", "case": "CS", "task": "TASK", "article": "KB"}
_WIDTH = 7  # digits that a number has at least, unless an instance counts otherwise
_LONGEST = 20  # digits
_ID = re.compile(r"[0-9a-f]{32}")
_SCALES = {"hundred": 100, "thousand": 1000}
_AROUND = re.compile(
    r"\b(?:the|my|is|it|its|it's|and|number|nr|no|incidents?|cases?|tickets?|articles?)\b"
)
_REPEATED = re.compile(r"\b(double|triple) (\w+)")
_TERM = re.compile(r"\w[\w'.+#-]*")
_TERMS = 8
_TOO_COMMON = frozenset({"and", "are", "for", "from", "has", "not", "that", "the", "this", "with"})
_SHORT = 2  # letters of a word that tells little


def reference(said: str, kind: Numbered) -> Reference:
    """Return what a record is called: `INC0010001`, `inc 10001`, `i n c ten thousand one`, an id.

    Of a number without letters those of its kind are meant, of a short one its leading zeros, too.
    """
    text = said.strip().lower()
    if _ID.fullmatch(text):
        return Reference(id=text)
    letters, number = _number(text)
    if not number or len(number) > _LONGEST:
        return Reference()
    prefix = letters.upper() or _PREFIXES[kind]
    forms = (f"{prefix}{number.zfill(_WIDTH)}", f"{prefix}{number}")
    return Reference(numbers=tuple(dict.fromkeys(forms)))


def aloud(number: str) -> str:
    """Return `INC 10001`, as a number is said."""
    match = re.fullmatch(r"([A-Z]+)0*(\d+)", number)
    return f"{match[1]} {match[2]}" if match else number


def terms(text: str) -> tuple[str, ...]:
    """Return the words of a text that something can be found by, without punctuation."""
    words = list(dict.fromkeys(each.rstrip("'.-") for each in _TERM.findall(text)))
    telling = [word for word in words if len(word) > _SHORT and word.casefold() not in _TOO_COMMON]
    return tuple(telling or words)[:_TERMS]


def _number(text: str) -> tuple[str, str]:
    """Return the letters and the digits of a number as it was said; no digits if it is none."""
    text = _REPEATED.sub(lambda m: f"{m[2]} " * (2 if m[1] == "double" else 3), text)
    text = re.sub(r"\b(?:oh|o)\b", "zero", _AROUND.sub(" ", text))
    parts = re.findall(r"[^\W\d_]+|\d+", with_digits(text))
    begins = next((n for n, part in enumerate(parts) if part.isdecimal()), len(parts))
    letters, spoken = "".join(parts[:begins]), parts[begins:]
    if not letters.isascii() or len(letters) > _LONGEST:
        return "", ""
    if any(not part.isdecimal() and part not in _SCALES for part in spoken):
        return "", ""
    return letters, _value(spoken)


def _value(parts: list[str]) -> str:
    """Return `10001` for `10 thousand 1`; digits that were said one by one are put together."""
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
