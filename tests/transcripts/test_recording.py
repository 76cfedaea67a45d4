"""Recording a conversation from its start to its end."""

from typing import Any, get_args
from uuid import uuid4

import pytest
from pydantic import TypeAdapter

from config.database import Database
from config.protocol import EndReason
from tests.conftest import Tenant, fetch
from tests.support.servers import Servers
from tests.transcripts.conftest import ENTRIES, Recorder, at
from transcripts.inputs import Text

METADATA = {"device": "kiosk", "floor": 2, "vip": True, "score": 0.5}


async def test_a_conversation_from_start_to_end(recorder: Recorder, tenant: Tenant) -> None:
    named = str(uuid4())
    agent = recorder.for_conversation(named)
    session_id = str(uuid4())
    started = await agent(
        "start_conversation",
        room_name="call-7",
        direction="outbound",
        session_id=session_id,
        language="de-CH",
        metadata=METADATA,
    )
    assert started["status"] == "active"
    await agent("update_conversation", room_sid="RM_1", agent_job_id="AJ_1")
    for tool, arguments in ENTRIES:
        stored = await agent(tool, **arguments)
        assert stored == {"conversation_id": named, "order_index": arguments["order_index"]}
    ended = await agent("end_conversation", reason="caller_left")
    assert ended == await recorder("get_conversation", conversation_id=named)
    assert ended | {"started_at": "", "ended_at": ""} == {
        "conversation_id": named,
        "status": "ended",
        "direction": "outbound",
        "started_at": "",
        "ended_at": "",
        "bot_id": str(tenant.bot_id),
        "session_id": session_id,
        "room_name": "call-7",
        "room_sid": "RM_1",
        "agent_job_id": "AJ_1",
        "language": "de-CH",
        "detected_language": "fr",
        "end_reason": "caller_left",
        "metadata": METADATA,
    }


async def test_the_transcript_is_what_was_said_in_order(recorder: Recorder) -> None:
    named = await recorder.start()
    await recorder.record(named)
    entries = (await recorder("get_transcript", conversation_id=named))["entries"]
    assert [(entry["role"], entry["text"]) for entry in entries] == [
        ("user" if tool == "append_user_turn" else "agent", arguments["text"])
        for tool, arguments in ENTRIES
    ]
    assert entries[1] == {
        "role": "user",
        "text": "Do you have rye bread?",
        "language": "en",
        "created_at": at(4),
        "order_index": 1,
    }
    assert [entry["order_index"] for entry in entries if "interrupted" in entry] == [3]


async def test_turns_hold_what_was_answered_to_them(recorder: Recorder) -> None:
    named = await recorder.start()
    await recorder.record(named)
    turns = (await recorder("get_transcript", conversation_id=named, view="turns"))["turns"]
    answered = [
        (turn["order_index"], [response["order_index"] for response in turn["responses"]])
        for turn in turns
    ]
    assert answered == [(0, [0]), (1, [2, 3]), (4, [5])]
    assert "user" not in turns[0]
    one = await recorder("get_transcript", conversation_id=named, turn=4)
    assert one["turns"] == turns[2:]
    missing = await recorder.call("get_transcript", conversation_id=named, turn=2)
    assert missing.error == "not_found"


async def test_every_column_of_a_turn_is_stored(
    recorder: Recorder, tenant: Tenant, database: Database
) -> None:
    named = await recorder.start()
    await recorder.record(named)
    query = "select * from {} where conversation_id = :id and order_index = :index"
    user = (await fetch(database, tenant, query.format("user_turn"), id=named, index=1))[0]
    agent = (await fetch(database, tenant, query.format("agent_response"), id=named, index=3))[0]
    assert (user["stt_provider"], user["stt_confidence"]) == ("deepgram", 0.93)
    assert agent["user_turn_id"] == user["id"]
    spoken = agent["llm_provider"], agent["tts_provider"], agent["voice_id"], agent["interrupted"]
    assert spoken == ("openai", "elevenlabs", "v1", True)


