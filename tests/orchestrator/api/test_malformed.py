"""What does not fit is refused in one shape, and never repeated."""

import json
from collections.abc import AsyncGenerator
from typing import Any

import pytest

from config.database import Database
from tests.conftest import Tenant
from tests.orchestrator.api.conftest import DOCUMENT, ClientFactory, new_bot, start_session

CANARY = "canary-4711"
POSTS = sorted(path for path, operations in DOCUMENT["paths"].items() if "post" in operations)
NEEDS_FIELDS = [
    path for path in POSTS if DOCUMENT["paths"][path]["post"].get("requestBody", {}).get("required")
]
CONVERSATION = "11111111-1111-4111-8111-111111111111"


def url(path: str) -> str:
    """Return an address of a route."""
    return path.format(
        conversation_id=CONVERSATION, order_index=0, name="bot", bot="bot", server="erp"
    )


@pytest.mark.parametrize("path", POSTS)
@pytest.mark.parametrize(
    ("body", "status", "error"),
    [
        (b"{", 400, "malformed"),
        (b'{"bot": "\\ud800"}', 400, "malformed"),
        (b"\xff\xfe", 400, "malformed"),
        (b"[" * 10_000, 400, "malformed"),
        (b"[]", 422, "invalid"),
        (b"null", 422, "invalid"),
        (b'"canary-4711"', 422, "invalid"),
        (b'{"canary-4711": 1}', 422, "invalid"),
    ],
)
async def test_a_body_that_is_no_object_of_ours(
    client: ClientFactory, key: str, path: str, body: bytes, status: int, error: str
) -> None:
    headers = {"Content-Type": "application/json"}
    async with client(key) as http:
        answer = await http.post(url(path), content=body, headers=headers)
    assert (answer.status_code, answer.json()["error"]) == (status, error)
    assert CANARY not in answer.text


@pytest.mark.parametrize("path", NEEDS_FIELDS)
async def test_what_is_missing_is_named(client: ClientFactory, key: str, path: str) -> None:
    schema = DOCUMENT["paths"][path]["post"]["requestBody"]["content"]["application/json"]
    model = DOCUMENT["components"]["schemas"][schema["schema"]["$ref"].rpartition("/")[2]]
    async with client(key) as http:
        answer = await http.post(url(path))
    assert answer.status_code == 422
    for field in model["required"]:
        assert f"{field} is missing." in answer.json()["message"]


@pytest.mark.parametrize(
    ("path", "field", "value"),
    [
        ("/api/sessions/start", "bot", CANARY.upper()),
        ("/api/sessions/start", "bot", {"a": CANARY}),
        ("/api/sessions/start", "direction", CANARY),
        ("/api/sessions/start", "identifier", CANARY + "\x00"),
        ("/api/sessions/start", "identifier", CANARY * 100),
        ("/api/sessions/start", "metadata", {CANARY: [1]}),
        ("/api/sessions/start", "language", CANARY),
        ("/api/rag/retrieve", "conversation_id", CANARY),
        ("/api/rag/retrieve", "top_k", 4711),
        ("/api/tools/execute", "tool_key", CANARY),
        ("/api/tools/execute", "params", [CANARY]),
        ("/api/tools/execute", "bot_id", CANARY),
        ("/api/conversations/{conversation_id}/turns", "stt_confidence", 4711),
        ("/api/conversations/{conversation_id}/turns", "order_index", -4711),
        ("/api/conversations/{conversation_id}/turns", "order_index", 2**31),
        ("/api/conversations/{conversation_id}/turns", "transcript", CANARY + "\x00"),
        ("/api/conversations/{conversation_id}/turns", "transcript", 4711),
    ],
)
async def test_what_does_not_fit_is_named_but_not_repeated(
    client: ClientFactory, key: str, path: str, field: str, value: Any
) -> None:
    body = {
        "/api/sessions/start": {"bot": "bot"},
        "/api/rag/retrieve": {"query": "When?"},
        "/api/tools/execute": {"tool_key": "scheduling_write"},
    }.get(path, {"transcript": "Hello.", "stt_provider": "embedded"})
    async with client(key) as http:
        answer = await http.post(url(path), json=body | {field: value})
    assert answer.status_code == 422
    assert answer.json()["message"].startswith(f"{field} does not fit")
    for part in ("canary", "CANARY", "4711", "found `"):
        assert part not in answer.text


