"""The talk page in a real Chromium: a person calls a bot, talks or types, and sees what happens."""

import json
from pathlib import Path
from typing import Any

import pytest
from livekit.api import AccessToken, VideoGrants
from playwright.async_api import Route, expect

from tests.orchestrator.console.conftest import TalkPage
from tests.support.deployment import SharedDeployment
from tests.support.scripted_model import Call, ScriptedModel, Step

pytestmark = pytest.mark.browser

GREETING = "Hill Street Pottery, hello."
PRICE = "It costs forty-five euros."
ASKS_PRICE = Step("lesson", PRICE, facts="costs 45 euros")


async def test_a_spoken_call_shows_both_sides_and_the_tool(
    talk: TalkPage, model: ScriptedModel, tmp_path: Path
) -> None:
    wish = {"service": "wheel lesson", "when": "tomorrow morning"}
    model.play(
        Step("tomorrow", [Call("scheduling_get_available_slots", wish)]),
        Step("tomorrow", "Nine in the morning is free.", results="offered"),
    )
    page = talk.page
    await talk.open_with_a_microphone()
    await talk.call()
    await talk.says("agent", GREETING)
    await talk.speak("Do you have a lesson tomorrow morning?")

    await talk.says("you", "tomorrow morning")
    await talk.says("agent", "Nine in the morning is free.")
    tool = page.locator(".tool", has_text="get_available_slots")
    await expect(tool.locator(".server")).to_have_text("scheduling ")
    await expect(tool.locator(".arguments")).to_contain_text("wheel lesson")
    await expect(tool.locator(".outcome")).to_have_text("ok")
    await expect(tool.locator(".ms")).to_contain_text(" ms")
    retrieval = page.locator(".tool", has_text="search_knowledge")
    await expect(retrieval).to_contain_text("Retrieval")
    await expect(page.locator("#latency-first")).to_contain_text(" s")
    await expect(page.locator("#latency-total")).to_contain_text(" s")
    model.assert_done()

    await page.click("#mute")
    await expect(page.locator("#mute")).to_have_text("Unmute")
    await page.click("#hang-up")
    await expect(page.locator("#timeline")).to_contain_text("You hung up, after")
    await expect(page.locator("#call")).to_be_focused()

    async with page.expect_download() as download:
        await page.click("#export button[data-format=text]")
    file = tmp_path / "transcript.txt"
    await (await download.value).save_as(file)
    assert "Nine in the morning is free." in file.read_text()


async def test_without_a_microphone_one_types(talk: TalkPage, model: ScriptedModel) -> None:
    model.play(ASKS_PRICE, Step("bye", [Call("end_conversation")]))
    page = talk.page
    await talk.open()
    await talk.call()
    await talk.says("agent", GREETING)
    await expect(page.locator("#hint")).to_contain_text("You can type instead")

    await page.fill("#words", "What does a <b>wheel lesson</b> cost?")
    await page.keyboard.press("Enter")
    await talk.says("you", "<b>wheel lesson</b>")
    await talk.says("agent", PRICE)
    await expect(page.locator("#latency")).to_contain_text("after your message")
    await expect(page.locator("#latency-total")).to_contain_text(" s")
    passages = page.locator(".passages", has_text="1 passage")
    await passages.locator("summary").click()
    await expect(passages.locator("blockquote")).to_contain_text("A wheel lesson costs 45 euros")
    await expect(page.locator("#announcer")).to_contain_text(PRICE)

    await page.fill("#words", "That was all, bye.")
    await page.click("#send")
    await expect(page.locator("#timeline")).to_contain_text("The agent hung up", timeout=15_000)
    model.assert_done()


