"""Call a bot with recordings instead of a microphone, and print what both sides said.

    ANTIPHON_KEY=ak_… python examples/call_with_audio.py question.wav [answer.wav …]

A recording is a WAV with 16 bit samples and one channel. Each is played once the agent listens.
ANTIPHON_URL names the API (http://127.0.0.1:8080), ANTIPHON_BOT the bot (desk).
"""

import asyncio
import os
import sys
import wave
from typing import Any

import httpx2
from livekit import rtc

URL = os.environ.get("ANTIPHON_URL", "http://127.0.0.1:8080")
BOT = os.environ.get("ANTIPHON_BOT", "desk")
KEY = os.environ.get("ANTIPHON_KEY") or sys.exit("ANTIPHON_KEY is not set: sh apply_a_bot.sh")
PATIENCE = 60  # seconds that an answer may take


class Call:
    """One call: what is heard is printed, what is to be said is queued."""

    def __init__(self, rate: int) -> None:
        self.rate = rate
        self.room = rtc.Room()
        self.microphone = rtc.AudioSource(rate, 1)
        self.to_say: asyncio.Queue[bytes] = asyncio.Queue()
        self.agent = ""
        self.answered = asyncio.Event()
        self.over = asyncio.Event()
        self.reading: set[asyncio.Task[None]] = set()
        self.room.on("participant_attributes_changed", self.agent_changed)
        self.room.on("disconnected", self.ended)
        self.room.register_text_stream_handler("lk.transcription", self.transcribed)

    def agent_changed(self, changed: dict[str, str], _: rtc.Participant) -> None:
        """Follow what the agent does: it listens, thinks or speaks."""
        before, self.agent = self.agent, changed.get("lk.agent.state", self.agent)
        if (before, self.agent) == ("speaking", "listening"):
            self.answered.set()

    def ended(self, *_: object) -> None:
        """Note that the agent has hung up, or that we have."""
        self.over.set()

    def transcribed(self, reader: rtc.TextStreamReader, identity: str) -> None:
        """Print a line of the conversation once it is complete."""
        task = asyncio.create_task(self.show(reader, identity))
        self.reading.add(task)
        task.add_done_callback(self.reading.discard)

    async def show(self, reader: rtc.TextStreamReader, identity: str) -> None:
        """Print one line, unless it is only a guess so far."""
        text = await reader.read_all()
        if (reader.info.attributes or {}).get("lk.transcription_final") != "false":
            me = self.room.local_participant.identity
            print("caller:" if identity == me else " agent:", text, flush=True)

    async def speak(self) -> None:
        """Send 20 ms at a time, silence between the words: only so does a turn end."""
        size = self.rate // 50
        rest = b""
        while True:
            if not rest and not self.to_say.empty():
                rest = self.to_say.get_nowait()
            frame, rest = rest[: size * 2].ljust(size * 2, b"\0"), rest[size * 2 :]
            # It waits when enough is queued, and so keeps the pace of speech.
            await self.microphone.capture_frame(rtc.AudioFrame(frame, self.rate, 1, size))

    async def say(self, samples: bytes) -> None:
        """Say something, and wait until the agent has answered it."""
        self.answered.clear()
        self.to_say.put_nowait(samples)
        await self.answer()

    async def answer(self) -> None:
        """Wait until the agent has spoken and listens again, or has hung up."""
        waiting = {asyncio.create_task(event.wait()) for event in (self.answered, self.over)}
        done, pending = await asyncio.wait(
            waiting, timeout=PATIENCE, return_when=asyncio.FIRST_COMPLETED
        )
        for task in pending:
            task.cancel()
        if not done:
            sys.exit("The agent did not answer.")


def read_wav(path: str) -> tuple[bytes, int]:
    """Return the samples of a recording and their rate."""
    with wave.open(path, "rb") as file:
        if (file.getsampwidth(), file.getnchannels()) != (2, 1):
            sys.exit(f"{path}: must have 16 bit samples and one channel")
        return file.readframes(file.getnframes()), file.getframerate()


async def start() -> dict[str, Any]:
    """Start a session."""
    headers = {"Authorization": f"Bearer {KEY}"}
    async with httpx2.AsyncClient(base_url=URL, headers=headers) as api:
        answer = await api.post("/api/sessions/start", json={"bot": BOT})
    session: dict[str, Any] = answer.json()
    if answer.is_error:
        sys.exit(f"{answer.status_code} {session['error']}: {session['message']}")
    return session


async def main() -> None:
    """Call, play every recording, hang up."""
    if not sys.argv[1:]:
        sys.exit("Which recording? python examples/call_with_audio.py question.wav")
    recordings = [read_wav(path) for path in sys.argv[1:]]
    rate = recordings[0][1]
    if any(each != rate for _, each in recordings):
        sys.exit("All recordings must have the same rate.")

    session = await start()
    print("conversation:", session["conversation_id"], flush=True)
    call = Call(rate)
    await call.room.connect(session["livekit_url"], session["token"])
    track = rtc.LocalAudioTrack.create_audio_track("microphone", call.microphone)
    options = rtc.TrackPublishOptions(source=rtc.TrackSource.SOURCE_MICROPHONE)
    await call.room.local_participant.publish_track(track, options)
    speaking = asyncio.create_task(call.speak())

    await call.answer()  # the greeting
    for samples, _ in recordings:
        if not call.over.is_set():
            await call.say(samples)
    await asyncio.gather(*call.reading)
    speaking.cancel()
    await call.room.disconnect()


if __name__ == "__main__":
    asyncio.run(main())
