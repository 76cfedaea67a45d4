"""Conversations and what was said in them."""

from collections.abc import Mapping
from typing import Any, TypeVar
from uuid import UUID

from pydantic import BaseModel
from starlette.responses import Response

from orchestrator.api.bots import bot_called
from orchestrator.api.errors import not_found
from orchestrator.api.models import (
    AgentJoined,
    Answer,
    Conversation,
    Conversations,
    EndConversation,
    Entry,
    ExportFormat,
    ListConversations,
    NewResponse,
    NewTurn,
    Recorded,
    Turn,
)
from orchestrator.api.operations import Ask, Nothing, Operation
from orchestrator.api.transcripts import ask as ask_transcripts
from orchestrator.api.transcripts import conversation_of

A = TypeVar("A", bound=BaseModel)


class _Entries(Answer):
    entries: list[Entry]


class _Turns(Answer):
    turns: list[Turn]

    def next_index(self) -> int:
        """Return the first index after everything that was said."""
        said = [
            entry.order_index
            for turn in self.turns
            for entry in (*([turn.user] if turn.user else []), *turn.responses)
        ]
        return max([*said, *(turn.order_index for turn in self.turns)], default=-1) + 1


class _Export(Answer):
    content: str
    mime_type: str
    filename: str


async def list_conversations(ask: Ask[ListConversations]) -> Conversations:
    """List conversations, newest first."""
    given, bot_id = ask.given, None
    if given.bot is not None:
        bot_id = (await bot_called(ask.dependencies, ask.known.business_id, given.bot)).id
    arguments = {
        "limit": given.limit,
        "before": given.before,
        "status": given.status,
        "bot_id": bot_id,
        "detail": "full",
    }
    return await ask_transcripts(
        ask.dependencies, ask.known.identity(), "list_conversations", arguments, Conversations
    )


async def get_conversation(ask: Ask[Nothing]) -> Conversation:
    """Get a conversation."""
    return await conversation_of(ask.dependencies, ask.known.identity(), _id(ask))


async def agent_joined(ask: Ask[AgentJoined]) -> Conversation:
    """Note which agent's job took the call."""
    noted = {"room_sid": ask.given.room_sid, "agent_job_id": ask.given.job_id}
    return await _about(ask, "update_conversation", noted, Conversation)


async def end(ask: Ask[EndConversation]) -> Conversation:
    """Note that a conversation is over."""
    return await _about(ask, "end_conversation", {"reason": ask.given.reason}, Conversation)


async def append_turn(ask: Ask[NewTurn]) -> Recorded:
    """Record what the caller said."""
    given, index = ask.given, ask.given.order_index
    if index is None:
        index = (await _turns(ask)).next_index()
    said = {
        "order_index": index,
        "text": given.transcript,
        "stt_provider": given.stt_provider,
        "language": given.detected_language,
        "stt_confidence": given.stt_confidence,
    }
    return await _about(ask, "append_user_turn", said, Recorded)


async def append_response(ask: Ask[NewResponse]) -> Recorded:
    """Record what the agent answered to a turn."""
    given, index, answered = ask.given, ask.given.order_index, _number(ask)
    turns = await _turns(ask)
    if not any(turn.order_index == answered and turn.user for turn in turns.turns):
        raise not_found("conversation, or no such turn in it")
    said = {
        "order_index": turns.next_index() if index is None else index,
        "user_turn_index": answered,
        "text": given.response_text,
        "llm_provider": given.llm_provider,
        "tts_provider": given.tts_provider,
        "voice_id": given.voice_id,
        "language": given.language,
        "interrupted": given.interrupted,
    }
    return await _about(ask, "append_agent_response", said, Recorded)


async def list_turns(ask: Ask[Nothing]) -> list[Turn]:
    """Get what was said, turn by turn."""
    return (await _turns(ask)).turns


async def get_turn(ask: Ask[Nothing]) -> Turn:
    """Get one turn, by the index of what the caller said."""
    number = _number(ask)
    found = await _about(ask, "get_transcript", {"turn": number}, _Turns)
    return found.turns[0]


async def get_transcript(ask: Ask[Nothing]) -> list[Entry]:
    """Get everything that was said, in order."""
    return (await _about(ask, "get_transcript", {"view": "entries"}, _Entries)).entries


async def export(ask: Ask[ExportFormat]) -> Response:
    """Download the transcript."""
    file = await _about(ask, "export_transcript", {"format": ask.given.format}, _Export)
    disposition = f'attachment; filename="{file.filename}"'
    headers = {"Content-Type": file.mime_type, "Content-Disposition": disposition}
    return Response(file.content, headers=headers)


async def _turns(ask: Ask[Any]) -> _Turns:
    return await _about(ask, "get_transcript", {"view": "turns"}, _Turns)


async def _about(ask: Ask[Any], tool: str, arguments: Mapping[str, Any], answer: type[A]) -> A:
    named = {"conversation_id": _id(ask), **arguments}
    return await ask_transcripts(ask.dependencies, ask.known.identity(), tool, named, answer)


def _id(ask: Ask[Any]) -> UUID:
    return UUID(str(ask.request.path_params["conversation_id"]))


def _number(ask: Ask[Any]) -> int:
    return int(ask.request.path_params["order_index"])


_ONE = "/api/conversations/{conversation_id:uuid}"
_TURN = _ONE + "/turns/{order_index:int}"
_File = dict[str, Any]  # as JSON; the other kinds are text
_FILES = ("application/json", "text/csv", "text/plain")

OPERATIONS = (
    Operation("GET", "/api/conversations", list_conversations, ListConversations, Conversations),
    Operation("GET", _ONE, get_conversation, Nothing, Conversation, "conversation"),
    Operation("POST", _ONE + "/agent_joined", agent_joined, AgentJoined, Conversation),
    Operation("POST", _ONE + "/turns", append_turn, NewTurn, Recorded, status=201),
    Operation("GET", _ONE + "/turns", list_turns, Nothing, list[Turn], "conversation"),
    Operation("GET", _TURN, get_turn, Nothing, Turn, "conversation"),
    Operation("POST", _TURN + "/response", append_response, NewResponse, Recorded, status=201),
    Operation("POST", _ONE + "/end", end, EndConversation, Conversation),
    Operation("GET", _ONE + "/transcript", get_transcript, Nothing, list[Entry], "conversation"),
    Operation("GET", _ONE + "/export", export, ExportFormat, _File, "conversation", files=_FILES),
)
