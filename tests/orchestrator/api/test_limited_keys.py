"""What a limited key sees and may do, over MCP and over REST."""

from typing import Any
from uuid import UUID, uuid4

import pytest

from config.database import Database
from config.security.api_keys import Rights, create_key, find_key, revoke_key
from orchestrator.api.app import OPERATIONS
from tests.conftest import Tenant, fetch
from tests.orchestrator.api.conftest import ClientFactory, NewBot, new_bot, start_session
from tests.orchestrator.api.mcp_clients import LIST_TOOLS, Deployment, connect_fast_mcp, mcp_request
from tests.orchestrator.api.scheduling_double import written

SCHEDULING_USE: dict[str, Any] = {"server": "scheduling", "tools": ["tell_whose", "write"]}
KNOWLEDGE_USE: dict[str, Any] = {"server": "knowledge"}
CLOSED = [each for each in OPERATIONS if each.access not in ("public", "limited")]


class TenantFactory:
    """Makes bots and keys of one tenant."""

    def __init__(self, database: Database, tenant: Tenant) -> None:
        self._database = database
        self.tenant = tenant

    async def bot(self, *connections: Any) -> NewBot:
        """Return a new bot."""
        return await new_bot(
            self._database, self.tenant, *(connections or (SCHEDULING_USE, KNOWLEDGE_USE))
        )

    async def key(self, *bots: NewBot, **rights: Any) -> str:
        """Return a new key, limited to these bots if there are any."""
        ids = tuple(bot.id for bot in bots) or None
        return await create_key(
            self._database, self.tenant.business_id, "limited", Rights(bots=ids, **rights)
        )


@pytest.fixture
def make(database: Database, tenant: Tenant) -> TenantFactory:
    """Make bots and keys of the tenant."""
    return TenantFactory(database, tenant)


async def acting_bot_id(url: str, key: str) -> str:
    """Return the bot for which a key asks the calendar."""
    async with connect_fast_mcp(url, key) as mcp_client:
        answer = await mcp_client.call_tool("scheduling_tell_whose")
    return str(answer.structured_content["bot_id"])


async def list_tool_names(url: str, key: str) -> list[str]:
    """Return what a key sees."""
    async with connect_fast_mcp(url, key) as mcp_client:
        return await mcp_client.tool_names()


async def test_a_key_of_one_bot_acts_as_it(
    deployment: Deployment, make: TenantFactory, database: Database
) -> None:
    bot = await make.bot()
    key = await make.key(bot)
    named = ["scheduling_tell_whose", "scheduling_write"]
    assert await list_tool_names(deployment.url, key) == ["knowledge_search_knowledge", *named]
    assert await acting_bot_id(deployment.url, key) == str(bot.id)
    assert await acting_bot_id(f"{deployment.url}?bot={bot.name}", key) == str(bot.id)
    found = await find_key(database, key)
    assert found is not None
    query = "select bot_id, tool from audit where subject = :subject"
    rows = await fetch(database, make.tenant, query, subject=f"key:{found.api_key_id}")
    assert {(row["bot_id"], row["tool"]) for row in rows} == {(bot.id, "tell_whose")}


async def test_a_key_of_several_bots_acts_as_the_first_or_the_named(
    deployment: Deployment, make: TenantFactory
) -> None:
    first, second = await make.bot(), await make.bot()
    key = await make.key(first, second)
    assert await acting_bot_id(deployment.url, key) == str(first.id)
    assert await acting_bot_id(f"{deployment.url}?bot={second.name}", key) == str(second.id)


async def test_an_unlimited_key_acts_for_the_business_or_the_named_bot(
    deployment: Deployment, make: TenantFactory, key: str
) -> None:
    bot = await make.bot(SCHEDULING_USE)
    assert await acting_bot_id(deployment.url, key) == "None"
    assert await acting_bot_id(f"{deployment.url}?bot={bot.name}", key) == str(bot.id)
    assert len(await list_tool_names(deployment.url, key)) > 15
    assert await list_tool_names(f"{deployment.url}?bot={bot.name}", key) == [
        "scheduling_tell_whose",
        "scheduling_write",
    ]


async def test_another_bot_is_as_one_that_does_not_exist(
    client: ClientFactory, make: TenantFactory, database: Database, other_tenant: Tenant
) -> None:
    mine, colleague = await make.bot(), await make.bot()
    theirs = await new_bot(database, other_tenant, SCHEDULING_USE)
    gone = NewBot(uuid4(), "gone")
    answers: list[tuple[int, str]] = []
    async with client(await make.key(mine)) as http:
        for bot in (colleague, theirs, gone):
            answer = await http.post(f"/mcp?bot={bot.name}", **LIST_TOOLS)
            answers.append((answer.status_code, answer.text))
            for named in ({"bot": bot.name}, {"bot_id": str(bot.id)}):
                body = {"tool_key": "scheduling_tell_whose", **named}
                answer = await http.post("/api/tools/execute", json=body)
                answers.append((answer.status_code, answer.text))
    async with client(await make.key(gone)) as http:
        answer = await http.post("/mcp", **LIST_TOOLS)
        answers.append((answer.status_code, answer.text))
    assert set(answers) == {(404, answers[0][1])}


@pytest.mark.parametrize("query", ["bot=", "bot=%00", "bot=" + "x" * 10_000, "bot=%ff"])
async def test_what_is_no_bot_s_name_is_no_bot(client: ClientFactory, key: str, query: str) -> None:
    async with client(key) as http:
        assert (await http.post(f"/mcp?{query}", **LIST_TOOLS)).status_code == 404


