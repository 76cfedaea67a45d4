"""Replays of a journal, in any order and more than once, end in the same transcript."""

import asyncio
import random
from typing import Any
from uuid import uuid4

from tests.support.servers import Caller, Servers
from tests.transcripts.conftest import ENTRIES, Recorder, at, call_successfully, tool_call

Journal = list[tuple[str, dict[str, Any]]]
JOURNAL: Journal = [
    *ENTRIES,
    ("append_tool_call", tool_call(user_turn_index=1, called_at=at(5))),
    ("append_tool_call", tool_call(user_turn_index=4, called_at=at(12), said="Again.")),
    ("update_conversation", {"room_sid": "RM_1", "detected_language": "de"}),
    ("end_conversation", {"reason": "caller_left", "ended_at": at(20)}),
]


async def replay(caller: Caller, named: str, journal: Journal) -> None:
    for tool, arguments in journal:
        await call_successfully(caller, tool, conversation_id=named, **arguments)


async def transcript_after(
    servers: Servers, recorder: Recorder, *journals: Journal
) -> dict[str, Any]:
    """Return a conversation and its turns after replays, without its id and its start."""
    named = str(uuid4())
    start = {"conversation_id": named, "room_name": "room", "direction": "inbound"}
    async with servers.connect("transcripts", recorder.claims) as caller:
        await call_successfully(caller, "start_conversation", **start)
        await asyncio.gather(*(replay(caller, named, journal) for journal in journals))
        view = await call_successfully(caller, "get_conversation", conversation_id=named)
        turns = await call_successfully(
            caller, "get_transcript", conversation_id=named, view="turns"
        )
        calls = await call_successfully(caller, "list_tool_calls", conversation_id=named)
    return {**view, **turns, **calls, "conversation_id": "", "started_at": ""}


async def test_shuffled_replays_with_repeats(servers: Servers, recorder: Recorder) -> None:
    in_order = await transcript_after(servers, recorder, JOURNAL)
    for seed in range(20):
        shuffled = random.Random(seed)
        journal = [*JOURNAL, *shuffled.sample(JOURNAL, 3)]
        shuffled.shuffle(journal)
        assert await transcript_after(servers, recorder, journal) == in_order, f"seed {seed}"


async def test_replays_at_the_same_time(servers: Servers, recorder: Recorder) -> None:
    in_order = await transcript_after(servers, recorder, JOURNAL)
    backwards = JOURNAL[::-1]
    assert await transcript_after(servers, recorder, *[JOURNAL, backwards] * 2) == in_order


async def test_a_response_waits_for_the_turn_that_it_answers(recorder: Recorder) -> None:
    named = await recorder.start()
    await recorder(
        "append_agent_response",
        conversation_id=named,
        order_index=1,
        user_turn_index=0,
        text="We do.",
    )
    before = await recorder("get_transcript", conversation_id=named)
    assert [entry["order_index"] for entry in before["entries"]] == [1]
    turns = (await recorder("get_transcript", conversation_id=named, view="turns"))["turns"]
    assert [turn["order_index"] for turn in turns] == [0]
    assert "user" not in turns[0]
    found = await recorder("search_transcripts", query="do", limit=50)
    assert (named, 0) not in [
        (hit["conversation_id"], hit["order_index"]) for hit in found["matches"]
    ]
    await recorder(
        "append_user_turn", conversation_id=named, order_index=0, text="Rye?", stt_provider="s"
    )
    turn = (await recorder("get_transcript", conversation_id=named, turn=0))["turns"][0]
    assert (turn["user"]["text"], turn["responses"][0]["text"]) == ("Rye?", "We do.")
