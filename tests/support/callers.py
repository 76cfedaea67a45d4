"""A caller of the museum: says words, hears words."""

import asyncio
import wave
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any
from uuid import UUID

import httpx2
import numpy as np

from orchestrator.demo.audio import Samples, split_sentences, trim_silence, wav_bytes
from orchestrator.demo.caller import RECEIVE_RATE, SEND_RATE, Caller

PATIENCE = 30.0  # seconds that a test waits for what must come
OFTEN = 0.05  # seconds between looks


async def until(happened: Callable[[], object]) -> None:
    """Wait until something has happened.

    Raises:
        TimeoutError: it has not.
    """
    async with asyncio.timeout(PATIENCE):
        looked = happened()
        while not looked:
            await asyncio.sleep(OFTEN)
            looked = happened()


@dataclass
class CallerVoice:
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
                assert file.getframerate() == SEND_RATE
                samples = np.frombuffer(file.readframes(file.getnframes()), np.int16)
            self._said[words] = trim_silence(samples, SEND_RATE)
        return self._said[words]

    async def understand(self, samples: Samples) -> str:
        """Return the words of what was heard in a call."""
        heard: list[str] = []
        async with httpx2.AsyncClient(trust_env=False, timeout=30) as client:
            for part in split_sentences(samples):
                file = ("heard.wav", wav_bytes(part, RECEIVE_RATE), "audio/wav")
                form = {"model": "whisper-tiny.en"}
                url = f"{self.models_url}/audio/transcriptions"
                answer = await client.post(url, files={"file": file}, data=form)
                heard.append(answer.json()["text"])
        return " ".join(heard)


@dataclass
class VoiceCall:
    """A caller in a call with one bot."""

    caller: Caller
    voice: CallerVoice

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
        lines = [line for line in self.caller.transcript if line.at > after and line.final]
        return [" ".join(line.text.split()) for line in lines if line.speaker == speaker]

    async def ask(self, words: str) -> str:
        """Say something, and return what the agent answers."""
        return await self.answer(await self.say(words))

    async def gone(self) -> None:
        """Wait until the agent has hung up."""
        async with asyncio.timeout(PATIENCE):
            await self.caller.disconnected.wait()

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
