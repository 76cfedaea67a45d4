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
from orchestrator.api.app import create_app
from orchestrator.api.dependencies import Dependencies
from orchestrator.api.tool_dispatcher import ToolDispatcher
from orchestrator.mcp_client.router import Router
from tests.conftest import Tenant
from tests.orchestrator.api.conftest import (
    OWN_ORIGIN,
    ClientFactory,
    client_factory,
    new_bot,
    start_session,
)
from tests.orchestrator.api.mcp_clients import (
    LIST_TOOLS,
    Connect,
    Deployment,
    connect_fast_mcp,
    connect_fast_mcp_legacy,
    connect_livekit,
    connect_sdk,
    mcp_request,
)
from tests.orchestrator.api.scheduling_double import written
from tests.support.asgi import serve_app
from tests.support.processes import in_one_task
from tests.support.pseudo_locale import PSEUDO, latin_words, pseudo_locale

CLIENTS: list[Connect] = [connect_fast_mcp, connect_fast_mcp_legacy, connect_sdk, connect_livekit]
# Without an account, ServiceNow, automation and websearch have nothing to list.
SERVERS = ["crm", "tickets", "scheduling", "knowledge", "transcripts"]
SCHEDULING_USE: Mapping[str, Any] = {
    "server": "scheduling",
    "tools": ["tell_whose", "write", "fail"],
}


async def key_of_bot(database: Database, tenant: Tenant, *connections: Any) -> str:
    """Return a key that acts as a new bot with these servers."""
    bot = await new_bot(database, tenant, *connections)
    return await create_key(database, tenant.business_id, "one bot", Rights(bots=(bot.id,)))


@pytest.mark.parametrize("connect", CLIENTS)
async def test_every_client_works_and_goes_on_after_a_restart(
    deployment: Deployment, connect: Connect, client: ClientFactory, key: str, other_key: str
) -> None:
    mine = (await start_session(client, key))["conversation_id"]
    theirs = (await start_session(client, other_key))["conversation_id"]
    async with connect(deployment.url, key) as mcp_client:
        for restarted in (False, True):
            if restarted:
                await deployment.restart()
            names = await mcp_client.tool_names()
            assert list(dict.fromkeys(name.partition("_")[0] for name in names)) == SERVERS
            rows = await mcp_client.call_text("transcripts_list_conversations", limit=50)
            assert mine in rows
            assert theirs not in rows


async def test_one_server_has_its_own_names(deployment: Deployment, key: str) -> None:
    async with connect_fast_mcp(deployment.url, key) as of_all:
        every = await of_all.tool_names()
    async with connect_fast_mcp(f"{deployment.api.url}/scheduling/mcp", key) as of_one:
        names = await of_one.tool_names()
        assert "Yours." in await of_one.call_text("tell_whose")
    assert names == ["fail", "tell_whose", "write", "greet"]
    prefix = "scheduling_"
    assert [each.removeprefix(prefix) for each in every if each.startswith(prefix)] == names


async def test_a_tool_is_listed_as_its_server_describes_it(
    deployment: Deployment, key: str
) -> None:
    async with connect_fast_mcp(deployment.url, key) as mcp_client:
        first, second = [await mcp_client.client.list_tools_mcp() for _ in range(2)]
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


async def test_an_answer_is_the_server_s_own(deployment: Deployment, key: str) -> None:
    async with connect_fast_mcp(deployment.url, key) as mcp_client:
        done = await mcp_client.call_tool("scheduling_tell_whose")
        failed = await mcp_client.call_tool("scheduling_fail", kind="rejected")
        unfit = await mcp_client.call_tool("scheduling_write", canary=1)
        unknown = [
            await mcp_client.call_tool(name)
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
    deployment: Deployment, tenant: Tenant, database: Database
) -> None:
    careful = {**SCHEDULING_USE, "policy": {"write": {"confirm": True}}}
    what = uuid4().hex
    async with connect_fast_mcp(
        deployment.url, await key_of_bot(database, tenant, careful)
    ) as mcp_client:
        listed = {tool.name: tool for tool in await mcp_client.list_tools()}
        assert "confirmation_code" in listed["scheduling_write"].input_schema["properties"]
        asked = await mcp_client.call_tool("scheduling_write", what=what)
        assert asked.structured_content["status"] == "needs_confirmation"
        assert what not in written
        code = asked.structured_content["confirmation_code"]
        done = await mcp_client.call_tool("scheduling_write", what=what, confirmation_code=code)
    assert done.structured_content == {"say": "Written.", "times": 1}


async def test_a_repeat_with_the_same_key_is_done_once(deployment: Deployment, key: str) -> None:
    what = uuid4().hex
    async with connect_fast_mcp(deployment.url, key) as mcp_client:
        for _ in range(2):
            meta = {"antiphon/idempotency_key": what}
            await mcp_client.call_tool("scheduling_write", meta, what=what)
        assert written.count(what) == 1
        await mcp_client.call_tool("scheduling_write", what=what)
    assert written.count(what) == 2


async def test_a_client_s_language_goes_on_to_the_server(deployment: Deployment, key: str) -> None:
    with pseudo_locale():
        async with connect_fast_mcp(deployment.url, key) as mcp_client:
            for name in ("scheduling_write", "scheduling_nothing"):
                spoken = await mcp_client.call_tool(name, {"antiphon/language": PSEUDO})
                assert latin_words(spoken.meta["antiphon"]["say"]) == []
                for other in (None, {"antiphon/language": 7}):
                    english = await mcp_client.call_tool(name, other)
                    assert latin_words(english.meta["antiphon"]["say"])


