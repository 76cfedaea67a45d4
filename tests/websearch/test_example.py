"""The example that searches the web, run as a person would, against the server."""

import sys

from config.security.tokens import server_audience
from tests.examples.conftest import EXAMPLES, run
from tests.support.asgi import serve_app
from tests.websearch.contract import WebsearchHarness

EXAMPLE = EXAMPLES / "search_the_web.py"


async def test_the_example_prints_what_was_found(harness: WebsearchHarness) -> None:
    key = harness.servers.signer.mint(server_audience("websearch"), harness.claims())
    async with serve_app(harness.servers.app) as url:
        told = {"ANTIPHON_URL": url, "ANTIPHON_KEY": key}
        ran = await run(sys.executable, EXAMPLE, "boats", "year", **told)
        assert ran.code == 0, ran.err
        assert "I found something about that on harbour and boat-gazette." in ran.out
        assert "2026-11-20  Boats of the harbour  https://www.harbour.example/boats" in ran.out
        assert ran.out.endswith("\nA page\nAll that it says.\n")
        harness.vendor.fail(lambda _: harness.vendor.error(402))
        refused = await run(sys.executable, EXAMPLE, "boats", **told)
    assert refused.code == 1
    assert "credit" in refused.err
    assert "Traceback" not in refused.err
