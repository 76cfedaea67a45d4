"""A museum whose bots answer real calls: how it is declared, called, and what is stored of it."""

import asyncio
import time
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import httpx2
from livekit import api, rtc
from sqlalchemy import text

from config.database import Database
from orchestrator.demo.caller import Caller
from orchestrator.local.deployment import Deployment
from tests.support.callers import OFTEN, PATIENCE, CallerVoice, VoiceCall
from tests.support.deployment import SharedDeployment
from tests.support.language_models import Model
from tests.support.speech_vendors import SpeechVendors
from tests.support.tcp_proxy import TcpProxy

BUSINESS = "museum"
ZONE = ZoneInfo("Europe/Lisbon")
GREETING = "City museum, hello."

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
    client_events:
      [user_transcript, agent_response, retrieval, agent_tool_call, latency, interruption]
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
    soft_timeout: float = -1  # fillers depend on how fast the machine hears
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
    BotText("timed", soft_timeout=2, policy="{filler: Let me write that down.}"),
    BotText("lost"),
    BotText("cut-off"),
    BotText("listener"),
)


def declaration() -> str:
    """Return the museum as YAML."""
    calendars = "".join(_CALENDAR.format(name=bot.name) for bot in BOTS)
    bots = "".join(bot.yaml() for bot in BOTS)
    return f"{_BUSINESS}calendars:{calendars}bots:{bots}"


_OPTIONS = rtc.RoomOptions(rtc_config=rtc.RtcConfiguration(ice_servers=[]))


class Visitor:
    """Somebody in a room who neither speaks nor listens."""

    def __init__(self) -> None:
        self.room = rtc.Room()
        self._closed = asyncio.Event()
        self.room.on("disconnected", self._disconnected)

    async def closed(self) -> None:
        """Wait until the room is closed."""
        async with asyncio.timeout(PATIENCE):
            await self._closed.wait()

    def _disconnected(self, *_: object) -> None:
        self._closed.set()


@dataclass
class Museum:
    """A running constellation with the museum in it."""

    shared: SharedDeployment
    database: Database
    business_id: UUID
    key: str
    voice: CallerVoice

    @property
    def deployment(self) -> Deployment:
        """Return the processes."""
        return self.shared.deployment

    @property
    def speech(self) -> SpeechVendors:
        """Return the double of the provider that hears for some bots."""
        return self.shared.speech

    @property
    def knowledge(self) -> TcpProxy:
        """Return the proxy in front of the knowledge server."""
        return self.shared.proxy

    @property
    def journals(self) -> Path:
        """Return where the worker keeps what is not delivered yet."""
        return self.shared.journals

    def model(self, name: str) -> Model:
        """Return the language model of this name."""
        return self.shared.models[name]

    @asynccontextmanager
    async def call(self, bot: str) -> AsyncGenerator[VoiceCall]:
        """Call a bot, and hear its greeting."""
        caller = Caller()
        started = time.time()
        try:
            await caller.call(self.deployment.api_url, BUSINESS, bot, self.key)
            visit = VoiceCall(caller, self.voice)
            assert await visit.answer(started) == GREETING
            yield visit
        finally:
            await caller.hang_up()

    async def type_text(self, visit: VoiceCall, words: str, *, interrupt: bool = False) -> float:
        """Type something as the caller, and return when."""
        at = time.time()
        attributes = {"interrupt": "true"} if interrupt else {}
        await visit.caller.room.local_participant.send_text(
            words, topic="lk.chat", attributes=attributes
        )
        return at

    @asynccontextmanager
    async def guest(self, visit: VoiceCall) -> AsyncGenerator[Visitor]:
        """Enter the room of a call as somebody who is not the caller."""
        environment = self.deployment.environment
        token = api.AccessToken(environment["LIVEKIT_API_KEY"], environment["LIVEKIT_API_SECRET"])
        grants = api.VideoGrants(room_join=True, room=visit.caller.session["room_name"])
        async with self.enter(
            visit, token.with_identity("guest").with_grants(grants).to_jwt()
        ) as guest:
            yield guest

    @asynccontextmanager
    async def enter(self, visit: VoiceCall, token: str) -> AsyncGenerator[Visitor]:
        """Enter a room with a token."""
        visitor = Visitor()
        await visitor.room.connect(visit.caller.session["livekit_url"], token, _OPTIONS)
        try:
            yield visitor
        finally:
            await visitor.room.disconnect()

    async def close_room(self, visit: VoiceCall) -> None:
        """Delete the room of a call, as an operator does."""
        environment = self.deployment.environment
        async with api.LiveKitAPI(
            self.deployment.livekit_url,
            environment["LIVEKIT_API_KEY"],
            environment["LIVEKIT_API_SECRET"],
        ) as livekit:
            room = api.DeleteRoomRequest(room=visit.caller.session["room_name"])
            await livekit.room.delete_room(room)

    async def get(self, visit: VoiceCall, path: str = "") -> Any:
        """Ask the API about a conversation."""
        url = f"{self.deployment.api_url}/api/conversations/{visit.conversation_id}{path}"
        headers = {"Authorization": f"Bearer {self.key}"}
        async with httpx2.AsyncClient(headers=headers, trust_env=False, timeout=15) as client:
            return (await client.get(url)).raise_for_status().json()

    async def wait_until_ended(self, visit: VoiceCall) -> Mapping[str, Any]:
        """Wait until a conversation is over, and return it."""

        conversation: dict[str, Any] = {}
        async with asyncio.timeout(PATIENCE):
            while conversation.get("status") != "ended":
                await asyncio.sleep(OFTEN)
                conversation = await self.get(visit)
        return conversation

    async def wait_for_entries(self, visit: VoiceCall, count: int) -> list[dict[str, Any]]:
        """Wait until at least so many things that were said are stored, and return them."""
        entries: list[dict[str, Any]] = []
        with suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE):
                while len(entries) < count:
                    await asyncio.sleep(OFTEN)
                    entries = await self.get(visit, "/transcript")
        return entries

    async def entries(self, visit: VoiceCall, count: int) -> list[dict[str, Any]]:
        """Wait until so many things that were said are stored, and return them in order."""
        entries = await self.wait_for_entries(visit, count)
        assert [entry["order_index"] for entry in entries] == list(range(count))
        return entries

    async def transcript(self, visit: VoiceCall, count: int) -> list[tuple[str, str]]:
        """Wait until so many things that were said are stored; return who said what, in order."""
        return [(entry["role"], entry["text"]) for entry in await self.entries(visit, count)]

    async def bookings(self, calendar: str) -> list[Mapping[str, Any]]:
        """Return what is booked in a calendar."""
        return await self._rows(_BOOKINGS, calendar=calendar)

    async def usage(self, visit: VoiceCall, *operations: str) -> list[list[Mapping[str, Any]]]:
        """Return what the providers of a conversation will bill for, by operation."""
        rows = await self._rows(_USAGE, id=visit.conversation_id)
        return [[row["amounts"] for row in rows if row["operation"] == o] for o in operations]

    async def _rows(self, query: str, **values: Any) -> list[Mapping[str, Any]]:
        async with self.database.tenant(self.business_id) as session:
            found = (await session.execute(text(query), values)).mappings()
            return [dict(row) for row in found]


def tomorrow() -> datetime:
    """Return tomorrow at three in the afternoon, at the museum."""
    day = datetime.now(ZONE) + timedelta(days=1)
    return day.replace(hour=15, minute=0, second=0, microsecond=0)


def handle(start: datetime, service: str = "garden") -> str:
    """Return the handle of a time within a week."""
    return f"{service}-{start:%a}-{start:%H:%M}".lower()