async def test_a_key_of_some_servers_reaches_no_other(
    deployment: Deployment, client: ClientFactory, make: TenantFactory
) -> None:
    key = await make.key(await make.bot(), servers=("knowledge",))
    assert await list_tool_names(deployment.url, key) == ["knowledge_search_knowledge"]
    assert await list_tool_names(f"{deployment.api.url}/knowledge/mcp", key) == ["search_knowledge"]
    async with client(key) as http:
        answers = [
            await http.post(f"/{name}/mcp", **LIST_TOOLS) for name in ("scheduling", "nothing")
        ]
        body = {"tool_key": "scheduling_tell_whose"}
        executed = await http.post("/api/tools/execute", json=body)
    assert [answer.status_code for answer in answers] == [404, 404]
    assert answers[0].text == answers[1].text
    assert (executed.status_code, executed.json()["error"]) == (404, "unknown_tool")
    async with connect_fast_mcp(deployment.url, key) as mcp_client:
        refused = await mcp_client.call_tool("scheduling_tell_whose")
    assert refused.meta["antiphon"]["error"] == "unknown_tool"


async def test_a_key_of_some_tools_has_no_other(
    deployment: Deployment, make: TenantFactory
) -> None:
    named = ("scheduling_tell_whose", "scheduling_fail", "knowledge_list_documents")
    key = await make.key(await make.bot(), tools=named)
    # The bot may not `fail`, and the key names what the bot's own model is not offered.
    assert await list_tool_names(deployment.url, key) == [
        "knowledge_list_documents",
        "scheduling_tell_whose",
    ]
    async with connect_fast_mcp(deployment.url, key) as mcp_client:
        for name in ("scheduling_write", "scheduling_fail", "knowledge_search_knowledge"):
            refused = await mcp_client.call_tool(name, what="a", kind="fault", query="When?")
            assert refused.meta["antiphon"]["error"] == "unknown_tool"


@pytest.mark.parametrize("of_a_bot", [False, True])
async def test_a_read_only_key_writes_nothing(
    deployment: Deployment, client: ClientFactory, make: TenantFactory, of_a_bot: bool
) -> None:
    bot = await make.bot()
    key = await make.key(*([bot] if of_a_bot else []), read_only=True)
    seen = await list_tool_names(deployment.url, key)
    assert "scheduling_tell_whose" in seen
    assert not {"scheduling_write", "transcripts_start_conversation"} & {*seen}
    what = uuid4().hex
    async with connect_fast_mcp(deployment.url, key) as mcp_client:
        refused = await mcp_client.call_tool("scheduling_write", what=what)
    assert refused.meta["antiphon"]["error"] == "unknown_tool"
    async with client(key) as http:
        body = {"bot": bot.name, "tool_key": "scheduling_write", "params": {"what": what}}
        assert (await http.post("/api/tools/execute", json=body)).status_code == 404
        body = {"bot": bot.name, "tool_key": "scheduling_tell_whose"}
        assert (await http.post("/api/tools/execute", json=body)).status_code == 200
    assert what not in written


async def test_a_limited_key_that_names_no_bot_executes_as_its_first(
    client: ClientFactory, make: TenantFactory
) -> None:
    bot = await make.bot()
    async with client(await make.key(bot)) as http:
        body = {"tool_key": "scheduling_tell_whose"}
        answer = await http.post("/api/tools/execute", json=body)
    assert answer.json()["result"]["bot_id"] == str(bot.id)


@pytest.mark.parametrize("operation", CLOSED, ids=lambda each: f"{each.method} {each.path}")
async def test_a_limited_key_opens_nothing_else(
    client: ClientFactory, make: TenantFactory, key: str, operation: Any
) -> None:
    conversation_id = (await start_session(client, key))["conversation_id"]
    path = operation.path.replace("{conversation_id:uuid}", conversation_id)
    path = path.replace("{order_index:int}", "0").replace("{name}", "bot")
    async with client(await make.key(read_only=True)) as http:
        body: Any = {} if operation.method == "POST" else None
        answer = await http.request(operation.method, path, json=body)
    assert (answer.status_code, answer.json()["error"]) == (403, "forbidden")
    assert "limited" in answer.json()["message"]


async def test_a_revoked_key_opens_nothing(
    client: ClientFactory, make: TenantFactory, database: Database
) -> None:
    key = await make.key(read_only=True)
    async with client(key) as http:
        assert (await http.post("/mcp", **LIST_TOOLS)).status_code == 200
        found = await find_key(database, key)
        assert found is not None
        await revoke_key(database, found.business_id, found.api_key_id)
        assert (await http.post("/mcp", **LIST_TOOLS)).status_code == 401


async def test_a_business_never_sees_another_s_rows(
    client: ClientFactory, key: str, other_key: str
) -> None:
    theirs = (await start_session(client, other_key))["conversation_id"]
    texts: list[str] = []
    async with client(key) as http:
        for conversation_id in (theirs, str(UUID(int=uuid4().int))):
            arguments = {"conversation_id": conversation_id}
            for tool in ("get_conversation", "get_transcript", "end_conversation"):
                request = mcp_request("tools/call", name=f"transcripts_{tool}", arguments=arguments)
                answer = (await http.post("/mcp", **request)).json()["result"]
                assert answer["isError"]
                texts.append(answer["content"][0]["text"])
    assert texts[:3] == texts[3:]
