"""Conversations, from the first word to the file."""

import csv
import io
from typing import Any
from uuid import UUID, uuid4

import httpx2
import pytest
import pytest_asyncio

from orchestrator.api.dependencies import Dependencies
from tests.conftest import Tenant
from tests.orchestrator.api.conftest import ClientFactory, Json, start_session

LIST = "/api/conversations"
HEARD = {"transcript": "Is it open?", "detected_language": "en", "stt_provider": "embedded"}
SAID = {"response_text": "Yes, until six.", "llm_provider": "local", "language": "en"}


@pytest_asyncio.fixture(scope="module")
async def session(client: ClientFactory, key: str) -> Json:
    """A conversation of two turns, recorded over REST."""
    session = await start_session(client, key)
    one = f"{LIST}/{session['conversation_id']}"
    async with client(key) as http:
        for heard, said in (
            (HEARD, SAID),
            (HEARD | {"transcript": "=Thanks"}, SAID | {"response_text": "Bye."}),
        ):
            turn = await http.post(f"{one}/turns", json=heard)
            assert turn.status_code == 201, turn.text
            index = turn.json()["order_index"]
            answer = await http.post(f"{one}/turns/{index}/response", json=said)
            assert answer.status_code == 201, answer.text
    return session


async def get(
    client: ClientFactory, token: str, session: Json, what: str = "", **params: Any
) -> Any:
    """Read something about a conversation."""
    async with client(token) as http:
        answer = await http.get(f"{LIST}/{session['conversation_id']}{what}", params=params)
    assert answer.status_code == 200, answer.text
    return answer


async def test_what_was_said_is_read_in_order(
    client: ClientFactory, key: str, session: Json
) -> None:
    for token in (key, session["conversation_token"]):
        entries = (await get(client, token, session, "/transcript")).json()
        assert [(entry["role"], entry["text"]) for entry in entries] == [
            ("user", "Is it open?"),
            ("agent", "Yes, until six."),
            ("user", "=Thanks"),
            ("agent", "Bye."),
        ]
        assert [entry["order_index"] for entry in entries] == [0, 1, 2, 3]
        assert entries[0]["language"] == "en"


async def test_turns_hold_their_responses(client: ClientFactory, key: str, session: Json) -> None:
    turns = (await get(client, key, session, "/turns")).json()
    assert [turn["user"]["text"] for turn in turns] == ["Is it open?", "=Thanks"]
    assert [[one["text"] for one in turn["responses"]] for turn in turns] == [
        ["Yes, until six."],
        ["Bye."],
    ]
    assert (await get(client, key, session, "/turns/2")).json() == turns[1]


async def test_there_is_no_response_to_a_turn_that_was_not(
    client: ClientFactory, key: str, session: Json
) -> None:
    one = f"{LIST}/{session['conversation_id']}/turns/7"
    async with client(key) as http:
        answers = [await http.get(one), await http.post(f"{one}/response", json=SAID)]
    assert [answer.status_code for answer in answers] == [404, 404]


async def test_a_repeated_turn_is_recorded_once_and_another_one_is_refused(
    client: ClientFactory, key: str
) -> None:
    session = await start_session(client, key)
    turns = f"{LIST}/{session['conversation_id']}/turns"
    async with client(key) as http:
        for _ in range(2):
            answer = await http.post(turns, json=HEARD | {"order_index": 4})
            assert answer.status_code == 201
        other = await http.post(turns, json=HEARD | {"order_index": 4, "transcript": "No."})
        assert len((await http.get(turns)).json()) == 1
        following = await http.post(turns, json=HEARD)
    assert (other.status_code, other.json()["error"]) == (409, "rejected")
    assert following.json()["order_index"] == 5


async def test_a_file_as_json(client: ClientFactory, key: str, session: Json) -> None:
    answer = await get(client, key, session, "/export", format="json")
    assert answer.headers["content-type"] == "application/json"
    name = f"transcript-{session['conversation_id']}.json"
    assert answer.headers["content-disposition"] == f'attachment; filename="{name}"'
    texts = [entry["text"] for entry in answer.json()["transcript"]]
    assert texts[:2] == ["Is it open?", "Yes, until six."]


async def test_a_file_as_csv_runs_no_formula(
    client: ClientFactory, key: str, session: Json
) -> None:
    answer = await get(client, key, session, "/export", format="csv")
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert [row["role"] for row in rows] == ["user", "agent", "user", "agent"]
    assert rows[2]["text"] == "'=Thanks"


async def test_a_file_as_text(client: ClientFactory, key: str, session: Json) -> None:
    answer = await get(client, session["conversation_token"], session, "/export", format="text")
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert answer.text.splitlines()[:2] == ["User: Is it open?", "Agent: Yes, until six."]


CALL = {
    "call_id": "0b7c1e0e-2f51-4a77-9a0b-0d9b1a2c3d4e",
    "server": "crm",
    "tool": "find_contacts",
    "arguments": {"query": "Mary Brown", "password": "hunter2"},
    "said": "I found Mary Brown.",
    "outcome": "ok",
    "ms": 12.5,
    "called_at": "2026-03-02T10:00:00Z",
}