@pytest.mark.parametrize("number", ["NaN", "Infinity", "1e999"])
async def test_numbers_are_numbers(client: ClientFactory, key: str, number: str) -> None:
    body = f'{{"transcript": "a", "stt_provider": "b", "stt_confidence": {number}}}'
    session = await start_session(client, key)
    async with client(key) as http:
        answer = await http.post(
            f"/api/conversations/{session['conversation_id']}/turns",
            content=body,
            headers={"Content-Type": "application/json"},
        )
    assert answer.status_code in (400, 422)


@pytest.mark.parametrize(
    "query",
    ["limit=0", "limit=51", "limit=x", "before=x", "status=gone", "bot=A%20B", "other=1"],
)
async def test_parameters_are_checked(client: ClientFactory, key: str, query: str) -> None:
    async with client(key) as http:
        answer = await http.get(f"/api/conversations?{query}")
    assert (answer.status_code, answer.json()["error"]) == (422, "invalid")


async def test_a_form_is_not_json(client: ClientFactory, key: str) -> None:
    async with client(key) as http:
        answer = await http.post(
            "/api/sessions/start",
            content=json.dumps({"bot": "bot"}),
            headers={"Content-Type": "text/plain"},
        )
    assert answer.status_code == 415


async def body_chunks(count: int) -> AsyncGenerator[bytes]:
    """Send a body of megabytes without saying how long it is."""
    for _ in range(count):
        yield b" " * 2**20


LARGE_BODIES = {
    "/api/tools/execute",
    "/api/servers",
    "/api/servers/{name}/accept",
    "/api/conversations/{conversation_id}/turns",
    "/api/conversations/{conversation_id}/turns/{order_index}/response",
}


@pytest.mark.parametrize("path", POSTS)
async def test_a_body_has_a_size(client: ClientFactory, key: str, path: str) -> None:
    limit = (256 if path in LARGE_BODIES else 16) * 1024
    headers = {"Content-Type": "application/json"}
    async with client(key) as http:
        for content in (b" " * (limit + 1), body_chunks(1), b" " * limit):
            answer = await http.post(url(path), content=content, headers=headers)
            fits = content == b" " * limit
            assert (answer.status_code, answer.json()["error"]) == (
                (400, "malformed") if fits else (413, "content_too_large")
            )


@pytest.mark.parametrize("digits", ["9" * 20, "9" * 5_000])
async def test_the_announced_size_may_be_any_number(
    client: ClientFactory, key: str, digits: str
) -> None:
    headers = {"Content-Type": "application/json", "Content-Length": digits}
    async with client(key) as http:
        answer = await http.post("/api/tools/execute", content=b"{}", headers=headers)
    assert answer.status_code == 413


@pytest.mark.parametrize(
    "body",
    [
        b'{"a": [' + b"1," * 1000 + b"1]}",
        b"{" + b",".join(b'"k%d": 1' % number for number in range(1001)) + b"}",
        b'{"a":' * 101 + b"1" + b"}" * 101,
        "{}".encode("utf-16"),
    ],
    ids=["values", "keys", "levels", "encoding"],
)
async def test_a_body_has_few_values(client: ClientFactory, key: str, body: bytes) -> None:
    headers = {"Content-Type": "application/json"}
    async with client(key) as http:
        answer = await http.post("/api/tools/execute", content=body, headers=headers)
    assert (answer.status_code, answer.json()["error"]) == (400, "malformed")
    assert "1000 values and 100 levels" in answer.json()["message"]


async def test_at_most_five_complaints_are_made(client: ClientFactory, key: str) -> None:
    body: dict[str, Any] = {f"field{number}": number for number in range(500)} | {
        "metadata": {"a": [], "b": []}
    }
    async with client(key) as http:
        answer = await http.post("/api/sessions/start", json=body)
    assert answer.status_code == 422
    assert 0 < answer.json()["message"].count(" does not fit") <= 5
    assert len(answer.json()["message"]) < 1000


