"""How servers are reached: both eras of the protocol, traces, hosts, deadlines, a lost database."""

from collections.abc import AsyncGenerator
from typing import Any
from uuid import uuid4

import pytest
import pytest_asyncio
from mcp import Client as SdkClient
from mcp.client.streamable_http import streamable_http_client
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, get_tracer
from redis.asyncio import Redis

from config.database import Database
from config.security.tokens import Signer
from tests.conftest import Tenant, fetch
from tests.support.processes import in_one_task
from tests.support.servers import Servers, serve
from tests.toolkit.notes_server import SPEC, written

NAMES = ["read_note", "write_note", "dawdle", "write_slowly"]


@pytest_asyncio.fixture(scope="module")
async def servers(signer: Signer, database: Database, cache: Redis) -> AsyncGenerator[Servers]:
    async with in_one_task(serve([SPEC], signer, database, cache)) as servers:
        yield servers


async def test_a_caller_s_trace_goes_on_in_the_server(
    servers: Servers, tenant: Tenant, spans: InMemorySpanExporter
) -> None:
    async with servers.connect("notes", tenant.claims()) as caller:
        with get_tracer("test").start_as_current_span("a turn") as turn:
            await caller.call("read_note", name="secretive")
    served = [span for span in spans.get_finished_spans() if span.kind is SpanKind.SERVER]
    called = [span for span in served if "read_note" in span.name]
    assert called
    assert called[-1].context is not None
    assert called[-1].context.trace_id == turn.get_span_context().trace_id
    assert "secretive" not in "".join(span.to_json() for span in spans.get_finished_spans())


@pytest.mark.parametrize("mode", ["legacy", "2026-07-28"])
async def test_clients_of_both_eras_list_and_call(
    servers: Servers, tenant: Tenant, mode: str
) -> None:
    token = servers.signer.mint("mcp:notes", tenant.claims())
    async with servers.http({"Authorization": f"Bearer {token}"}) as http:
        transport = streamable_http_client("http://127.0.0.1/notes/mcp", http_client=http)
        async with SdkClient(transport, mode=mode) as client:
            tools = await client.session.list_tools()
            answer = await client.session.call_tool("read_note", {"name": "milk"})
    assert [tool.name for tool in tools.tools] == [
        "read_note",
        "write_note",
        "dawdle",
        "write_slowly",
    ]
    assert answer.structured_content == {
        "say": "The note says milk.",
        "text": f"milk of {tenant.business_id}",
    }


@pytest.mark.parametrize("path", ["/notes/mcp", "/notes/mcp/"])
async def test_a_slash_at_the_end_leads_nowhere_else(
    servers: Servers, tenant: Tenant, path: str
) -> None:
    token = servers.signer.mint("mcp:notes", tenant.claims())
    headers = {
        "Authorization": f"Bearer {token}",
        "Accept": "application/json, text/event-stream",
    }
    methods = ("tools/list", "resources/list", "resources/templates/list", "prompts/list", "ping")
    async with servers.http(headers) as http:
        for method in methods:
            body: dict[str, Any] = {"jsonrpc": "2.0", "id": 1, "method": method, "params": {}}
            answer = await http.post(path, json=body)
            assert answer.status_code == 200, answer.text
            assert '"result"' in answer.text


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"Host": "localhost"}, 200),
        ({"Host": "evil.example"}, 421),
        ({"Origin": "https://evil.example"}, 403),
        ({"Host": "127.0.0.1.evil.example"}, 421),
    ],
)
async def test_a_page_that_rebinds_its_name_is_refused(
    servers: Servers, tenant: Tenant, headers: dict[str, str], status: int
) -> None:
    token = servers.signer.mint("mcp:notes", tenant.claims())
    wanted = {
        "Authorization": f"Bearer {token}",
        "Accept": "application/json, text/event-stream",
        "Content-Type": "application/json",
    }
    start = {
        "protocolVersion": "2025-11-25",
        "capabilities": {},
        "clientInfo": {"name": "a client", "version": "1"},
    }
    body = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": start}
    async with servers.http(wanted | headers) as http:
        assert (await http.post("/notes/mcp", json=body)).status_code == status


async def test_a_write_that_is_cut_off_is_not_called_undone(
    servers: Servers, tenant: Tenant, database: Database
) -> None:
    """Its deadline passes while it writes: nobody knows, so it is neither repeated nor denied."""
    written.clear()
    claims = tenant.claims(conversation_id=uuid4())
    async with servers.connect("notes", claims) as caller:
        for _ in range(2):
            assert (await caller.call("write_slowly")).error == "outcome_unknown"
    rows = await fetch(
        database,
        tenant,
        "select outcome from audit where conversation_id = :id",
        id=claims.conversation_id,
    )
    assert [row["outcome"] for row in rows] == ["outcome_unknown"] * 2
    assert written == ["slowly"]


async def test_records_that_cannot_be_reached_are_no_mistake_of_ours(
    signer: Signer, cache: Redis, tenant: Tenant
) -> None:
    nowhere = Database("postgresql+psycopg://nobody:canary@127.0.0.1:1/nothing")
    claims = tenant.claims(conversation_id=uuid4())
    async with (
        in_one_task(serve([SPEC], signer, nowhere, cache)) as down,
        down.connect("notes", claims) as caller,
    ):
        answer = await caller.call("write_note", name="a")
        assert answer.error == "unavailable"
        assert "canary" not in str(answer)
        assert (await caller.call("read_note", name="a")).error is None
    await nowhere.aclose()
