"""The talk page, and the headers of every answer."""

from pathlib import Path
from typing import Any

import pytest

from orchestrator.api.dependencies import Dependencies
from orchestrator.mcp_client.router import Router
from orchestrator.mcp_client.tool import Outcome
from tests.orchestrator.api.conftest import ClientFactory, client_factory, with_changes


@pytest.fixture
def page(dependencies: Dependencies, tmp_path: Path) -> ClientFactory:
    """An API with a page of its own."""
    static, library = tmp_path / "static", tmp_path / "livekit.js"
    static.mkdir()
    (static / "index.html").write_text("<title>Talk</title>")
    (static / "talk.js").write_text("talk()")
    (tmp_path / "secret").write_text("canary")
    library.write_text("livekit()")
    return client_factory(with_changes(dependencies, static=static, livekit_client=library))


async def test_the_page_is_served_with_its_parts(page: ClientFactory) -> None:
    async with page() as http:
        start = await http.get("/?bot=a&business=b")
        assert start.headers["location"] == "/talk/?bot=a&business=b"
        assert "Talk" in (await http.get("/talk/")).text
        assert (await http.get("/talk/talk.js")).text == "talk()"
        library = await http.get("/talk/livekit-client.umd.js")
    assert library.text == "livekit()"
    assert library.headers["content-type"].startswith("text/javascript")


@pytest.mark.parametrize("path", ["/talk/nothing", "/talk/../secret", "/talk/%2e%2e/secret"])
async def test_only_the_page_s_own_files_are_served(page: ClientFactory, path: str) -> None:
    async with page() as http:
        answer = await http.get(path)
    assert (answer.status_code, answer.json()["error"]) == (404, "not_found")


@pytest.mark.parametrize(
    "path", ["/talk/", "/healthz", "/api/conversations", "/nothing", "/talk/nothing"]
)
async def test_every_answer_protects_its_reader(page: ClientFactory, path: str) -> None:
    async with page() as http:
        headers = (await http.get(path)).headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    policy = headers["content-security-policy"]
    assert "default-src 'self'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "ws://127.0.0.1:9 http://127.0.0.1:9" in policy
    assert "Origin" in headers["vary"]
    assert "access-control-allow-origin" not in headers
    assert (headers.get("cache-control") == "no-store") == path.startswith("/api/")


async def test_without_a_page_there_is_nothing(dependencies: Dependencies, tmp_path: Path) -> None:
    client = client_factory(
        with_changes(dependencies, static=tmp_path / "none", livekit_client=None)
    )
    async with client() as http:
        statuses = [
            (await http.get(path)).status_code
            for path in ("/", "/talk/", "/talk/livekit-client.umd.js")
        ]
    assert statuses == [404, 404, 404]


class _Broken(Router):
    """A mistake of ours."""

    async def call(self, *_: Any, **__: Any) -> Outcome:
        """Fail as no code of ours should."""
        raise RuntimeError("canary")


async def test_our_own_mistake_tells_nothing(dependencies: Dependencies, key: str) -> None:
    broken = _Broken(dependencies.signer, str)
    async with client_factory(with_changes(dependencies, router=broken))(key) as http:
        answer = await http.get("/api/conversations")
    assert (answer.status_code, answer.json()["error"]) == (500, "fault")
    assert "canary" not in answer.text
    assert answer.headers["x-content-type-options"] == "nosniff"