async def test_a_query_has_few_parameters(client: ClientFactory, key: str) -> None:
    async with client(key) as http:
        answer = await http.get("/api/conversations?" + "&".join(f"k{n}" for n in range(21)))
    assert (answer.status_code, answer.json()["error"]) == (422, "invalid")
    assert "20 parameters" in answer.json()["message"]


@pytest.mark.parametrize("coding", ["gzip", "br", "deflate, gzip"])
async def test_a_compressed_body_is_not_read(client: ClientFactory, key: str, coding: str) -> None:
    headers = {"Content-Type": "application/json", "Content-Encoding": coding}
    async with client(key) as http:
        answer = await http.post("/api/rag/retrieve", content=b"{}", headers=headers)
    assert (answer.status_code, answer.json()["error"]) == (415, "unsupported_media_type")


@pytest.mark.parametrize(
    "path",
    [
        "/nothing",
        "/api",
        "/api/conversations/nothing",
        "/api/conversations/1/turns",
        f"/api/conversations/{CONVERSATION}/turns/x",
        f"/api/conversations/{CONVERSATION}/turns/{'7' * 5_000}",
        "/api/agents/a/b/config",
        "/api/%00",
        "/api/../etc/passwd",
    ],
)
async def test_there_is_nothing_elsewhere(client: ClientFactory, key: str, path: str) -> None:
    async with client(key) as http:
        answer = await http.get(path)
    assert (answer.status_code, answer.json()["error"]) == (404, "not_found")


async def test_numbers_beyond_all_turns_are_refused(client: ClientFactory, key: str) -> None:
    session = await start_session(client, key)
    turns = f"/api/conversations/{session['conversation_id']}/turns"
    async with client(key) as http:
        answer = await http.get(f"{turns}/{2**70}")
    assert answer.status_code == 422


@pytest.mark.parametrize("path", sorted(DOCUMENT["paths"]))
@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE"])
async def test_only_documented_methods_exist(
    client: ClientFactory, key: str, path: str, method: str
) -> None:
    documented = DOCUMENT["paths"][path]
    async with client(key) as http:
        answer = await http.request(method, url(path))
    assert (answer.status_code == 405) == (method.lower() not in documented)
    if answer.status_code == 405:
        assert answer.json()["error"] == "method_not_allowed"
        allowed = {word.strip().lower() for word in answer.headers["allow"].split(",")}
        assert set(documented) <= allowed


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/api/agents/{}/config"),
        ("GET", "/api/bots/{}/servers"),
        ("PUT", "/api/bots/bot/servers/{}"),
        ("PUT", "/api/bots/{}/servers/crm"),
        ("DELETE", "/api/bots/bot/servers/{}"),
        ("DELETE", "/api/servers/{}"),
        ("POST", "/api/servers/{}/accept"),
        ("POST", "/api/webhooks/zendesk/{}"),
        ("POST", "/api/webhooks/{}/x"),
    ],
)
@pytest.mark.parametrize("name", ["%00", "a%00b", "%ed%a0%80", "%ff", "7" * 5_000, "x" * 20_000])
async def test_no_name_in_a_path_is_a_fault(
    client: ClientFactory, key: str, method: str, path: str, name: str
) -> None:
    async with client(key) as http:
        answer = await http.request(method, path.format(name))
    assert answer.status_code in (401, 404, 422)
    assert set(answer.json()) == {"error", "message"}


async def test_text_that_cannot_be_stored_does_not_fit(
    client: ClientFactory, key: str, database: Database, tenant: Tenant
) -> None:
    bot = await new_bot(database, tenant)
    use = {"tools": ["a\x00b"], "policy": {"a\x00": {"filler": "\x00"}}, "integration": "\x00"}
    async with client(key) as http:
        answer = await http.put(f"/api/bots/{bot.name}/servers/crm", json=use)
    assert (answer.status_code, answer.json()["error"]) == (422, "invalid")
