"""A real Chromium in front of a whole deployment, with a small declared business in it."""

import asyncio
import base64
import json
import os
import shutil
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal
from uuid import uuid4

import httpx2
import pytest
import pytest_asyncio
from livekit import rtc
from livekit.api import AccessToken, VideoGrants
from playwright.async_api import Browser, ConsoleMessage, Page, Route, async_playwright, expect

from orchestrator.admin.declarations import apply_file
from tests.support.callers import until
from tests.support.deployment import SharedDeployment
from tests.support.scripted_model import ScriptedModel

_TIMEOUT = 20_000  # milliseconds
_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--allow-loopback-in-peer-connection",
    "--autoplay-policy=user-gesture-required",
    # Nothing of the browser's own leaves this machine.
    "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1",
]
_DECLARATION = """
business: {slug: potters, name: Hill Street Pottery, time_zone: Europe/Dublin}
knowledge_bases:
  - name: studio
    documents:
      - name: prices
        text: |
          A wheel lesson costs 45 euros and takes an hour.

          A glazing class costs 30 euros.
calendars:
  - name: main
    services:
      - {id: wheel, name: wheel lesson, minutes: 60}
      - {id: glazing, name: glazing class, minutes: 90}
    hours: {mon-sun: "09:00-18:00"}
bots:
  - name: studio
    system_prompt: You answer the phone of a pottery studio.
    first_message_inbound: Hill Street Pottery, hello.
    llm: [openai/scripted]
    stt: embedded
    tts: embedded
    allow_anonymous: true
    knowledge_base: studio
    client_events:
      [conversation_initiation_metadata, user_transcript, agent_response, retrieval,
       agent_tool_call, latency, interruption]
    servers:
      scheduling:
        integration: main
        tools: [get_available_slots, create_booking]
        policy: {create_booking: {confirm: true}}
  - name: quiet
    system_prompt: You answer the phone of a pottery studio.
    first_message_inbound: Hill Street Pottery, hello.
    llm: [openai/scripted]
    stt: embedded
    tts: embedded
    allow_anonymous: true
    client_events: []
    servers:
      scheduling: {integration: main, tools: [get_available_slots]}
  - name: private
    system_prompt: You answer nobody without a key.
    first_message_inbound: Hello.
    llm: [openai/scripted]
"""


@pytest.fixture
def model(deployment: SharedDeployment) -> ScriptedModel:
    """The language model of the call, before it has a script."""
    model = deployment.models["scripted"]
    model.play()
    return model.script


@pytest_asyncio.fixture(scope="session")
async def pottery(
    deployment: SharedDeployment, tmp_path_factory: pytest.TempPathFactory
) -> SharedDeployment:
    """The deployment, with the bots of the declaration."""
    file = tmp_path_factory.mktemp("declared") / "potters.yaml"
    file.write_text(_DECLARATION, encoding="utf-8")
    await apply_file(deployment.settings, file)
    return deployment


def _chromium() -> str:
    """Return the path of Chromium; without one, skip, or fail where it is required."""
    path = shutil.which("chromium") or "/usr/bin/chromium"
    if Path(path).exists():
        return path
    message = "There is no Chromium: apt-get install chromium"
    if os.environ.get("ANTIPHON_REQUIRE_BROWSER") == "1":
        pytest.fail(message)
    pytest.skip(message)


@pytest_asyncio.fixture(scope="session")
async def browser() -> AsyncGenerator[Browser]:
    """A real browser."""
    path = _chromium()
    async with (
        async_playwright() as playwright,
        await playwright.chromium.launch(executable_path=path, args=_FLAGS) as browser,
    ):
        yield browser


# A fake microphone, which plays a recording when the test says so.
_MICROPHONE = """
const context = new AudioContext();
const microphone = context.createMediaStreamDestination();
navigator.mediaDevices.getUserMedia = async () => microphone.stream.clone();
window.say = async (wav) => {
  await context.resume();
  const bytes = Uint8Array.from(atob(wav), (character) => character.charCodeAt(0));
  const source = context.createBufferSource();
  source.buffer = await context.decodeAudioData(bytes.buffer);
  source.connect(microphone);
  source.start();
};
"""


