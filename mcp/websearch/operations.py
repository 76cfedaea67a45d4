"""Searches with a tenant's provider, stores what it costs, and reads pages that were found."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import uuid4

from fastmcp.dependencies import Depends

from config.protocol import READ_BUDGET
from toolkit.http.deadline import remaining
from toolkit.tenancy import CALL, ToolCall, tenant_provider
from toolkit.usage import record_usage
from websearch import sentences
from websearch.found_pages import FoundPages
from websearch.inputs import Detail
from websearch.pages import fetch_page, host_of, is_on, site_name, to_page, web_link
from websearch.prices import search_cost
from websearch.provider import SearchQuery, SearchUsage, WebPage, WebsearchProvider
from websearch.registry import PROVIDERS
from websearch.results import (
    MAX_SNIPPET,
    MAX_TITLE,
    NOTE,
    FoundPage,
    PageResult,
    SearchResult,
    web_line,
    web_text,
)

_TEXT_LENGTHS = {"short": 1200, "full": 8000}  # characters
_PARSE_BUDGET = 3.0  # seconds, of a thread


@dataclass(frozen=True)
class WebsearchOperations:
    """One tenant's search engine, and the pages that it has found in this conversation."""

    provider: WebsearchProvider
    call: ToolCall

    async def search(self, query: SearchQuery) -> SearchResult:
        """Return the pages that a query finds, each with a name by which it can be read."""
        found = await self.provider.search(query)
        await self._record(found.usage, query.limit)
        pages = _allowed(found.pages, query)
        names = await FoundPages(self.call).add([page.link for page in pages])
        sites = [site_name(host_of(page.link)) for page in pages]
        return SearchResult(
            say=sentences.describe_sources([each for each in sites if each], found=bool(pages)),
            results=[_to_found_page(page, name) for page, name in zip(pages, names, strict=True)],
            note=NOTE if pages else None,
        )

    async def read_page(self, name: str, detail: Detail) -> PageResult:
        """Return the text of a page that was found, or its beginning.

        Raises:
            NotFound: no such page was found, or it is gone.
            Rejected: it is no text, or not on a public site.
            TimedOut: it did not come in time.
            Unavailable: the site does not show it.
        """
        link = await FoundPages(self.call).find(name)
        body = await fetch_page(self.call.runtime.client, link, remaining(READ_BUDGET))
        page = await self.call.runtime.threads.run(
            lambda: to_page(body), budget=remaining(_PARSE_BUDGET)
        )
        text, length = web_text(page.text), _TEXT_LENGTHS[detail]
        return PageResult(
            title=web_line(page.title, MAX_TITLE) or host_of(link),
            link=link,
            text=text[:length],
            more=True if len(text) > length else None,
        )

    async def _record(self, usage: SearchUsage, results: int) -> None:
        """Store what a search costs, with the vendor's own id of the request where it has one."""
        cost = search_cost(usage, results)
        await record_usage(
            self.call,
            usage.provider,
            "search",
            f"search-{usage.provider}-{usage.request_id or uuid4()}",
            {
                "cost_usd": cost.dollars,
                "cost_from": cost.source,
                "results": results,
                **usage.units,
            },
        )


def _allowed(pages: Sequence[WebPage], query: SearchQuery) -> list[WebPage]:
    """Return the pages that can be linked to and that the query does not rule out.

    Vendors differ in what they take for a subdomain, or for the date of a page.
    """
    allowed: list[WebPage] = []
    for page in pages:
        link = web_link(page.link)
        if link is None or (query.since and page.date and page.date < query.since):
            continue
        host = host_of(link)
        if is_on(host, query.exclude_domains):
            continue
        if not query.include_domains or is_on(host, query.include_domains):
            allowed.append(page.model_copy(update={"link": link}))
    return allowed[: query.limit]


def _to_found_page(page: WebPage, name: str | None) -> FoundPage:
    return FoundPage(
        page=name,
        title=web_line(page.title, MAX_TITLE) or host_of(page.link),
        link=page.link,
        date=page.date.isoformat() if page.date else None,
        snippet=web_line(page.excerpt, MAX_SNIPPET),
    )


_PROVIDER: WebsearchProvider = Depends(tenant_provider(PROVIDERS))


async def _open_operations(
    provider: WebsearchProvider = _PROVIDER, call: ToolCall = CALL
) -> WebsearchOperations:
    return WebsearchOperations(provider, call)


OPERATIONS: WebsearchOperations = Depends(_open_operations)
