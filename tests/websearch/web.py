"""A fake search engine, and the fake web that it has read."""

from abc import abstractmethod
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import httpx2

from tests.support.vendors import Vendor

Site = Callable[[httpx2.Request], httpx2.Response]


@dataclass(frozen=True)
class Page:
    """A page of the web."""

    link: str
    title: str | None = "A page"
    published: date | None = date(2026, 11, 20)
    excerpt: str = "It says something about it."
    html: str = "<title>A page</title><p>All that it says."

    @property
    def host(self) -> str:
        """Return the name of its site."""
        return httpx2.URL(self.link).host

    def is_on(self, domains: Sequence[str]) -> bool:
        """Say whether it is on one of these domains, or on a subdomain of one."""
        return any(self.host == each or self.host.endswith(f".{each}") for each in domains)


PAGES = (
    Page("https://www.harbour.example/boats", "Boats of the harbour", excerpt="Forty boats."),
    Page("https://news.boat-gazette.co.uk/2026/show", "The boat show", excerpt="It opens at ten."),
    Page("https://forum.example.org/t/12", "Boats, again", date(2019, 5, 1), "An old answer."),
)


class Body(httpx2.AsyncByteStream):
    """The body of a page, which is read as it comes; `read` has the sizes of what was read."""

    def __init__(self, *chunks: bytes) -> None:
        self._chunks = chunks
        self.read: list[int] = []

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for chunk in self._chunks:
            self.read.append(len(chunk))
            yield chunk


def shown(text: str | bytes, content_type: str = "text/html; charset=utf-8") -> httpx2.Response:
    """Return the response of a site that shows a page."""
    content = text.encode() if isinstance(text, str) else text
    return httpx2.Response(200, headers={"Content-Type": content_type}, stream=Body(content))


def moved(location: str, status: int = 302) -> httpx2.Response:
    """Return the response of a site whose page is elsewhere."""
    return httpx2.Response(status, headers={"Location": location})


@dataclass
class SearchEngine(Vendor):
    """A search engine. `sites` answer for the web, by host; without one, its pages are shown.

    Faults happen to whatever is asked next, be it the engine or a site.
    """

    pages: list[Page] = field(default_factory=lambda: list(PAGES))
    sites: dict[str, Site] = field(default_factory=dict[str, Site])

    def transport(self) -> httpx2.MockTransport:
        """Return the way to the engine and to every site."""
        return httpx2.MockTransport(self._route)

    @abstractmethod
    def error(self, status: int) -> httpx2.Response:
        """Return the vendor's own answer to a request that it refuses."""

    def searches(self) -> list[httpx2.Request]:
        """Return the requests for a search."""
        return [each for each in self.requests if str(each.url).startswith(self.base)]

    def matching(
        self, on: Sequence[str], off: Sequence[str], since: date | None, limit: int
    ) -> list[Page]:
        """Return the pages that a search finds."""
        found = [
            page
            for page in self.pages
            if (not on or page.is_on(on))
            and not page.is_on(off)
            # That pages without a date are not found is our own reading.
            and (since is None or (page.published is not None and page.published >= since))
        ]
        return found[:limit]

    def _route(self, request: httpx2.Request) -> httpx2.Response:
        if str(request.url).startswith(self.base):
            return self._serve(request)
        self.requests.append(request)
        assert "x-api-key" not in request.headers
        assert "cookie" not in request.headers
        for entry in self._faults:
            self._faults.remove(entry)
            return entry[1](request)
        if site := self.sites.get(request.url.host):
            return site(request)
        for page in self.pages:
            if page.link == str(request.url):
                return shown(page.html)
        raise httpx2.ConnectError("there is no such site", request=request)


def without_none(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields that a vendor's answer has."""
    return {name: value for name, value in values.items() if value is not None}
