"""Brings a new agent to a caller who has none: its job has died, or no worker took the call.

LiveKit itself notices a dead job after 20 seconds, and dispatches no other one. Any number of
processes may run the watcher; one of them, which has a lock in PostgreSQL, does the work. Who still
waits after two new agents have failed is let go: the room is closed.
"""

import asyncio
import logging
from uuid import UUID

from livekit import api
from livekit.protocol.models import ParticipantInfo
from redis.exceptions import RedisError
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from config.cache import connect
from config.database import Database
from config.protocol import EndReason
from config.security.tokens import Signer
from config.settings import Settings, required
from orchestrator.agent.job import Dispatch
from orchestrator.agent.journal import SERVER
from orchestrator.calls.names import caller_identity
from orchestrator.calls.queue import WorkerSlots
from orchestrator.calls.state import CallState, CallStates
from orchestrator.mcp_client.router import Identity, Router
from orchestrator.runtime.supervision import keep_running

logger = logging.getLogger("antiphon.watcher")

_PERIOD = 1.0  # seconds between two looks
_JOIN_MS = 11 * 60_000  # that a caller has to enter the room: a token lives for ten minutes
_NO_WORKER_MS = 60_000  # that a caller without an agent waits for a worker that is free
_LEADER = text("select pg_try_advisory_xact_lock(4627003)")


async def watch(settings: Settings, database: Database) -> None:
    """Look after calls until cancelled."""
    cache = connect(required("REDIS_URL", settings.redis_url))
    key = required("SERVICE_TOKEN_PRIVATE_KEY", settings.service_token_private_key)
    router = Router(Signer(key), settings.mcp_server_url)
    livekit = api.LiveKitAPI(
        required("LIVEKIT_URL", settings.livekit_url),
        required("LIVEKIT_API_KEY", settings.livekit_api_key),
        required("LIVEKIT_API_SECRET", settings.livekit_api_secret),
    )
    watcher = AgentWatcher(
        database, CallStates(cache), WorkerSlots(cache), livekit, router, settings.agent_name
    )
    try:
        await keep_running("agent watcher", watcher.run)
    finally:
        await livekit.aclose()
        await router.aclose()
        await cache.aclose()


class AgentWatcher:
    """Looks after the calls of all tenants."""

    def __init__(
        self,
        database: Database,
        states: CallStates,
        slots: WorkerSlots,
        livekit: api.LiveKitAPI,
        router: Router,
        agent_name: str,
    ) -> None:
        self._database = database
        self._states = states
        self._slots = slots
        self._livekit = livekit
        self._router = router
        self._agent_name = agent_name

    async def run(self) -> None:
        """Look after calls until cancelled."""
        while True:
            try:
                async with self._database.unscoped() as session:
                    if await session.scalar(_LEADER):
                        await self.look()
            except (SQLAlchemyError, RedisError, api.ServerError, OSError) as error:
                fields = {"error": type(error).__name__}
                logger.warning("calls could not be looked after", extra=fields)
            await asyncio.sleep(_PERIOD)

    async def look(self) -> None:
        """Look after each call whose job is silent."""
        silent = await self._states.silent()
        if not silent:
            return
        listed = await self._livekit.room.list_rooms(api.ListRoomsRequest())
        open_rooms = {room.name for room in listed.rooms}
        for call in silent:
            if call.room in open_rooms:
                await self._look_after(call)
            else:
                await self._look_at_closed(call)

    async def _look_at_closed(self, call: CallState) -> None:
        """End a call that had an agent; wait for a caller who has not come yet."""
        if call.generation:
            await self._end(call, "agent_lost")
        elif await self._states.now_ms() - call.expected_ms > _JOIN_MS:
            await self._states.forget(call.conversation_id)

    async def _look_after(self, call: CallState) -> None:
        participants = await self._participants(call.room)
        callers = {each.identity for each in participants}
        if caller_identity(call.conversation_id) not in callers:
            if call.generation:
                await self._close(call, "agent_lost")
            return
        if not await self._slots.count_free():
            if call.silent_ms > _NO_WORKER_MS:
                logger.error("a caller is let go: no worker is free", extra=_fields(call))
                await self._close(call, "agent_lost")
            return
        match await self._states.claim_dispatch(call.conversation_id):
            case "dispatch":
                await self._bring_agent(call, participants)
            case "give_up":
                logger.error("a caller is let go: no agent could be brought", extra=_fields(call))
                await self._close(call, "agent_lost")
            case "wait":
                pass

    async def _participants(self, room: str) -> list[ParticipantInfo]:
        request = api.ListParticipantsRequest(room=room)
        return list((await self._livekit.room.list_participants(request)).participants)

    async def _bring_agent(self, call: CallState, participants: list[ParticipantInfo]) -> None:
        """Remove what is left of the dead agent, and dispatch a new one."""
        logger.warning("a caller has no agent; a new one is dispatched", extra=_fields(call))
        for each in participants:
            if each.kind == ParticipantInfo.Kind.AGENT:
                gone = api.RoomParticipantIdentity(room=call.room, identity=each.identity)
                await self._livekit.room.remove_participant(gone)
        request = api.CreateAgentDispatchRequest(
            agent_name=self._agent_name, room=call.room, metadata=call.metadata
        )
        await self._livekit.agent_dispatch.create_dispatch(request)

    async def _close(self, call: CallState, reason: EndReason) -> None:
        await self._livekit.room.delete_room(api.DeleteRoomRequest(room=call.room))
        await self._end(call, reason)

    async def _end(self, call: CallState, reason: EndReason) -> None:
        """End the conversation, unless its job has done so, and forget the call."""
        dispatch = Dispatch.model_validate_json(call.metadata)
        identity = Identity(
            f"bot:{dispatch.bot_id}",
            dispatch.business_id,
            conversation_id=dispatch.conversation_id,
        )
        claims = identity.claims(SERVER, every_tool=True)
        outcome = await self._router.call(
            SERVER, "end_conversation", {"reason": reason}, claims, retry=True
        )
        if outcome.error in ("unavailable", "timeout", "fault"):
            return  # the next look tries again
        await self._states.forget(call.conversation_id)


def _fields(call: CallState) -> dict[str, UUID | int]:
    return {"conversation_id": call.conversation_id, "generation": call.generation}
