"""What a limited key sees and may do, over MCP and over REST."""

from typing import Any
from uuid import UUID, uuid4

import pytest

from config.database import Database
from config.security.api_keys import Rights, create_key, find_key, revoke_key
from orchestrator.api.app import OPERATIONS
from tests.conftest import Tenant, fetch
from tests.orchestrator.api.conftest import Client, NewBot, new_bot, started
from tests.orchestrator.api.mcp_clients import LIST, House, fast_mcp, modern
from tests.orchestrator.api.scheduling_double import written

DESK: dict[str, Any] = {"server": "scheduling", "tools": ["tell_whose", "write"]}
KNOWLEDGE: dict[str, Any] = {"server": "knowledge"}
CLOSED = [each for each in OPERATIONS if each.access not in ("public", "limited")]


class Maker:
    """Makes bots and keys of one tenant."""

    def __init__(self, database: Database, tenant: Tenant) -> None:
        self._database = database
        self.tenant = tenant

    async def bot(self, *connections: Any) -> NewBot:
        """Return a new bot."""
        return await new_bot(self._database, self.tenant, *(connections or (DESK, KNOWLEDGE)))

    async def key(self, *bots: NewBot, **rights: Any) -> str:
        """Return a new key, limited to these bots if there are any."""
        ids = tuple(bot.id for bot in bots) or None
        return await create_key(
            self._database, self.tenant.business_id, "limited", Rights(bots=ids, **rights)
        )


@pytest.fixture
def make(database: Database, tenant: Tenant) -> Maker:
    """Make bots and keys of the tenant."""
    return Maker(database, tenant)


async def whose(url: str, key: str) -> str:
    """Return the bot for which a key asks the desk."""
    async with fast_mcp(url, key) as outsider:
        answer = await outsider.result("scheduling_tell_whose")
    return str(answer.structured_content["bot_id"])


async def tools(url: str, key: str) -> list[str]:
    """Return what a key sees."""
    async with fast_mcp(url, key) as outsider:
        return await outsider.tools()


async def test_a_key_of_one_bot_acts_as_it(house: House, make: Maker, database: Database) -> None:
    bot = await make.bot()
    key = await make.key(bot)
    named = ["scheduling_tell_whose", "scheduling_write"]
    assert await tools(house.url, key) == ["knowledge_search_knowledge", *named]
    assert await whose(house.url, key) == str(bot.id)
    assert await whose(f"{house.url}?bot={bot.name}", key) == str(bot.id)
    found = await find_key(database, key)
    assert found is not None
    query = "select bot_id, tool from audit where subject = :subject"
    rows = await fetch(database, make.tenant, query, subject=f"key:{found.api_key_id}")
    assert {(row["bot_id"], row["tool"]) for row in rows} == {(bot.id, "tell_whose")}


async def test_a_key_of_several_bots_acts_as_the_first_or_the_named(
    house: House, make: Maker
) -> None:
    first, second = await make.bot(), await make.bot()
    key = await make.key(first, second)
    assert await whose(house.url, key) == str(first.id)
    assert await whose(f"{house.url}?bot={second.name}", key) == str(second.id)


async def test_an_unlimited_key_acts_for_the_business_or_the_named_bot(
    house: House, make: Maker, key: str
) -> None:
    bot = await make.bot(DESK)
    assert await whose(house.url, key) == "None"
    assert await whose(f"{house.url}?bot={bot.name}", key) == str(bot.id)
    assert len(await tools(house.url, key)) > 15
    assert await tools(f"{house.url}?bot={bot.name}", key) == [
        "scheduling_tell_whose",
        "scheduling_write",
    ]


async def test_another_bot_is_as_one_that_does_not_exist(
    client: Client, make: Maker, database: Database, other_tenant: Tenant
) -> None:
    mine, colleague = await make.bot(), await make.bot()
    foreign = await new_bot(database, other_tenant, DESK)
    gone = NewBot(uuid4(), "gone")
    answers: list[tuple[int, str]] = []
    async with client(await make.key(mine)) as http:
        for bot in (colleague, foreign, gone):
            answer = await http.post(f"/mcp?bot={bot.name}", **LIST)
            answers.append((answer.status_code, answer.text))
            for named in ({"bot": bot.name}, {"bot_id": str(bot.id)}):
                body = {"tool_key": "scheduling_tell_whose", **named}
                answer = await http.post("/api/tools/execute", json=body)
                answers.append((answer.status_code, answer.text))
    async with client(await make.key(gone)) as http:
        answer = await http.post("/mcp", **LIST)
        answers.append((answer.status_code, answer.text))
    assert set(answers) == {(404, answers[0][1])}


@pytest.mark.parametrize("query", ["bot=", "bot=%00", "bot=" + "x" * 10_000, "bot=%ff"])
async def test_what_is_no_bot_s_name_is_no_bot(client: Client, key: str, query: str) -> None:
    async with client(key) as http:
        assert (await http.post(f"/mcp?{query}", **LIST)).status_code == 404


