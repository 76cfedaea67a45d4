"""Parallel, as its OpenAPI 0.1.2 and its page of errors describe it."""

import json
import re
from dataclasses import dataclass, field
from datetime import date
from typing import Any, ClassVar

import httpx2

from tests.websearch.contract import CANARY, WebsearchContract, WebsearchHarness
from tests.websearch.web import Page, SearchEngine

KEY = f"parallel-{CANARY}"


@dataclass
class ParallelVendor(SearchEngine):
    """Parallel's search."""

    base = "https://api.parallel.ai"
    specification = "parallel/openapi.json"
    reading_posts = re.compile(r"POST /v1/search")

    # The names are those of the specification and of answers that others have recorded.
    usage: list[Any] | None = field(default_factory=lambda: [{"name": "sku_search", "count": 1}])

    def answer(self, request: httpx2.Request) -> httpx2.Response:
        if request.headers.get("x-api-key") != KEY:
            return self.error(401)
        match request.method, request.url.path:
            case "POST", "/v1/search":
                return self._search(request)
            case unexpected:
                raise AssertionError(unexpected)

    def error(self, status: int) -> httpx2.Response:
        # ErrorResponse of the specification; the statuses are on docs.parallel.ai's page of errors.
        words = {"ref_id": "search_0", "message": "Some words of the vendor."}
        return httpx2.Response(status, json={"type": "error", "error": words})

    def _search(self, request: httpx2.Request) -> httpx2.Response:
        asked = json.loads(request.content)
        if not asked["search_queries"]:
            return self.error(422)
        settings: dict[str, Any] = asked.get("advanced_settings") or {}
        policy: dict[str, Any] = settings.get("source_policy") or {}
        on, off = policy.get("include_domains", []), policy.get("exclude_domains", [])
        assert len(on) + len(off) <= 200  # SourcePolicy.include_domains
        since = policy.get("after_date")
        found = self.matching(
            on,
            off,
            date.fromisoformat(since) if since else None,
            settings.get("max_results") or 10,
        )
        number = f"{len(self.requests):032x}"
        body = {
            "search_id": f"search_{number}",
            "results": [self._result(page) for page in found],
            "warnings": None,
            "usage": self.usage,
            "session_id": f"session_{number}",
        }
        return httpx2.Response(200, json=body)

    def _result(self, page: Page) -> dict[str, object]:
        published = page.published.isoformat() if page.published else None
        excerpts = [page.excerpt]
        return {
            "url": page.link,
            "title": page.title,
            "publish_date": published,
            "excerpts": excerpts,
        }


class TestParallel(WebsearchContract):
    """The contract, and what Parallel does differently."""

    provider = "parallel"
    secrets: ClassVar[dict[str, str]] = {"api_key": KEY}
    reported_units: ClassVar[dict[str, int]] = {"sku_search": 1}

    def new_vendor(self) -> ParallelVendor:
        return ParallelVendor()

    async def test_it_asks_for_what_is_shown_and_no_more(self, harness: WebsearchHarness) -> None:
        async with harness.caller() as caller:
            await caller.call("search_web", query="boats", num_results=2, recency="week")
        (request,) = harness.vendor.searches()
        asked = json.loads(request.content)
        assert (asked["search_queries"], asked["objective"]) == (["boats"], "boats")
        assert asked["mode"] == "basic"
        settings = asked["advanced_settings"]
        assert settings["max_results"] == 2
        # Less is set to a thousand: V1ExcerptSettings.max_chars_per_result.
        assert settings["excerpt_settings"] == {"max_chars_per_result": 1000}
        assert re.fullmatch(r"\d{4}-\d\d-\d\d", settings["source_policy"]["after_date"])

    async def test_what_the_vendor_counts_is_priced(self, harness: WebsearchHarness) -> None:
        assert isinstance(harness.vendor, ParallelVendor)
        additional = "sku_search_additional_results"
        async with harness.caller() as caller:
            harness.vendor.usage = [*(harness.vendor.usage or []), {"name": additional, "count": 4}]
            await caller.call("search_web", query="boats")
            harness.vendor.usage = [{"name": "sku_new", "count": 1}]
            await caller.call("search_web", query="boats")
            harness.vendor.usage = None
            await caller.call("search_web", query="boats")
        first, second, third = (row["metadata"] for row in await harness.usage())
        assert (first["cost_usd"], first[additional]) == (0.009, 4)
        assert (second["cost_usd"], second["sku_new"]) == (0.005, 1)
        assert third == {"cost_usd": 0.005, "cost_from": "price_list", "results": 3}
