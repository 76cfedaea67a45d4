"""A caller that uses only the public API: it starts a session over REST and joins its room."""

import asyncio
import json
import time
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import httpx2
import numpy as np
from livekit import rtc

from config.errors import UserError
from orchestrator.demo.audio import Samples, is_voice

SEND_RATE = 24_000  # Hz, of the caller's audio
RECEIVE_RATE = 16_000  # Hz, of the agent's audio
_FRAME = SEND_RATE // 50  # 20 ms
_END_SILENCE = 0.7  # seconds of silence after which a listening agent has finished
_POLL = 0.03  # seconds
_PAUSE = 0.1  # seconds of silence before an onset: more than inside of a word

Event = dict[str, Any]


class CallError(UserError):
    """A call could not be made, or broke off."""


@dataclass
class AudioChunk:
    """A piece of the agent's audio; `at` is the time of its arrival, by time.time()."""

    at: float
    samples: Samples


@dataclass(frozen=True)
class TranscriptLine:
    """A line of the room's transcription; interim lines are not `final`.

    A line of the agent's is sent while it is spoken, from `began` to `at`, by time.time().
    """

    began: float
    at: float
    speaker: str
    text: str
    final: bool


class Microphone:
    """Sends 20 ms frames in real time: queued samples, and silence in between, as a phone does."""

    def __init__(self) -> None:
        self.sent: list[Samples] = []
        self.track_source = rtc.AudioSource(SEND_RATE, 1, queue_size_ms=200)
        self._queue: asyncio.Queue[tuple[Samples, asyncio.Future[float]]] = asyncio.Queue()

    async def say(self, samples: Samples) -> float:
        """Send samples, and return when the last of them went out."""
        sent_at: asyncio.Future[float] = asyncio.get_running_loop().create_future()
        self._queue.put_nowait((samples, sent_at))
        return await sent_at

    async def run(self) -> None:
        """Send frames until cancelled."""
        started = time.monotonic()
        count = 0
        rest = np.zeros(0, np.int16)
        sent_at: asyncio.Future[float] | None = None
        while True:
            if not len(rest) and not self._queue.empty():
                rest, sent_at = self._queue.get_nowait()
            samples = np.zeros(_FRAME, np.int16)
            samples[: len(rest[:_FRAME])] = rest[:_FRAME]
            rest = rest[_FRAME:]
            self.sent.append(samples)
            frame = rtc.AudioFrame(samples.tobytes(), SEND_RATE, 1, _FRAME)
            await self.track_source.capture_frame(frame)
            if sent_at is not None and not len(rest) and not sent_at.done():
                sent_at.set_result(time.time())
            count += 1
            await asyncio.sleep(max(0.0, started + count * 0.02 - time.monotonic()))


