"""Requests as clients that exist send them: addresses, headers, methods and arguments."""

import json
from typing import Any

import httpx2
import pytest

from config.database import Database
from tests.conftest import Tenant
from tests.orchestrator.api.conftest import ClientFactory, new_bot
from tests.orchestrator.api.mcp_clients import mcp_request

JSON, STREAM = "application/json", "text/event-stream"
BOTH = {"Accept": f"{JSON}, {STREAM}"}
HEADER = "MCP-Protocol-Version"
CLIENT = {"capabilities": {}, "clientInfo": {"name": "tests", "version": "1"}}


def rpc(method: str, **params: Any) -> dict[str, Any]:
    """Return a request of the protocol of 2025."""
    return {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}


INITIALIZE = rpc("initialize", protocolVersion="2025-06-18", **CLIENT)


def message(answer: httpx2.Response) -> dict[str, Any]:
    """Return the JSON-RPC message of an answer, which may be a stream with one event."""
    text = answer.text
    if answer.headers["content-type"].startswith(STREAM):
        (text,) = [line for line in text.splitlines() if line.startswith("data: {")]
    return dict(json.loads(text.removeprefix("data: ")))


async def post(client: ClientFactory, key: str, body: Any, **headers: str) -> httpx2.Response:
    """Send a request."""
    async with client(key) as http:
        return await http.post("/mcp", json=body, headers={**BOTH, **headers})


async def call(client: ClientFactory, key: str, tool: str, arguments: Any) -> dict[str, Any]:
    """Call a tool, and return its result."""
    body = rpc("tools/call", name=tool, arguments=arguments)
    return dict(message(await post(client, key, body))["result"])


@pytest.mark.parametrize("path", ["/mcp/", "/scheduling/mcp/", "/mcp", "/scheduling/mcp"])
async def test_a_slash_at_the_end_leads_nowhere_else(
    client: ClientFactory, key: str, path: str
) -> None:
    async with client(key) as http:
        old = await http.post(path, json=INITIALIZE, headers=BOTH)
        new = await http.post(path, **mcp_request("tools/list"))
    assert (old.status_code, new.status_code) == (200, 200)
    assert message(old)["result"]["serverInfo"]["name"] == "antiphon"
    assert new.json()["result"]["tools"]


@pytest.mark.parametrize(
    ("asked", "agreed"),
    [
        ("2024-11-05", "2024-11-05"),
        ("2025-03-26", "2025-03-26"),
        ("2025-06-18", "2025-06-18"),
        ("2025-11-25", "2025-11-25"),
        ("1999-01-01", "2025-11-25"),
        ("2099-01-01", "2025-11-25"),
    ],
)
async def test_every_version_of_the_handshake_goes_on(
    client: ClientFactory, key: str, asked: str, agreed: str
) -> None:
    answer = await post(client, key, rpc("initialize", protocolVersion=asked, **CLIENT))
    assert message(answer)["result"]["protocolVersion"] == agreed
    initialized = {"jsonrpc": "2.0", "method": "notifications/initialized"}
    assert (await post(client, key, initialized, **{HEADER: agreed})).status_code == 202
    ping = await post(client, key, rpc("ping"), **{HEADER: agreed, "Mcp-Session-Id": "of-old"})
    assert message(ping)["result"] == {}


@pytest.mark.parametrize(
    ("accept", "kind"),
    [(JSON, JSON), ("application/*", JSON), (STREAM, STREAM), ("*/*", STREAM), ("", STREAM)],
)
async def test_one_of_both_types_is_enough(
    client: ClientFactory, key: str, accept: str, kind: str
) -> None:
    answer = await post(client, key, INITIALIZE, Accept=accept)
    assert (answer.status_code, answer.headers["content-type"].partition(";")[0]) == (200, kind)
    assert message(answer)["result"]["serverInfo"]["name"] == "antiphon"
    request = mcp_request("tools/list")
    request["headers"]["Accept"] = accept
    async with client(key) as http:
        assert (await http.post("/mcp", **request)).json()["result"]["tools"]


async def test_another_type_is_not_acceptable(client: ClientFactory, key: str) -> None:
    assert (await post(client, key, INITIALIZE, Accept="text/html")).status_code == 406


@pytest.mark.parametrize("method", ["GET", "DELETE"])
@pytest.mark.parametrize("path", ["/mcp", "/mcp/", "/scheduling/mcp/"])
async def test_there_is_neither_a_stream_nor_a_session(
    client: ClientFactory, key: str, method: str, path: str
) -> None:
    async with client(key) as http:
        answer = await http.request(method, path, headers={"Accept": STREAM})
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")


