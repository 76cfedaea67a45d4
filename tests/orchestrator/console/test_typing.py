"""Typing on the talk page: how long a message may be, and why one was not taken."""

import pytest
from playwright.async_api import expect

from tests.orchestrator.console.conftest import PlayedAgent, TalkPage

pytestmark = pytest.mark.browser

TOO_FAST = "Too many messages at once. Please wait a second, and send it again."


async def test_a_message_says_how_long_it_may_be(talk: TalkPage, agent: PlayedAgent) -> None:
    page = talk.page
    field, limit = page.locator("#words"), page.locator("#limit")
    await expect(field).to_have_accessible_description("At most 2,000 characters")
    await field.fill("😀" * 2000)
    await expect(limit).to_have_text("2,000 of at most 2,000 characters")
    await expect(page.locator("#send")).to_be_enabled()
    await field.fill("a" * 2001)
    await expect(limit).to_have_text("2,001 of at most 2,000 characters")
    await expect(field).to_have_attribute("aria-invalid", "true")
    await expect(page.locator("#send")).to_be_disabled()
    await page.keyboard.press("Enter")
    await expect(page.locator(".line.you")).to_have_count(0)
    assert len(await field.input_value()) == 2001  # nothing of it is lost
    await field.fill("a")
    await page.keyboard.press("Enter")
    await expect(page.locator(".line.you")).to_have_count(1)
    await expect(limit).to_have_text("At most 2,000 characters")


@pytest.mark.parametrize("reason", ["too_fast", "a_reason_of_later"])
async def test_a_refused_message_says_why(talk: TalkPage, agent: PlayedAgent, reason: str) -> None:
    page = talk.page
    for text in ("First", "Second"):
        await page.fill("#words", text)
        await page.keyboard.press("Enter")
    await agent.publish("text_refused", reason=reason, message=TOO_FAST)
    refused = page.locator(".line.refused")
    await expect(refused).to_have_count(1)
    await expect(refused).to_contain_text("Second")
    await expect(refused).to_contain_text(TOO_FAST)
    await expect(page.locator("#announcer")).to_contain_text(TOO_FAST)
    await expect(page.locator("#words")).to_have_value("Second")


async def test_a_refusal_of_what_was_not_written_here_is_shown(
    talk: TalkPage, agent: PlayedAgent
) -> None:
    await agent.publish("text_refused", reason="blank", message="There was nothing in it.")
    await expect(talk.page.locator(".note.failed")).to_have_text("There was nothing in it.")


async def test_a_message_waits_for_the_answer_before_it_unless_it_interrupts(
    talk: TalkPage, agent: PlayedAgent
) -> None:
    page = talk.page
    now = page.get_by_role("button", name="Interrupt")
    await expect(now).to_be_hidden()  # nothing is being answered
    await page.fill("#words", "First")
    await page.keyboard.press("Enter")
    await agent.set_state("thinking")
    await expect(now).to_be_visible()
    await page.fill("#words", "Second")
    await page.keyboard.press("Enter")
    await agent.set_state("speaking")
    await page.fill("#words", "Third")
    await now.click()
    await agent.received("Third")
    assert agent.texts == [("First", False), ("Second", False), ("Third", True)]
    await agent.say("An answer.")
    await agent.set_state("listening")
    await expect(now).to_be_hidden()


async def test_a_newcomer_is_given_a_question_to_click(talk: TalkPage, agent: PlayedAgent) -> None:
    page = talk.page
    question = page.get_by_role("button", name="What can you help me with?")
    await question.click()
    await agent.received("What can you help me with?")
    await talk.says("you", "What can you help me with?")
    await expect(question).to_be_hidden()


async def test_the_question_is_the_address_s_and_is_text(talk: TalkPage) -> None:
    await talk.open("?business=potters&bot=studio&example=%3Cb%3EWhen%3F%3C%2Fb%3E")
    await expect(talk.page.locator("#example button")).to_have_text("<b>When?</b>")
    await expect(talk.page.locator("#example")).to_be_hidden()  # until the call is there
