"""The protocol of a web search provider, and the models that it takes and returns."""

from collections.abc import Mapping
from contextlib import suppress
from datetime import date as Date
from typing import Annotated, Protocol

from pydantic import BaseModel, BeforeValidator, ConfigDict

_MAX_COST = 1000.0  # dollars; a search that costs more is none


def _to_text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _to_date(value: object) -> Date | None:
    """Return the day of a date or a time in ISO 8601; a vendor's dates are estimates."""
    with suppress(ValueError):
        return Date.fromisoformat(str(value)[:10])
    return None


def _to_cost(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if 0 <= value <= _MAX_COST else None  # NaN is in no range


# What a vendor may report besides a page: none where it cannot be read, and no reason to lose it.
ReportedText = Annotated[str, BeforeValidator(_to_text)]
ReportedDate = Annotated[Date | None, BeforeValidator(_to_date)]
ReportedCost = Annotated[float | None, BeforeValidator(_to_cost)]


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True)


class SearchQuery(_Model):
    """A search of the web, of pages that were published since a day where one is named.

    With `include_domains` only pages on these are found, or on subdomains of them.
    """

    text: str
    limit: int
    include_domains: tuple[str, ...] = ()
    exclude_domains: tuple[str, ...] = ()
    since: Date | None = None


class WebPage(_Model):
    """A page that was found: what it is called, where it is, and what it says about the query."""

    title: str
    link: str
    date: Date | None = None
    excerpt: str


class SearchUsage(_Model):
    """What one request is billed by. `cost` is in US dollars, where the vendor has said it.

    `units` are numbers by the vendor's own names for what it counts.
    """

    provider: str
    request_id: str | None = None
    cost: float | None = None
    units: Mapping[str, int] = {}


class WebSearch(_Model):
    """The pages that a search found, best first, and what it is billed by."""

    pages: tuple[WebPage, ...]
    usage: SearchUsage


class WebsearchProvider(Protocol):
    """One tenant's account at a search engine."""

    async def check(self) -> None:
        """Make one harmless request that fails if the account does not work."""
        ...

    async def search(self, query: SearchQuery) -> WebSearch:
        """Search the web. The pages may include some that the query rules out."""
        ...
