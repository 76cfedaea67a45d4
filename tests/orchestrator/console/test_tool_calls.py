"""What the talk page shows of tool calls: how each ended, from events and from the log."""

from typing import Any, get_args

import pytest
from playwright.async_api import Route, expect

from config.protocol import ErrorKind
from tests.orchestrator.console.conftest import PlayedAgent, TalkPage

pytestmark = pytest.mark.browser

LATE = 15_000  # milliseconds


def called(tool: str, **fields: Any) -> dict[str, Any]:
    """Return an event of a call of a tool."""
    return {
        "server": "crm",
        "tool": tool,
        "arguments": {},
        "ms": 12.3,
        "outcome": "ok",
        "chosen_by": "model",
        **fields,
    }


def entry(tool: str, **fields: Any) -> dict[str, Any]:
    """Return an entry of the log of tool calls, as a conversation token reads it."""
    return {
        "server": "crm",
        "tool": tool,
        "outcome": "ok",
        "ms": 12.3,
        "user_turn_index": 1,
        "called_at": "2026-01-01T12:00:00Z",
        **fields,
    }


class Log:
    """What the API answers to who asks for the tool calls, and with which tokens it was asked."""

    def __init__(self) -> None:
        self.entries: list[dict[str, Any]] = []
        self.tokens: set[str | None] = set()
        self.status = 200

    async def answer(self, route: Route) -> None:
        """Answer a request."""
        self.tokens.add(await route.request.header_value("authorization"))
        await route.fulfill(status=self.status, json=self.entries)


@pytest.fixture
async def log(talk: TalkPage) -> Log:
    """The log of the call; the page is not open yet."""
    log = Log()
    await talk.page.route("**/api/conversations/*/tool_calls", log.answer)
    return log


async def test_every_error_looks_like_a_failure(talk: TalkPage, agent: PlayedAgent) -> None:
    errors = (*get_args(ErrorKind), "teapot", "constructor")
    outcomes = ("ok", "needs_confirmation", *errors)
    for outcome in outcomes:
        await agent.publish("agent_tool_call", **called("create_deal", outcome=outcome))
    tools = talk.page.locator(".tool")
    await expect(tools).to_have_count(len(outcomes))
    looks: dict[str, tuple[str, ...]] = {}
    for outcome, tool in zip(outcomes, await tools.all(), strict=True):
        words = {"needs_confirmation": "asks for a yes"}.get(outcome, outcome.replace("_", " "))
        await expect(tool.locator(".outcome")).to_have_text(words)
        looks[outcome] = tuple(
            await tool.evaluate(
                """item => {
                  const outcome = item.querySelector(".outcome");
                  return [
                    getComputedStyle(item).borderLeftColor,
                    getComputedStyle(outcome).color,
                    getComputedStyle(outcome).backgroundColor,
                    getComputedStyle(outcome, "::before").content,
                  ];
                }"""
            )
        )
    failed = {looks[outcome] for outcome in errors}
    assert len(failed) == 1, looks
    assert len({looks["ok"], looks["needs_confirmation"], *failed}) == 3
    for details in zip(looks["ok"], looks["needs_confirmation"], *failed, strict=True):
        assert len(set(details)) == 3, looks


async def test_without_events_the_log_is_shown(
    talk: TalkPage, log: Log, agent: PlayedAgent
) -> None:
    log.entries = [entry("find_contact"), entry("create_deal", outcome="conflict", ms=40)]
    await agent.set_state("speaking")
    await expect(talk.page.locator(".tool")).to_have_count(2)
    deal = talk.page.locator(".tool", has_text="create_deal")
    await expect(deal.locator(".outcome")).to_have_text("conflict")
    await expect(deal.locator(".ms")).to_have_text("40 ms")
    assert log.tokens == {"Bearer caller's"}
    # They were made before the call began to be shown, and stand there.
    await expect(talk.page.locator("#timeline li").first).to_contain_text("find_contact")

    await talk.page.click("#hang-up")
    log.entries = [*log.entries, entry("log_call"), entry("ask", outcome="teapot")]
    await expect(talk.page.locator(".tool")).to_have_count(4, timeout=LATE)
    await expect(talk.page.locator(".tool.failed")).to_have_count(2)


async def test_what_an_event_has_shown_is_not_shown_again(
    talk: TalkPage, log: Log, agent: PlayedAgent
) -> None:
    tools = talk.page.locator(".tool")
    for ms in (12.3, 55.1):
        await agent.publish("agent_tool_call", **called("find_contact", ms=ms))
    passages = called("search_knowledge", server="knowledge", passages=[], chosen_by="retrieval")
    await agent.publish("retrieval", **passages)
    await expect(tools).to_have_count(3)
    log.entries = [
        entry("find_contact", ms=12.3),
        entry("find_contact", ms=55.1),
        entry("find_contact", ms=90.4),
        entry("search_knowledge", server="knowledge"),
    ]
    await agent.set_state("speaking")
    await expect(tools).to_have_count(4)
    await agent.set_state("listening")
    await agent.publish(
        "agent_tool_call", **called("find_contact", ms=90.4, arguments={"name": "Mary"})
    )
    await expect(talk.page.locator(".arguments")).to_contain_text("Mary")
    await agent.publish("agent_tool_call", **called("find_contact", ms=90.4))
    await expect(tools).to_have_count(5)
    await expect(tools.locator(".ms")).to_have_text(["90 ms", "12 ms", "55 ms", "12 ms", "90 ms"])


async def test_a_log_that_is_not_to_be_had_harms_nothing(
    talk: TalkPage, log: Log, agent: PlayedAgent
) -> None:
    log.status = 404
    await agent.set_state("speaking")
    await agent.publish("agent_tool_call", **called("find_contact"))
    await expect(talk.page.locator(".tool")).to_have_count(1)
    await expect(talk.page.locator("#status")).to_have_text("Speaking")