async def test_the_first_end_counts(recorder: Recorder) -> None:
    named = await recorder.start()
    first = await recorder(
        "end_conversation", conversation_id=named, reason="agent_ended", ended_at=at(20)
    )
    second = await recorder("end_conversation", conversation_id=named, reason="room_closed")
    assert first == second
    assert (first["ended_at"], first["end_reason"]) == (at(20), "agent_ended")


@pytest.mark.parametrize("reason", get_args(EndReason))
async def test_a_conversation_ends_for_one_of_these_reasons(
    recorder: Recorder, reason: str
) -> None:
    named = await recorder.start()
    ended = await recorder("end_conversation", conversation_id=named, reason=reason)
    assert ended["end_reason"] == reason


async def test_a_callers_metadata_is_text_that_can_be_stored(recorder: Recorder) -> None:
    named = str(uuid4())
    hostile = {"end_reason": "agent_ended", "__proto__": "\x00x", "k\x00": "'; drop table--"}
    started = await recorder(
        "start_conversation",
        conversation_id=named,
        room_name="r",
        direction="inbound",
        metadata=hostile,
    )
    kept = {"end_reason": "agent_ended", "__proto__": "x", "k": "'; drop table--"}
    assert started["metadata"] == kept
    ended = await recorder("end_conversation", conversation_id=named, reason="caller_left")
    assert (ended["metadata"], ended["end_reason"]) == (kept, "caller_left")


async def test_starting_again_changes_nothing(recorder: Recorder) -> None:
    named = await recorder.start()
    before = await recorder("end_conversation", conversation_id=named)
    repeated = await recorder(
        "start_conversation", conversation_id=named, room_name="other", direction="outbound"
    )
    assert repeated == before


@pytest.mark.parametrize("tool", ["append_user_turn", "append_agent_response"])
async def test_nothing_that_was_said_is_replaced_or_dropped_silently(
    recorder: Recorder, tool: str
) -> None:
    named = await recorder.start()
    entry: dict[str, Any] = {"conversation_id": named, "order_index": 0, "text": "One."}
    entry |= {"stt_provider": "deepgram"} if tool == "append_user_turn" else {}
    await recorder(tool, **entry)
    refused = await recorder.call(tool, **entry | {"text": "Another."})
    assert refused.error == "rejected"
    assert "next free order_index" in refused.text
    assert "Another" not in refused.text
    entries = (await recorder("get_transcript", conversation_id=named))["entries"]
    assert [entry["text"] for entry in entries] == ["One."]


async def test_what_became_known_later_is_kept(recorder: Recorder) -> None:
    named = await recorder.start()
    await recorder("update_conversation", conversation_id=named, detected_language="de")
    view = await recorder("update_conversation", conversation_id=named, room_sid="RM_2")
    assert (view["detected_language"], view["room_sid"]) == ("de", "RM_2")
    await recorder.record(named)
    view = await recorder("update_conversation", conversation_id=named, detected_language="de")
    assert view["detected_language"] == "fr"


async def test_usage_counts_once_per_request(
    recorder: Recorder, tenant: Tenant, database: Database
) -> None:
    named = await recorder.start()
    llm, tts = (
        {"provider": "openai", "operation": operation, "request_id": f"{named}:{operation}"}
        for operation in ("llm", "tts")
    )
    tokens = {"tokens": 120, "model": "small", "cached": True, "seconds": 0.5}
    first = await recorder(
        "record_usage", conversation_id=named, rows=[llm | {"metadata": tokens}, llm]
    )
    second = await recorder("record_usage", conversation_id=named, rows=[llm, tts])
    assert (first, second) == ({"new": 1}, {"new": 1})
    query = "select * from api_usage where conversation_id = :id order by operation"
    rows = await fetch(database, tenant, query, id=named)
    assert [(row["operation"], row["metadata"]) for row in rows] == [("llm", tokens), ("tts", {})]


async def test_usage_outside_conversations_belongs_to_none(
    recorder: Recorder, tenant: Tenant, database: Database
) -> None:
    row = {"provider": "local", "operation": "embed", "request_id": str(uuid4())}
    assert await recorder("record_usage", rows=[row]) == {"new": 1}
    assert await recorder("record_usage", rows=[]) == {"new": 0}
    query = "select conversation_id from api_usage where request_id = :id"
    assert await fetch(database, tenant, query, id=row["request_id"]) == [{"conversation_id": None}]


