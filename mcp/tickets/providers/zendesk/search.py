"""Builds queries in Zendesk's search language.

Conditions are joined by "and", but those on the same property by "or". A quoted value is taken
literally, except for quotes themselves.
https://support.zendesk.com/hc/en-us/articles/4408886879258
"""

import re
from collections.abc import Sequence

from tickets.provider import TicketQuery
from toolkit.speech.people import digits, fold, significant_digits

_SPECIAL = re.compile(r'["\\*\x00-\x1f\x7f]')
_PREFIX = 2  # letters of a name that may have been misheard
_PROPERTIES = {
    "requested": "requester",
    "assigned": "assignee",
    "copied": "cc",
    "organization": "organization",
}
# Our "pending" is two of Zendesk's statuses.
_STATUSES = {"pending": ("pending", "hold")}


def ticket_query(query: TicketQuery) -> str | None:
    """Return a search for tickets; None if a condition has nothing that could be searched for."""
    conditions: list[list[str]] = []
    if query.text is not None:
        conditions.append(_quoted_words(query.text))
    if query.status is not None:
        conditions.append(_any_of("status", _STATUSES.get(query.status, (query.status,))))
    if query.type is not None:
        conditions.append(_any_of("ticket_type", [query.type]))
    if query.related_to is not None and query.relation is not None:
        conditions.append(_any_of(_PROPERTIES[query.relation], [query.related_to]))
    if not all(conditions):
        return None
    return " ".join(term for condition in conditions for term in condition)


def email_queries(address: str) -> Sequence[str]:
    """Return the search for users with an e-mail address; none if it cannot be one."""
    return _any_of("email", [address])


def phone_queries(number: str) -> Sequence[str]:
    """Return the search for users with a phone number, however it is formatted."""
    plain = digits(number)
    if not plain:
        return ()
    formats = dict.fromkeys((number, plain, f"+{plain.lstrip('0')}"))
    return [" ".join([*_any_of("phone", [*formats]), f"phone:*{significant_digits(number)}"])]


def name_queries(name: str) -> Sequence[str]:
    """Return searches for users with a similar name, each to be used if those before find none."""
    parts = fold(name).split()
    prefixes = [f"name:{part[:_PREFIX]}*" for part in parts if len(part) >= _PREFIX]
    exact = _any_of("name", name.split())
    return [" ".join(terms) for terms in (exact, prefixes) if terms]


def _any_of(field: str, values: Sequence[str]) -> list[str]:
    return [f"{field}:{quoted}" for value in values for quoted in _quoted(value)]


def _quoted_words(text: str) -> list[str]:
    """Return each word of a text in quotes."""
    return [quoted for word in _without_special(text).split() for quoted in _quoted(word)]


def _quoted(text: str) -> list[str]:
    """Return a text in quotes; nothing if no letter or digit is in it."""
    bare = " ".join(_without_special(text).split())
    return [f'"{bare}"'] if any(char.isalnum() for char in bare) else []


def _without_special(text: str) -> str:
    # Lone surrogates cannot be encoded for a request.
    return _SPECIAL.sub(" ", text.encode(errors="ignore").decode())
