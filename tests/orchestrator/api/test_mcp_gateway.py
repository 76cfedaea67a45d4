"""MCP for outside clients: what is listed and answered, and through which client."""

import asyncio
import socket
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, use_span

from config.database import Database
from config.security.api_keys import Rights, create_key
from orchestrator.api.access import Tools
from orchestrator.api.dependencies import Dependencies
from orchestrator.mcp_client import tool_cache
from orchestrator.mcp_client.router import Router
from tests.conftest import Tenant
from tests.orchestrator.api.conftest import OWN_ORIGIN, Client, client_of, new_bot, started
from tests.orchestrator.api.mcp_clients import (
    LIST,
    Connect,
    House,
    fast_mcp,
    fast_mcp_legacy,
    livekit,
    modern,
    sdk,
)
from tests.orchestrator.api.scheduling_double import written

CLIENTS: list[Connect] = [fast_mcp, fast_mcp_legacy, sdk, livekit]
# Without an account, ServiceNow has nothing to list.
SERVERS = ["crm", "tickets", "scheduling", "knowledge", "transcripts"]
DESK: Mapping[str, Any] = {"server": "scheduling", "tools": ["tell_whose", "write", "fail"]}


async def key_of_bot(database: Database, tenant: Tenant, *connections: Any) -> str:
    """Return a key that acts as a new bot with these servers."""
    bot = await new_bot(database, tenant, *connections)
    return await create_key(database, tenant.business_id, "one bot", Rights(bots=(bot.id,)))


@pytest.mark.parametrize("connect", CLIENTS)
async def test_every_client_works_and_goes_on_after_a_restart(
    house: House, connect: Connect, client: Client, key: str, other_key: str
) -> None:
    mine = (await started(client, key))["conversation_id"]
    theirs = (await started(client, other_key))["conversation_id"]
    async with connect(house.url, key) as outsider:
        for restarted in (False, True):
            if restarted:
                await house.restart()
            names = await outsider.tools()
            assert list(dict.fromkeys(name.partition("_")[0] for name in names)) == SERVERS
            rows = await outsider.call("transcripts_list_conversations", limit=50)
            assert mine in rows
            assert theirs not in rows


async def test_one_server_has_its_own_names(house: House, key: str) -> None:
    async with fast_mcp(house.url, key) as together:
        every = await together.tools()
    async with fast_mcp(f"{house.api.url}/scheduling/mcp", key) as alone:
        names = await alone.tools()
        assert "Yours." in await alone.call("tell_whose")
    assert names == ["fail", "tell_whose", "write"]
    prefix = "scheduling_"
    assert [each.removeprefix(prefix) for each in every if each.startswith(prefix)] == names


async def test_a_tool_is_listed_as_its_server_describes_it(house: House, key: str) -> None:
    async with fast_mcp(house.url, key) as outsider:
        first, second = [await outsider.client.list_tools_mcp() for _ in range(2)]
    assert first.tools == second.tools
    assert first.next_cursor is None
    assert (first.cache_scope, first.ttl_ms) == ("private", 60_000)
    assert "fastmcp" not in first.model_dump_json()
    by_name = {tool.name: tool for tool in first.tools}
    write = by_name["scheduling_write"]
    assert (write.title, write.description, write.meta) == ("Write", "Write.", None)
    assert write.input_schema["required"] == ["what"]
    assert write.output_schema is not None
    assert write.annotations is not None
    assert write.annotations.model_dump(exclude={"title"}) == {
        "read_only_hint": False,
        "destructive_hint": False,
        "idempotent_hint": False,
        "open_world_hint": False,
    }