@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_a_client_s_trace_goes_on_in_the_server(
    deployment: Deployment, key: str, mode: str
) -> None:
    trace = uuid4().hex
    # Where this process traces, too, its own client continues the trace that it is in.
    turn = NonRecordingSpan(SpanContext(int(trace, 16), int("1" * 16, 16), True, TraceFlags(1)))
    with use_span(turn):
        async with connect_fast_mcp(deployment.url, key, mode) as mcp_client:
            meta = {"traceparent": f"00-{trace}-{'1' * 16}-01"}
            await mcp_client.call_tool("scheduling_tell_whose", meta)
    assert any(trace in body for body in deployment.received)


async def test_callers_at_the_same_time_are_not_mixed_up(
    deployment: Deployment, key: str, other_key: str, tenant: Tenant, other_tenant: Tenant
) -> None:
    async with (
        connect_fast_mcp(deployment.url, key) as one,
        connect_fast_mcp(deployment.url, other_key) as other,
    ):
        answers = await asyncio.gather(
            *(each.call_tool("scheduling_tell_whose") for each in [one, other] * 12)
        )
    seen = [answer.structured_content["business_id"] for answer in answers]
    assert seen == [str(tenant.business_id), str(other_tenant.business_id)] * 12


async def test_a_server_that_is_down_costs_its_own_tools(
    deployment: Deployment, tenant: Tenant, database: Database
) -> None:
    knows = {"server": "knowledge"}
    token = await key_of_bot(database, tenant, SCHEDULING_USE, knows)
    always_refreshing = replace(deployment.dependencies, tool_lists_fresh_for=0.0)
    await deployment.servers["scheduling"].stop()
    async with connect_fast_mcp(deployment.url, token) as mcp_client:
        listed = await mcp_client.client.list_tools_mcp()
        assert {tool.name for tool in listed.tools} == {"knowledge_search_knowledge"}
        assert listed.ttl_ms == 0
        lost = await mcp_client.call_tool("scheduling_tell_whose")
        assert lost.meta["antiphon"]["error"] == "unavailable"
        await deployment.servers["scheduling"].start()
        assert "scheduling_tell_whose" in await mcp_client.tool_names()
        assert "Yours." in await mcp_client.call_text("scheduling_tell_whose")
    await deployment.servers["scheduling"].stop()
    async with (
        in_one_task(serve_app(create_app(always_refreshing))) as url,
        connect_fast_mcp(f"{url}/mcp", token) as mcp_client,
    ):
        assert "scheduling_tell_whose" in await mcp_client.tool_names()  # as it was last listed
    await deployment.servers["scheduling"].start()


async def test_a_list_waits_two_seconds_for_a_server_that_hangs(
    dependencies: Dependencies, servers_url: str, tenant: Tenant, database: Database
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        urls = {"scheduling": f"http://127.0.0.1:{silent.getsockname()[1]}"}
        router = Router(
            dependencies.signer, lambda name: f"{urls.get(name, servers_url)}/{name}/mcp"
        )
        client = client_factory(replace(dependencies, router=router))
        token = await key_of_bot(database, tenant, SCHEDULING_USE, {"server": "knowledge"})
        began = time.monotonic()
        async with client(token) as http:
            answer = await http.post("/mcp", **LIST_TOOLS)
        assert 1.9 < time.monotonic() - began < 3
        assert [tool["name"] for tool in answer.json()["result"]["tools"]] == [
            "knowledge_search_knowledge"
        ]
        await router.aclose()


@pytest.mark.parametrize("authorization", [None, "Bearer", "Bearer ak_nonsense", "Basic ak_x"])
@pytest.mark.parametrize("path", ["/mcp", "/scheduling/mcp", "/nothing/mcp"])
async def test_who_has_no_key_is_asked_for_one(
    client: ClientFactory, path: str, authorization: str | None
) -> None:
    request = mcp_request("tools/list")
    request["headers"] |= {"Authorization": authorization} if authorization else {}
    async with client() as http:
        answers = [await http.post(path, **request), await http.get(path)]
    assert [answer.status_code for answer in answers] == [401, 401]
    assert answers[0].headers["www-authenticate"] == "Bearer"


async def test_a_conversation_token_opens_nothing(client: ClientFactory, key: str) -> None:
    async with client((await start_session(client, key))["conversation_token"]) as http:
        assert (await http.post("/mcp", **LIST_TOOLS)).status_code == 403


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
    client: ClientFactory, key: str, headers: dict[str, str], status: int
) -> None:
    request = mcp_request("tools/list")
    request["headers"] |= headers
    async with client(key) as http:
        answer = await http.post("/mcp", **request)
    assert answer.status_code == status
    assert "access-control-allow-origin" not in answer.headers


async def test_the_public_host_is_served(dependencies: Dependencies, key: str) -> None:
    origins = dependencies.origins | {"https://voice.example"}
    request = mcp_request("tools/list")
    request["headers"]["Host"] = "voice.example"
    async with client_factory(replace(dependencies, origins=origins))(key) as http:
        assert (await http.post("/mcp", **request)).status_code == 200


async def test_only_what_fits_is_read(client: ClientFactory, key: str) -> None:
    large = mcp_request("tools/call", name="scheduling_write", arguments={"what": "x" * 2**21})
    async with client(key) as http:
        assert (await http.post("/mcp", **large)).status_code == 413
        answer = await http.get("/mcp")
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")


@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_a_mistake_of_ours_is_not_told(
    deployment: Deployment, key: str, mode: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_: Any) -> None:
        raise LookupError("canary")

    monkeypatch.setattr(ToolDispatcher, "call_tool", broken)
    async with connect_fast_mcp(deployment.url, key, mode) as mcp_client:
        with pytest.raises(Exception, match="Something went wrong on our side") as told:
            await mcp_client.call_tool("scheduling_tell_whose")
    assert "canary" not in str(told.value)
