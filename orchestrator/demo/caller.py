"""A caller who uses nothing but the public API: REST to begin, then the room that it names."""

import asyncio
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import httpx2
import numpy as np
from livekit import rtc

from config.errors import UserError
from orchestrator.demo.audio import Samples, is_voice

RATE = 24_000  # Hz, of what the caller sends
HEARD_RATE = 16_000
_FRAME = RATE // 50  # 20 ms
_SETTLED = 0.7  # seconds of silence after which a listening agent has finished
_POLL = 0.03

Event = dict[str, Any]


class CallError(UserError):
    """A call could not be made, or broke off."""


@dataclass
class Heard:
    """One piece of the agent's audio, and when it arrived."""

    at: float
    samples: Samples


@dataclass(frozen=True)
class Line:
    """Something that was transcribed in the room."""

    at: float
    speaker: str
    text: str
    final: bool


class Caller:
    """Speaks, listens, and keeps what it heard."""

    def __init__(self, notice: Callable[[Event], None] = lambda _: None) -> None:
        self.notice = notice
        self.heard: list[Heard] = []
        self.sent: list[Samples] = []
        self.lines: list[Line] = []
        self.events: list[Event] = []
        self.agent_state = ""
        self.session: dict[str, Any] = {}
        self.room = rtc.Room()
        self.gone = asyncio.Event()
        self._source = rtc.AudioSource(RATE, 1, queue_size_ms=200)
        self._to_say: asyncio.Queue[tuple[Samples, asyncio.Future[float]]] = asyncio.Queue()
        self._tasks: set[asyncio.Task[Any]] = set()

    async def call(self, api_url: str, business: str, bot: str, key: str | None = None) -> None:
        """Start a session and join its room.

        Raises:
            CallError: the API or LiveKit refuses.
        """
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        body = {"bot": bot} if key else {"business": business, "bot": bot}
        async with httpx2.AsyncClient(base_url=api_url, headers=headers, timeout=15) as client:
            answer = await client.post("/api/sessions/start", json=body)
        if answer.is_error:
            raise CallError(f"the API refused to start a session: {answer.text}")
        self.session = answer.json()
        self._listen()
        options = rtc.RoomOptions(rtc_config=rtc.RtcConfiguration(ice_servers=[]))
        try:
            await self.room.connect(self.session["livekit_url"], self.session["token"], options)
        except rtc.ConnectError as error:
            raise CallError(f"the room could not be joined: {error}") from None
        track = rtc.LocalAudioTrack.create_audio_track("microphone", self._source)
        source = rtc.TrackPublishOptions(source=rtc.TrackSource.SOURCE_MICROPHONE)
        await self.room.local_participant.publish_track(track, source)
        self._keep(self._send())

    async def say(self, samples: Samples) -> float:
        """Speak in real time, and return when the last sound went out."""
        spoken: asyncio.Future[float] = asyncio.get_running_loop().create_future()
        self._to_say.put_nowait((samples, spoken))
        return await spoken

    async def reply(self, after: float, patience: float) -> float | None:
        """Wait until the agent has answered and listens again; return its first sound's time.

        `patience` is in seconds; None means that nothing was heard.
        """
        deadline = time.time() + patience
        while time.time() < deadline and not self.gone.is_set():
            await asyncio.sleep(_POLL)
            first = self.first_voice(after)
            if first and self._finished(after) and self._silent_for() > _SETTLED:
                return first
        return self.first_voice(after)

    def first_voice(self, after: float) -> float | None:
        """Return when the agent's voice was first heard after a moment."""
        return next((h.at for h in self.heard if h.at > after and is_voice(h.samples)), None)

    def heard_between(self, start: float, end: float) -> Samples:
        """Return what was heard in a span of time."""
        parts = [h.samples for h in self.heard if start <= h.at < end]
        return np.concatenate(parts) if parts else np.zeros(0, np.int16)

    def said(self, speaker: str, start: float, end: float) -> str:
        """Return the final transcript of one side in a span of time."""
        return " ".join(
            line.text
            for line in self.lines
            if line.final and line.speaker == speaker and start <= line.at < end
        )

    async def hang_up(self) -> None:
        """Leave the room."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.room.disconnect()

    def _finished(self, after: float) -> bool:
        """Say whether the agent waits for the caller; after a filler, more is to come."""
        if self.agent_state != "listening":
            return False
        if not self.events:  # a bot that publishes none
            return True
        return any(e["type"] == "agent_response" and e["heard_at"] > after for e in self.events)

    def _silent_for(self) -> float:
        voices = (h.at for h in reversed(self.heard) if is_voice(h.samples))
        return time.time() - next(voices, 0.0)

    def _listen(self) -> None:
        room = self.room
        room.register_text_stream_handler("lk.transcription", self._transcribed)
        room.on("track_subscribed", self._subscribed)
        room.on("participant_attributes_changed", self._attributes_changed)
        room.on("data_received", self._data_received)
        room.on("disconnected", self._disconnected)

    def _keep(self, work: Any) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _disconnected(self, *_: object) -> None:
        self.gone.set()

    def _subscribed(self, track: rtc.Track, *_: object) -> None:
        if track.kind == rtc.TrackKind.KIND_AUDIO:
            self._keep(self._hear(track))

    def _attributes_changed(self, changed: dict[str, str], _: object) -> None:
        if "lk.agent.state" in changed:
            self.agent_state = changed["lk.agent.state"]
            self._note({"type": "agent_state", "state": self.agent_state})

    def _data_received(self, packet: rtc.DataPacket) -> None:
        if packet.topic != "events":
            return
        event: Event = json.loads(packet.data)
        self.events.append(event | {"heard_at": time.time()})
        self.notice(event)

    def _note(self, event: Event) -> None:
        self.notice(event | {"at": time.time()})

    def _transcribed(self, reader: rtc.TextStreamReader, identity: str) -> None:
        self._keep(self._read(reader, identity))

    async def _read(self, reader: rtc.TextStreamReader, identity: str) -> None:
        text = await reader.read_all()
        me = self.room.local_participant.identity
        speaker = "user" if identity == me else "agent"
        attributes = reader.info.attributes or {}
        final = attributes.get("lk.transcription_final") != "false"
        self.lines.append(Line(time.time(), speaker, text, final))
        if final:
            self._note({"type": "transcript", "speaker": speaker, "text": text})

    async def _hear(self, track: rtc.Track) -> None:
        stream = rtc.AudioStream(track, sample_rate=HEARD_RATE, num_channels=1)
        try:
            async for event in stream:
                samples = np.frombuffer(event.frame.data, np.int16)
                self.heard.append(Heard(time.time(), samples))
        finally:
            await stream.aclose()

    async def _send(self) -> None:
        """Send 20 ms frames by the clock, with silence between the words, as a phone does."""
        begun = time.monotonic()
        count = 0
        rest = np.zeros(0, np.int16)
        spoken: asyncio.Future[float] | None = None
        while True:
            if not len(rest) and not self._to_say.empty():
                rest, spoken = self._to_say.get_nowait()
            frame = np.zeros(_FRAME, np.int16)
            frame[: len(rest[:_FRAME])] = rest[:_FRAME]
            rest = rest[_FRAME:]
            self.sent.append(frame)
            await self._source.capture_frame(rtc.AudioFrame(frame.tobytes(), RATE, 1, _FRAME))
            if spoken is not None and not len(rest) and not spoken.done():
                spoken.set_result(time.time())
            count += 1
            await asyncio.sleep(max(0.0, begun + count * 0.02 - time.monotonic()))
