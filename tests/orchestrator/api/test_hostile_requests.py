"""Whatever is sent is answered in the API's shape, and its connection serves the next request."""

import json
import time
from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import Any

import pytest
import pytest_asyncio

from benchmarks.hostile_values import HostileRequest, RequestGenerator
from benchmarks.raw_http import RawResponse, connect
from orchestrator.api.app import create_app
from orchestrator.api.dependencies import Dependencies
from tests.conftest import Tenant
from tests.orchestrator.api.conftest import (
    DOCUMENT,
    ClientFactory,
    slug,
    start_session,
    with_changes,
)
from tests.support.asgi import serve_app
from tests.support.processes import in_one_task

_REQUESTS = 250
# What cannot be asked here: nothing listens at LiveKit's address, and at no external server's.
_UNAVAILABLE = {"/readyz": 503}


@pytest_asyncio.fixture(scope="module")
async def api_url(dependencies: Dependencies) -> AsyncGenerator[str]:
    """The API on a port, with no limit on callers without a key."""
    lenient = with_changes(
        dependencies, anonymous_per_minute=10_000, anonymous_requests_per_minute=10_000
    )
    async with in_one_task(serve_app(create_app(lenient))) as url:
        yield url


@pytest_asyncio.fixture(scope="module")
async def known(
    client: ClientFactory, key: str, other_key: str, tenant: Tenant
) -> Mapping[str, Sequence[Any]]:
    """Values that exist, of the tenant and of the other one."""
    own, theirs = await start_session(client, key), await start_session(client, other_key)
    ids = [own["conversation_id"], own["conversation_id"], theirs["conversation_id"]]
    return {
        "conversation_id": ids,
        "before": ids,
        "bot": ["bot"],
        "name": ["bot"],
        "business": [slug(tenant)],
        "server": ["scheduling", "knowledge"],
        "tool_key": [
            "scheduling_write",
            "transcripts_get_conversation",
            "knowledge_search_knowledge",
        ],
        "order_index": [0, 3],
        "params": [{"what": "x"}],
    }


def check(request: HostileRequest, response: RawResponse) -> None:
    """Fail for a response that is an error of ours, or is not in the API's shape."""
    path = request.target.partition("?")[0]
    shown = (
        f"{request.method} {request.target[:300]} {request.body[:300]!r} {response.body[:300]!r}"
    )
    assert response.status < 500 or _UNAVAILABLE.get(path) == response.status, shown
    assert response.headers.get("connection") != "close", shown
    if response.status >= 400:
        error = json.loads(response.body)
        assert {"error", "message"} <= set(error) <= {"error", "message", "say"}, shown
        assert len(response.body) < 2_000, shown


async def test_hostile_requests_are_refused_on_one_connection(
    api_url: str, key: str, other_key: str, known: Mapping[str, Sequence[Any]]
) -> None:
    credentials = [f"Bearer {key}", f"Bearer {other_key}"]
    requests = RequestGenerator(DOCUMENT, credentials, known, seed=4711)
    statuses: set[int] = set()
    async with connect(api_url) as connection:
        for _ in range(_REQUESTS):
            request = requests.next()
            response = await connection.send(request)
            check(request, response)
            statuses.add(response.status)
    assert {200, 400, 401, 404, 413, 415, 422} <= statuses


async def test_a_body_is_not_read_for_who_may_not_send_it(
    dependencies: Dependencies, api_url: str
) -> None:
    """The rest of the body never comes: who waited for it would not answer."""
    headers = "Host: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: 9000"
    strict = with_changes(dependencies, anonymous_requests_per_minute=0)
    async with serve_app(create_app(strict)) as strict_url:
        for url, path, status in (
            (api_url, "/api/tools/execute", 401),
            (api_url, "/mcp", 401),
            (strict_url, "/api/sessions/start", 429),
        ):
            async with connect(url) as connection:
                await connection.send_bytes(f"POST {path} HTTP/1.1\r\n{headers}\r\n\r\n{{".encode())
                assert (await connection.read_response()).status == status, path


@pytest.mark.parametrize("chunked", [False, True])
async def test_a_connection_outlives_a_body_that_is_too_large(
    api_url: str, key: str, chunked: bool
) -> None:
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {key}"}
    large = HostileRequest("POST", "/api/rag/retrieve", headers, b" " * 3 * 2**20, chunked=chunked)
    async with connect(api_url) as connection:
        refused = await connection.send(large)
        assert refused.status == 413
        assert (await connection.send(HostileRequest("GET", "/healthz", {}))).status == 200


async def test_a_body_that_is_shorter_than_it_says_is_only_waited_for(api_url: str) -> None:
    async with connect(api_url) as connection:
        await connection.send_bytes(
            b"POST /api/sessions/start HTTP/1.1\r\nHost: x\r\n"
            b"Content-Type: application/json\r\nContent-Length: 90\r\n\r\n{"
        )
    async with connect(api_url) as connection:
        assert (await connection.send(HostileRequest("GET", "/healthz", {}))).status == 200


async def test_refused_bodies_hold_up_nobody(api_url: str, key: str) -> None:
    """Five anonymous bodies of 2 MB, full of wrong values, would freeze the API for 40 seconds."""
    values = b",".join(b'"k%d":[]' % number for number in range(150_000))
    body = b'{"bot":"bot","business":"b","metadata":{' + values + b"}}"
    started = time.process_time()
    for _ in range(5):
        async with connect(api_url) as connection:
            request = HostileRequest(
                "POST", "/api/sessions/start", {"Content-Type": "application/json"}, body
            )
            assert (await connection.send(request)).status == 413
    assert time.process_time() - started < 2  # of which most is this client's
