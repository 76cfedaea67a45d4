"""A phone call: one caller and one bot, from the dispatched job to the journal's last entry."""

import asyncio
from contextlib import suppress
from datetime import UTC, datetime

from livekit.agents import JobContext

from config.bots import Bot, load_bot
from orchestrator.agent.agent import VoiceAgent
from orchestrator.agent.agent_parts import build_agent_parts
from orchestrator.agent.call_ending import CallEnding
from orchestrator.agent.client_events import ClientEvents
from orchestrator.agent.job import Dispatch, Process
from orchestrator.agent.journal import JournalHeader
from orchestrator.agent.recorder import Recorder
from orchestrator.agent.session import build_session, room_options
from orchestrator.agent.session_events import StateEvents, TranscriptEvents
from orchestrator.agent.speech import build_stt, build_tts
from orchestrator.agent.tool_updates import ToolUpdates
from orchestrator.agent.usage import UsageEvents
from orchestrator.mcp_client.router import Identity
from orchestrator.mcp_client.tool_cache import visible_tools
from orchestrator.runtime.background_tasks import BackgroundTasks

_DELIVERY_TIMEOUT = 5.0  # seconds that the end of a call waits for the transcripts server
_GREETING_TIMEOUT = 3.0  # seconds that connecting the servers waits for the greeting to sound


async def entrypoint(ctx: JobContext) -> None:
    """Serve the call that this job was dispatched for."""
    process: Process = ctx.proc.userdata["process"]
    dispatch = Dispatch.model_validate_json(ctx.job.metadata)
    bot, _ = await asyncio.gather(
        load_bot(process.database, process.cache, dispatch.business_id, dispatch.bot_id),
        ctx.connect(),
    )
    call = Call(ctx, process, dispatch, bot)
    ctx.add_shutdown_callback(call.finish)
    await call.start(_greeting(bot, dispatch))


class Call:
    """One phone call. This only puts its parts together; each part says what it does."""

    def __init__(self, ctx: JobContext, process: Process, dispatch: Dispatch, bot: Bot) -> None:
        self._ctx = ctx
        self._process = process
        self._bot = bot
        self._conversation_id = dispatch.conversation_id
        self._identity = Identity(
            f"bot:{bot.id}", dispatch.business_id, bot, dispatch.conversation_id
        )
        self._background = BackgroundTasks()
        self._client_events = ClientEvents(ctx.room, bot.client_events, self._background)
        self._recorder = Recorder(
            process.router,
            process.settings.state_dir / "journal",
            JournalHeader(
                subject=self._identity.subject,
                business_id=dispatch.business_id,
                bot_id=bot.id,
                conversation_id=dispatch.conversation_id,
            ),
        )
        self._ending = CallEnding(ctx)
        self._parts = build_agent_parts(
            process,
            bot,
            self._identity,
            self._background,
            publish=self._client_events.publish,
            record=self._recorder.add_tool_call,
            hang_up=lambda: self._ending.end_after_speech("agent_ended"),
        )
        stt, tts = build_stt(bot, process.settings), build_tts(bot, process.settings)
        self._session = build_session(ctx, bot, self._parts, stt, tts)
        UsageEvents(self._recorder, stt, tts, self._parts.llm).attach()
        TranscriptEvents(
            self._session, self._parts, stt, tts, self._recorder, self._client_events
        ).attach()

    async def start(self, greeting: str) -> None:
        """Join the caller, greet, and answer until one of them hangs up."""
        self._recorder.add_job(room_sid=await self._ctx.room.sid, agent_job_id=self._ctx.job.id)
        listed = await self._process.tool_cache.get_cached(self._identity)
        tools = self._parts.toolset.function_tools(visible_tools(self._bot, listed))
        agent = VoiceAgent(self._parts, tools, datetime.now(UTC), greeting=greeting)
        states = StateEvents(self._session, self._parts, agent, self._ending)
        states.attach()
        self._client_events.publish(
            "conversation_initiation_metadata",
            {"conversation_id": str(self._conversation_id), "bot": self._bot.name},
        )
        # The host would show prompt, history and tools to every participant who asks.
        await self._session.start(
            agent,
            room=self._ctx.room,
            session_host=False,
            record=False,
            room_options=room_options(self._conversation_id),
        )
        seconds = self._bot.max_conversation_duration_seconds
        self._background.start(self._ending.limit_duration(self._session, seconds))
        updates = ToolUpdates(
            self._process,
            self._bot,
            self._identity,
            self._parts.toolset,
            self._background,
            update=agent.update_tools,
            listed=listed,
        )
        self._background.start(self._update_tools(updates, states.greeted))

    async def finish(self, reason: str) -> None:
        """Deliver what is left of the journal, and close this process's connections."""
        await self._background.aclose()
        await self._recorder.end(self._ending.reason or reason or "caller_left", _DELIVERY_TIMEOUT)
        await self._process.aclose()

    async def _update_tools(self, updates: ToolUpdates, greeted: asyncio.Event) -> None:
        """List missing tools and connect the servers once the greeting sounds; follow changes."""
        with suppress(TimeoutError):
            async with asyncio.timeout(_GREETING_TIMEOUT):
                await greeted.wait()
        await updates.connect_servers(self._parts.retrieval.servers)
        await updates.follow_changes()


def _greeting(bot: Bot, dispatch: Dispatch) -> str:
    if dispatch.direction == "outbound" and bot.first_message_outbound:
        return bot.first_message_outbound
    return bot.first_message_inbound