LISTS = {
    "resources/list": "resources",
    "resources/templates/list": "resourceTemplates",
    "prompts/list": "prompts",
}


@pytest.mark.parametrize("method", LISTS)
async def test_what_there_is_none_of_is_an_empty_list(
    client: ClientFactory, key: str, method: str
) -> None:
    old = await post(client, key, rpc(method))
    async with client(key) as http:
        new = await http.post("/mcp", **mcp_request(method))
    assert message(old)["result"] == {LISTS[method]: []}
    assert new.json()["result"][LISTS[method]] == []


@pytest.mark.parametrize(
    ("method", "params", "result"),
    [
        ("logging/setLevel", {"level": "debug"}, {}),
        (
            "completion/complete",
            {"ref": {"type": "ref/prompt", "name": "a"}, "argument": {"name": "a", "value": "b"}},
            {"completion": {"values": [], "hasMore": False}},
        ),
    ],
)
async def test_what_is_not_declared_does_no_harm(
    client: ClientFactory, key: str, method: str, params: dict[str, Any], result: dict[str, Any]
) -> None:
    assert message(await post(client, key, rpc(method, **params)))["result"] == result


async def test_an_unknown_method_is_an_error(client: ClientFactory, key: str) -> None:
    assert message(await post(client, key, rpc("nothing/at/all")))["error"]["code"] == -32601


@pytest.mark.parametrize("arguments", [None, {}, [], "", "{}"])
async def test_a_tool_without_arguments_takes_them_in_any_shape(
    client: ClientFactory, key: str, arguments: Any
) -> None:
    result = await call(client, key, "scheduling_tell_whose", arguments)
    assert result["structuredContent"]["say"] == "Yours."


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"_meta": {"progressToken": 1, "claudecode/toolUseId": "a", "vendor.example/x": {"a": []}}},
        {"_meta": None},
        {"task": {"ttl": 1000}},
    ],
)
async def test_what_else_a_request_has_is_passed_over(
    client: ClientFactory, key: str, params: dict[str, Any]
) -> None:
    answer = await post(client, key, rpc("tools/call", name="scheduling_tell_whose", **params))
    assert message(answer)["result"]["structuredContent"]["say"] == "Yours."


ARGUMENTS: list[dict[str, Any]] = [
    {"names": ["Ada", "Bo"], "options": {"times": 2}, "loud": True},
    {"names": '["Ada", "Bo"]', "options": '{"times": "2"}', "loud": "true"},
    {"names": ["Ada", "Bo"], "options": {"times": 2.0}, "loud": True, "note": None},
    {"names": '["Ada", "Bo"]', "options": {"times": "2", "tone": None}, "loud": "True"},
]


@pytest.mark.parametrize("arguments", ARGUMENTS)
async def test_arguments_that_were_sent_as_texts_are_read(
    client: ClientFactory,
    key: str,
    database: Database,
    tenant: Tenant,
    arguments: dict[str, Any],
) -> None:
    bot = await new_bot(database, tenant, {"server": "scheduling"})
    over_mcp = await call(client, key, "scheduling_greet", arguments)
    assert over_mcp["structuredContent"]["greetings"] == ["ADA", "ADA", "BO", "BO"]
    async with client(key) as http:
        body = {"bot": bot.name, "tool_key": "scheduling_greet", "params": arguments}
        over_rest = await http.post("/api/tools/execute", json=body)
    assert over_rest.json()["result"] == over_mcp["structuredContent"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"names": "Ada"}, 'names does not fit: it has to be a list, such as ["a", "b"].'),
        ({"names": [1]}, "names.0 does not fit: it has to be a text."),
        ({"names": [], "options": "often"}, "options does not fit: it has to be an object"),
        (
            {"names": [], "options": {"times": "often"}},
            "options.times does not fit: it has to be a whole number.",
        ),
        ({"names": [], "loud": "perhaps"}, "loud does not fit: it has to be true or false."),
        ({"names": None}, "names does not fit: it has to be a list"),
    ],
)
async def test_what_cannot_be_read_is_refused_in_a_sentence(
    client: ClientFactory, key: str, arguments: dict[str, Any], said: str
) -> None:
    result = await call(client, key, "scheduling_greet", arguments)
    assert result["isError"]
    assert result["content"][0]["text"].startswith(said)
