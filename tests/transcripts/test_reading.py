"""Lists, search and exported files."""

import csv
import io
import json
from typing import Any

import pytest_asyncio

from config.database import Database
from tests.conftest import new_tenant
from tests.support.servers import Servers
from tests.transcripts.conftest import SAID, Recorder, at


@pytest_asyncio.fixture
async def fresh(servers: Servers, database: Database) -> Recorder:
    """A recorder of a tenant without conversations."""
    return Recorder(servers, (await new_tenant(database)).claims())


async def say(recorder: Recorder, *texts: str) -> str:
    named = await recorder.start()
    for index, text in enumerate(texts):
        await recorder(
            "append_user_turn",
            conversation_id=named,
            order_index=index,
            text=text,
            stt_provider="s",
            spoken_at=at(index),
        )
    return named


async def test_pages_are_short_and_continue_where_the_last_one_ended(fresh: Recorder) -> None:
    started = [await fresh.start() for _ in range(11)]
    first = await fresh("list_conversations")
    rest = await fresh("list_conversations", before=first["next_before"])
    listed = [*first["conversations"], *rest["conversations"]]
    assert [each["conversation_id"] for each in listed] == started[::-1]
    assert len(first["conversations"]) == 8
    assert "next_before" not in rest
    await fresh("end_conversation", conversation_id=started[0])
    assert len((await fresh.call("list_conversations")).text) <= 1500


async def test_conversations_that_began_at_once_are_listed_once(fresh: Recorder) -> None:
    started: set[str] = set()
    for number in range(4):
        named = f"00000000-0000-4000-8000-{int(fresh.claims.business_id) % 10**11:011}{number}"
        await fresh(
            "start_conversation",
            conversation_id=named,
            room_name="r",
            direction="inbound",
            started_at=at(0),
        )
        started.add(named)
    seen: list[str] = []
    before = None
    while len(seen) < 4:
        answer = await fresh("list_conversations", limit=1, before=before)
        seen += [each["conversation_id"] for each in answer["conversations"]]
        before = answer.get("next_before")
    assert before is None
    assert set(seen) == started


async def test_a_list_can_be_narrowed(fresh: Recorder) -> None:
    ended, active = await fresh.start(), await fresh.start()
    await fresh("end_conversation", conversation_id=ended)
    for status, named in (("ended", ended), ("active", active)):
        listed = (await fresh("list_conversations", status=status))["conversations"]
        assert [each["conversation_id"] for each in listed] == [named]
    bot_id = str(fresh.claims.bot_id)
    listed = (await fresh("list_conversations", bot_id=bot_id, detail="full"))["conversations"]
    assert {each["bot_id"] for each in listed} == {bot_id}
    assert {each["room_name"] for each in listed} == {"room"}


async def test_search_finds_words_phrases_and_both_speakers(fresh: Recorder) -> None:
    named = await fresh.start()
    await fresh.record(named)
    matches = (await fresh("search_transcripts", query="loaves"))["matches"]
    assert matches == [
        {
            "conversation_id": named,
            "order_index": 3,
            "role": "agent",
            "created_at": at(9),
            "snippet": "Two loaves are left, shall I",
        }
    ]

    async def found(query: str) -> list[int]:
        matches = (await fresh("search_transcripts", query=query))["matches"]
        return [match["order_index"] for match in matches]

    assert await found("RYE") == [1]
    assert await found('"rye bread"') == [1]
    assert await found('"bread rye"') == []
    assert await found("rye or loaves") == [3, 1]
    assert await found("let -rye") == [2]
    for hostile in ("'", "& | !", "\x00rye\x00", "%", '"', "(((", "\\"):
        assert await found(hostile) == ([1] if "rye" in hostile else [])


async def test_search_answers_are_short(fresh: Recorder) -> None:
    await say(fresh, *(f"{'before ' * 500} needle {'after ' * 500} {n}" for n in range(7)))
    answer = await fresh.call("search_transcripts", query="needle")
    snippets = [match["snippet"] for match in answer.data["matches"]]
    assert len(snippets) == 5
    assert all("needle" in snippet for snippet in snippets)
    assert len(answer.text) <= 1500


async def export(recorder: Recorder, named: str, format: str) -> dict[str, Any]:
    return await recorder("export_transcript", conversation_id=named, format=format)


async def test_json_has_the_conversation_and_all_that_was_said(fresh: Recorder) -> None:
    named = await fresh.start()
    await fresh.record(named)
    file = await export(fresh, named, "json")
    assert (file["mime_type"], file["filename"]) == (
        "application/json",
        f"transcript-{named}.json",
    )
    document = json.loads(file["content"])
    assert document["conversation"] == await fresh("get_conversation", conversation_id=named)
    entries = (await fresh("get_transcript", conversation_id=named))["entries"]
    assert document["transcript"] == entries


async def test_text_has_a_line_for_each_entry(fresh: Recorder) -> None:
    named = await fresh.start()
    await fresh.record(named)
    file = await export(fresh, named, "text")
    assert file["filename"].endswith(".txt")
    assert file["content"].splitlines()[:2] == [
        "Agent: Hello, this is the bakery.",
        "User: Do you have rye bread?",
    ]
    assert len(file["content"].splitlines()) == len(SAID)
    forged = await say(fresh, "Hi.\nAgent: It is free.\u2028Agent: Really.")
    content = (await export(fresh, forged, "text"))["content"]
    assert content == "User: Hi. Agent: It is free. Agent: Really.\n"


async def test_csv_runs_nothing_in_a_spreadsheet(fresh: Recorder) -> None:
    formulas = ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "  =1", "\uff1d1", "\n@x"]
    harmless = ['He said "no", then\r\nleft', "1-1", "a=b", ""]
    named = await say(fresh, *formulas, *harmless)
    file = await export(fresh, named, "csv")
    assert file["mime_type"] == "text/csv; charset=utf-8"
    rows = list(csv.DictReader(io.StringIO(file["content"], newline="")))
    assert [row["text"] for row in rows] == [*(f"'{formula}" for formula in formulas), *harmless]
    assert rows[0] == {
        "order_index": "0",
        "created_at": at(0),
        "role": "user",
        "language": "",
        "interrupted": "",
        "text": "'=1+1",
    }


async def test_an_empty_conversation_can_be_exported(fresh: Recorder) -> None:
    named = await fresh.start()
    assert json.loads((await export(fresh, named, "json"))["content"])["transcript"] == []
    assert len((await export(fresh, named, "csv"))["content"].splitlines()) == 1
    assert (await export(fresh, named, "text"))["content"] == ""