async def test_hostile_text_is_kept_as_far_as_it_can_be(recorder: Recorder) -> None:
    named = await recorder.start()
    hostile = "a\x00b'; drop table user_turn; -- \u202e\U0001f9a6 \\ud800 " + "x" * 30_000
    await recorder(
        "append_user_turn",
        conversation_id=named,
        order_index=0,
        text=hostile,
        stt_provider="deep\x00gram",
    )
    usage = {"provider": "p", "operation": "llm", "request_id": f"{named}\x00"}
    rows = [usage | {"metadata": {"a\x00": "b\x00c"}}]
    await recorder("record_usage", conversation_id=named, rows=rows)
    entries = (await recorder("get_transcript", conversation_id=named))["entries"]
    visible = hostile.replace("\x00", "").replace("\u202e", "")  # what a person cannot see
    assert entries[0]["text"] == visible[:20_000]


def test_half_a_surrogate_pair_becomes_storable() -> None:
    # No JSON message can carry one here, but a client in the same process can.
    text = TypeAdapter[str](Text).validate_python("a\ud800b\x00")
    assert text == "a?b"


@pytest.mark.parametrize(
    ("tool", "arguments"),
    [
        ("append_user_turn", {"order_index": -1}),
        ("append_user_turn", {"order_index": 2**31}),
        ("append_user_turn", {"stt_provider": ""}),
        ("append_user_turn", {"stt_provider": "\x00"}),
        ("append_user_turn", {"language": "x" * 201}),
        ("append_user_turn", {"spoken_at": "0001-01-01T00:00:00Z"}),
        ("append_user_turn", {"spoken_at": "9999-12-31T23:59:59-14:00"}),
        ("append_user_turn", {"spoken_at": "2026-01-01T00:00:00"}),
        ("append_agent_response", {"user_turn_index": 0}),
        ("append_agent_response", {"user_turn_index": 1}),
        ("record_usage", {"rows": [{"provider": "p", "operation": "fax", "request_id": "r"}]}),
        ("start_conversation", {"direction": "sideways"}),
        ("start_conversation", {"direction": "inbound", "metadata": {"a": {"b": 1}}}),
        ("start_conversation", {"direction": "inbound", "metadata": {"a": None}}),
        ("start_conversation", {"direction": "inbound", "metadata": {"a": "x" * 4096}}),
        (
            "start_conversation",
            {"direction": "inbound", "metadata": {str(number): 1 for number in range(21)}},
        ),
        ("end_conversation", {"reason": "the caller hung up"}),
        ("list_conversations", {"limit": 51}),
        ("search_transcripts", {"query": ""}),
        ("export_transcript", {"format": "pdf"}),
    ],
)
async def test_what_does_not_fit_is_refused_before_it_is_stored(
    recorder: Recorder, tool: str, arguments: dict[str, Any]
) -> None:
    needed: dict[str, dict[str, Any]] = {
        "append_user_turn": {"order_index": 0, "text": "a", "stt_provider": "s"},
        "append_agent_response": {"order_index": 0, "text": "a"},
        "start_conversation": {"room_name": "r"},
    }
    named = await recorder.start()
    if tool not in {"list_conversations", "search_transcripts"}:
        arguments = {"conversation_id": named, **arguments}
    answer = await recorder.call(tool, **needed.get(tool, {}) | arguments)
    assert answer.error == "invalid"
    assert (await recorder("get_transcript", conversation_id=named))["entries"] == []


async def test_a_conversation_has_to_be_named_and_to_have_a_bot(
    servers: Servers, recorder: Recorder
) -> None:
    assert (await recorder.call("get_transcript")).error == "invalid"
    without_bot = Recorder(servers, recorder.claims.model_copy(update={"bot_id": None}))
    started = {"conversation_id": str(uuid4()), "room_name": "r", "direction": "inbound"}
    assert (await without_bot.call("start_conversation", **started)).error == "rejected"