async def test_a_key_reads_tool_calls_and_a_caller_that_there_were_some(
    client: ClientFactory, key: str, dependencies: Dependencies, tenant: Tenant
) -> None:
    session = await start_session(client, key)
    assert (await get(client, key, session, "/tool_calls")).json() == []
    claims = tenant.claims(conversation_id=UUID(session["conversation_id"]))
    stored = await dependencies.router.call("transcripts", "append_tool_call", CALL, claims)
    assert stored.error is None, stored.text
    [call] = (await get(client, key, session, "/tool_calls")).json()
    assert call == {
        **{name: value for name, value in CALL.items() if name != "call_id"},
        "arguments": {"query": "Mary Brown", "password": "[redacted]"},
        "user_turn_index": None,
        "chosen_by": "model",
        "order_index": 0,
    }
    [seen] = (await get(client, session["conversation_token"], session, "/tool_calls")).json()
    known = "server", "tool", "outcome", "ms", "user_turn_index", "called_at"
    assert seen == {name: call[name] for name in known}
    for format in ("json", "csv", "text"):
        for token in (key, session["conversation_token"]):
            file = (await get(client, token, session, "/export", format=format)).text
            assert "find_contacts" in file
            assert ("Mary Brown" in file) == (token == key)


async def test_tool_calls_of_others_are_unknown(
    client: ClientFactory, key: str, other_key: str
) -> None:
    session, sibling = [await start_session(client, key) for _ in range(2)]
    path = f"{LIST}/{session['conversation_id']}/tool_calls"
    answers: list[httpx2.Response] = []
    for token in (other_key, sibling["conversation_token"]):
        async with client(token) as http:
            answers += [await http.get(path), await http.get(f"{LIST}/{uuid4()}/tool_calls")]
    assert {(each.status_code, each.json()["error"]) for each in answers} == {(404, "not_found")}
    assert len({each.text for each in answers}) == 1


async def test_who_took_the_call_and_why_it_ended(client: ClientFactory, key: str) -> None:
    session = await start_session(client, key)
    one = f"{LIST}/{session['conversation_id']}"
    async with client(key) as http:
        joined = await http.post(f"{one}/agent_joined", json={"room_sid": "RM_1", "job_id": "AJ_1"})
        ended = await http.post(f"{one}/end", json={"reason": "room_closed"})
        seen = (await http.get(one)).json()
    assert (joined.status_code, ended.status_code) == (200, 200)
    assert (seen["room_sid"], seen["agent_job_id"]) == ("RM_1", "AJ_1")
    assert (seen["status"], seen["end_reason"]) == ("ended", "room_closed")
    assert seen["ended_at"] >= seen["started_at"]


async def test_an_end_has_a_reason_of_the_list(client: ClientFactory, key: str) -> None:
    one = f"{LIST}/{(await start_session(client, key))['conversation_id']}/end"
    async with client(key) as http:
        refused = await http.post(one, json={"reason": "hung up"})
        ended = await http.post(one)
    assert (refused.status_code, refused.json()["error"]) == (422, "invalid")
    assert "hung up" not in refused.text
    assert ended.json()["end_reason"] == "ended_by_api"


async def test_conversations_are_listed_page_by_page(client: ClientFactory, key: str) -> None:
    ids = [(await start_session(client, key))["conversation_id"] for _ in range(3)]
    async with client(key) as http:
        first = (await http.get(LIST, params={"limit": 2, "bot": "bot"})).json()
        more = {"limit": 1, "before": first["next_before"]}
        second = (await http.get(LIST, params=more)).json()
    listed = [*first["conversations"], *second["conversations"]]
    assert [one["conversation_id"] for one in listed] == ids[::-1]
    assert listed[0]["room_name"] == f"call-{ids[2]}"


async def test_conversations_are_listed_by_status(client: ClientFactory, key: str) -> None:
    session = await start_session(client, key)
    async with client(key) as http:
        await http.post(f"{LIST}/{session['conversation_id']}/end")
        found = (await http.get(LIST, params={"status": "ended", "limit": 50})).json()
    assert {one["status"] for one in found["conversations"]} == {"ended"}
    assert session["conversation_id"] in {one["conversation_id"] for one in found["conversations"]}


@pytest.mark.parametrize("text", ["", "Straße 東京 🚲", "x" * 20_000, "'; drop table--"])
async def test_any_words_come_back_as_they_were(client: ClientFactory, key: str, text: str) -> None:
    session = await start_session(client, key)
    turns = f"{LIST}/{session['conversation_id']}/turns"
    async with client(key) as http:
        answer = await http.post(turns, json=HEARD | {"transcript": text})
        assert answer.status_code == 201
        [turn] = (await http.get(turns)).json()
    assert turn["user"]["text"] == text
