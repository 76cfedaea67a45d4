"""What the websearch tools say, in the language of whoever is spoken to."""

from functools import partial

import httpx2

from config.protocol import LANGUAGE_KEY
from tests.support.pseudo_locale import PSEUDO, pseudo_locale
from tests.support.translated import connect_translated, literal_sentences, unused_sentences
from tests.websearch.contract import WebsearchHarness
from tests.websearch.web import Page, shown
from websearch.sentences import describe_sources
from websearch.server import SERVER

DATA = ("harbour", "boat", "gazette")  # names of sites


def test_every_sentence_is_said_and_stands_in_the_catalogue() -> None:
    assert unused_sentences("websearch") == []
    assert literal_sentences("websearch") == []


def test_two_sites_are_named_at_most() -> None:
    assert describe_sources(["a", "a", "b", "c"], found=True) == (
        "I found something about that on a and b."
    )
    assert describe_sources(["a", "a"], found=True) == "I found something about that on a."
    assert describe_sources([], found=True) == "I found something about that on the web."
    assert describe_sources([], found=False) == "I found nothing about that on the web."


def _answer(response: httpx2.Response, _: httpx2.Request) -> httpx2.Response:
    return response


async def test_every_tool_speaks_the_language_of_its_caller(harness: WebsearchHarness) -> None:
    vendor, closed = harness.vendor, "https://closed.example/"
    with pseudo_locale():
        async with connect_translated(
            harness.servers, SERVER.name, harness.claims(), DATA
        ) as caller:
            found = await caller.call("search_web", query="boats")
            page = found["results"][0]["page"]
            meta = {LANGUAGE_KEY: PSEUDO}
            read = await caller.client.call_tool("read_page", {"page": page}, meta=meta)
            assert "say" not in (read.structured_content or {})  # a page speaks for itself
            await caller.refused("not_found", "read_page", page="unknown")
            await caller.refused("rejected", "search_web", query=" ")
            await caller.refused("rejected", "search_web", query="x", include_domains=["x"])
            vendor.fail(lambda _: vendor.error(402))
            await caller.refused("forbidden", "search_web", query="x")
            vendor.pages = [Page("https://xn--80ak6aa92e.example/"), Page(closed)]
            await caller.call("search_web", query="x", num_results=1)
            vendor.pages = []
            await caller.call("search_web", query="x")
            vendor.pages = [Page("https://harbour.example/")]
            page = (await caller.call("search_web", query="x"))["results"][0]["page"]
            for response, error in (
                (httpx2.Response(404), "not_found"),
                (httpx2.Response(403), "unavailable"),
                (shown("x", "image/png"), "rejected"),
            ):
                vendor.sites["harbour.example"] = partial(_answer, response)
                await caller.refused(error, "read_page", page=page)
    assert {*caller.called, "read_page"} == {*SERVER.catalogue()["tools"]}
