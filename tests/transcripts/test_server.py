"""The list of tools as a client sees it."""

import importlib
import json

import pytest
import pytest_asyncio
from mcp_types import Tool

from tests.conftest import Tenant
from tests.support.servers import Servers
from transcripts.server import SERVER

CATALOGUE = [
    "start_conversation",
    "append_user_turn",
    "append_agent_response",
    "end_conversation",
    "get_conversation",
    "list_conversations",
    "get_transcript",
    "search_transcripts",
    "export_transcript",
]
READING = {*CATALOGUE[4:], "list_tool_calls"}
WRITING = {*CATALOGUE[:4], "update_conversation", "record_usage", "append_tool_call"}


@pytest_asyncio.fixture
async def tools(servers: Servers, tenant: Tenant) -> dict[str, Tool]:
    async with servers.connect("transcripts", tenant.claims()) as caller:
        return await caller.tools()


async def test_the_catalogue_and_four_more(tools: dict[str, Tool]) -> None:
    assert list(tools)[: len(CATALOGUE)] == CATALOGUE
    assert set(tools) == READING | WRITING
    assert SERVER.catalogue()["providers"] == ["builtin"]


async def test_every_tool_says_what_it_does(tools: dict[str, Tool]) -> None:
    for name, tool in tools.items():
        hints = tool.annotations
        assert hints is not None
        assert tool.title
        assert tool.description
        assert tool.output_schema is not None
        flags = hints.read_only_hint, hints.destructive_hint, hints.idempotent_hint
        assert flags == (name in READING, False, True), name
        assert hints.open_world_hint is False


async def test_no_tool_takes_a_tenant(tools: dict[str, Tool]) -> None:
    assert all("business_id" not in tool.input_schema["properties"] for tool in tools.values())


async def test_schemas_cost_at_most_100_tokens_on_average(
    tools: dict[str, Tool], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LITELLM_LOCAL_MODEL_COST_MAP", "True")  # else its import asks the network
    token_counter = importlib.import_module("litellm").token_counter
    shown = [
        {"name": tool.name, "description": tool.description, "parameters": tool.input_schema}
        for tool in tools.values()
    ]
    compact = json.JSONEncoder(separators=(",", ":")).encode
    counts = [token_counter(model="gpt-4o", text=compact(each)) for each in shown]
    assert sum(counts) / len(counts) <= 100


async def test_who_may_not_write_is_shown_the_reading_tools(
    servers: Servers, tenant: Tenant
) -> None:
    async with servers.connect("transcripts", tenant.claims(write=False)) as caller:
        assert set(await caller.tools()) == READING
