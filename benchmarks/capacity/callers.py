"""Callers in a process of their own: each speaks a recording, waits for the answer, and goes on.

Run: `python -m benchmarks.capacity.callers`; an `Order` as JSON on standard input, a list of
`CallResult` as JSON on standard output.
"""

import asyncio
import os
import random
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal
from uuid import uuid4

import httpx2
import numpy as np
from livekit import api, rtc
from pydantic import BaseModel, TypeAdapter

from benchmarks.capacity.stock_worker import AGENT
from orchestrator.demo.script import find_recordings, load_utterances

Side = Literal["ours", "stock"]

_RATE, _FRAME_SECONDS = 24_000, 0.02
_FRAME = int(_RATE * _FRAME_SECONDS)
_SILENCE = bytes(2 * _FRAME)
_RECORDINGS = Path(__file__).parents[2] / "config" / "bots" / "demo-clinic.yaml"
_LONGEST = 4.0  # seconds of a recording
_LOUD = 1000  # of 32,768: what counts as voice
_QUIET = 0.7  # seconds without voice, after which the agent has finished
_GREETING_SECONDS, _ANSWER_SECONDS = 30.0, 8.0  # that a caller waits
_STALL = 0.06  # seconds; a caller that is later than that does not catch up


class Order(BaseModel):
    """Whom to call, and how; times are in seconds."""

    side: Side
    calls: int
    seconds: float
    gap: float
    api_url: str
    api_key: str
    bot: str
    livekit_url: str
    livekit_api_key: str
    livekit_api_secret: str


class CallResult(BaseModel):
    """One call. `greeting` and `turns` are seconds until the agent was heard, None if never."""

    began: float = 0.0
    ended: float = 0.0
    greeting: float | None = None
    turns: list[float | None] = []
    stalled: float = 0.0
    error: str | None = None


RESULTS = TypeAdapter(list[CallResult])


