"""The talk page in a queue: a place in it, a voice, a way out, and the reason of a refusal."""

import io
import json
from typing import Any

import av
import numpy as np
import pytest
from playwright.async_api import Page, Route, expect

from orchestrator.demo.word_error_rate import word_error_rate
from tests.orchestrator.console.conftest import PlayedAgent, TalkPage
from tests.support.callers import CallerVoice
from tests.support.deployment import SharedDeployment

pytestmark = pytest.mark.browser

TICKET = "7f0c3a1e-1111-4222-8333-444455556666"
CLIP = "All our agents are busy. Please stay, you are in the queue."


def waiting(place: int) -> tuple[int, dict[str, Any]]:
    """Return the answer to a caller who has to wait."""
    return 202, {"status": "queued", "place": place, "retry_after": 1, "ticket": TICKET}


BUSY = 503, {"error": "busy", "message": "All agents are busy. Please call again later."}


class Queue:
    """Answers requests for a session in order, the last one over and over."""

    def __init__(self, *answers: tuple[int, dict[str, Any]]) -> None:
        self.answers = list(answers)
        self.bodies: list[dict[str, Any]] = []

    async def __call__(self, route: Route) -> None:
        """Answer a request."""
        self.bodies.append(json.loads(route.request.post_data or ""))
        status, body = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        await route.fulfill(status=status, headers={"Retry-After": "1"}, json=body)


async def call(talk: TalkPage, queue: Queue) -> Page:
    """Call a bot whose agents are busy."""
    await talk.page.route("**/api/sessions/start", queue)
    await talk.open()
    await talk.call()
    return talk.page


async def test_a_caller_sees_and_hears_that_there_is_a_queue(
    talk: TalkPage, deployment: SharedDeployment
) -> None:
    agent = PlayedAgent(deployment)
    queue = Queue(waiting(3), waiting(2), (429, {}), (201, agent.session))
    await agent.join()
    await talk.page.add_init_script(
        """window.played = 0;
        addEventListener("play", (event) => { window.played += event.target.id === "queue-clip" },
          true);"""
    )
    page = await call(talk, queue)
    await expect(page.get_by_role("status")).to_have_text("You are number 3 in the queue")
    await expect(page.locator("#timeline")).to_have_text(CLIP)
    await expect(page.locator("#leave")).to_be_focused()
    await expect(page.locator("#hang-up")).to_be_hidden()
    await page.wait_for_function("document.getElementById('queue-clip').currentTime > 0")
    await expect(page.get_by_role("status")).to_have_text("You are number 2 in the queue")
    await expect(page.get_by_role("status")).to_have_text("Listening")
    await expect(page.locator("#leave")).to_be_hidden()
    await agent.leave()
    assert await page.evaluate("window.played") == 1
    call_of = {"business": "potters", "bot": "studio"}
    assert queue.bodies == [call_of, *[call_of | {"ticket": TICKET}] * 3]


async def test_a_caller_can_leave_the_queue(talk: TalkPage) -> None:
    queue = Queue(waiting(1))
    page = await call(talk, queue)
    await page.click("#leave")
    await expect(page.locator("#call")).to_be_focused()
    await expect(page.locator("#hint")).to_have_text("You have left the queue.")
    await expect(page.locator("#leave")).to_be_hidden()
    asked = len(queue.bodies)
    await page.click("#call")  # at the end of the queue
    await expect(page.get_by_role("status")).to_have_text("You are number 1 in the queue")
    assert queue.bodies[asked] == {"business": "potters", "bot": "studio"}


async def test_a_caller_who_is_refused_reads_why(talk: TalkPage) -> None:
    page = await call(talk, Queue(waiting(1), BUSY))
    await expect(page.get_by_role("alert")).to_have_text(BUSY[1]["message"])
    await expect(page.locator("#call")).to_be_visible()
    await expect(page.locator("#leave")).to_be_hidden()


async def test_the_clip_says_so(pottery: SharedDeployment, models_url: str, talk: TalkPage) -> None:
    answer = await talk.page.request.get(f"{pottery.api_url}/talk/queue.mp3")
    assert answer.headers["content-type"] == "audio/mpeg"
    body = await answer.body()
    assert len(body) <= 40_000
    heard = await CallerVoice(models_url).understand(decode(body))
    assert word_error_rate([(CLIP, heard)]) < 0.2, heard


def decode(mp3: bytes) -> np.ndarray[Any, np.dtype[np.int16]]:
    """Return the samples of an MP3 at 16 kHz."""
    resampler = av.AudioResampler(format="s16", layout="mono", rate=16_000)
    with av.open(io.BytesIO(mp3), "r") as file:
        frames = [out for frame in file.decode(audio=0) for out in resampler.resample(frame)]
    return np.concatenate([frame.to_ndarray()[0] for frame in frames])
