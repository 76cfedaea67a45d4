"""One call: from the dispatched job to the last entry of the journal."""

import asyncio
import logging
from contextlib import suppress
from datetime import UTC, datetime

from livekit import api
from livekit.agents import (
    AgentSession,
    AgentStateChangedEvent,
    ConversationItemAddedEvent,
    ErrorEvent,
    JobContext,
    UserInputTranscribedEvent,
    room_io,
)
from livekit.agents.llm import ChatMessage
from livekit.agents.metrics import AgentMetrics

from config.bots import Bot, load
from orchestrator.agent.agent import Parts, VoiceAgent
from orchestrator.agent.background_tasks import Background
from orchestrator.agent.client_events import ClientEvents
from orchestrator.agent.job import Dispatch, Process
from orchestrator.agent.journal import Header
from orchestrator.agent.llm import CascadeLLM
from orchestrator.agent.model_choice import thinks
from orchestrator.agent.recorder import Recorder
from orchestrator.agent.retrieval import Retrieval
from orchestrator.agent.speech import Hearing, Speaking, detector, hearing, speaking
from orchestrator.agent.timing import TurnClock
from orchestrator.agent.tool_updates import LiveTools, Seen
from orchestrator.agent.toolset import CallTools, Raw
from orchestrator.agent.usage import usage_row
from orchestrator.mcp_client.router import Identity

logger = logging.getLogger("antiphon.call")

APOLOGY = "I'm sorry, I have trouble answering right now. Could you say that again?"
TIME_IS_UP = "I'm sorry, our time is up. Goodbye."
_DELIVERY_PATIENCE = 5.0  # seconds that the end of a call waits for the transcripts server
_GREETING_PATIENCE = 3.0  # seconds that servers wait for the greeting to sound
_ENDPOINTING = {"high": (0.2, 1.2), "normal": (0.5, 2.5), "low": (0.8, 4.0)}


async def entrypoint(ctx: JobContext) -> None:
    """Serve the call that this job was dispatched for."""
    process: Process = ctx.proc.userdata["process"]
    dispatch = Dispatch.model_validate_json(ctx.job.metadata)
    bot, _ = await asyncio.gather(
        load(process.database, process.cache, dispatch.business_id, dispatch.bot_id),
        ctx.connect(),
    )
    call = Call(ctx, process, dispatch, bot)
    ctx.add_shutdown_callback(call.finish)
    await call.start()


