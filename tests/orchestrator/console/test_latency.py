"""The talk page shows the first sound and the answer apart, and where the time went."""

import re

import pytest
from playwright.async_api import expect

from tests.orchestrator.console.conftest import PlayedAgent, TalkPage

pytestmark = pytest.mark.browser


async def test_the_first_sound_and_the_answer_are_shown_apart(
    talk: TalkPage, agent: PlayedAgent
) -> None:
    seconds = {"model": 5.0, "filler": 0.75, "ours": 0.01, "first_sound": 4.25, "answer": 5.76}
    await agent.publish("latency", since="speech", seconds=seconds)
    latency = talk.page.locator("#latency")
    await expect(latency).to_contain_text("after your last word")
    await expect(talk.page.locator("#latency-first")).to_have_text("4.25 s")
    await expect(talk.page.locator("#latency-total")).to_have_text("5.76 s")
    parts = talk.page.locator("#latency-parts")
    await expect(parts).to_have_text("model5.00 send of the filler0.75 sthe rest0.01 s")

    await agent.publish("latency", since="text", seconds={"first_sound": 0.5, "answer": 0.5})
    await expect(latency).to_contain_text("after your message")
    await expect(talk.page.locator("#latency-total")).to_have_text("0.50 s")


async def test_how_long_the_agent_has_been_thinking_is_shown(
    talk: TalkPage, agent: PlayedAgent
) -> None:
    elapsed = talk.page.locator("#elapsed")
    await expect(elapsed).to_be_hidden()
    await agent.set_state("thinking")
    await expect(elapsed).to_have_text(re.compile(r"^for [1-9]\d* s$"))
    await expect(elapsed).to_be_visible()
    await agent.set_state("speaking")
    await expect(elapsed).to_be_hidden()


async def test_the_tool_that_runs_is_named(talk: TalkPage, agent: PlayedAgent) -> None:
    elapsed = talk.page.locator("#elapsed")
    await agent.set_state("thinking")
    await agent.publish("agent_tool_request", server="tickets", tool="create_ticket")
    await expect(elapsed).to_have_text("Using tickets create_ticket")
    await expect(elapsed).to_have_text(re.compile(r"^Using tickets create_ticket for [1-9]\d* s$"))
    await agent.publish("agent_tool_call", server="tickets", tool="create_ticket", outcome="ok")
    await expect(elapsed).not_to_contain_text("Using")


async def test_without_figures_of_the_agent_the_first_words_are_timed(
    talk: TalkPage, agent: PlayedAgent
) -> None:
    await talk.page.fill("#words", "Hello?")
    await talk.page.keyboard.press("Enter")
    await agent.say("One moment, please.")
    await expect(talk.page.locator("#latency-first")).to_contain_text(" s")
    await expect(talk.page.locator("#latency-total")).to_have_text("\u2013")
