"""No tenant, bot or conversation token reads or writes what is not its own, or sees it exists."""

from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import text
from sqlalchemy.exc import ProgrammingError

from config.database import Database
from tests.conftest import Tenant, fetch
from tests.support.servers import Servers
from tests.transcripts.conftest import Recorder, tool_call
from transcripts.server import SERVER

ROW = {"provider": "p", "operation": "llm", "request_id": "r"}
TOOLS: dict[str, dict[str, Any]] = {
    "append_user_turn": {"order_index": 4, "text": "Mine now.", "stt_provider": "s"},
    "append_agent_response": {"order_index": 5, "user_turn_index": 1, "text": "Mine now."},
    "end_conversation": {"reason": "ended_by_api"},
    "update_conversation": {"room_sid": "Mine now."},
    "record_usage": {"rows": [ROW]},
    "append_tool_call": tool_call(said="Mine now."),
    "list_tool_calls": {},
    "get_conversation": {},
    "get_transcript": {"view": "turns"},
    "export_transcript": {"format": "json"},
    "list_conversations": {},
}
TABLES = ("conversation", "user_turn", "agent_response", "api_usage", "tool_call")


def id_argument(tool: str) -> str:
    """Return the argument that names a conversation."""
    return "before" if tool == "list_conversations" else "conversation_id"


async def contents(database: Database, tenant: Tenant) -> list[Any]:
    """Return everything that a tenant has stored here."""
    return [await fetch(database, tenant, f"select * from {table} order by id") for table in TABLES]


async def everything(recorder: Recorder, named: str) -> list[Any]:
    """Return what can be read of a conversation."""
    tools = "get_conversation", "get_transcript", "list_tool_calls"
    return [await recorder(tool, conversation_id=named) for tool in tools]


def test_the_matrix_is_complete() -> None:
    tools = {*TOOLS, "start_conversation", "search_transcripts"}
    assert tools == set(SERVER.catalogue()["tools"])


@pytest.mark.parametrize("tool", TOOLS)
async def test_a_foreign_conversation_is_an_unknown_one(
    recorder: Recorder,
    other_recorder: Recorder,
    database: Database,
    tenant: Tenant,
    other_tenant: Tenant,
    tool: str,
) -> None:
    own, other = await recorder.start(), await other_recorder.start()
    await other_recorder.record(other)
    before = await contents(database, other_tenant), await contents(database, tenant)
    answers = [
        await recorder.call(tool, **{id_argument(tool): named}, **TOOLS[tool])
        for named in (other, str(uuid4()))
    ]
    assert answers[0] == answers[1]
    assert answers[0].error == "not_found"
    assert (await contents(database, other_tenant), await contents(database, tenant)) == before
    allowed = await recorder.call(tool, **{id_argument(tool): own}, **TOOLS[tool])
    assert allowed.error is None


async def test_a_foreign_conversation_cannot_be_started_again(
    recorder: Recorder, other_recorder: Recorder, database: Database, other_tenant: Tenant
) -> None:
    other = await other_recorder.start()
    before = await contents(database, other_tenant)
    answer = await recorder.call(
        "start_conversation", conversation_id=other, room_name="r", direction="inbound"
    )
    assert answer.error == "not_found"
    assert await contents(database, other_tenant) == before


async def test_lists_and_search_show_own_conversations_only(
    recorder: Recorder, other_recorder: Recorder, tenant: Tenant
) -> None:
    own, other = await recorder.start(), await other_recorder.start()
    for writer, named in ((recorder, own), (other_recorder, other)):
        await writer(
            "append_agent_response", conversation_id=named, order_index=0, text=f"{own} it is."
        )
    listed = await recorder("list_conversations", limit=50, detail="full")
    ids = {conversation["conversation_id"] for conversation in listed["conversations"]}
    assert own in ids
    assert other not in ids
    assert {each["bot_id"] for each in listed["conversations"]} == {str(tenant.bot_id)}
    found = await recorder("search_transcripts", query=own)
    assert [match["conversation_id"] for match in found["matches"]] == [own]
    theirs = await other_recorder("list_conversations", bot_id=str(tenant.bot_id))
    assert theirs == {"conversations": []}


@pytest.mark.parametrize("tool", TOOLS)
async def test_a_token_of_one_conversation_knows_no_other(recorder: Recorder, tool: str) -> None:
    own, sibling = await recorder.start(), await recorder.start()
    await recorder.record(sibling)
    before = await everything(recorder, sibling)
    bound = recorder.for_conversation(own)
    answers = [
        await bound.call(tool, **{id_argument(tool): named}, **TOOLS[tool])
        for named in (sibling, str(uuid4()))
    ]
    assert answers[0] == answers[1]
    assert answers[0].error == "not_found"
    assert (await bound.call(tool, **TOOLS[tool])).error is None
    assert await everything(recorder, sibling) == before


async def test_a_token_of_one_conversation_lists_finds_and_starts_no_other(
    recorder: Recorder,
) -> None:
    own, sibling = await recorder.start(), await recorder.start()
    for named in (own, sibling):
        await recorder.record(named)
    bound = recorder.for_conversation(own)
    listed = (await bound("list_conversations"))["conversations"]
    found = (await bound("search_transcripts", query="rye bread"))["matches"]
    assert {each["conversation_id"] for each in [*listed, *found]} == {own}
    started = {"conversation_id": str(uuid4()), "room_name": "r", "direction": "inbound"}
    assert (await bound.call("start_conversation", **started)).error == "not_found"


async def test_a_bot_sees_its_own_conversations_and_the_business_all(
    servers: Servers, recorder: Recorder
) -> None:
    sibling = Recorder(servers, recorder.claims.model_copy(update={"bot_id": uuid4()}))
    business = Recorder(servers, recorder.claims.model_copy(update={"bot_id": None}))
    named = await sibling.start()
    assert (await recorder.call("get_conversation", conversation_id=named)).error == "not_found"
    assert (await business("get_conversation", conversation_id=named))["conversation_id"] == named
    after_a_transfer = recorder.for_conversation(named)
    assert (await after_a_transfer("get_conversation"))["conversation_id"] == named


@pytest.mark.parametrize("table", TABLES)
async def test_the_database_itself_keeps_tenants_apart(
    recorder: Recorder, database: Database, tenant: Tenant, other_tenant: Tenant, table: str
) -> None:
    named = await recorder.start()
    await recorder.record(named)
    await recorder("record_usage", conversation_id=named, rows=[ROW | {"request_id": named}])
    await recorder("append_tool_call", conversation_id=named, **tool_call())
    own = {row["id"] for row in await fetch(database, tenant, f"select id from {table}")}
    others = {row["id"] for row in await fetch(database, other_tenant, f"select id from {table}")}
    assert own
    assert own.isdisjoint(others)
    async with database.unscoped() as session:
        assert (await session.execute(text(f"select count(*) from {table}"))).scalar() == 0
    with pytest.raises(ProgrammingError, match="row-level security"):
        await fetch(
            database,
            tenant,
            f"update {table} set business_id = :other",
            other=other_tenant.business_id,
        )
