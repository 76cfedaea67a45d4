"""A museum whose bots answer real calls: how it is declared, called, and what is stored of it."""

import asyncio
import time
import wave
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from io import BytesIO
from pathlib import Path
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import httpx2
import numpy as np
from sqlalchemy import text

from config.database import Database
from orchestrator.demo.audio import Samples, sentences, trimmed, wav_bytes
from orchestrator.demo.caller import HEARD_RATE, RATE, Caller
from orchestrator.deployment import Deployment
from tests.doubles.line import Line
from tests.doubles.models import Model, Models
from tests.doubles.voices import Voices

BUSINESS = "museum"
ZONE = ZoneInfo("Europe/Lisbon")
GREETING = "City museum, hello."
PATIENCE = 30.0  # seconds that a test waits for what must come
_OFTEN = 0.05  # seconds between looks

_BUSINESS = """
business: {slug: museum, name: City Museum, time_zone: Europe/Lisbon}
knowledge_bases:
  - name: visitors
    documents:
      - name: prices
        text: |
          A guided tour costs 12 euros for adults and 6 euros for children.

          The cloakroom is free. Large bags must be left there.
"""
_CALENDAR = """
  - name: {name}
    services:
      - {{id: highlights, name: highlights tour, minutes: 60}}
      - {{id: garden, name: garden tour, minutes: 45}}
    hours: {{mon-sun: "09:00-18:00"}}
"""
_BOT = """
  - name: {name}
    system_prompt: You answer the phone of a museum.
    first_message_inbound: City museum, hello.
    llm: {llm}
    stt: {stt}
    tts: embedded
    knowledge_base: visitors
    soft_timeout_seconds: {soft_timeout}
    llm_cascade_timeout_seconds: {cascade_timeout}
    client_events: [user_transcript, agent_response, retrieval, agent_tool_call, interruption]
    servers:
      scheduling:
        integration: {name}
        tools: [get_available_slots, create_booking]
        policy: {{create_booking: {policy}}}
      knowledge: {{}}
"""
_BOOKINGS = """
select booking.* from calendar_booking as booking
join calendar on calendar.id = booking.calendar_id where calendar.name = :calendar
"""
_USAGE = "select operation, metadata as amounts from api_usage where conversation_id = :id"


@dataclass(frozen=True)
class BotText:
    """What is special about one bot; its calendar is its own."""

    name: str
    llm: tuple[str, ...] = ()
    stt: str = "embedded"
    soft_timeout: float = 5
    cascade_timeout: float = 8
    policy: str = "{confirm: true}"

    def yaml(self) -> str:
        """Return the bot as it is declared; its own model has its name."""
        models = ", ".join(f"openai/{model}" for model in self.llm or (self.name,))
        fields = self.__dict__ | {"llm": f"[{models}]"}
        return _BOT.format(**fields)


BOTS = (
    BotText("guide"),
    BotText("careful"),
    BotText("cascade", llm=("silent", "second"), cascade_timeout=0.5),
    BotText("early", stt="deepgram"),
    BotText("patient", soft_timeout=1, policy="{filler: Let me write that down.}"),
    BotText("lost"),
    BotText("cut-off"),
    BotText("listener"),
)


def declaration() -> str:
    """Return the museum as YAML."""
    calendars = "".join(_CALENDAR.format(name=bot.name) for bot in BOTS)
    bots = "".join(bot.yaml() for bot in BOTS)
    return f"{_BUSINESS}calendars:{calendars}bots:{bots}"


async def until(happened: Callable[[], object]) -> None:
    """Wait until something has happened.

    Raises:
        TimeoutError: it has not.
    """
    async with asyncio.timeout(PATIENCE):
        looked = happened()
        while not looked:
            await asyncio.sleep(_OFTEN)
            looked = happened()


@dataclass
class CallersVoice:
    """Says things as a caller would; what was said before is not made again."""

    models_url: str
    _said: dict[str, Samples] = field(default_factory=dict[str, Samples])

    async def say(self, words: str) -> Samples:
        """Return the sound of some words."""
        if words not in self._said:
            body = {"input": words, "voice": "joe-high", "response_format": "wav"}
            async with httpx2.AsyncClient(trust_env=False, timeout=30) as client:
                answer = await client.post(f"{self.models_url}/audio/speech", json=body)
            with wave.open(BytesIO(answer.content)) as file:
                assert file.getframerate() == RATE
                samples = np.frombuffer(file.readframes(file.getnframes()), np.int16)
            self._said[words] = trimmed(samples, RATE)
        return self._said[words]

    async def understand(self, samples: Samples) -> str:
        """Return the words of what was heard in a call."""
        heard: list[str] = []
        async with httpx2.AsyncClient(trust_env=False, timeout=30) as client:
            for part in sentences(samples):
                file = ("heard.wav", wav_bytes(part, HEARD_RATE), "audio/wav")
                form = {"model": "whisper-tiny.en"}
                url = f"{self.models_url}/audio/transcriptions"
                answer = await client.post(url, files={"file": file}, data=form)
                heard.append(answer.json()["text"])
        return " ".join(heard)


