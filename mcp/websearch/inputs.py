"""The arguments' types, and how domains and recency are read."""

import re
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Annotated, Literal

from pydantic import Field

from toolkit.errors import Rejected
from websearch.sentences import say

QueryText = Annotated[str, Field(min_length=1, max_length=300)]
NumResults = Annotated[int, Field(ge=1, le=10)]
Domain = Annotated[str, Field(min_length=1, max_length=253)]
Domains = Annotated[list[Domain], Field(max_length=10)]
Recency = Literal["day", "week", "month", "year"]
PageName = Annotated[str, Field(min_length=1, max_length=40)]
Detail = Literal["short", "full"]

_DAYS: Mapping[Recency, int] = {"day": 1, "week": 7, "month": 31, "year": 366}
_ADDRESS = re.compile(r"(?:https?://)?([^/?#:\s]+)(?::\d+)?(?:[/?#]\S*)?")
_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_DOMAIN = re.compile(rf"{_LABEL}(?:\.{_LABEL})+")


def parse_domains(texts: Sequence[str] | None) -> tuple[str, ...]:
    """Return domains, which may be given as addresses, without `www.`.

    Raises:
        Rejected: one of them is none.
    """
    return tuple(dict.fromkeys(map(_parse_domain, texts or ())))


def parse_query(text: str) -> str:
    """Return a query as one line.

    Raises:
        Rejected: it is empty.
    """
    if not (words := " ".join(text.split())):
        raise Rejected(
            "The query is empty.", say=say("which_words"), next="Ask what to search for."
        )
    return words


def first_day(recency: Recency | None, today: date) -> date | None:
    """Return the day from which on pages are recent enough."""
    return today - timedelta(days=_DAYS[recency]) if recency else None


def _parse_domain(text: str) -> str:
    match = _ADDRESS.fullmatch(text.strip().lower())
    try:
        domain = match[1].removeprefix("www.").encode("idna").decode() if match else ""
    except UnicodeError:
        domain = ""
    if not _DOMAIN.fullmatch(domain):
        raise Rejected(
            "A domain is not one such as example.org.",
            say=say("which_site"),
            next="Call again with domains such as example.org, or with none.",
        )
    return domain
