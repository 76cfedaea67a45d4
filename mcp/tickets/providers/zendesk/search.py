"""Zendesk's search language: https://support.zendesk.com/hc/en-us/articles/4408886879258.

Conditions are joined by "and", but those on the same property by "or". What stands in quotes is
looked for as it is, whatever signs are in it; only a quote would end it.
"""

import re
from collections.abc import Sequence

from tickets.provider import Wanted
from toolkit.speech.people import digits, fold, significant_digits

_SPECIAL = re.compile(r'["\\*\x00-\x1f\x7f]')
_BEGINNING = 2  # letters of a name that has been misheard
_PARTS = {
    "requested": "requester",
    "assigned": "assignee",
    "copied": "cc",
    "organization": "organization",
}
# What we call pending is two of Zendesk's.
_STATUSES = {"pending": ("pending", "hold")}


def tickets(wanted: Wanted) -> str | None:
    """Return a query for tickets; None where there is nothing that could be looked for."""
    terms: list[list[str]] = []
    if wanted.text is not None:
        terms.append(_words(wanted.text))
    if wanted.status is not None:
        terms.append(_any("status", _STATUSES.get(wanted.status, (wanted.status,))))
    if wanted.type is not None:
        terms.append(_any("ticket_type", [wanted.type]))
    if wanted.of is not None and wanted.part is not None:
        terms.append(_any(_PARTS[wanted.part], [wanted.of]))
    return " ".join(each for some in terms for each in some) if all(terms) else None


def with_email(address: str) -> Sequence[str]:
    """Return the query for users with an e-mail address, if it can be one."""
    return _any("email", [address])


def with_phone(number: str) -> Sequence[str]:
    """Return the query for users who may have a number, in whatever way it is written."""
    plain = digits(number)
    if not plain:
        return ()
    written = dict.fromkeys((number, plain, f"+{plain.lstrip('0')}"))
    return [" ".join([*_any("phone", [*written]), f"phone:*{significant_digits(number)}"])]


def named(name: str) -> Sequence[str]:
    """Return the queries for users of about that name, the next one for where one finds nobody."""
    parts = fold(name).split()
    alike = [f"name:{part[:_BEGINNING]}*" for part in parts if len(part) >= _BEGINNING]
    exactly = _any("name", name.split())
    return [" ".join(terms) for terms in (exactly, alike) if terms]


def _any(field: str, values: Sequence[str]) -> list[str]:
    return [f"{field}:{literal}" for value in values for literal in _words(value, whole=True)]


def _words(text: str, *, whole: bool = False) -> list[str]:
    """Return the words of a text, or the whole of it, so that each stays what it is."""
    # Half a character cannot be sent.
    bare = _SPECIAL.sub(" ", text.encode(errors="ignore").decode())
    pieces = [" ".join(bare.split())] if whole else bare.split()
    return [f'"{piece}"' for piece in pieces if any(char.isalnum() for char in piece)]