@dataclass
class Visit:
    """A caller in a call with one bot."""

    caller: Caller
    voice: CallersVoice

    @property
    def conversation_id(self) -> UUID:
        """Return the conversation's id."""
        return UUID(self.caller.session["conversation_id"])

    async def say(self, words: str) -> float:
        """Say something, and return when the last sound went out."""
        return await self.caller.say(await self.voice.say(words))

    async def answer(self, after: float) -> str:
        """Wait until the agent has said something and listens again; return its words."""
        await until(lambda: self.caller.agent_state == "listening" and self.said("agent", after))
        return " ".join(self.said("agent", after))

    async def hears(self, after: float, *sentences: str) -> None:
        """Wait until the agent has said exactly this since a moment."""
        with suppress(TimeoutError):
            await until(lambda: self.said("agent", after) == list(sentences))
        assert self.said("agent", after) == list(sentences)

    def said(self, speaker: str, after: float) -> list[str]:
        """Return what one side has said since a moment."""
        lines = [line for line in self.caller.lines if line.at > after and line.final]
        return [" ".join(line.text.split()) for line in lines if line.speaker == speaker]

    async def ask(self, words: str) -> str:
        """Say something, and return what the agent answers."""
        return await self.answer(await self.say(words))

    async def gone(self) -> None:
        """Wait until the agent has hung up."""
        async with asyncio.timeout(PATIENCE):
            await self.caller.gone.wait()

    async def voice_after(self, moment: float) -> float:
        """Wait for the agent's next sound, and return when it came."""
        await until(lambda: self.caller.first_voice(moment) is not None)
        first = self.caller.first_voice(moment)
        assert first is not None
        return first

    def events(self, kind: str, **fields: Any) -> list[dict[str, Any]]:
        """Return the client events of one kind that have these fields."""
        return [
            event
            for event in self.caller.events
            if event["type"] == kind and fields.items() <= event.items()
        ]


@dataclass
class Museum:
    """A running constellation with the museum in it."""

    deployment: Deployment
    models: Models
    voices: Voices
    knowledge: Line
    database: Database
    business_id: UUID
    key: str
    voice: CallersVoice

    @property
    def journals(self) -> Path:
        """Return where the worker keeps what is not delivered yet."""
        return Path(self.deployment.environment["ANTIPHON_STATE"]) / "journal"

    def model(self, name: str) -> Model:
        """Return the language model of this name."""
        return self.models[name]

    @asynccontextmanager
    async def call(self, bot: str) -> AsyncGenerator[Visit]:
        """Call a bot, and hear its greeting."""
        caller = Caller()
        started = time.time()
        try:
            await caller.call(self.deployment.api_url, BUSINESS, bot, self.key)
            visit = Visit(caller, self.voice)
            assert await visit.answer(started) == GREETING
            yield visit
        finally:
            await caller.hang_up()

    async def get(self, visit: Visit, path: str = "") -> Any:
        """Ask the API about a conversation."""
        url = f"{self.deployment.api_url}/api/conversations/{visit.conversation_id}{path}"
        headers = {"Authorization": f"Bearer {self.key}"}
        async with httpx2.AsyncClient(headers=headers, trust_env=False, timeout=15) as client:
            return (await client.get(url)).raise_for_status().json()

    async def ended(self, visit: Visit) -> Mapping[str, Any]:
        """Wait until a conversation is over, and return it."""

        conversation: dict[str, Any] = {}
        async with asyncio.timeout(PATIENCE):
            while conversation.get("status") != "ended":
                await asyncio.sleep(_OFTEN)
                conversation = await self.get(visit)
        return conversation

    async def entries(self, visit: Visit, count: int) -> list[dict[str, Any]]:
        """Wait until so many things that were said are stored, and return them in order."""
        entries: list[dict[str, Any]] = []
        with suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE):
                while len(entries) < count:
                    await asyncio.sleep(_OFTEN)
                    entries = await self.get(visit, "/transcript")
        assert [entry["order_index"] for entry in entries] == list(range(count))
        return entries

    async def transcript(self, visit: Visit, count: int) -> list[tuple[str, str]]:
        """Wait until so many things that were said are stored; return who said what, in order."""
        return [(entry["role"], entry["text"]) for entry in await self.entries(visit, count)]

    async def bookings(self, calendar: str) -> list[Mapping[str, Any]]:
        """Return what is booked in a calendar."""
        return await self._rows(_BOOKINGS, calendar=calendar)

    async def usage(self, visit: Visit, *operations: str) -> list[list[Mapping[str, Any]]]:
        """Return what the providers of a conversation will bill for, by operation."""
        rows = await self._rows(_USAGE, id=visit.conversation_id)
        return [[row["amounts"] for row in rows if row["operation"] == o] for o in operations]

    async def _rows(self, query: str, **values: Any) -> list[Mapping[str, Any]]:
        async with self.database.business(self.business_id) as session:
            found = (await session.execute(text(query), values)).mappings()
            return [dict(row) for row in found]


def tomorrow() -> datetime:
    """Return tomorrow at three in the afternoon, at the museum."""
    day = datetime.now(ZONE) + timedelta(days=1)
    return day.replace(hour=15, minute=0, second=0, microsecond=0)


def handle(start: datetime, service: str = "garden") -> str:
    """Return the handle of a time within a week."""
    return f"{service}-{start:%a}-{start:%H:%M}".lower()
