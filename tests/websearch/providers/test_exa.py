"""Exa, as its OpenAPI 1.2.0 and its page of error codes describe it."""

import json
import re
from dataclasses import dataclass
from datetime import date
from typing import ClassVar

import httpx2

from tests.websearch.contract import CANARY, WebsearchContract, WebsearchHarness
from tests.websearch.web import Page, SearchEngine, without_none

KEY = f"exa-{CANARY}"
# exa.ai/docs/admin/error-codes: a JSON error body, with a tag for what is wrong.
TAGS = {400: "INVALID_REQUEST_BODY", 401: "INVALID_API_KEY", 402: "NO_MORE_CREDITS"}


@dataclass
class ExaVendor(SearchEngine):
    """Exa's search."""

    base = "https://api.exa.ai"
    specification = "exa/openapi.json"
    reading_posts = re.compile(r"POST /search")

    costs: bool = True  # that an answer says what it costs is optional in the specification

    def answer(self, request: httpx2.Request) -> httpx2.Response:
        # `x-api-key`, or a bearer token: components.securitySchemes.
        if request.headers.get("x-api-key") != KEY:
            return self.error(401)
        match request.method, request.url.path:
            case "POST", "/search":
                return self._search(request)
            case unexpected:
                raise AssertionError(unexpected)

    def error(self, status: int) -> httpx2.Response:
        body = {"requestId": "r-0", "error": "Some words of the vendor.", "tag": TAGS[status]}
        return httpx2.Response(status, json=body)

    def _search(self, request: httpx2.Request) -> httpx2.Response:
        asked = json.loads(request.content)
        if not asked["query"].strip():
            return self.error(400)
        since = asked.get("startPublishedDate")
        found = self.matching(
            asked.get("includeDomains", ()),
            asked.get("excludeDomains", ()),
            date.fromisoformat(since[:10]) if since else None,
            asked.get("numResults", 10),  # the default of the specification
        )
        highlights = asked.get("contents", {}).get("highlights")
        body = {
            "requestId": f"{len(self.requests):032x}",
            "searchType": "neural",
            "results": [self._result(page, highlights) for page in found],
            "costDollars": {"total": 0.007} if self.costs else None,
        }
        return httpx2.Response(200, json=without_none(body))

    def _result(self, page: Page, highlights: dict[str, int] | bool | None) -> dict[str, object]:
        # The date is an estimate, and may be null; highlights are there if they were asked for.
        limit = highlights["maxCharacters"] if isinstance(highlights, dict) else None
        fields = {
            "id": page.link,
            "url": page.link,
            "title": page.title,
            "highlights": [page.excerpt[:limit]] if highlights else None,
        }
        published = f"{page.published}T00:00:00.000Z" if page.published else None
        return {**without_none(fields), "publishedDate": published, "author": None}


class TestExa(WebsearchContract):
    """The contract, and what Exa does differently."""

    provider = "exa"
    secrets: ClassVar[dict[str, str]] = {"api_key": KEY}
    reported_cost: ClassVar[float | None] = 0.007

    def new_vendor(self) -> ExaVendor:
        return ExaVendor()

    async def test_it_asks_for_what_is_shown_and_no_more(self, harness: WebsearchHarness) -> None:
        async with harness.caller() as caller:
            await caller.call("search_web", query="boats", num_results=2, recency="week")
        (request,) = harness.vendor.searches()
        asked = json.loads(request.content)
        assert asked["numResults"] == 2
        assert asked["contents"] == {"highlights": {"maxCharacters": 300}}
        assert asked["type"] == "auto"
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT00:00:00.000Z", asked["startPublishedDate"])

    async def test_without_a_cost_the_list_of_prices_counts(
        self, harness: WebsearchHarness
    ) -> None:
        assert isinstance(harness.vendor, ExaVendor)
        harness.vendor.costs = False
        async with harness.caller() as caller:
            await caller.call("search_web", query="boats")
        (row,) = await harness.usage()
        assert row["metadata"] == {"cost_usd": 0.007, "cost_from": "price_list", "results": 3}
