"""Conversations and what was said in them."""

from collections.abc import Mapping
from typing import Annotated, Any, TypeVar
from uuid import UUID

from fastapi import Body, Path, Query
from pydantic import BaseModel
from starlette.responses import Response

from orchestrator.api.credentials import Caller, ConversationCaller, KeyCaller
from orchestrator.api.dependencies import ApiDependencies, Dependencies
from orchestrator.api.errors import not_found
from orchestrator.api.identities import get_bot_by_name
from orchestrator.api.requests import LARGE_BODY_SIZE
from orchestrator.api.routing import ApiRouter
from orchestrator.api.schemas import (
    AgentJoined,
    Conversation,
    Conversations,
    EndConversation,
    Entry,
    ExportFormat,
    ListConversations,
    NewResponse,
    NewTurn,
    Recorded,
    ResponseModel,
    ToolCall,
    ToolCallSummary,
    Turn,
)
from orchestrator.api.transcripts import call_transcripts, fetch_conversation

M = TypeVar("M", bound=BaseModel)

router = ApiRouter()

_CONVERSATION = "/api/conversations/{conversation_id:uuid}"
_TURN = _CONVERSATION + "/turns/{order_index:int}"
_EXPORT_TYPES: dict[int | str, dict[str, Any]] = {
    200: {
        "content": {
            "application/json": {"schema": {"type": "object", "additionalProperties": True}},
            "text/csv": {"schema": {"type": "string"}},
            "text/plain": {"schema": {"type": "string"}},
        }
    }
}

TurnIndex = Annotated[int, Path(ge=0)]


class _Entries(ResponseModel):
    entries: list[Entry]


class _Turns(ResponseModel):
    turns: list[Turn]

    def next_index(self) -> int:
        """Return the first index after everything that was said."""
        indexes = [
            entry.order_index
            for turn in self.turns
            for entry in (*([turn.user] if turn.user else []), *turn.responses)
        ]
        return max([*indexes, *(turn.order_index for turn in self.turns)], default=-1) + 1


class _Calls(ResponseModel):
    tool_calls: list[ToolCall]


class _Summaries(ResponseModel):
    tool_calls: list[ToolCallSummary]


class _Export(ResponseModel):
    content: str
    mime_type: str
    filename: str


@router.get("/api/conversations")
async def list_conversations(
    query: Annotated[ListConversations, Query()],
    caller: KeyCaller,
    dependencies: ApiDependencies,
) -> Conversations:
    """List conversations, newest first."""
    bot_id = None
    if query.bot is not None:
        bot_id = (await get_bot_by_name(dependencies, caller.business_id, query.bot)).id
    arguments = {
        "limit": query.limit,
        "before": query.before,
        "status": query.status,
        "bot_id": bot_id,
        "detail": "full",
    }
    return await call_transcripts(
        dependencies, caller.identity(), "list_conversations", arguments, Conversations, reads=True
    )


@router.get(_CONVERSATION)
async def get_conversation(
    conversation_id: UUID, caller: ConversationCaller, dependencies: ApiDependencies
) -> Conversation:
    """Get a conversation."""
    return await fetch_conversation(dependencies, caller.identity(), conversation_id)


@router.post(_CONVERSATION + "/agent_joined")
async def agent_joined(
    conversation_id: UUID, body: AgentJoined, caller: KeyCaller, dependencies: ApiDependencies
) -> Conversation:
    """Note which agent's job took the call."""
    arguments = {
        "conversation_id": conversation_id,
        "room_sid": body.room_sid,
        "agent_job_id": body.job_id,
    }
    return await call_transcripts(
        dependencies, caller.identity(), "update_conversation", arguments, Conversation
    )


@router.post(_CONVERSATION + "/turns", status_code=201, max_body_size=LARGE_BODY_SIZE)
async def append_turn(
    conversation_id: UUID, body: NewTurn, caller: KeyCaller, dependencies: ApiDependencies
) -> Recorded:
    """Record what the caller said."""
    index = body.order_index
    if index is None:
        index = (await _fetch_turns(dependencies, caller, conversation_id)).next_index()
    arguments = {
        "conversation_id": conversation_id,
        "order_index": index,
        "text": body.transcript,
        "stt_provider": body.stt_provider,
        "language": body.detected_language,
        "stt_confidence": body.stt_confidence,
    }
    return await call_transcripts(
        dependencies, caller.identity(), "append_user_turn", arguments, Recorded
    )


