"""What is listed for a key is exactly what it may call: over MCP, on one server, and over REST."""

from typing import Any

import pytest

from config.constellation import constellation, load_object
from config.database import Database
from config.security.api_keys import Rights, create_key
from tests.conftest import Tenant
from tests.orchestrator.api.conftest import ClientFactory, new_bot
from tests.orchestrator.api.mcp_clients import Deployment, connect_fast_mcp

# They are called with an argument that none of them takes: what is granted is `invalid`.
TICKETS_TOOLS: list[str] = load_object(constellation().servers["tickets"]).catalogue()["tools"]
KNOWLEDGE_TOOLS: list[str] = load_object(constellation().servers["knowledge"]).catalogue()["tools"]


async def bot_and_key(database: Database, tenant: Tenant, use: Any, **rights: Any) -> Any:
    """Return the name of a new bot with this use of a server, and a key that acts as it."""
    bot = await new_bot(database, tenant, use)
    key = await create_key(database, tenant.business_id, "one", Rights(bots=(bot.id,), **rights))
    return bot.name, key


@pytest.mark.parametrize(
    ("use", "rights"),
    [
        ({}, {}),
        ({}, {"read_only": True}),
        ({}, {"tools": ("tickets_delete_ticket", "tickets_show_ticket")}),
        ({"denied_tools": ["create_ticket"]}, {}),
        ({"tools": ["show_ticket", "delete_ticket"]}, {}),
        ({"tools": ["show_ticket"]}, {"tools": ("tickets_delete_ticket", "tickets_show_ticket")}),
        ({"enabled": False}, {}),
    ],
)
async def test_what_is_not_listed_for_a_key_cannot_be_called(
    deployment: Deployment,
    database: Database,
    tenant: Tenant,
    use: dict[str, Any],
    rights: dict[str, Any],
) -> None:
    _, key = await bot_and_key(database, tenant, {"server": "tickets", **use}, **rights)
    async with connect_fast_mcp(deployment.url, key) as mcp_client:
        listed = set(await mcp_client.tool_names())
        called = {
            name
            for name in (f"tickets_{tool}" for tool in TICKETS_TOOLS)
            if _is_known(await mcp_client.call_tool(name, nothing=1))
        }
    assert called == listed


async def test_a_bot_that_names_no_tools_has_those_for_voice_only(
    deployment: Deployment, database: Database, tenant: Tenant
) -> None:
    _, key = await bot_and_key(database, tenant, {"server": "tickets"})
    async with connect_fast_mcp(f"{deployment.api.url}/tickets/mcp", key) as mcp_client:
        listed = set(await mcp_client.tool_names())
        refused = await mcp_client.call_tool("delete_ticket", ticket="1")
    assert {"create_ticket", "show_ticket"} < listed
    assert not {name for name in listed if "delete" in name or "bulk" in name}
    assert len(listed) < len(TICKETS_TOOLS) / 2
    assert refused.meta["antiphon"]["error"] == "unknown_tool"


async def test_rest_calls_what_is_listed_and_nothing_else(
    client: ClientFactory, key: str, database: Database, tenant: Tenant
) -> None:
    bot, _ = await bot_and_key(database, tenant, {"server": "knowledge"})
    async with client(key) as http:
        answers = {
            tool: await http.post(
                "/api/tools/execute",
                json={"bot": bot, "tool_key": f"knowledge_{tool}", "params": {"nothing": 1}},
            )
            for tool in KNOWLEDGE_TOOLS
        }
    known = {tool for tool, answer in answers.items() if answer.json()["error"] == "invalid"}
    assert known == {"search_knowledge"}
    assert {each.status_code for each in answers.values()} == {404, 422}


def _is_known(answer: Any) -> bool:
    return bool(answer.meta["antiphon"]["error"] != "unknown_tool")