class Caller:
    """Speaks in a room, and records audio, transcript and events that it receives.

    It is long because all that comes out of the room is received here, on one connection.
    `fillers` are sentences of the agent's that answer nothing.
    """

    def __init__(
        self,
        on_event: Callable[[Event], None] = lambda _: None,
        fillers: Collection[str] = (),
    ) -> None:
        self.on_event = on_event
        self.fillers = frozenset(fillers)
        self.audio: list[AudioChunk] = []
        self.transcript: list[TranscriptLine] = []
        self.events: list[Event] = []
        self.agent_state = ""
        self.session: dict[str, Any] = {}
        self.room = rtc.Room()
        self.microphone = Microphone()
        self.disconnected = asyncio.Event()
        self._tasks: set[asyncio.Task[Any]] = set()

    async def call(self, api_url: str, business: str, bot: str, key: str | None = None) -> None:
        """Start a session and join its room; wait in the queue while all agents are busy.

        Raises:
            CallError: the API or LiveKit refuses.
        """
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        body = {"bot": bot} if key else {"business": business, "bot": bot}
        async with httpx2.AsyncClient(base_url=api_url, headers=headers, timeout=15) as client:
            self.session = await self._start_session(client, body)
        self._register_handlers()
        options = rtc.RoomOptions(rtc_config=rtc.RtcConfiguration(ice_servers=[]))
        try:
            await self.room.connect(self.session["livekit_url"], self.session["token"], options)
        except rtc.ConnectError as error:
            raise CallError(f"the room could not be joined: {error}") from None
        source = self.microphone.track_source
        track = rtc.LocalAudioTrack.create_audio_track("microphone", source)
        publish = rtc.TrackPublishOptions(source=rtc.TrackSource.SOURCE_MICROPHONE)
        await self.room.local_participant.publish_track(track, publish)
        self._start_task(self.microphone.run())

    async def say(self, samples: Samples) -> float:
        """Speak in real time, and return when the last sound went out."""
        return await self.microphone.say(samples)

    async def wait_for_reply(self, after: float, budget: float) -> float | None:
        """Wait until the agent has answered and listens again; return when its answer began.

        `after` is a time, `budget` is in seconds; None means that nothing was heard.
        """
        deadline = time.time() + budget
        while time.time() < deadline and not self.disconnected.is_set():
            await asyncio.sleep(_POLL)
            first = self.first_voice(after)
            silent = time.time() - self.last_voice() > _END_SILENCE
            if first and silent and self._has_finished(after):
                return first
        return self.first_voice(after)

    def first_voice(self, after: float) -> float | None:
        """Return when the agent's voice was first heard after a time."""
        chunks = (each for each in self.audio if each.at > after)
        return next((each.at for each in chunks if is_voice(each.samples)), None)

    def onsets(self, start: float, end: float) -> list[float]:
        """Return when the agent's voice began, after silence, between two times."""
        voiced = [each.at for each in self.audio if each.at < end and is_voice(each.samples)]
        return [
            at
            for before, at in zip([0.0, *voiced], voiced, strict=False)
            if at >= start and at - before > _PAUSE
        ]

    def last_voice(self) -> float:
        """Return when the agent's voice was last heard, or 0."""
        chunks = (each.at for each in reversed(self.audio) if is_voice(each.samples))
        return next(chunks, 0.0)

    def audio_between(self, start: float, end: float) -> Samples:
        """Return the agent's audio that arrived between two times."""
        parts = [each.samples for each in self.audio if start <= each.at < end]
        return np.concatenate(parts) if parts else np.zeros(0, np.int16)

    def transcript_text(self, speaker: str, start: float, end: float) -> str:
        """Return the final transcript of one speaker between two times."""
        return " ".join(
            line.text
            for line in self.transcript
            if line.final and line.speaker == speaker and start <= line.at < end
        )

    def answers(self, start: float, end: float) -> Sequence[TranscriptLine]:
        """Return the lines of the agent's that ended between two times, without fillers."""
        return [line for line in self.agent_lines(start, end) if not self._is_filler(line)]

    def agent_lines(self, start: float, end: float) -> Sequence[TranscriptLine]:
        """Return all lines of the agent's that ended between two times."""
        return [
            line
            for line in self.transcript
            if line.final and line.speaker == "agent" and start <= line.at < end
        ]

    async def hang_up(self) -> None:
        """Leave the room."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.room.disconnect()

    async def _start_session(
        self, client: httpx2.AsyncClient, body: dict[str, Any]
    ) -> dict[str, Any]:
        while True:
            response = await client.post("/api/sessions/start", json=body)
            if response.is_error:
                raise CallError(f"the API refused to start a session: {response.text}")
            session: dict[str, Any] = response.json()
            if response.status_code != HTTPStatus.ACCEPTED:
                return session
            self._emit({"type": "queued", "place": session["place"]})
            body["ticket"] = session["ticket"]
            await asyncio.sleep(session["retry_after"])

    def _has_finished(self, after: float) -> bool:
        """Say whether the agent waits for the caller; after a filler, an answer is to come."""
        return self.agent_state == "listening" and bool(self.answers(after, time.time()))

    def _is_filler(self, line: TranscriptLine) -> bool:
        return line.text.strip() in self.fillers

    def _register_handlers(self) -> None:
        room = self.room
        room.register_text_stream_handler("lk.transcription", self._on_transcription)
        room.on("track_subscribed", self._on_track)
        room.on("participant_attributes_changed", self._on_attributes)
        room.on("data_received", self._on_data)
        room.on("disconnected", self._on_disconnected)

    def _start_task(self, work: Any) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _on_disconnected(self, *_: object) -> None:
        self.disconnected.set()

    def _on_track(self, track: rtc.Track, *_: object) -> None:
        if track.kind == rtc.TrackKind.KIND_AUDIO:
            self._start_task(self._receive_audio(track))

    def _on_attributes(self, changed: dict[str, str], _: object) -> None:
        if "lk.agent.state" in changed:
            self.agent_state = changed["lk.agent.state"]
            self._emit({"type": "agent_state", "state": self.agent_state})

    def _on_data(self, packet: rtc.DataPacket) -> None:
        if packet.topic != "events":
            return
        event: Event = json.loads(packet.data)
        self.events.append(event | {"heard_at": time.time()})
        self.on_event(event)

    def _emit(self, event: Event) -> None:
        self.on_event(event | {"at": time.time()})

    def _on_transcription(self, reader: rtc.TextStreamReader, identity: str) -> None:
        self._start_task(self._receive_text(reader, identity))

    async def _receive_text(self, reader: rtc.TextStreamReader, identity: str) -> None:
        began = time.time()
        text = ""
        with suppress(rtc.StreamError):  # the call ended in the middle: what came stays
            async for part in reader:
                text += part
        me = self.room.local_participant.identity
        speaker = "user" if identity == me else "agent"
        attributes = reader.info.attributes or {}
        final = attributes.get("lk.transcription_final") != "false"
        self.transcript.append(TranscriptLine(began, time.time(), speaker, text, final))
        if final:
            self._emit({"type": "transcript", "speaker": speaker, "text": text})

    async def _receive_audio(self, track: rtc.Track) -> None:
        stream = rtc.AudioStream(track, sample_rate=RECEIVE_RATE, num_channels=1)
        try:
            async for event in stream:
                samples = np.frombuffer(event.frame.data, np.int16)
                self.audio.append(AudioChunk(time.time(), samples))
        finally:
            await stream.aclose()