async def test_a_bot_without_events_shows_its_tool_calls(
    talk: TalkPage, model: ScriptedModel
) -> None:
    wish = {"service": "wheel lesson", "when": "tomorrow morning"}
    model.play(
        Step("tomorrow", [Call("scheduling_get_available_slots", wish)]),
        Step("tomorrow", "Nine in the morning is free.", results="offered"),
    )
    page = talk.page
    await talk.open("?business=potters&bot=quiet")
    await talk.call()
    await talk.says("agent", GREETING)
    await page.fill("#words", "Do you have a lesson tomorrow morning?")
    await page.keyboard.press("Enter")
    await talk.says("agent", "Nine in the morning is free.")
    tool = page.locator(".tool")
    await expect(tool).to_have_count(1)
    await expect(tool).to_contain_text("get_available_slots")
    await expect(tool.locator(".outcome")).to_have_text("ok")
    # It stands where it was made: after the question, before the answer.
    items = page.locator("#timeline li")
    texts = await items.all_inner_texts()
    order = [
        next(n for n, text in enumerate(texts) if word in text)
        for word in ("Do you have a lesson", "get_available_slots", "Nine in the morning")
    ]
    assert order == sorted(order), texts
    await page.click("#hang-up")
    await expect(page.locator("#timeline")).to_contain_text("You hung up, after")
    await expect(tool).to_have_count(1)
    model.assert_done()


async def test_words_of_others_are_text_and_never_markup(
    talk: TalkPage, model: ScriptedModel
) -> None:
    hostile = "<img src=x onerror=document.title='owned'>"
    model.play(Step("markup", f"Here is {hostile} for you."))
    await talk.open()
    await talk.call()
    await talk.says("agent", GREETING)
    await talk.page.fill("#words", "Say some markup")
    await talk.page.keyboard.press("Enter")
    await talk.says("agent", hostile)
    assert await talk.page.locator("#timeline img, #announcer img").count() == 0
    assert await talk.page.title() == "studio · potters"


@pytest.mark.parametrize("bot", ["nobody", "private"])
async def test_a_bot_that_takes_no_calls_here_is_named(talk: TalkPage, bot: str) -> None:
    page = talk.page
    await talk.open("")
    await page.click("#call")
    await expect(page.locator("#business")).to_be_focused()  # it is required
    await page.fill("#business", "potters")
    await page.fill("#bot", bot)
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("alert")).to_contain_text(f"There is no bot “{bot}” of “potters”")
    await expect(page.locator("#call")).to_be_enabled()
    assert page.url.endswith(f"?business=potters&bot={bot}")


async def test_who_calls_too_often_is_told_how_long_to_wait(talk: TalkPage) -> None:
    page = talk.page
    await talk.open("?business=potters&bot=too-often")
    for _ in range(10):
        await page.request.post(
            f"{talk.api_url}/api/sessions/start",
            data={"business": "potters", "bot": "too-often"},
        )
    await page.click("#call")
    alert = page.get_by_role("alert")
    await expect(alert).to_contain_text("Too many calls from this address. Try again in")


async def test_a_call_that_no_agent_takes_says_so(
    talk: TalkPage, deployment: SharedDeployment
) -> None:
    page, environment = talk.page, deployment.environment
    token = AccessToken(environment["LIVEKIT_API_KEY"], environment["LIVEKIT_API_SECRET"])
    token = token.with_identity("caller").with_grants(VideoGrants(room_join=True, room="lonely"))
    session: dict[str, Any] = {
        "livekit_url": deployment.deployment.livekit_url,
        "token": token.to_jwt(),
        "conversation_id": "lonely",
        "conversation_token": "",
        "ice_servers": [],
    }

    async def answer(route: Route) -> None:
        await route.fulfill(status=201, content_type="application/json", body=json.dumps(session))

    await page.route("**/api/sessions/start", answer)
    await page.clock.install()
    await talk.open()
    await talk.call()
    await expect(page.locator("#status")).to_have_text("Waiting for the agent")
    await page.clock.fast_forward(15_000)
    await expect(page.get_by_role("alert")).to_contain_text("No agent took this call")
    await expect(page.locator("#call")).to_be_visible()
