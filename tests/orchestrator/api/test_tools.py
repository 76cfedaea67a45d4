"""Calling a tool as a bot would."""

import asyncio
from typing import Any
from uuid import uuid4

import httpx2
import pytest
import pytest_asyncio

from config.database import Database
from tests.conftest import Tenant
from tests.orchestrator.api.conftest import ClientFactory, NewBot, new_bot, start_session
from tests.orchestrator.api.scheduling_double import written
from tests.support.pseudo_locale import PSEUDO, latin_words, pseudo_locale


@pytest_asyncio.fixture(scope="module")
async def bot(database: Database, tenant: Tenant) -> NewBot:
    """A bot that may use every tool of the calendar."""
    return await new_bot(database, tenant, {"server": "scheduling"})


async def execute(client: ClientFactory, key: str, tool_key: str, **body: Any) -> httpx2.Response:
    """Ask for a tool call."""
    async with client(key) as http:
        return await http.post("/api/tools/execute", json={"tool_key": tool_key, **body})


async def test_a_tool_acts_for_the_key_s_business_and_the_named_bot(
    client: ClientFactory, key: str, tenant: Tenant, bot: NewBot
) -> None:
    answer = await execute(client, key, "scheduling_tell_whose", bot=bot.name)
    assert answer.status_code == 200
    assert answer.json()["say"] == "Yours."
    assert answer.json()["result"] == {
        "say": "Yours.",
        "business_id": str(tenant.business_id),
        "bot_id": str(bot.id),
    }
    same = await execute(
        client,
        key,
        "scheduling_tell_whose",
        business_id=str(tenant.business_id),
        bot_id=str(bot.id),
    )
    assert same.json()["result"] == answer.json()["result"]


async def test_a_failure_is_told_in_the_language_of_its_conversation(
    client: ClientFactory, key: str, bot: NewBot
) -> None:
    started = await start_session(client, key, bot.name, language=PSEUDO)
    spoken = {"conversation_id": started["conversation_id"]}
    with pseudo_locale():
        failed = await execute(client, key, "scheduling_write", **spoken)
        unknown = await execute(client, key, "scheduling_nothing", **spoken)
        english = await execute(client, key, "scheduling_write", bot=bot.name)
    assert (failed.json()["error"], unknown.json()["error"]) == ("invalid", "unknown_tool")
    assert latin_words(failed.json()["say"] + unknown.json()["say"]) == []
    assert english.json()["say"] == "Sorry, I did not get that right. Could you say it again?"


async def test_callers_at_the_same_time_are_not_mixed_up(
    client: ClientFactory,
    key: str,
    other_key: str,
    tenant: Tenant,
    other_tenant: Tenant,
    bot: NewBot,
    database: Database,
) -> None:
    other = await new_bot(database, other_tenant, {"server": "scheduling"})
    callers = [(key, bot, tenant), (other_key, other, other_tenant)] * 20
    answers = await asyncio.gather(
        *(
            execute(client, token, "scheduling_tell_whose", bot=named.name)
            for token, named, _ in callers
        )
    )
    for answer, (_, named, owner) in zip(answers, callers, strict=True):
        result = answer.json()["result"]
        assert (result["bot_id"], result["business_id"]) == (
            str(named.id),
            str(owner.business_id),
        )


async def test_a_conversation_names_its_bot(client: ClientFactory, key: str, bot: NewBot) -> None:
    conversation_id = (await start_session(client, key, bot.name))["conversation_id"]
    answer = await execute(client, key, "scheduling_tell_whose", conversation_id=conversation_id)
    result = answer.json()["result"]
    assert (result["bot_id"], result["conversation_id"]) == (str(bot.id), conversation_id)


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        ("invalid", 422),
        ("not_found", 404),
        ("rejected", 409),
        ("disconnected", 424),
        ("unavailable", 503),
        ("timeout", 504),
        ("outcome_unknown", 504),
        ("fault", 502),
    ],
)
async def test_a_failure_has_the_status_of_its_kind(
    client: ClientFactory, key: str, bot: NewBot, kind: str, status: int
) -> None:
    answer = await execute(client, key, "scheduling_fail", bot=bot.name, params={"kind": kind})
    assert (answer.status_code, answer.json()["error"]) == (status, kind)
    assert answer.json()["message"]
    assert answer.json()["say"]