async def test_a_key_of_some_servers_reaches_no_other(
    house: House, client: Client, make: Maker
) -> None:
    key = await make.key(await make.bot(), servers=("knowledge",))
    assert await tools(house.url, key) == ["knowledge_search_knowledge"]
    assert await tools(f"{house.api.url}/knowledge/mcp", key) == ["search_knowledge"]
    async with client(key) as http:
        answers = [await http.post(f"/{name}/mcp", **LIST) for name in ("scheduling", "nothing")]
        body = {"tool_key": "scheduling_tell_whose"}
        executed = await http.post("/api/tools/execute", json=body)
    assert [answer.status_code for answer in answers] == [404, 404]
    assert answers[0].text == answers[1].text
    assert (executed.status_code, executed.json()["error"]) == (404, "unknown_tool")
    async with fast_mcp(house.url, key) as outsider:
        refused = await outsider.result("scheduling_tell_whose")
    assert refused.meta["antiphon"]["error"] == "unknown_tool"


async def test_a_key_of_some_tools_has_no_other(house: House, make: Maker) -> None:
    named = ("scheduling_tell_whose", "scheduling_fail", "knowledge_list_documents")
    key = await make.key(await make.bot(), tools=named)
    # The bot may not `fail`, and the key names what the bot's own model is not offered.
    assert await tools(house.url, key) == ["knowledge_list_documents", "scheduling_tell_whose"]
    async with fast_mcp(house.url, key) as outsider:
        for name in ("scheduling_write", "scheduling_fail", "knowledge_search_knowledge"):
            refused = await outsider.result(name, what="a", kind="fault", query="When?")
            assert refused.meta["antiphon"]["error"] == "unknown_tool"


@pytest.mark.parametrize("of_a_bot", [False, True])
async def test_a_read_only_key_writes_nothing(
    house: House, client: Client, make: Maker, of_a_bot: bool
) -> None:
    bot = await make.bot()
    key = await make.key(*([bot] if of_a_bot else []), read_only=True)
    seen = await tools(house.url, key)
    assert "scheduling_tell_whose" in seen
    assert not {"scheduling_write", "transcripts_start_conversation"} & {*seen}
    what = uuid4().hex
    async with fast_mcp(house.url, key) as outsider:
        refused = await outsider.result("scheduling_write", what=what)
    assert refused.meta["antiphon"]["error"] == "unknown_tool"
    async with client(key) as http:
        body = {"bot": bot.name, "tool_key": "scheduling_write", "params": {"what": what}}
        assert (await http.post("/api/tools/execute", json=body)).status_code == 404
        body = {"bot": bot.name, "tool_key": "scheduling_tell_whose"}
        assert (await http.post("/api/tools/execute", json=body)).status_code == 200
    assert what not in written


async def test_a_limited_key_that_names_no_bot_executes_as_its_first(
    client: Client, make: Maker
) -> None:
    bot = await make.bot()
    async with client(await make.key(bot)) as http:
        body = {"tool_key": "scheduling_tell_whose"}
        answer = await http.post("/api/tools/execute", json=body)
    assert answer.json()["result"]["bot_id"] == str(bot.id)


@pytest.mark.parametrize("operation", CLOSED, ids=lambda each: f"{each.method} {each.path}")
async def test_a_limited_key_opens_nothing_else(
    client: Client, make: Maker, key: str, operation: Any
) -> None:
    conversation_id = (await started(client, key))["conversation_id"]
    path = operation.path.replace("{conversation_id:uuid}", conversation_id)
    path = path.replace("{order_index:int}", "0").replace("{name}", "bot")
    async with client(await make.key(read_only=True)) as http:
        body: Any = {} if operation.method == "POST" else None
        answer = await http.request(operation.method, path, json=body)
    assert (answer.status_code, answer.json()["error"]) == (403, "forbidden")
    assert "limited" in answer.json()["message"]


async def test_a_revoked_key_opens_nothing(client: Client, make: Maker, database: Database) -> None:
    key = await make.key(read_only=True)
    async with client(key) as http:
        assert (await http.post("/mcp", **LIST)).status_code == 200
        found = await find_key(database, key)
        assert found is not None
        await revoke_key(database, found.business_id, found.api_key_id)
        assert (await http.post("/mcp", **LIST)).status_code == 401


async def test_a_business_never_sees_another_s_rows(
    client: Client, key: str, other_key: str
) -> None:
    foreign = (await started(client, other_key))["conversation_id"]
    texts: list[str] = []
    async with client(key) as http:
        for conversation_id in (foreign, str(UUID(int=uuid4().int))):
            arguments = {"conversation_id": conversation_id}
            for tool in ("get_conversation", "get_transcript", "end_conversation"):
                request = modern("tools/call", name=f"transcripts_{tool}", arguments=arguments)
                answer = (await http.post("/mcp", **request)).json()["result"]
                assert answer["isError"]
                texts.append(answer["content"][0]["text"])
    assert texts[:3] == texts[3:]