class Call:
    """One caller, one bot."""

    def __init__(self, ctx: JobContext, process: Process, dispatch: Dispatch, bot: Bot) -> None:
        self._ctx = ctx
        self._process = process
        self._bot = bot
        self._dispatch = dispatch
        self._identity = Identity(
            f"bot:{bot.id}", dispatch.business_id, bot, dispatch.conversation_id
        )
        self._background = Background()
        self._clock = TurnClock()
        self._events = ClientEvents(ctx.room, bot.client_events, self._background)
        self._recorder = Recorder(
            process.constellation,
            process.settings.state_dir / "journal",
            Header(
                subject=self._identity.subject,
                business_id=dispatch.business_id,
                bot_id=bot.id,
                conversation_id=dispatch.conversation_id,
            ),
        )
        self._greeted = asyncio.Event()
        self._ending: str | None = None
        self._hearing: Hearing = hearing(bot, process.settings)
        self._speaking: Speaking = speaking(bot, process.settings)
        cascade = thinks(bot.llm, process.settings)
        self._tools = CallTools(
            bot,
            self._identity,
            process.constellation,
            self._events.publish,
            self._clock,
            small_model=cascade[0].embedded,
            hang_up=lambda: self._end_soon("agent_ended"),
        )
        self._model = CascadeLLM(
            cascade,
            first_chunk_timeout=bot.llm_cascade_timeout_seconds,
            valid=self._tools.valid,
            cache=process.cache,
        )
        self._retrieval = Retrieval(
            bot, self._identity, process.constellation, self._events.publish, self._background
        )
        seen = Seen(self._tools, self._update)
        self._live = LiveTools(process, bot, self._identity, seen, self._background)
        self._session = self._new_session()
        self._agent: VoiceAgent | None = None

    async def start(self) -> None:
        """Join the caller, greet, and answer until somebody hangs up."""
        self._recorder.joined(room_sid=await self._ctx.room.sid, agent_job_id=self._ctx.job.id)
        tools = await self._live.known()
        parts = Parts(
            self._bot,
            self._model,
            self._tools,
            self._retrieval,
            self._background,
            self._clock,
            self._greeting(),
        )
        self._agent = VoiceAgent(parts, tools, datetime.now(UTC))
        self._listen()
        self._events.publish(
            "conversation_initiation_metadata",
            {"conversation_id": str(self._dispatch.conversation_id), "bot": self._bot.name},
        )
        # The host would show prompt, history and tools to every participant who asks.
        await self._session.start(
            self._agent,
            room=self._ctx.room,
            session_host=False,
            record=False,
            room_options=room_io.RoomOptions(
                audio_input=room_io.AudioInputOptions(sample_rate=16000, frame_size_ms=20),
                participant_identity=f"caller-{self._dispatch.conversation_id}",
                delete_room_on_close=True,  # else the job waits for the empty room to expire
            ),
        )
        self._background.start(self._watch_the_clock())
        self._background.start(self._meet_servers())

    async def finish(self, reason: str) -> None:
        """Store what is left, and let the room go."""
        await self._background.aclose()
        await self._recorder.end(self._ending or reason or "caller_left", _DELIVERY_PATIENCE)
        await self._process.aclose()

    def _new_session(self) -> AgentSession[None]:
        shortest, longest = _ENDPOINTING[self._bot.eagerness]
        return AgentSession(
            stt=self._hearing.stt,
            tts=self._speaking.tts,
            llm=self._model,
            vad=self._ctx.proc.userdata.get("vad") or detector(),
            max_tool_steps=5,
            user_away_timeout=None,
            turn_handling={
                "turn_detection": "vad",
                "endpointing": {"min_delay": shortest, "max_delay": longest},
                "interruption": {"mode": "vad", "min_duration": 0.6},
                # Speculative completions would cost a small model its only slot.
                "preemptive_generation": {"enabled": not self._model.speaks_results},
            },
        )

    def _greeting(self) -> str:
        outbound = self._bot.first_message_outbound
        if self._dispatch.direction == "outbound" and outbound:
            return outbound
        return self._bot.first_message_inbound

    async def _meet_servers(self) -> None:
        """List tools that are not known and open connections, once the greeting sounds."""
        with suppress(TimeoutError):
            async with asyncio.timeout(_GREETING_PATIENCE):
                await self._greeted.wait()
        await self._live.meet(self._retrieval.servers)
        await self._live.follow()

    async def _update(self, tools: list[Raw]) -> None:
        if self._agent is not None:
            await self._agent.update_tools([*tools])

    def _listen(self) -> None:
        session = self._session
        session.on("user_input_transcribed", self._heard)
        session.on("conversation_item_added", self._said)
        session.on("agent_state_changed", self._agent_changed)
        session.on("error", self._failed)
        self._hearing.stt.on("metrics_collected", self._measured_hearing)
        self._speaking.tts.on("metrics_collected", self._measured_speaking)
        self._model.on("metrics_collected", self._measured_model)

    def _heard(self, event: UserInputTranscribedEvent) -> None:
        if self._tools.asks_for_facts(event.transcript):
            self._retrieval.hear(event.transcript)

    def _said(self, event: ConversationItemAddedEvent) -> None:
        item = event.item
        if not isinstance(item, ChatMessage):
            return
        text = item.text_content or ""
        if item.role == "user" and text.strip():
            self._recorder.user_turn(
                text,
                stt_provider=self._hearing.provider,
                language=self._bot.default_language,
                confidence=item.transcript_confidence,
            )
            self._events.publish("user_transcript", {"text": text})
        elif item.role == "assistant" and text.strip():
            self._recorder.agent_response(
                text,
                llm_provider=self._model.used.name,
                tts_provider=self._speaking.provider,
                voice_id=self._bot.voice.voice_id,
                language=self._bot.default_language,
                interrupted=item.interrupted,
            )
            self._events.publish("agent_response", {"text": text})
            if item.interrupted:
                self._events.publish("interruption", {})
        self._time(item)

    def _time(self, item: ChatMessage) -> None:
        """Take the framework's own measurements of hearing and speaking into the turn's clock."""
        metrics = item.metrics
        if item.role == "user":
            self._clock.caller_stopped(metrics.get("stopped_speaking_at"))
            hearing = metrics.get("transcription_delay", 0.0)
            self._clock.add("hearing", hearing)
            whole = metrics.get("end_of_turn_delay", 0.0)
            self._clock.add("endpointing", max(0.0, whole - hearing))
        elif item.role == "assistant":
            self._clock.add("speech", metrics.get("tts_node_ttfb", 0.0))
            parts = self._clock.agent_started(metrics.get("started_speaking_at"))
            if parts:
                self._events.publish("latency", {"seconds": parts})

    def _agent_changed(self, event: AgentStateChangedEvent) -> None:
        if event.new_state == "speaking":
            self._greeted.set()
        if event.new_state != "listening":
            return
        if self._ending:
            self._background.start(self._hang_up())
        elif self._agent is not None and event.old_state == "speaking":
            self._background.start(self._agent.warm())

    def _failed(self, event: ErrorEvent) -> None:
        kind = type(event.error).__name__
        logger.error("a provider failed in a call", extra={"error": kind})
        if event.source is self._model:
            self._session.say(APOLOGY)

    def _measured_hearing(self, metrics: AgentMetrics) -> None:
        self._record_usage(metrics, self._hearing.provider, self._hearing.stt.model)

    def _measured_speaking(self, metrics: AgentMetrics) -> None:
        self._record_usage(metrics, self._speaking.provider, self._speaking.tts.model)

    def _measured_model(self, metrics: AgentMetrics) -> None:
        self._record_usage(metrics, self._model.provider, self._model.model)

    def _record_usage(self, metrics: AgentMetrics, provider: str, model: str) -> None:
        row = usage_row(metrics, provider, model)
        if row is not None:
            self._recorder.usage([row])

    def _end_soon(self, reason: str) -> None:
        """Hang up once the agent has said what it is saying."""
        self._ending = self._ending or reason

    async def _watch_the_clock(self) -> None:
        await asyncio.sleep(self._bot.max_conversation_duration_seconds)
        self._end_soon("max_duration")
        await self._session.say(TIME_IS_UP, allow_interruptions=False)
        await self._hang_up()

    async def _hang_up(self) -> None:
        room = api.DeleteRoomRequest(room=self._ctx.room.name)
        await self._ctx.api.room.delete_room(room)
        self._ctx.shutdown(self._ending or "")