class LoadCaller:
    """One caller. `number` is its place in the order of arrival."""

    def __init__(self, order: Order, number: int, utterances: Sequence[list[bytes]]) -> None:
        self.result = CallResult()
        self._order = order
        self._number = number
        self._utterances = utterances
        self._room = rtc.Room()
        self._source = rtc.AudioSource(_RATE, 1, queue_size_ms=100)
        self._frames: list[bytes] = []
        self._spoken: asyncio.Future[float] | None = None
        self._heard: asyncio.Future[float] | None = None
        self._last_voice = 0.0
        self._tasks: list[asyncio.Task[None]] = []
        self._gone = asyncio.Event()

    async def run(self, until: float) -> None:
        """Call, and speak until a time."""
        self.result.began = time.time()
        url, token = await self._session()
        self._room.on("track_subscribed", self._on_track)
        self._room.on("disconnected", self._on_disconnected)
        greeting = asyncio.create_task(self._wait_for_voice(_GREETING_SECONDS))
        options = rtc.RoomOptions(rtc_config=rtc.RtcConfiguration(ice_servers=[]))
        await self._room.connect(url, token, options)
        track = rtc.LocalAudioTrack.create_audio_track("microphone", self._source)
        publish = rtc.TrackPublishOptions(source=rtc.TrackSource.SOURCE_MICROPHONE)
        await self._room.local_participant.publish_track(track, publish)
        self._tasks.append(asyncio.create_task(self._send()))
        if (heard := await greeting) is not None:
            self.result.greeting = heard - self.result.began
            await self._wait_for_silence()
        await self._talk(until)

    async def hang_up(self) -> None:
        """Leave the room."""
        for task in self._tasks:
            task.cancel()
        await self._room.disconnect()
        self.result.ended = time.time()

    async def _talk(self, until: float) -> None:
        chance = random.Random(self._number)
        number = self._number
        while time.time() < until and not self._gone.is_set():
            await asyncio.sleep(chance.uniform(0.2, 1.2))
            self._spoken = asyncio.get_running_loop().create_future()
            self._frames = self._utterances[number % len(self._utterances)][::-1]
            number += 1
            ended = await self._spoken
            self._spoken = None
            heard = await self._wait_for_voice(_ANSWER_SECONDS)
            self.result.turns.append(None if heard is None else heard - ended)
            if heard is not None:
                await self._wait_for_silence()

    async def _session(self) -> tuple[str, str]:
        """Return the address of LiveKit and a token for a room with an agent."""
        order = self._order
        if order.side == "ours":
            headers = {"Authorization": f"Bearer {order.api_key}"}
            async with httpx2.AsyncClient(base_url=order.api_url, timeout=30) as http:
                answer = await http.post(
                    "/api/sessions/start", json={"bot": order.bot}, headers=headers
                )
            answer.raise_for_status()
            session: dict[str, Any] = answer.json()
            return session["livekit_url"], session["token"]
        token = (
            api.AccessToken(order.livekit_api_key, order.livekit_api_secret)
            .with_identity(f"caller-{self._number}")
            .with_grants(api.VideoGrants(room_join=True, room=f"stock-{uuid4()}"))
            .with_room_config(
                api.RoomConfiguration(agents=[api.RoomAgentDispatch(agent_name=AGENT)])
            )
        )
        return order.livekit_url, token.to_jwt()

    async def _send(self) -> None:
        """Send frames in real time: what is to be said, and silence in between."""
        began, count = time.monotonic(), 0
        while True:
            speaking = bool(self._frames)
            data = self._frames.pop() if speaking else _SILENCE
            await self._source.capture_frame(rtc.AudioFrame(data, _RATE, 1, _FRAME))
            if speaking and not self._frames and self._spoken and not self._spoken.done():
                self._spoken.set_result(time.time())
            count += 1
            late = time.monotonic() - (began + count * _FRAME_SECONDS)
            if late > _STALL:
                began += late
                self.result.stalled += late
            await asyncio.sleep(max(0.0, -late))

    def _on_disconnected(self, *_: object) -> None:
        self._gone.set()

    def _on_track(self, track: rtc.Track, *_: object) -> None:
        if track.kind == rtc.TrackKind.KIND_AUDIO:
            self._tasks.append(asyncio.create_task(self._listen(track)))

    async def _listen(self, track: rtc.Track) -> None:
        stream = rtc.AudioStream(track, sample_rate=16_000, num_channels=1, frame_size_ms=20)
        async for event in stream:
            samples = np.frombuffer(event.frame.data, np.int16)[::4].astype(np.int32)
            if np.abs(samples).max() > _LOUD:
                self._last_voice = time.time()
                if self._heard is not None and not self._heard.done():
                    self._heard.set_result(self._last_voice)

    async def _wait_for_voice(self, seconds: float) -> float | None:
        """Return when the agent is heard, or None if it is not within so long."""
        self._heard = asyncio.get_running_loop().create_future()
        try:
            async with asyncio.timeout(seconds):
                return await self._heard
        except TimeoutError:
            return None

    async def _wait_for_silence(self) -> None:
        left = _QUIET
        while left > 0:
            await asyncio.sleep(left)
            left = self._last_voice + _QUIET - time.time()


def _load_frames() -> list[list[bytes]]:
    """Return the recordings as frames of 20 ms."""
    recordings = load_utterances(find_recordings(_RECORDINGS))
    spoken = [each.samples for each in recordings if len(each.samples) / _RATE < _LONGEST]
    return [
        [
            np.pad(
                samples[start : start + _FRAME], (0, max(0, start + _FRAME - len(samples)))
            ).tobytes()
            for start in range(0, len(samples), _FRAME)
        ]
        for samples in spoken
    ]


async def make_calls(order: Order) -> list[CallResult]:
    """Make the calls of an order, one after the other within its gap."""
    frames = _load_frames()
    callers = [LoadCaller(order, number, frames) for number in range(order.calls)]
    until = time.time() + order.gap * (order.calls - 1) + order.seconds

    async def call(number: int) -> None:
        await asyncio.sleep(number * order.gap)
        try:
            await callers[number].run(until)
        except (httpx2.HTTPError, rtc.ConnectError) as error:
            callers[number].result.error = type(error).__name__

    await asyncio.gather(*(call(number) for number in range(order.calls)))
    await asyncio.gather(*(caller.hang_up() for caller in callers), return_exceptions=True)
    return [caller.result for caller in callers]


if __name__ == "__main__":
    results = asyncio.run(make_calls(Order.model_validate_json(sys.stdin.read())))
    sys.stdout.write(RESULTS.dump_json(results).decode())
    sys.stdout.flush()
    os._exit(0)  # WebRTC's threads take seconds to end
