"""Deepgram, ElevenLabs and Sarvam on loopback, as far as a call talks to them.

One double plays all three, so each one's base URL is `Voices.url`. It hears a script, answers
every text with a tone, and takes one key.
"""

import asyncio
import base64
import socket
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import uvicorn
from starlette.applications import Starlette
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from tests.support.audio import mp3, spoken
from tests.support.speech_recognition import PAUSE, Recognition, Recognizer, Utterance
from tests.support.speech_socket import (
    KEY,
    Anything,
    Conversation,
    Message,
    Record,
    Rules,
    accepted,
)

DEEPGRAM_LISTEN = "/v1/listen"
ELEVENLABS_LISTEN = "/v1/speech-to-text/realtime"
ELEVENLABS_SPEAK = "/v1/text-to-speech/{voice_id}/multi-stream-input"
SARVAM_LISTEN = "/speech-to-text-realtime/ws"
SARVAM_SPEAK = "/text-to-speech/ws"

Talk = Callable[[Conversation], Awaitable[None]]

_TOKEN = {"authorization": f"Token {KEY}"}
_ELEVENLABS_KEY = {"xi-api-key": KEY}
_SARVAM_KEY = {"api-subscription-key": KEY}


@dataclass
class SpeechVendors:
    """The double: what it will hear, what it was asked, and what it said."""

    url: str
    rules: Rules
    script: deque[Utterance]
    pause: float = PAUSE
    record: Record = field(default_factory=Record)
    texts: list[str] = field(default_factory=list[str])

    async def deepgram_listen(self, conversation: Conversation) -> None:
        """Hear as Deepgram: interim results, and a final one per pause or `Finalize`."""
        ear = Recognizer(self.script, int(conversation.opening["sample_rate"]), self.pause)
        request = str(uuid4())
        async for message in conversation:
            match message:
                case bytes():
                    heard = ear.hear(message)
                case {"type": "Finalize" | "CloseStream"}:
                    heard = ear.finish()
                case _:
                    continue
            await conversation.send(*(_deepgram(one, request) for one in heard))
            if message == {"type": "CloseStream"}:
                await conversation.send(_deepgram_summary(ear, request))
                await conversation.close()
                return

    async def elevenlabs_listen(self, conversation: Conversation) -> None:
        """Hear as ElevenLabs: partial transcripts, and a committed one per commit."""
        by_hand = conversation.opening["commit_strategy"] == "manual"
        rate = int(conversation.opening["audio_format"].removeprefix("pcm_"))
        ear = Recognizer(self.script, rate, None if by_hand else self.pause)
        await conversation.send({"message_type": "session_started", "session_id": str(uuid4())})
        async for message in conversation:
            if isinstance(message, bytes):
                continue
            heard = ear.hear(base64.b64decode(message["audio_base_64"]))
            if message["commit"]:
                heard += ear.finish()
            for one in heard:
                await conversation.send(*_elevenlabs(one))

    async def sarvam_listen(self, conversation: Conversation) -> None:
        """Hear as Sarvam: partial transcripts, and a final one per pause."""
        ear = Recognizer(self.script, int(conversation.opening["sample_rate"]), self.pause)
        language = conversation.opening["language_code"]
        await conversation.send({"event": "session.begin", "session_id": str(uuid4())})
        async for message in conversation:
            heard = ear.hear(message) if isinstance(message, bytes) else ear.finish()
            for one in heard:
                await conversation.send(*_sarvam(one, language))
            if message == {"event": "end"}:
                await conversation.send({"event": "session.end", "audio_duration_s": ear.seconds})
                await conversation.close()
                return

    async def elevenlabs_speak(self, conversation: Conversation) -> None:
        """Speak as ElevenLabs: each flush brings its context's sound, each close its end."""
        rate = int(conversation.opening["output_format"].split("_")[1])
        waiting: dict[str, str] = {}
        async for message in conversation:
            if isinstance(message, bytes):
                continue
            context = message["context_id"]
            text = waiting.pop(context, "") + message.get("text", "")
            if message.get("close_context"):
                await conversation.send({"isFinal": True, "contextId": context})
            elif message.get("flush") and text.strip():
                await conversation.send({"audio": self._say(text, rate), "contextId": context})
            else:
                waiting[context] = text

    async def sarvam_speak(self, conversation: Conversation) -> None:
        """Speak as Sarvam: a flush brings the sound of what was said since the last one."""
        rate, text = 0, ""
        async for message in conversation:
            match message:
                case {"type": "config", "data": data}:
                    rate = data["speech_sample_rate"]
                case {"type": "text", "data": data}:
                    text = f"{text} {data['text']}"
                case {"type": "flush"}:
                    audio = {"content_type": "audio/mpeg", "audio": self._say(text, rate)}
                    end = {"event_type": "final"}
                    await conversation.send(
                        {"type": "audio", "data": audio}, {"type": "event", "data": end}
                    )
                    text = ""
                case _:
                    pass

    def route(self, path: str, credential: dict[str, str], talk: Talk) -> WebSocketRoute:
        """Return the socket at `path`, on which whoever brings the credential may talk."""

        async def endpoint(socket: WebSocket) -> None:
            conversation = await accepted(socket, path, credential, self.rules, self.record)
            if conversation is not None:
                with suppress(WebSocketDisconnect):
                    await talk(conversation)

        return WebSocketRoute(path, endpoint)

    def _say(self, text: str, rate: int) -> str:
        self.texts.append(text.strip())
        return base64.b64encode(mp3(spoken(text, rate), rate)).decode()


