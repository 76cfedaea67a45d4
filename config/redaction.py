"""What may be kept of a tool call: no secrets, only what PostgreSQL can store, and not much of it.

A secret is known by its name. Who writes a call down and who stores it apply this both, so that no
journal has a secret either; a second time changes nothing.
"""

import json
import math
import re
import unicodedata
from collections.abc import Mapping
from typing import Any, cast

from config.protocol import CONFIRMATION_CODE
from config.text import storable

REDACTED = "[redacted]"
CUT = "…"  # where something was left out
MAX_SIZE = 2048  # bytes: of arguments as JSON, and of a text
_MAX_DEPTH = 8
_LENGTHS = (1000, 400, 150, 40)  # characters of each argument, tried until all of them fit

_HUMPS = re.compile(r"(?<=[a-z])(?=[A-Z])")
_LETTERS = re.compile(r"[^\W\d_]+")
_SECRET_WORDS = frozenset(
    ("auth", "bearer", "cookie", "csc", "jwt", "otp", "pan", "pin", "pins", "pwd", "ssn", "tan")
)
_SECRET_PARTS = re.compile(
    r"passw|passphrase|passcode|kennwort|pincode|secret(?!ar)|credential|authori[sz]ation|token"
    r"|cvc|cvv|(api|access|private|signing|encryption)key|(security|verification|confirmation)code"
    r"|(credit|debit)card|cardn(o(?!t)|um|r)"
)
# A name within a text, be it JSON, an address or a note, and what comes after it: its value.
_NAME = re.compile(
    r'"(?P<quoted>[^"\\]{1,64})"\s*:\s*|(?P<plain>\b\w{1,64}([ -]\w{1,64})?)\s?[:=]\s?'
)
_VALUE = re.compile(
    r'"(?:[^"\\]|\\.)*"?|(?:bearer |basic )?(?:\d[\d -]*\d|[^\s&,;\[\]{}"]+)', re.IGNORECASE
)


def is_secret(name: str) -> bool:
    """Return whether what is called like this has to be kept secret."""
    spaced = _HUMPS.sub(" ", unicodedata.normalize("NFKC", name))
    words = _LETTERS.findall(spaced.casefold())
    joined = "".join(words)
    return bool(_SECRET_PARTS.search(joined)) or not _SECRET_WORDS.isdisjoint((*words, joined))


def kept_arguments(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments of a tool call as at most `MAX_SIZE` bytes of JSON.

    Confirmation codes are left out. Where arguments are too long, each is cut; where they are too
    many, the last ones are missing.
    """
    redacted: dict[str, Any] = _redact(dict(arguments))
    if _size(redacted) <= MAX_SIZE:
        return redacted
    for length in _LENGTHS:
        kept = {name: _shorten(value, length) for name, value in redacted.items()}
        if _size(kept) <= MAX_SIZE:
            return kept
    kept = {CUT: CUT}
    for name, value in redacted.items():
        longer = {name: _shorten(value, _LENGTHS[-1]), **kept}
        if _size(longer) > MAX_SIZE:
            break
        kept = longer
    return kept


def kept_text(text: str) -> str:
    """Return a text as at most `MAX_SIZE` bytes."""
    stored = _redact_text(text).encode()
    if len(stored) <= MAX_SIZE:
        return stored.decode()
    return stored[: MAX_SIZE - len(CUT.encode())].decode("utf-8", "ignore") + CUT


def _redact(value: object, name: str = "", depth: int = 0) -> Any:
    """Return a value of JSON, which an argument of this name has."""
    match value:
        case _ if is_secret(name):
            return REDACTED
        case dict() | list() if depth == _MAX_DEPTH:
            return CUT
        case dict():
            return _redact_object(cast("dict[str, object]", value), name, depth)
        case list():
            items = cast("list[object]", value)
            return [_redact(each, name, depth + 1) for each in items]
        case str():
            return _redact_text(value)
        case float() if not math.isfinite(value):
            return str(value)
        case _:
            return value


def _redact_object(items: Mapping[str, object], name: str, depth: int) -> dict[str, Any]:
    """Return an object without secrets; `card` with `number` and `name` with `value` are names."""
    parent = name.rpartition(" ")[2]
    redacted = {
        storable(key): _redact(value, f"{parent} {key}", depth + 1)
        for key, value in items.items()
        if key != CONFIRMATION_CODE
    }
    names = (items[key] for key in ("name", "field", "key") if key in items)
    if "value" in items and any(isinstance(each, str) and is_secret(each) for each in names):
        redacted["value"] = REDACTED
    return redacted


def _redact_text(text: str) -> str:
    if len(text) > MAX_SIZE:
        text = text[:MAX_SIZE] + CUT
    text = storable(text)
    parts, end = [""], 0
    for name in _NAME.finditer(text):
        value = _VALUE.match(text, name.end())
        if name.start() < end or value is None or not is_secret(name["quoted"] or name["plain"]):
            continue
        quote = '"' if value[0].startswith('"') else ""
        parts += [text[end : name.end()], quote, REDACTED, quote]
        end = value.end()
    return "".join(parts) + text[end:]


def _shorten(value: object, length: int) -> object:
    text = value if isinstance(value, str) else _dump(value)
    return value if len(text) <= length else text[:length] + CUT


def _dump(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _size(value: object) -> int:
    return len(_dump(value).encode())
