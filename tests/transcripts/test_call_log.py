"""The log of tool calls: what is kept of each, who sees it, and where it stands in a file."""

import csv
import io
import json
from typing import Any, get_args
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from config.database import Database
from config.protocol import ErrorKind
from tests.conftest import Tenant, fetch
from tests.transcripts.conftest import Recorder, at, tool_call

CANARY = "canary-4711"
ROWS = "select * from tool_call where conversation_id = :id"


async def record(recorder: Recorder, named: str, **changes: Any) -> dict[str, Any]:
    """Record a tool call, and return it as it is listed."""
    await recorder("append_tool_call", conversation_id=named, **tool_call(**changes))
    return dict((await listed(recorder, named))[-1])


async def listed(recorder: Recorder, named: str) -> list[dict[str, Any]]:
    """Return the tool calls of a conversation."""
    calls: list[dict[str, Any]] = (await recorder("list_tool_calls", conversation_id=named))[
        "tool_calls"
    ]
    return calls


async def test_a_tool_call_is_listed_as_it_was_recorded(recorder: Recorder) -> None:
    named = await recorder.start()
    assert await listed(recorder, named) == []
    first = tool_call(user_turn_index=1, called_at=at(2), outcome="needs_confirmation")
    stored = await recorder("append_tool_call", conversation_id=named, **first)
    assert stored == {"conversation_id": named, "call_id": first["call_id"]}
    second = tool_call(called_at=at(1), chosen_by="retrieval")
    await recorder("append_tool_call", conversation_id=named, **second)
    expected = [
        {**{key: call[key] for key in call if key != "call_id"}, "order_index": index}
        for index, call in enumerate([second, {"chosen_by": "model", **first}])
    ]
    assert await listed(recorder, named) == expected


async def test_the_first_record_of_a_tool_call_stays(recorder: Recorder) -> None:
    named = await recorder.start()
    call = tool_call()
    for said in ("One.", "Another."):
        await recorder("append_tool_call", conversation_id=named, **call | {"said": said})
    await recorder("end_conversation", conversation_id=named)
    await recorder("append_tool_call", conversation_id=named, **call)
    assert [each["said"] for each in await listed(recorder, named)] == ["One."]
    other = await recorder.start()
    await recorder("append_tool_call", conversation_id=other, **call)
    assert len(await listed(recorder, other)) == 1


@pytest.mark.parametrize("outcome", ["ok", "needs_confirmation", *get_args(ErrorKind)])
async def test_an_outcome_is_kept(recorder: Recorder, outcome: str) -> None:
    assert (await record(recorder, await recorder.start(), outcome=outcome))["outcome"] == outcome


async def test_an_outcome_of_somebody_elses_is_a_fault(recorder: Recorder) -> None:
    call = await record(recorder, await recorder.start(), outcome="on_fire")
    assert call["outcome"] == "fault"


async def test_no_secret_is_stored(recorder: Recorder, tenant: Tenant, database: Database) -> None:
    named = await recorder.start()
    arguments = {
        "confirmation_code": CANARY,
        "login": {"user": "mary", "password": CANARY, "headers": [{"Authorization": CANARY}]},
        "payment": {"card": {"number": CANARY, "cvc": CANARY}},
    }
    said = json.dumps({"status": "ok", "confirmation_code": CANARY, "api_key": CANARY})
    call = await record(recorder, named, arguments=arguments, said=said)
    assert call["arguments"]["login"]["user"] == "mary"
    (row,) = await fetch(database, tenant, ROWS, id=UUID(named))
    assert CANARY not in str(dict(row))


async def test_what_is_long_is_cut(recorder: Recorder) -> None:
    named = await recorder.start()
    arguments = {"note": "x" * 50_000, "name": "Mary", "rows": [{"a": 1}] * 1000}
    call = await record(recorder, named, arguments=arguments, said="é" * 50_000)
    assert len(json.dumps(call["arguments"], ensure_ascii=False).encode()) <= 2200
    assert call["arguments"]["name"] == "Mary"
    assert call["arguments"]["note"].endswith("…")
    assert len(call["said"].encode()) <= 2048
    assert call["said"].endswith("…")


