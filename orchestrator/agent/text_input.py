"""What the caller types in a call: bounded, in order, and a turn like a spoken one.

A text is recorded as soon as it is read. It interrupts the agent's speech as the caller's voice
does, but not a tool call: what a tool does cannot be taken back, and its result is spoken first.
Texts that wait together are answered together.
"""

import asyncio
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal

from livekit import rtc
from livekit.agents import AgentSession

from orchestrator.agent.agent import VoiceAgent
from orchestrator.agent.client_events import Publish
from orchestrator.agent.session_events import TranscriptEvents
from orchestrator.agent.toolset import Toolset
from orchestrator.runtime.background_tasks import BackgroundTasks
from orchestrator.sentences import say

TOPIC = "lk.chat"
MAX_LENGTH = 2_000  # characters of one text
_BURST = 10  # texts that may come at once
_PER_SECOND = 1.0  # texts that may follow
_READ_TIMEOUT = 5.0  # seconds that one text may take to arrive

RefusalReason = Literal["blank", "too_fast", "too_long", "incomplete"]
_SENTENCES: Mapping[RefusalReason, str] = {
    "blank": "text_blank",
    "too_fast": "text_too_fast",
    "too_long": "text_too_long",
    "incomplete": "text_incomplete",
}


@dataclass(frozen=True)
class Refusal:
    """Why a text is not taken."""

    reason: RefusalReason


class Allowance:
    """A token bucket: how many texts may come now. `clock` is in seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._left = float(_BURST)
        self._counted_at = clock()

    def take(self) -> bool:
        """Take one, and return whether there was one."""
        now = self._clock()
        self._left = min(_BURST, self._left + (now - self._counted_at) * _PER_SECOND)
        self._counted_at = now
        if self._left < 1:
            return False
        self._left -= 1
        return True


class TextInput:
    """Takes the texts of one participant, `caller`, as turns of the conversation."""

    def __init__(
        self,
        caller: str,
        session: AgentSession[None],
        agent: VoiceAgent,
        toolset: Toolset,
        transcript: TranscriptEvents,
        publish: Publish,
        background: BackgroundTasks,
    ) -> None:
        self._caller = caller
        self._session = session
        self._agent = agent
        self._toolset = toolset
        self._transcript = transcript
        self._publish = publish
        self._background = background
        self._allowance = Allowance()
        self._arriving: asyncio.Queue[asyncio.Task[str | Refusal]] = asyncio.Queue()
        self._unanswered: list[str] = []
        self._arrived = asyncio.Event()

    def attach(self, room: rtc.Room) -> None:
        """Take texts from now on."""
        room.register_text_stream_handler(TOPIC, self._receive)
        self._background.start(self._record_texts())
        self._background.start(self._answer_texts())

    def _receive(self, reader: rtc.TextStreamReader, identity: str) -> None:
        """Begin to read a text. Texts are numbered in the order in which they begin."""
        if identity != self._caller:
            reader.close()
        elif not self._allowance.take():
            reader.close()
            self._refuse("too_fast")
        else:
            self._arriving.put_nowait(self._background.start(_read(reader)))

    async def _record_texts(self) -> None:
        while True:
            text = await (await self._arriving.get())
            if isinstance(text, Refusal):
                self._refuse(text.reason)
                continue
            self._transcript.add_typed_turn(text)
            self._unanswered.append(text)
            self._arrived.set()

    async def _answer_texts(self) -> None:
        while True:
            await self._arrived.wait()
            if not self._toolset.runner.idle.is_set():
                self._session.say(say("filler"))
                await self._toolset.runner.idle.wait()
                if self._toolset.speech is not None:
                    await self._toolset.speech  # the result is spoken first
            self._arrived.clear()
            texts, self._unanswered = self._unanswered, []
            with suppress(RuntimeError):  # the session ends; what was typed is recorded already
                await self._session.interrupt()
                await self._agent.add_typed_turns(texts)
                self._session.generate_reply()

    def _refuse(self, reason: RefusalReason) -> None:
        message = say(_SENTENCES[reason], limit=MAX_LENGTH)
        self._publish("text_refused", {"reason": reason, "message": message})


async def _read(reader: rtc.TextStreamReader) -> str | Refusal:
    """Return the text of a stream, and read no further than it may be long."""
    parts: list[str] = []
    try:
        async with asyncio.timeout(_READ_TIMEOUT):
            async for part in reader:
                parts.append(part)
                if sum(map(len, parts)) > MAX_LENGTH:
                    return Refusal("too_long")
    except (TimeoutError, rtc.StreamError):
        return Refusal("incomplete")
    finally:
        reader.close()
    return "".join(parts).strip() or Refusal("blank")
