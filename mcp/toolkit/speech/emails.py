"""E-mail addresses as callers say them, and as they are written."""

import re

_SIGNS = {"at": "@", "dot": ".", "underscore": "_", "dash": "-", "hyphen": "-", "plus": "+"}
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")
_INTRODUCTION = re.compile(
    r"^(?:(?:my|the) )?(?:e-?mail )?(?:address )?(?:is |it's |it is )", re.IGNORECASE
)


def spoken_email(text: str) -> str | None:
    """Return the address in `tom@acme.com` or `Tom at acme dot com`; None for any other words."""
    text = _INTRODUCTION.sub("", " ".join(text.split())).rstrip(" .,!?")
    if _EMAIL.fullmatch(text):
        return text
    if "@" in text:
        return None  # Other words stand around it, and it is not clear which belong to it.
    written = "".join(_SIGNS.get(word, word) for word in text.lower().split())
    return written if _EMAIL.fullmatch(written) else None