async def test_an_answer_is_the_server_s_own(house: House, key: str) -> None:
    async with fast_mcp(house.url, key) as outsider:
        done = await outsider.result("scheduling_tell_whose")
        failed = await outsider.result("scheduling_fail", kind="rejected")
        unfit = await outsider.result("scheduling_write", canary=1)
        unknown = [
            await outsider.result(name)
            for name in ("scheduling_nothing", "nothing_write", "nothing", "transcripts_write")
        ]
    assert done.structured_content["say"] == "Yours."
    ((_, stamp),) = done.meta.items()
    assert stamp["name"] == "antiphon"
    assert done.content[0].text.startswith("Yours.")
    assert failed.is_error
    assert failed.content[0].text.startswith("It failed. Tell the caller: ")
    assert failed.meta["antiphon"]["error"] == "rejected"
    assert unfit.meta["antiphon"]["error"] == "invalid"
    assert "canary" not in unfit.content[0].text
    assert {each.content[0].text for each in unknown} == {unknown[0].content[0].text}
    assert {each.meta["antiphon"]["error"] for each in unknown} == {"unknown_tool"}


async def test_what_the_bot_confirms_takes_two_steps(
    house: House, tenant: Tenant, database: Database
) -> None:
    careful = {**DESK, "policy": {"write": {"confirm": True}}}
    what = uuid4().hex
    async with fast_mcp(house.url, await key_of_bot(database, tenant, careful)) as outsider:
        listed = {tool.name: tool for tool in await outsider.listed()}
        assert "confirmation_code" in listed["scheduling_write"].input_schema["properties"]
        asked = await outsider.result("scheduling_write", what=what)
        assert asked.structured_content["status"] == "needs_confirmation"
        assert what not in written
        code = asked.structured_content["confirmation_code"]
        done = await outsider.result("scheduling_write", what=what, confirmation_code=code)
    assert done.structured_content == {"say": "Written.", "times": 1}


async def test_a_repeat_with_the_same_key_is_done_once(house: House, key: str) -> None:
    what = uuid4().hex
    async with fast_mcp(house.url, key) as outsider:
        for _ in range(2):
            meta = {"antiphon/idempotency_key": what}
            await outsider.result("scheduling_write", meta, what=what)
        assert written.count(what) == 1
        await outsider.result("scheduling_write", what=what)
    assert written.count(what) == 2


@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_a_client_s_trace_goes_on_in_the_server(house: House, key: str, mode: str) -> None:
    trace = uuid4().hex
    # Where this process traces, too, its own client continues the trace that it is in.
    turn = NonRecordingSpan(SpanContext(int(trace, 16), int("1" * 16, 16), True, TraceFlags(1)))
    with use_span(turn):
        async with fast_mcp(house.url, key, mode) as outsider:
            meta = {"traceparent": f"00-{trace}-{'1' * 16}-01"}
            await outsider.result("scheduling_tell_whose", meta)
    assert any(trace in body for body in house.heard)


async def test_callers_at_the_same_time_are_not_mixed_up(
    house: House, key: str, other_key: str, tenant: Tenant, other_tenant: Tenant
) -> None:
    async with fast_mcp(house.url, key) as one, fast_mcp(house.url, other_key) as other:
        answers = await asyncio.gather(
            *(each.result("scheduling_tell_whose") for each in [one, other] * 12)
        )
    seen = [answer.structured_content["business_id"] for answer in answers]
    assert seen == [str(tenant.business_id), str(other_tenant.business_id)] * 12


