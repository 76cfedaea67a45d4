"""Two tenants: what is another's is as if it did not exist, on every route."""

from collections.abc import Mapping
from typing import Any
from uuid import uuid4

import pytest

from config.database import Database
from tests.conftest import Tenant
from tests.orchestrator.api.conftest import DOCUMENT, ClientFactory, new_bot, start_session

BODIES: Mapping[str, Mapping[str, Any]] = {
    "/agent_joined": {"room_sid": "RM_1", "job_id": "AJ_1"},
    "/turns": {"transcript": "Hello.", "stt_provider": "embedded"},
    "/response": {"response_text": "Hello."},
    "/end": {},
}
ABOUT_ONE = sorted(
    (method.upper(), path)
    for path, operations in DOCUMENT["paths"].items()
    for method in operations
    if "{conversation_id}" in path
)


@pytest.mark.parametrize(("method", "path"), ABOUT_ONE)
async def test_a_conversation_is_its_business_s_own(
    client: ClientFactory, key: str, other_key: str, method: str, path: str
) -> None:
    own, theirs = await start_session(client, key), await start_session(client, other_key)
    ids = own["conversation_id"], theirs["conversation_id"], str(uuid4())
    body = next((body for end, body in BODIES.items() if path.endswith(end)), None)
    answers: list[tuple[int, str]] = []
    async with client(key) as http:
        turns = f"/api/conversations/{own['conversation_id']}/turns"
        await http.post(turns, json=BODIES["/turns"])
        for conversation_id in ids:
            url = path.format(conversation_id=conversation_id, order_index=0)
            answer = await http.request(method, url, json=body if method == "POST" else None)
            answers.append((answer.status_code, answer.text))
    assert answers[0][0] in (200, 201)
    assert answers[1][0] == 404
    assert answers[1] == answers[2]


async def test_nothing_of_another_s_conversation_changed(
    client: ClientFactory, key: str, other_key: str
) -> None:
    theirs = await start_session(client, other_key)
    one = f"/api/conversations/{theirs['conversation_id']}"
    async with client(other_key) as owner, client(key) as stranger:
        before = (await owner.get(one)).json()
        for end, body in BODIES.items():
            path = "/turns/0/response" if end == "/response" else end
            await stranger.post(one + path, json=body)
        assert (await owner.get(one)).json() == before
        assert (await owner.get(f"{one}/transcript")).json() == []


async def test_a_list_shows_only_one_s_own(client: ClientFactory, key: str, other_key: str) -> None:
    own, theirs = await start_session(client, key), await start_session(client, other_key)
    async with client(key) as http:
        listed = (await http.get("/api/conversations", params={"limit": 50})).json()
        unknown = [
            await http.get("/api/conversations", params={"before": conversation_id})
            for conversation_id in (theirs["conversation_id"], str(uuid4()))
        ]
    ids = {one["conversation_id"] for one in listed["conversations"]}
    assert own["conversation_id"] in ids
    assert theirs["conversation_id"] not in ids
    assert [answer.status_code for answer in unknown] == [404, 404]
    assert unknown[0].text == unknown[1].text


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/api/sessions/start", {"bot": "{bot}"}),
        ("GET", "/api/agents/{bot}/config", None),
        ("GET", "/api/conversations?bot={bot}", None),
        ("POST", "/api/rag/retrieve", {"bot": "{bot}", "query": "When is it open?"}),
        (
            "POST",
            "/api/tools/execute",
            {"bot": "{bot}", "tool_key": "scheduling_tell_whose"},
        ),
    ],
)
async def test_a_bot_is_its_business_s_own(
    client: ClientFactory,
    key: str,
    other_tenant: Tenant,
    database: Database,
    method: str,
    path: str,
    body: Mapping[str, str] | None,
) -> None:
    theirs = await new_bot(database, other_tenant, {"server": "scheduling"})
    answers: list[tuple[int, str]] = []
    async with client(key) as http:
        for name in (theirs.name, "nobody"):
            asked = body and {field: value.format(bot=name) for field, value in body.items()}
            answer = await http.request(method, path.format(bot=name), json=asked)
            answers.append((answer.status_code, answer.text))
    assert answers[0][0] == 404
    assert answers[0] == answers[1]


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/api/token?conversation_id={id}", None),
        ("POST", "/api/rag/retrieve", {"conversation_id": "{id}", "query": "When?"}),
        (
            "POST",
            "/api/tools/execute",
            {"conversation_id": "{id}", "tool_key": "scheduling_tell_whose"},
        ),
    ],
)
async def test_another_s_conversation_names_nothing(
    client: ClientFactory,
    key: str,
    other_key: str,
    method: str,
    path: str,
    body: Mapping[str, str] | None,
) -> None:
    theirs = await start_session(client, other_key)
    answers: list[tuple[int, str]] = []
    async with client(key) as http:
        for name in (theirs["conversation_id"], str(uuid4())):
            asked = body and {field: value.format(id=name) for field, value in body.items()}
            answer = await http.request(method, path.format(id=name), json=asked)
            answers.append((answer.status_code, answer.text))
    assert answers[0][0] == 404
    assert answers[0] == answers[1]


async def test_a_bot_is_shown_as_the_worker_sees_it(
    client: ClientFactory, key: str, tenant: Tenant, database: Database
) -> None:
    use = {"server": "scheduling", "tools": ["write"], "policy": {"write": {"confirm": True}}}
    bot = await new_bot(database, tenant, use, system_prompt="You answer the phone.")
    async with client(key) as http:
        answer = await http.get(f"/api/agents/{bot.name}/config")
    shown = answer.json()
    assert answer.status_code == 200
    assert (shown["id"], shown["business_id"]) == (str(bot.id), str(tenant.business_id))
    assert shown["servers"]["scheduling"]["tools"] == ["write"]
    assert shown["servers"]["scheduling"]["policy"]["write"]["confirm"] is True
