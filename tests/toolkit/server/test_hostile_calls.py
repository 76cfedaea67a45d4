"""Whatever a tool of ours is called with, it answers or refuses: it never fails by itself."""

import json
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

import httpx2
import pytest
import pytest_asyncio
from mcp_types import INTERNAL_ERROR
from redis.asyncio import Redis

from benchmarks.hostile_values import TEXTS, Values, to_json
from config.database import Database
from config.protocol import META_KEY
from config.security.tokens import Claims, Signer, server_audience
from crm.server import SERVER as CRM
from knowledge.server import SERVER as KNOWLEDGE
from scheduling.server import SERVER as SCHEDULING
from tests.conftest import Tenant, new_tenant
from tests.scheduling.calendars import SCHOOL, declare
from tests.support.processes import in_one_task
from tests.support.servers import Servers, serve
from tickets.server import SERVER as TICKETS
from toolkit.server.build import ServerSpec
from transcripts.server import SERVER as TRANSCRIPTS

SPECS = (SCHEDULING, KNOWLEDGE, TRANSCRIPTS, CRM, TICKETS)  # servicenow has no records here
KNOWN: Mapping[str, Sequence[Any]] = {
    "service": ["piano"],
    "when": ["tomorrow at four", "friday", "2030-01-07T10:00"],
    "phone": ["+49 30 901820"],
    "email": ["ann@example.com"],
    "confirmation_code": [None],
}
_CALLS_PER_TOOL = 3


@pytest_asyncio.fixture(scope="module")
async def servers(signer: Signer, database: Database, cache: Redis) -> AsyncGenerator[Servers]:
    async with in_one_task(
        serve(SPECS, signer, database, cache, calls_per_minute=100_000)
    ) as servers:
        yield servers


@pytest_asyncio.fixture(scope="module")
async def school(database: Database) -> Tenant:
    """A business with a calendar."""
    tenant = await new_tenant(database)
    await declare(database, tenant, SCHOOL)
    return tenant


@dataclass(frozen=True)
class RawCaller:
    """Calls tools of one server with JSON as it is, in the protocol of 2026 or an earlier one."""

    http: httpx2.AsyncClient
    server: str
    signer: Signer
    claims: Claims

    async def call(self, tool: str, arguments: Any, version: str) -> str | None:
        """Call a tool; return its error."""
        meta = {
            "io.modelcontextprotocol/protocolVersion": version,
            "io.modelcontextprotocol/clientInfo": {"name": "tests", "version": "1"},
            "io.modelcontextprotocol/clientCapabilities": {},
        }
        token = self.signer.mint(server_audience(self.server), self.claims)
        params = {"name": tool, "arguments": arguments, "_meta": meta}
        headers = {
            "Authorization": f"Bearer {token}",
            "Accept": "application/json, text/event-stream",
            "Content-Type": "application/json",
            "MCP-Protocol-Version": version,
            "Mcp-Method": "tools/call",
            "Mcp-Name": tool,
        }
        body = to_json({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params})
        response = await self.http.post(f"/{self.server}/mcp", content=body, headers=headers)
        shown = f"{tool} {body[:500]!r} {response.text[:500]}"
        assert response.status_code < 500, shown
        answer = _message(response)
        if "error" in answer:
            assert answer["error"]["code"] != INTERNAL_ERROR, shown
            return "protocol"
        error = answer["result"].get("_meta", {}).get(META_KEY, {}).get("error")
        assert error != "fault", shown
        return str(error) if error else None


def _message(response: httpx2.Response) -> Mapping[str, Any]:
    lines = response.text.splitlines()
    data = [line.removeprefix("data: ") for line in lines if line.startswith("data: ")]
    message: Mapping[str, Any] = json.loads(data[-1] if data else response.text)
    return message


@pytest.mark.parametrize("spec", SPECS, ids=[spec.name for spec in SPECS])
async def test_hostile_arguments_are_no_fault(
    spec: ServerSpec, servers: Servers, school: Tenant
) -> None:
    claims = school.claims()
    async with servers.connect(spec.name, claims) as caller:
        tools = await caller.tools()
    seen: set[str | None] = set()
    async with servers.http() as http:
        raw = RawCaller(http, spec.name, servers.signer, claims)
        for number, (name, tool) in enumerate(tools.items()):
            schema = tool.input_schema
            values = Values(Random(number), schema.get("$defs", {}), KNOWN)
            for call in range(_CALLS_PER_TOOL):
                version = "2025-11-25" if call % 3 == 2 else "2026-07-28"
                seen.add(await raw.call(name, values.spoilt(schema), version))
    assert "invalid" in seen


@pytest.mark.parametrize("tool", ["get_available_slots", "list_bookings"])
async def test_hostile_words_of_a_caller_are_no_fault(
    servers: Servers, school: Tenant, tool: str
) -> None:
    async with servers.http() as http:
        raw = RawCaller(http, "scheduling", servers.signer, school.claims())
        for text in TEXTS:
            arguments = (
                {"service": "piano", "when": text}
                if tool == "get_available_slots"
                else {"name": text, "phone": text}
            )
            assert await raw.call(tool, arguments, "2026-07-28") != "unknown_tool"
