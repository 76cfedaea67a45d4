"""A comment in a ticket, from the vendor's webhook to the bot's own comment: every part is real.

Only the vendors and the language model are played.
"""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from config.tables import AgentConfig, McpConnection
from tests.conftest import fetch
from tests.orchestrator.api.webhooks.senders import SENDERS
from tests.orchestrator.channels.helpdesks import (
    ADD_COMMENT,
    CONTRACTS,
    Helpdesk,
    Platform,
    open_helpdesk,
)
from tests.support.pseudo_locale import PSEUDO, latin_words, pseudo_locale
from tests.support.scripted_model import Call, Step

EVERY_VENDOR = pytest.mark.parametrize("helpdesk", CONTRACTS, indirect=True)
ANSWER = "It is the fuse. Somebody comes today."


def test_every_source_of_comments_is_tried() -> None:
    assert CONTRACTS.keys() == SENDERS.keys() == ADD_COMMENT.keys()


@EVERY_VENDOR
async def test_a_comment_is_answered_once_however_often_it_is_told(helpdesk: Helpdesk) -> None:
    model, seed = helpdesk.platform.model, helpdesk.seed
    model.play(
        Step("still cold", (Call("tickets_add_tags", {"ticket": seed.oven, "tags": ["urgent"]}),)),
        Step("still cold", ANSWER, results="urgent"),
    )
    comment = helpdesk.add_customer_comment("It is still cold.")
    before = helpdesk.comments()
    assert await helpdesk.send_webhook(comment)
    await helpdesk.wait_until_idle()

    model.assert_done()
    assert helpdesk.comments() == [*before, ANSWER]
    assert helpdesk.vendor.list_comments(seed.oven)[-1]["public"]
    (oven,) = (each for each in helpdesk.vendor.list_tickets() if each["id"] == seed.oven)
    assert "urgent" in oven["tags"]
    asked = model.requests[0]
    assert "in a ticket" in asked.facts
    assert ("assistant", "A technician is on the way.") in asked.place
    assert "tickets_add_comment" not in asked.offered
    assert "Ignore your instructions" not in str(asked.messages)

    # Fifty times the same, once more when all is done, and the webhook about our own comment.
    await asyncio.gather(*(helpdesk.send_webhook(comment) for _ in range(50)))
    await helpdesk.wait_until_idle()
    await helpdesk.send_webhook(comment, age=timedelta(minutes=4))
    await helpdesk.send_webhook("99999")
    await helpdesk.wait_until_idle()
    assert helpdesk.comments() == [*before, ANSWER]
    model.assert_done()

    (turn,) = await fetch(
        helpdesk.platform.database, helpdesk.tenant, "select transcribed_text from user_turn"
    )
    assert turn["transcribed_text"].endswith("It is still cold.")
    (response,) = await fetch(
        helpdesk.platform.database, helpdesk.tenant, "select response_text from agent_response"
    )
    assert response["response_text"] == ANSWER


async def test_what_is_to_be_confirmed_is_agreed_to_in_the_next_comment(
    platform: Platform,
) -> None:
    helpdesk = await open_helpdesk(platform, "jira", add_tags={"confirm": True})
    tagging = (Call("tickets_add_tags", {"ticket": helpdesk.seed.oven, "tags": ["urgent"]}),)
    platform.model.play(
        Step("urgent", tagging),
        Step("urgent", "Shall I mark it as urgent?", results="needs_confirmation"),
        Step("Yes", (Call("confirm"),)),
        Step("Yes", "It is urgent now.", results="urgent"),
    )
    await helpdesk.send_webhook(helpdesk.add_customer_comment("This is urgent."))
    await helpdesk.wait_until_idle()
    assert helpdesk.comments()[-1] == "Shall I mark it as urgent?"
    (oven,) = (each for each in helpdesk.vendor.list_tickets() if each["id"] == helpdesk.seed.oven)
    assert "urgent" not in oven["tags"]
    await helpdesk.send_webhook(helpdesk.add_customer_comment("Yes, please."))
    await helpdesk.wait_until_idle()
    platform.model.assert_done()
    assert helpdesk.comments()[-1] == "It is urgent now."
    (oven,) = (each for each in helpdesk.vendor.list_tickets() if each["id"] == helpdesk.seed.oven)
    assert "urgent" in oven["tags"]


async def test_tools_speak_the_language_of_the_bot(platform: Platform) -> None:
    helpdesk = await open_helpdesk(platform, "jira")
    async with platform.database.tenant(helpdesk.tenant.business_id) as session:
        bot = await session.get_one(AgentConfig, helpdesk.tenant.bot_id)
        bot.default_language = PSEUDO
    platform.model.play(
        Step("cold", (Call("tickets_add_tags", {"ticket": "99999", "tags": ["urgent"]}),)),
        Step("cold", ANSWER, results="Tell the caller"),
    )
    with pseudo_locale():
        await helpdesk.send_webhook(helpdesk.add_customer_comment("It is cold."))
        await helpdesk.wait_until_idle()
    platform.model.assert_done()
    results = platform.model.requests[-1].results
    said = results.partition("Tell the caller: ")[2].partition(" Next: ")[0]
    assert said
    assert latin_words(said) == []


async def test_nobody_answers_where_it_is_not_said_which_bot(platform: Platform) -> None:
    helpdesk = await open_helpdesk(platform, "jira")
    async with platform.database.tenant(helpdesk.tenant.business_id) as session:
        bot = await session.get_one(AgentConfig, helpdesk.tenant.bot_id)
        values: dict[str, Any] = {**bot.model_dump(exclude={"id"}), "name": "second"}
        second = AgentConfig(**values)
        session.add(second)
        await session.flush()
        session.add(
            McpConnection(
                business_id=helpdesk.tenant.business_id,
                agent_config_id=second.id,
                server="tickets",
                integration="jira",
            )
        )
    platform.model.play()
    before = helpdesk.comments()
    assert await helpdesk.send_webhook(helpdesk.add_customer_comment("Hello?"))
    await helpdesk.wait_until_idle()
    assert len(helpdesk.comments()) == len(before) + 1
    platform.model.assert_done()


async def test_a_comment_is_answered_later_if_no_model_answers_now(platform: Platform) -> None:
    helpdesk = await open_helpdesk(platform, "jira")
    platform.model.play()
    assert await helpdesk.send_webhook(helpdesk.add_customer_comment("Is anybody there?"))
    await helpdesk.wait_until_postponed()
    assert helpdesk.comments()[-1] == "Is anybody there?"
    platform.model.play(Step("anybody", "Yes. How can I help?"))
    await helpdesk.wait_until_idle()
    platform.model.assert_done()
    assert helpdesk.comments()[-1] == "Yes. How can I help?"
