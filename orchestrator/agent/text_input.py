"""What the caller types in a call: bounded, in order, and a turn like a spoken one.

A text is recorded as soon as it is read. It interrupts what the agent says by itself, but waits for
the answer to the text before it, unless its stream has the attribute `interrupt`. No text
interrupts a tool call: what a tool does cannot be taken back, and its result is spoken first. Texts
that wait together are answered together.
"""

import asyncio
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal

from livekit import rtc
from livekit.agents import AgentSession
from livekit.agents.utils.aio import cancel_and_wait
from livekit.agents.voice import SpeechHandle

from orchestrator.agent.agent import VoiceAgent
from orchestrator.agent.client_events import Publish
from orchestrator.agent.fillers import Fillers
from orchestrator.agent.session_events import TranscriptEvents
from orchestrator.agent.toolset import Toolset
from orchestrator.runtime.background_tasks import BackgroundTasks
from orchestrator.sentences import say

TOPIC = "lk.chat"
INTERRUPT = "interrupt"  # an attribute of the stream: "true"
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
    """Takes the texts of one participant, `caller`, as turns of the conversation.

    It has many fields because a text meets everything that a spoken turn does.
    """

    def __init__(
        self,
        caller: str,
        session: AgentSession[None],
        agent: VoiceAgent,
        toolset: Toolset,
        fillers: Fillers,
        transcript: TranscriptEvents,
        publish: Publish,
        background: BackgroundTasks,
    ) -> None:
        self._caller = caller
        self._session = session
        self._agent = agent
        self._toolset = toolset
        self._fillers = fillers
        self._transcript = transcript
        self._publish = publish
        self._background = background
        self._allowance = Allowance()
        self._arriving: asyncio.Queue[tuple[asyncio.Task[str | Refusal], bool]] = asyncio.Queue()
        self._unanswered: list[str] = []
        self._arrived = asyncio.Event()
        self._interrupting = asyncio.Event()  # a text that waits is meant to interrupt
        self._answer: SpeechHandle | None = None  # to the text before

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
            interrupts = (reader.info.attributes or {}).get(INTERRUPT) == "true"
            reading = self._background.start(_read(reader))
            self._arriving.put_nowait((reading, interrupts))

    async def _record_texts(self) -> None:
        while True:
            reading, interrupts = await self._arriving.get()
            text = await reading
            if isinstance(text, Refusal):
                self._refuse(text.reason)
                continue
            self._transcript.add_typed_turn(text)
            self._unanswered.append(text)
            if interrupts:
                self._interrupting.set()
            self._arrived.set()

    async def _answer_texts(self) -> None:
        while True:
            await self._arrived.wait()
            await self._wait_for_tools()
            await self._wait_for_answer()
            await self._wait_for_tools()  # a text that interrupts may have ended the other wait
            self._arrived.clear()
            self._interrupting.clear()
            texts, self._unanswered = self._unanswered, []
            with suppress(RuntimeError):  # the session ends; what was typed is recorded already
                await self._session.interrupt()
                await self._agent.add_typed_turns(texts)
                self._answer = self._session.generate_reply()

    async def _wait_for_tools(self) -> None:
        if self._toolset.runner.idle.is_set():
            return
        if filler := self._fillers.take():
            self._session.say(filler)
        await self._toolset.runner.idle.wait()
        if self._toolset.speech is not None:
            await self._toolset.speech  # the result is spoken first

    async def _wait_for_answer(self) -> None:
        """Wait until the text before has been answered, or a text comes that is to interrupt."""
        if self._answer is None or self._answer.done():
            return
        answered = asyncio.ensure_future(self._answer.wait_for_playout())
        interrupted = asyncio.ensure_future(self._interrupting.wait())
        try:
            await asyncio.wait({answered, interrupted}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            await cancel_and_wait(answered, interrupted)

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