async def test_a_server_that_is_down_costs_its_own_tools(
    house: House, tenant: Tenant, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    knows = {"server": "knowledge"}
    token = await key_of_bot(database, tenant, DESK, knows)
    await house.servers["scheduling"].stop()
    async with fast_mcp(house.url, token) as outsider:
        listed = await outsider.client.list_tools_mcp()
        assert {tool.name for tool in listed.tools} == {"knowledge_search_knowledge"}
        assert listed.ttl_ms == 0
        lost = await outsider.result("scheduling_tell_whose")
        assert lost.meta["antiphon"]["error"] == "unavailable"
        await house.servers["scheduling"].start()
        assert "scheduling_tell_whose" in await outsider.tools()
        assert "Yours." in await outsider.call("scheduling_tell_whose")
        monkeypatch.setattr(tool_cache, "_FRESH", 0.0)
        await house.servers["scheduling"].stop()
        assert "scheduling_tell_whose" in await outsider.tools()  # as it was last heard
    await house.servers["scheduling"].start()


async def test_a_list_waits_two_seconds_for_a_server_that_hangs(
    dependencies: Dependencies, servers_url: str, tenant: Tenant, database: Database
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        urls = {"scheduling": f"http://127.0.0.1:{silent.getsockname()[1]}"}
        constellation = Router(
            dependencies.signer, lambda name: f"{urls.get(name, servers_url)}/{name}/mcp"
        )
        client = client_of(replace(dependencies, constellation=constellation))
        token = await key_of_bot(database, tenant, DESK, {"server": "knowledge"})
        began = time.monotonic()
        async with client(token) as http:
            answer = await http.post("/mcp", **LIST)
        assert 1.9 < time.monotonic() - began < 3
        assert [tool["name"] for tool in answer.json()["result"]["tools"]] == [
            "knowledge_search_knowledge"
        ]
        await constellation.aclose()


@pytest.mark.parametrize("authorization", [None, "Bearer", "Bearer ak_nonsense", "Basic ak_x"])
@pytest.mark.parametrize("path", ["/mcp", "/scheduling/mcp", "/nothing/mcp"])
async def test_who_has_no_key_is_asked_for_one(
    client: Client, path: str, authorization: str | None
) -> None:
    request = modern("tools/list")
    request["headers"] |= {"Authorization": authorization} if authorization else {}
    async with client() as http:
        answers = [await http.post(path, **request), await http.get(path)]
    assert [answer.status_code for answer in answers] == [401, 401]
    assert answers[0].headers["www-authenticate"] == "Bearer"


async def test_a_conversation_token_opens_nothing(client: Client, key: str) -> None:
    async with client((await started(client, key))["conversation_token"]) as http:
        assert (await http.post("/mcp", **LIST)).status_code == 403


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"Host": "localhost:1234"}, 200),
        ({"Host": "evil.example"}, 421),
        ({"Host": "127.0.0.1.evil.example"}, 421),
        ({"Origin": OWN_ORIGIN}, 200),
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "http://127.0.0.1:9999"}, 403),
        ({"Origin": "null"}, 403),
    ],
)
async def test_other_pages_and_other_names_for_this_address_are_refused(
    client: Client, key: str, headers: dict[str, str], status: int
) -> None:
    request = modern("tools/list")
    request["headers"] |= headers
    async with client(key) as http:
        answer = await http.post("/mcp", **request)
    assert answer.status_code == status
    assert "access-control-allow-origin" not in answer.headers


async def test_the_public_host_is_served(dependencies: Dependencies, key: str) -> None:
    origins = dependencies.origins | {"https://voice.example"}
    request = modern("tools/list")
    request["headers"]["Host"] = "voice.example"
    async with client_of(replace(dependencies, origins=origins))(key) as http:
        assert (await http.post("/mcp", **request)).status_code == 200


async def test_only_what_fits_is_read(client: Client, key: str) -> None:
    large = modern("tools/call", name="scheduling_write", arguments={"what": "x" * 2**21})
    async with client(key) as http:
        assert (await http.post("/mcp", **large)).status_code == 413
        answer = await http.get("/mcp")
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")


@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_a_mistake_of_ours_is_not_told(
    house: House, key: str, mode: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_: Any) -> None:
        raise LookupError("canary")

    monkeypatch.setattr(Tools, "call", broken)
    async with fast_mcp(house.url, key, mode) as outsider:
        with pytest.raises(Exception, match="Something went wrong on our side") as told:
            await outsider.result("scheduling_tell_whose")
    assert "canary" not in str(told.value)