@pytest.mark.parametrize("params", [{}, {"what": 1, "canary-4711": 2}, {"what": ["canary-4711"]}])
async def test_arguments_that_do_not_fit(
    client: ClientFactory, key: str, bot: NewBot, params: dict[str, Any]
) -> None:
    answer = await execute(client, key, "scheduling_write", bot=bot.name, params=params)
    assert (answer.status_code, answer.json()["error"]) == (422, "invalid")
    assert "canary" not in answer.text


async def test_what_the_bot_may_not_use_does_not_exist(
    client: ClientFactory, key: str, tenant: Tenant, database: Database
) -> None:
    reader = await new_bot(
        database,
        tenant,
        {"server": "scheduling", "tools": ["tell_whose"]},
        {"server": "knowledge", "enabled": False},
    )
    answers = [
        await execute(client, key, tool_key, bot=reader.name, params={"what": "a"})
        for tool_key in (
            "scheduling_write",
            "scheduling_nothing",
            "scheduling",
            "knowledge_search_knowledge",
            "transcripts_list_conversations",
            "nothing_write",
        )
    ]
    assert {answer.status_code for answer in answers} == {404}
    assert {answer.json()["error"] for answer in answers} == {"unknown_tool"}
    allowed = await execute(client, key, "scheduling_tell_whose", bot=reader.name)
    assert allowed.status_code == 200


async def test_another_business_or_bot_in_the_body_is_refused(
    client: ClientFactory, key: str, other_tenant: Tenant, tenant: Tenant, bot: NewBot
) -> None:
    conversation_id = (await start_session(client, key))["conversation_id"]
    for body in (
        {"bot": bot.name, "business_id": str(other_tenant.business_id)},
        {"bot": bot.name, "business_id": str(uuid4())},
        {"bot": bot.name, "bot_id": str(tenant.bot_id)},
        {"bot": bot.name, "bot_id": str(other_tenant.bot_id)},
        {"bot_id": str(bot.id), "conversation_id": conversation_id},
    ):
        answer = await execute(client, key, "scheduling_tell_whose", **body)
        assert (answer.status_code, answer.json()["error"]) == (403, "forbidden")
    alone = [
        await execute(client, key, "scheduling_tell_whose", bot_id=str(bot_id))
        for bot_id in (other_tenant.bot_id, uuid4())
    ]
    assert [answer.status_code for answer in alone] == [404, 404]
    assert alone[0].text == alone[1].text


async def test_a_bot_must_be_named(client: ClientFactory, key: str) -> None:
    answer = await execute(client, key, "scheduling_tell_whose")
    assert (answer.status_code, answer.json()["message"]) == (422, "bot is missing.")


async def test_a_repeat_with_the_same_key_is_done_once(
    client: ClientFactory, key: str, bot: NewBot
) -> None:
    what = uuid4().hex
    body: dict[str, Any] = {"bot": bot.name, "params": {"what": what}}
    for repeated in (what, what, "another"):
        answer = await execute(client, key, "scheduling_write", **body, idempotency_key=repeated)
        assert answer.status_code == 200
    assert written.count(what) == 2


async def test_what_the_bot_confirms_takes_two_steps(
    client: ClientFactory, key: str, tenant: Tenant, database: Database
) -> None:
    careful = await new_bot(
        database, tenant, {"server": "scheduling", "policy": {"write": {"confirm": True}}}
    )
    what = uuid4().hex
    asked = await execute(client, key, "scheduling_write", bot=careful.name, params={"what": what})
    result = asked.json()["result"]
    assert (asked.status_code, result["status"]) == (200, "needs_confirmation")
    assert asked.json()["say"] == f"I will write {what}. Shall I?"
    assert what not in written
    code = result["confirmation_code"]
    params = {"what": what, "confirmation_code": code}
    done = await execute(client, key, "scheduling_write", bot=careful.name, params=params)
    assert done.json()["result"] == {"say": "Written.", "times": 1}