@asynccontextmanager
async def serve_speech_vendors(
    script: Iterable[Utterance] = (),
    rules: Rules | None = None,
    pause: float = PAUSE,
) -> AsyncGenerator[SpeechVendors]:
    """Play the three vendors on a free port of this machine.

    `pause` is the silence, in seconds of audio, after which an utterance is over.
    """
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        double = SpeechVendors(url, rules or Anything(), deque(script), pause)
        app = Starlette(
            routes=[
                double.route(DEEPGRAM_LISTEN, _TOKEN, double.deepgram_listen),
                double.route(ELEVENLABS_LISTEN, _ELEVENLABS_KEY, double.elevenlabs_listen),
                double.route(ELEVENLABS_SPEAK, _ELEVENLABS_KEY, double.elevenlabs_speak),
                double.route(SARVAM_LISTEN, _SARVAM_KEY, double.sarvam_listen),
                double.route(SARVAM_SPEAK, _SARVAM_KEY, double.sarvam_speak),
            ]
        )
        config = uvicorn.Config(
            app,
            lifespan="off",
            log_level="warning",
            ws="websockets-sansio",
            timeout_graceful_shutdown=1,
        )
        server = uvicorn.Server(config)
        task = asyncio.create_task(server.serve(sockets=[listener]))
        try:
            yield double
        finally:
            server.should_exit = True
            await task


def _deepgram(heard: Recognition, request: str) -> Message:
    if heard.kind == "start":
        return {"type": "SpeechStarted", "channel": [0], "timestamp": heard.at}
    final = heard.kind == "final"
    words: list[dict[str, Any]] = [
        {"word": word.lower(), "punctuated_word": word, "start": heard.at, "end": heard.at}
        | {"confidence": heard.confidence}
        for word in heard.text.split()
    ]
    alternative = {"transcript": heard.text, "confidence": heard.confidence, "words": words}
    model = {"name": "double", "version": "1", "arch": "script"}
    return {
        "type": "Results",
        "channel_index": [0, 1],
        "start": 0.0,
        "duration": heard.at,
        "is_final": final,
        "speech_final": final,
        "channel": {"alternatives": [alternative]},
        "metadata": {"request_id": request, "model_uuid": request, "model_info": model},
    }


def _deepgram_summary(ear: Recognizer, request: str) -> Message:
    return {
        "type": "Metadata",
        "transaction_key": "deprecated",
        "request_id": request,
        "sha256": "0" * 64,
        "created": "2030-01-07T09:00:00.000Z",
        "duration": ear.seconds,
        "channels": 1,
    }


def _elevenlabs(heard: Recognition) -> list[Message]:
    match heard.kind:
        case "start":
            return []
        case "interim":
            return [{"message_type": "partial_transcript", "text": heard.text}]
        case "final":
            kinds = "committed_transcript", "committed_transcript_with_timestamps"
            return [{"message_type": kind, "text": heard.text} for kind in kinds]


def _sarvam(heard: Recognition, language: str) -> list[Message]:
    transcript = {"text": heard.text, "language": language, "utterance_idx": 0}
    match heard.kind:
        case "start":
            return [{"event": "vad.speech_start", "utterance_idx": 0}]
        case "interim":
            return [{"event": "transcript.partial", **transcript}]
        case "final":
            final = {"event": "transcript.final", **transcript}
            return [final, {"event": "vad.speech_end", "utterance_idx": 0}]