async def test_hostile_text_is_stored_as_far_as_it_can_be(recorder: Recorder) -> None:
    deep: Any = "x"
    for _ in range(80):
        deep = [deep]
    arguments = {"nul\x00": "a\x00b", "deep": deep, "sql": "'; drop table tool_call--"}
    call = await record(
        recorder, await recorder.start(), arguments=arguments, said="\x00ok", tool="t\x00"
    )
    assert (call["arguments"]["nul"], call["said"], call["tool"]) == ("ab", "ok", "t")
    assert "…" in json.dumps(call["arguments"]["deep"], ensure_ascii=False)
    assert call["arguments"]["sql"] == arguments["sql"]


@pytest.mark.parametrize(
    "changes",
    [
        {"call_id": "1"},
        {"server": ""},
        {"tool": "x" * 201},
        {"arguments": [1]},
        {"arguments": "[1]"},
        {"ms": "NaN"},
        {"chosen_by": "nobody"},
        {"user_turn_index": -1},
        {"user_turn_index": 2**31},
        {"called_at": "0001-01-01T00:00:00Z"},
    ],
)
async def test_what_is_no_tool_call_is_refused(recorder: Recorder, changes: dict[str, Any]) -> None:
    named = await recorder.start()
    answer = await recorder.call("append_tool_call", conversation_id=named, **tool_call(**changes))
    assert answer.error == "invalid"
    assert await listed(recorder, named) == []


async def test_tool_calls_go_with_their_conversation(
    recorder: Recorder, tenant: Tenant, database: Database
) -> None:
    named = await recorder.start()
    await record(recorder, named)
    assert len(await fetch(database, tenant, ROWS, id=UUID(named))) == 1
    async with database.tenant(tenant.business_id) as session:
        await session.execute(text("delete from conversation where id = :id"), {"id": UUID(named)})
    assert await fetch(database, tenant, ROWS, id=UUID(named)) == []


async def talk_with_calls(recorder: Recorder) -> str:
    """Record the sample conversation with two tool calls, and return its id."""
    named = await recorder.start()
    await recorder.record(named)
    await record(recorder, named, user_turn_index=1, called_at=at(7), tool="get_stock")
    await record(recorder, named, called_at=at(3), tool="search", chosen_by="retrieval")
    # Clocks can be wrong: a call of a turn never stands before it.
    await record(recorder, named, user_turn_index=4, called_at=at(1), tool="=reserve")
    return named


ORDER = ["agent", "search", "user", "agent", "get_stock", "agent", "user", "=reserve", "agent"]


async def test_tool_calls_stand_in_their_places_in_a_file(fresh: Recorder) -> None:
    named = await talk_with_calls(fresh)
    files = {
        format: (await fresh("export_transcript", conversation_id=named, format=format))["content"]
        for format in ("json", "csv", "text")
    }
    lines = json.loads(files["json"])["transcript"]
    assert [line.get("tool", line["role"]) for line in lines] == ORDER
    call = {"role": "tool", **(await listed(fresh, named))[2]}
    del call["order_index"]
    assert lines[4] == call

    rows = list(csv.DictReader(io.StringIO(files["csv"], newline="")))
    assert [row["tool"].strip("'") or row["role"] for row in rows] == ORDER
    assert rows[4] == {
        "order_index": "",
        "created_at": at(7),
        "role": "tool",
        "language": "",
        "interrupted": "",
        "text": "I found Mary Brown.",
        "server": "crm",
        "tool": "get_stock",
        "arguments": '{"query":"Mary Brown"}',
        "outcome": "ok",
        "ms": "12.5",
    }
    assert rows[7]["tool"] == "'=reserve"

    assert files["text"].splitlines()[4] == (
        'Tool: crm get_stock {"query":"Mary Brown"} (ok, 12 ms): I found Mary Brown.'
    )


async def test_a_caller_sees_that_a_tool_was_called_and_no_more(fresh: Recorder) -> None:
    named = await talk_with_calls(fresh)
    caller = fresh.for_caller(named)
    seen = await listed(caller, named)
    assert seen[2] == {
        "server": "crm",
        "tool": "get_stock",
        "outcome": "ok",
        "ms": 12.5,
        "user_turn_index": 1,
        "called_at": at(7),
    }
    for format in ("json", "csv", "text"):
        file = await caller("export_transcript", format=format)
        assert "get_stock" in file["content"]
        assert "Mary Brown" not in file["content"]
    refused = await caller.call("list_tool_calls", conversation_id=str(uuid4()))
    assert refused.error == "not_found"
