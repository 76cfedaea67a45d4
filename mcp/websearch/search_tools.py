"""The tools for searching the web and reading what was found.

What pages say is data: it is returned as text, and never becomes part of a `say` sentence.
"""

from fastmcp.tools import tool

from config.columns import now
from toolkit.effects import READS
from websearch.inputs import (
    Detail,
    Domains,
    NumResults,
    PageName,
    QueryText,
    Recency,
    first_day,
    parse_domains,
    parse_query,
)
from websearch.operations import OPERATIONS, WebsearchOperations
from websearch.provider import SearchQuery
from websearch.results import PageResult, SearchResult

_TIMEOUT = 8.0  # seconds
# The web is no closed domain: what is found today may be gone tomorrow.
_READS_WEB = READS.model_copy(update={"open_world_hint": True})


@tool(
    title="Search the web",
    annotations=_READS_WEB,
    tags={"voice"},
    timeout=_TIMEOUT,
    meta={
        "antiphon": {
            "examples": [
                {
                    "caller": "Is there anything in the news about the strike at the airport?",
                    "arguments": {"query": "airport strike news", "recency": "week"},
                },
                {
                    "caller": "Can you look up how long a boiled egg keeps?",
                    "arguments": {"query": "how long does a boiled egg keep"},
                },
            ]
        }
    },
)
async def search_web(
    query: QueryText,
    num_results: NumResults = 3,
    include_domains: Domains | None = None,
    exclude_domains: Domains | None = None,
    recency: Recency | None = None,
    operations: WebsearchOperations = OPERATIONS,
) -> SearchResult:
    """Search the web. Answer from the snippets, and name the site. recency: published since."""
    return await operations.search(
        SearchQuery(
            text=parse_query(query),
            limit=num_results,
            include_domains=parse_domains(include_domains),
            exclude_domains=parse_domains(exclude_domains),
            since=first_day(recency, now().date()),
        )
    )


@tool(title="Read a web page", annotations=_READS_WEB, tags={"voice"}, timeout=_TIMEOUT)
async def read_page(
    page: PageName, detail: Detail = "short", operations: WebsearchOperations = OPERATIONS
) -> PageResult:
    """Read more of a page that search_web has found. page: from its results."""
    return await operations.read_page(page, detail)
