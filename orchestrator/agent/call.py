"""A phone call: one caller and one bot, from the dispatched job to the journal's last entry."""

import asyncio
import logging
from contextlib import suppress
from datetime import UTC, datetime

from livekit import api
from livekit.agents import JobContext

from config.bots import load_bot
from config.language.catalogue import LANGUAGE
from orchestrator.agent.agent import VoiceAgent
from orchestrator.agent.agent_parts import build_agent_parts
from orchestrator.agent.call_ending import CallEnding
from orchestrator.agent.call_lease import CallLease
from orchestrator.agent.client_events import ClientEvents
from orchestrator.agent.conversation import (
    StoredConversation,
    load_conversation,
    resume_conversation,
)
from orchestrator.agent.job import Dispatch, Process
from orchestrator.agent.journal import JournalHeader, journal_folder
from orchestrator.agent.last_words import LastWords
from orchestrator.agent.recorder import Recorder
from orchestrator.agent.session import build_session, room_options
from orchestrator.agent.session_events import StateEvents, TranscriptEvents
from orchestrator.agent.speech import build_stt, build_tts
from orchestrator.agent.text_input import TextInput
from orchestrator.agent.tool_updates import ToolUpdates
from orchestrator.agent.usage import UsageEvents
from orchestrator.calls.names import caller_identity
from orchestrator.calls.state import Activity, CallStates
from orchestrator.mcp_client.router import Identity
from orchestrator.mcp_client.tool_cache import visible_tools
from orchestrator.runtime.background_tasks import BackgroundTasks
from orchestrator.sentences import say

logger = logging.getLogger("antiphon.call")

_SETTLE_SECONDS = 3.0  # that the end of a call waits for writes that are under way
_DELIVERY_TIMEOUT = 5.0  # seconds that the end of a call waits for the transcripts server
_GREETING_TIMEOUT = 3.0  # seconds that connecting the servers waits for the greeting to sound


async def entrypoint(ctx: JobContext) -> None:
    """Serve the call that this job was dispatched for, unless it is over or has an agent."""
    process: Process = ctx.proc.userdata["process"]
    dispatch = Dispatch.model_validate_json(ctx.job.metadata)
    lease = CallLease(
        CallStates(process.cache),
        dispatch.conversation_id,
        ctx.job.id,
        ctx.job.room.name,
        ctx.job.metadata,
    )
    bot, held = await asyncio.gather(
        load_bot(process.database, process.cache, dispatch.business_id, dispatch.bot_id),
        lease.acquire(),
    )
    LANGUAGE.set(dispatch.language or bot.default_language)
    await ctx.connect()  # only now, so that the callbacks of the room speak that language, too
    if held is None:
        logger.warning("a call has an agent already; this job leaves it")
        ctx.shutdown("the call has an agent")
        return
    identity = Identity(f"bot:{bot.id}", dispatch.business_id, bot, dispatch.conversation_id)
    if held.generation > 1:
        journals = journal_folder(process.settings)
        conversation = await resume_conversation(process.router, identity, held, journals)
    else:
        conversation = await load_conversation(process.router, identity)
    if conversation.is_over:
        logger.warning("a room was opened for a conversation that is over; it is closed")
        await lease.end()
        await ctx.api.room.delete_room(api.DeleteRoomRequest(room=ctx.room.name))
        ctx.shutdown("the conversation is over")
        return
    call = Call(ctx, process, dispatch, identity, lease, conversation)
    ctx.add_shutdown_callback(call.finish)
    await call.start()


class Call:
    """One phone call. This only puts its parts together; each part says what it does.

    It is long because it names every part of a call, in the order in which they need each other.
    """

    def __init__(
        self,
        ctx: JobContext,
        process: Process,
        dispatch: Dispatch,
        identity: Identity,
        lease: CallLease,
        conversation: StoredConversation,
    ) -> None:
        """Put the parts together; long because there are many."""
        bot = identity.required_bot
        self._ctx = ctx
        self._process = process
        self._bot = bot
        self._dispatch = dispatch
        self._conversation_id = dispatch.conversation_id
        self._identity = identity
        self._lease = lease
        self._conversation = conversation
        self._background = BackgroundTasks()
        self._client_events = ClientEvents(ctx.room, bot.client_events, self._background)
        self._recorder = Recorder(
            process.router,
            journal_folder(process.settings),
            JournalHeader(
                subject=self._identity.subject,
                business_id=dispatch.business_id,
                bot_id=bot.id,
                conversation_id=dispatch.conversation_id,
            ),
            next_index=conversation.next_index,
        )
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
        self._transcript = TranscriptEvents(
            self._session, self._parts, stt, tts, self._recorder, self._client_events
        )
        self._transcript.attach()
        self._last_words = LastWords(self._session)
        self._last_words.attach()
        self._ending = CallEnding(
            ctx, caller_identity(self._conversation_id), self._last_words, self._background
        )
        self._ending.attach()

    async def start(self) -> None:
        """Join the caller, greet, and answer until one of them hangs up.

        Long because everything that goes on in a call is started here, in one order.
        """
        self._recorder.add_job(room_sid=await self._ctx.room.sid, agent_job_id=self._ctx.job.id)
        listed = await self._process.tool_cache.get_cached(self._identity)
        tools = self._parts.toolset.function_tools(visible_tools(self._bot, listed))
        agent = VoiceAgent(
            self._parts,
            tools,
            datetime.now(UTC),
            greeting=self._greeting(),
            history=self._conversation.chat_context(),
        )
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
        self._background.start(self._hold())
        TextInput(
            caller_identity(self._conversation_id),
            self._session,
            agent,
            self._parts.toolset,
            self._parts.fillers,
            self._transcript,
            self._client_events.publish,
            self._background,
        ).attach(self._ctx.room)
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
        """Deliver what is left of the journal, and close this process's connections.

        A call that ends although nobody has ended it is left to another job.
        """
        await self._last_words.recognize()
        await self._parts.toolset.runner.writes.settle(_SETTLE_SECONDS)
        await self._background.aclose()
        if self._ending.reason:
            await self._recorder.end(self._ending.reason, _DELIVERY_TIMEOUT)
            await self._lease.end()
        else:
            logger.warning("a call goes on without this job", extra={"reason": reason})
            await self._recorder.close(_DELIVERY_TIMEOUT)
            await self._lease.give_up()
        await self._process.aclose()

    async def _hold(self) -> None:
        """Hold the call until the end, or leave it once another job holds it."""
        await self._lease.keep(self._activity)
        logger.warning("another job has this call; this one leaves it")
        self._ctx.shutdown("another job has the call")

    def _activity(self) -> Activity:
        return Activity(
            last_speech=self._transcript.last_speech,
            turns=self._recorder.turns,
            next_index=self._recorder.next_index,
        )

    def _greeting(self) -> str:
        """Return the first words: to a caller whose agent was lost, that we are back."""
        if self._conversation.entries:
            return say("resumed")
        if self._dispatch.direction == "outbound" and self._bot.first_message_outbound:
            return self._bot.first_message_outbound
        return self._bot.first_message_inbound

    async def _update_tools(self, updates: ToolUpdates, greeted: asyncio.Event) -> None:
        """List missing tools and connect the servers once the greeting sounds; follow changes."""
        with suppress(TimeoutError):
            async with asyncio.timeout(_GREETING_TIMEOUT):
                await greeted.wait()
        await updates.connect_servers(self._parts.retrieval.servers)
        await updates.follow_changes()