@dataclass
class TalkPage:
    """The talk page in a new browser context; `errors` are script errors and CSP violations."""

    page: Page
    api_url: str
    models_url: str
    errors: list[str] = field(default_factory=list[str])

    async def open(self, query: str = "?business=potters&bot=studio") -> None:
        """Go to the page of a bot."""
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("console", self._collect_violation)
        await self.page.goto(f"{self.api_url}/talk/{query}")

    async def open_with_a_microphone(self) -> None:
        """Go to the page of the bot, with a microphone that `speak` uses."""
        await self.page.add_init_script(_MICROPHONE)
        await self.open()

    async def call(self) -> None:
        """Press the button."""
        await self.page.click("#call")

    async def speak(self, text: str) -> None:
        """Say something into the microphone, once the agent listens."""
        async with httpx2.AsyncClient(trust_env=False, timeout=30) as client:
            body = {"input": text, "voice": "joe-high"}
            audio = await client.post(f"{self.models_url}/audio/speech", json=body)
        await expect(self.page.locator("#orb")).to_have_attribute("data-state", "listening")
        await self.page.evaluate("wav => say(wav)", base64.b64encode(audio.content).decode())

    async def says(self, who: Literal["you", "agent"], words: str) -> None:
        """Wait until the page shows that one side has finished saying these words."""
        line = self.page.locator(f".line.{who}:not(.interim)", has_text=words)
        await expect(line).to_have_count(1, timeout=_TIMEOUT)

    def _collect_violation(self, message: ConsoleMessage) -> None:
        if "Content Security Policy" in message.text:
            self.errors.append(message.text)


@pytest_asyncio.fixture
async def talk(
    browser: Browser, pottery: SharedDeployment, models_url: str
) -> AsyncGenerator[TalkPage]:
    """The talk page; a script error or a violation of its CSP fails the test."""
    context = await browser.new_context()
    talk = TalkPage(await context.new_page(), pottery.api_url, models_url)
    yield talk
    await context.close()
    assert talk.errors == []


class PlayedAgent:
    """An agent that only publishes what a test tells it to, in a room of its own."""

    def __init__(self, deployment: SharedDeployment) -> None:
        self._deployment = deployment
        self._room = rtc.Room()
        self.name = f"played-{uuid4().hex}"
        self.texts: list[tuple[str, bool]] = []  # that were typed, and whether to interrupt
        self._reading: set[asyncio.Task[None]] = set()

    @property
    def session(self) -> dict[str, Any]:
        """Return what the API answers to who starts a session in this room."""
        return {
            "livekit_url": self._deployment.deployment.livekit_url,
            "token": self._token("caller", "standard"),
            "conversation_id": self.name,
            "conversation_token": "caller's",
            "ice_servers": [],
        }

    async def join(self) -> None:
        """Enter the room, and listen."""
        self._room.register_text_stream_handler("lk.chat", self._receive)
        options = rtc.RoomOptions(rtc_config=rtc.RtcConfiguration(ice_servers=[]))
        url = self._deployment.deployment.livekit_url
        await self._room.connect(url, self._token("agent", "agent"), options)
        await self.set_state("listening")

    async def set_state(self, state: Literal["listening", "thinking", "speaking"]) -> None:
        """Say what it does."""
        await self._room.local_participant.set_attributes({"lk.agent.state": state})

    async def publish(self, event: str, **details: Any) -> None:
        """Publish a client event."""
        body = json.dumps({"type": event, "at": 0, **details})
        await self._room.local_participant.publish_data(body, reliable=True, topic="events")

    async def say(self, words: str) -> None:
        """Publish a transcript of words that it says."""
        topic = "lk.transcription"
        await self._room.local_participant.send_text(words, topic=topic)

    async def received(self, text: str) -> None:
        """Wait until a text has come."""
        await until(lambda: text in [each for each, _ in self.texts])

    async def leave(self) -> None:
        """Leave the room."""
        await self._room.disconnect()

    def _receive(self, reader: rtc.TextStreamReader, identity: str) -> None:
        del identity
        task = asyncio.create_task(self._read(reader))
        self._reading.add(task)
        task.add_done_callback(self._reading.discard)

    async def _read(self, reader: rtc.TextStreamReader) -> None:
        interrupt = (reader.info.attributes or {}).get("interrupt") == "true"
        self.texts.append((await reader.read_all(), interrupt))

    def _token(self, identity: str, kind: Literal["agent", "standard"]) -> str:
        environment = self._deployment.environment
        token = AccessToken(environment["LIVEKIT_API_KEY"], environment["LIVEKIT_API_SECRET"])
        grants = VideoGrants(
            room_join=True, room=self.name, agent=kind == "agent", can_update_own_metadata=True
        )
        return token.with_identity(identity).with_kind(kind).with_grants(grants).to_jwt()


@pytest_asyncio.fixture
async def agent(deployment: SharedDeployment, talk: TalkPage) -> AsyncGenerator[PlayedAgent]:
    """An agent in a call with the page, which shows that it listens."""
    agent = PlayedAgent(deployment)

    async def answer(route: Route) -> None:
        await route.fulfill(status=201, json=agent.session)

    await talk.page.route("**/api/sessions/start", answer)
    await agent.join()
    await talk.open()
    await talk.call()
    await expect(talk.page.locator("#status")).to_have_text("Listening")
    yield agent
    await agent.leave()