@router.get(_CONVERSATION + "/turns")
async def list_turns(
    conversation_id: UUID, caller: ConversationCaller, dependencies: ApiDependencies
) -> list[Turn]:
    """Get what was said, turn by turn."""
    return (await _fetch_turns(dependencies, caller, conversation_id)).turns


@router.get(_TURN)
async def get_turn(
    conversation_id: UUID,
    order_index: TurnIndex,
    caller: ConversationCaller,
    dependencies: ApiDependencies,
) -> Turn:
    """Get one turn, by the index of what the caller said."""
    only = {"turn": order_index}
    turns = await _fetch_transcript(dependencies, caller, conversation_id, only, _Turns)
    return turns.turns[0]


@router.post(_TURN + "/response", status_code=201, max_body_size=LARGE_BODY_SIZE)
async def append_response(
    conversation_id: UUID,
    order_index: TurnIndex,
    body: NewResponse,
    caller: KeyCaller,
    dependencies: ApiDependencies,
) -> Recorded:
    """Record what the agent answered to a turn."""
    turns = await _fetch_turns(dependencies, caller, conversation_id)
    if not any(turn.order_index == order_index and turn.user for turn in turns.turns):
        raise not_found("conversation, or no such turn in it")
    arguments = {
        "conversation_id": conversation_id,
        "order_index": turns.next_index() if body.order_index is None else body.order_index,
        "user_turn_index": order_index,
        "text": body.response_text,
        "llm_provider": body.llm_provider,
        "tts_provider": body.tts_provider,
        "voice_id": body.voice_id,
        "language": body.language,
        "interrupted": body.interrupted,
    }
    return await call_transcripts(
        dependencies, caller.identity(), "append_agent_response", arguments, Recorded
    )


@router.post(_CONVERSATION + "/end")
async def end(
    conversation_id: UUID,
    body: Annotated[EndConversation, Body(default_factory=EndConversation)],
    caller: KeyCaller,
    dependencies: ApiDependencies,
) -> Conversation:
    """Note that a conversation is over."""
    arguments = {"conversation_id": conversation_id, "reason": body.reason}
    return await call_transcripts(
        dependencies, caller.identity(), "end_conversation", arguments, Conversation
    )


@router.get(_CONVERSATION + "/transcript")
async def get_transcript(
    conversation_id: UUID, caller: ConversationCaller, dependencies: ApiDependencies
) -> list[Entry]:
    """Get everything that was said, in order."""
    view = {"view": "entries"}
    transcript = await _fetch_transcript(dependencies, caller, conversation_id, view, _Entries)
    return transcript.entries


@router.get(_CONVERSATION + "/tool_calls")
async def list_tool_calls(
    conversation_id: UUID, caller: ConversationCaller, dependencies: ApiDependencies
) -> list[ToolCall] | list[ToolCallSummary]:
    """Get the tool calls, in order; what they were about needs an API key."""
    arguments = {"conversation_id": conversation_id}
    identity, tool = caller.identity(), "list_tool_calls"
    if caller.conversation_id is not None:
        summaries = await call_transcripts(
            dependencies, identity, tool, arguments, _Summaries, reads=True
        )
        return summaries.tool_calls
    calls = await call_transcripts(dependencies, identity, tool, arguments, _Calls, reads=True)
    return calls.tool_calls


@router.get(_CONVERSATION + "/export", responses=_EXPORT_TYPES)
async def export(
    conversation_id: UUID,
    query: Annotated[ExportFormat, Query()],
    caller: ConversationCaller,
    dependencies: ApiDependencies,
) -> Response:
    """Download the transcript."""
    arguments = {"conversation_id": conversation_id, "format": query.format}
    file = await call_transcripts(
        dependencies, caller.identity(), "export_transcript", arguments, _Export, reads=True
    )
    disposition = f'attachment; filename="{file.filename}"'
    headers = {"Content-Type": file.mime_type, "Content-Disposition": disposition}
    return Response(file.content, headers=headers)


async def _fetch_turns(dependencies: Dependencies, caller: Caller, conversation_id: UUID) -> _Turns:
    view = {"view": "turns"}
    return await _fetch_transcript(dependencies, caller, conversation_id, view, _Turns)


async def _fetch_transcript(
    dependencies: Dependencies,
    caller: Caller,
    conversation_id: UUID,
    options: Mapping[str, Any],
    model: type[M],
) -> M:
    arguments = {"conversation_id": conversation_id, **options}
    return await call_transcripts(
        dependencies, caller.identity(), "get_transcript", arguments, model, reads=True
    )
