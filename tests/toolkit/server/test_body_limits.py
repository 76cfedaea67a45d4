"""What a request to a server may cost: its body is bounded, and few of its errors are written."""

import json
from collections.abc import AsyncGenerator, Mapping
from typing import Any

import pytest
import pytest_asyncio
from redis.asyncio import Redis

from config.database import Database
from config.protocol import MAX_CALL_SIZE
from config.security.tokens import Signer
from tests.conftest import Tenant
from tests.support.processes import in_one_task
from tests.support.servers import Servers, serve
from tests.toolkit.notes_server import SPEC

ERAS = pytest.mark.parametrize("version", ["2025-11-25", "2026-07-28"])


@pytest_asyncio.fixture(scope="module")
async def servers(signer: Signer, database: Database, cache: Redis) -> AsyncGenerator[Servers]:
    async with in_one_task(serve([SPEC], signer, database, cache)) as servers:
        yield servers


def headers(token: str, version: str) -> Mapping[str, str]:
    """Return the headers of a tool call."""
    return {
        "Authorization": f"Bearer {token}",
        "Accept": "application/json, text/event-stream",
        "Content-Type": "application/json",
        "MCP-Protocol-Version": version,
        "Mcp-Method": "tools/call",
        "Mcp-Name": "read_note",
    }


async def unread() -> AsyncGenerator[bytes]:
    """Be a body that nobody may ask for."""
    raise AssertionError("the body was read")
    yield b""


async def test_a_body_is_not_read_for_who_may_not_send_it(servers: Servers) -> None:
    async with servers.http() as http:
        answer = await http.post("/notes/mcp", content=unread(), headers=headers("x", "2026-07-28"))
    assert answer.status_code == 401


@ERAS
@pytest.mark.parametrize(
    "body",
    [
        b" " * (MAX_CALL_SIZE + 1),
        b"[" + b"1," * 4_000 + b"1]",
        b"{" + b",".join(b'"k%d":[]' % number for number in range(4_000)) + b"}",
        b"[" * 101 + b"]" * 101,
        b"[" * 100_000,
        "{}".encode("utf-16"),
    ],
    ids=["size", "values", "keys", "levels", "more levels", "encoding"],
)
async def test_a_body_has_limits(
    servers: Servers, tenant: Tenant, version: str, body: bytes
) -> None:
    token = servers.signer.mint("mcp:notes", tenant.claims())
    async with servers.http() as http:
        answer = await http.post("/notes/mcp", content=body, headers=headers(token, version))
    assert answer.status_code == 413
    assert answer.json()["error"]["message"].startswith("The body must")


@ERAS
async def test_many_wrong_arguments_are_one_complaint(
    servers: Servers, tenant: Tenant, version: str
) -> None:
    token = servers.signer.mint("mcp:notes", tenant.claims())
    meta = {
        "io.modelcontextprotocol/protocolVersion": version,
        "io.modelcontextprotocol/clientInfo": {"name": "tests", "version": "1"},
        "io.modelcontextprotocol/clientCapabilities": {},
    }
    arguments: dict[str, Any] = {f"k{number}": number for number in range(3_900)}
    call = {"name": "read_note", "arguments": arguments, "_meta": meta}
    body = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": call}
    async with servers.http() as http:
        answer = await http.post(
            "/notes/mcp", content=json.dumps(body), headers=headers(token, version)
        )
    assert "too much is wrong with them" in answer.text
    assert "k1" not in answer.text
    assert len(answer.text) < 1_000


async def test_three_wrong_arguments_are_named(servers: Servers, tenant: Tenant) -> None:
    async with servers.connect("notes", tenant.claims()) as caller:
        unknown: dict[str, Any] = {f"k{number}": number for number in range(50)}
        answer = await caller.call("read_note", name=["x"], **unknown)
    assert answer.error == "invalid"
    assert answer.text.count("does not fit") + answer.text.count("does not take") == 3
