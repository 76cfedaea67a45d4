"""Writing down what is said in conversations, and reading it again.

Every write names what it writes, so that it can be repeated in any order until it has arrived.
"""

from typing import Annotated, Literal
from uuid import UUID

from fastmcp.tools import tool
from pydantic import Field

from config.columns import now
from toolkit.effects import READS, RECORDS
from toolkit.errors import Invalid, NotFound
from toolkit.server.build import ServerSpec
from toolkit.tenancy import CALL, ToolCall
from transcripts.export import Format, exported
from transcripts.operations import opened
from transcripts.queries import entries, page, search, turns
from transcripts.results import (
    ConversationPage,
    ConversationView,
    Direction,
    Export,
    Happened,
    Index,
    Matches,
    Name,
    Number,
    Page,
    Recorded,
    Status,
    Text,
    Transcript,
    Unset,
    UsageRecorded,
    UsageRows,
)
from transcripts.tables import AgentResponse, Conversation, UserTurn


@tool(title="Start a conversation", annotations=RECORDS, timeout=15.0)
async def start_conversation(
    room_name: Name,
    direction: Direction,
    conversation_id: UUID | Unset = None,
    session_id: UUID | Unset = None,
    started_at: Happened | Unset = None,
    call: ToolCall = CALL,
) -> ConversationView:
    """Record that a conversation begins."""
    async with opened(call) as store:
        conversation = await store.start(
            conversation_id,
            room_name=room_name,
            direction=direction,
            session_id=session_id,
            started_at=started_at or now(),
        )
    return _full(conversation)


@tool(title="Append a user turn", annotations=RECORDS, timeout=15.0)
async def append_user_turn(
    order_index: Index,
    text: Text,
    stt_provider: Name,
    conversation_id: UUID | Unset = None,
    language: Name | Unset = None,
    stt_confidence: Number | Unset = None,
    spoken_at: Happened | Unset = None,
    call: ToolCall = CALL,
) -> Recorded:
    """Record what the user said. Turns and responses share one order_index, from 0."""
    async with opened(call) as store:
        conversation = await store.conversation(conversation_id, locked=True)
        turn = UserTurn(
            business_id=conversation.business_id,
            conversation_id=conversation.id,
            order_index=order_index,
            transcribed_text=text,
            detected_language=language,
            stt_provider=stt_provider,
            stt_confidence=stt_confidence,
            created_at=spoken_at or now(),
        )
        await store.append_user_turn(conversation, turn)
    return Recorded(conversation_id=conversation.id, order_index=order_index)


@tool(title="Append an agent response", annotations=RECORDS, timeout=15.0)
async def append_agent_response(
    order_index: Index,
    text: Text,
    conversation_id: UUID | Unset = None,
    user_turn_index: Index | Unset = None,
    llm_provider: Name | Unset = None,
    tts_provider: Name | Unset = None,
    voice_id: Name | Unset = None,
    language: Name | Unset = None,
    interrupted: bool = False,
    spoken_at: Happened | Unset = None,
    call: ToolCall = CALL,
) -> Recorded:
    """Record what the agent said; a greeting has no user_turn_index."""
    if user_turn_index is not None and user_turn_index >= order_index:
        raise Invalid("user_turn_index must be smaller than order_index.")
    async with opened(call) as store:
        conversation = await store.conversation(conversation_id, locked=True)
        response = AgentResponse(
            business_id=conversation.business_id,
            conversation_id=conversation.id,
            order_index=order_index,
            response_text=text,
            llm_provider=llm_provider,
            tts_provider=tts_provider,
            voice_id=voice_id,
            language_used=language,
            interrupted=interrupted,
            created_at=spoken_at or now(),
        )
        await store.append_agent_response(conversation, response, user_turn_index)
    return Recorded(conversation_id=conversation.id, order_index=order_index)


@tool(title="End a conversation", annotations=RECORDS, timeout=15.0)
async def end_conversation(
    conversation_id: UUID | Unset = None,
    reason: Name | Unset = None,
    ended_at: Happened | Unset = None,
    call: ToolCall = CALL,
) -> ConversationView:
    """Record that a conversation is over."""
    async with opened(call) as store:
        conversation = await store.conversation(conversation_id, locked=True)
        conversation.end(ended_at or now(), reason)
    return _full(conversation)


@tool(title="Update a conversation", annotations=RECORDS, timeout=15.0)
async def update_conversation(
    conversation_id: UUID | Unset = None,
    room_sid: Name | Unset = None,
    agent_job_id: Name | Unset = None,
    detected_language: Name | Unset = None,
    call: ToolCall = CALL,
) -> ConversationView:
    """Record what became known later. A user turn's language outranks this one."""
    async with opened(call) as store:
        conversation = await store.conversation(conversation_id, locked=True)
        await store.update(
            conversation, detected_language, room_sid=room_sid, agent_job_id=agent_job_id
        )
    return _full(conversation)


@tool(title="Record usage", annotations=RECORDS, timeout=15.0)
async def record_usage(
    rows: UsageRows,
    conversation_id: UUID | Unset = None,
    call: ToolCall = CALL,
) -> UsageRecorded:
    """Record what requests to providers consumed; each request_id counts once."""
    async with opened(call) as store:
        named = conversation_id or call.claims.conversation_id
        if named is not None:
            named = (await store.conversation(conversation_id, locked=True)).id
        return UsageRecorded(new=await store.record_usage(named, rows))


@tool(title="Get a conversation", annotations=READS, timeout=8.0)
async def get_conversation(
    conversation_id: UUID | Unset = None, call: ToolCall = CALL
) -> ConversationView:
    """Look up when, where and by which bot a conversation was held."""
    async with opened(call) as store:
        return _full(await store.conversation(conversation_id))


@tool(title="List conversations", annotations=READS, timeout=8.0)
async def list_conversations(
    limit: Page = 8,
    before: UUID | Unset = None,
    status: Status | Unset = None,
    bot_id: UUID | Unset = None,
    detail: Literal["short", "full"] = "short",
    call: ToolCall = CALL,
) -> ConversationPage:
    """List conversations, newest first."""
    async with opened(call) as store:
        found = await page(store, limit + 1, before, status, bot_id)
    shown = found[:limit]
    view = _full if detail == "full" else _short
    return ConversationPage(
        conversations=[view(conversation) for conversation in shown],
        next_before=shown[-1].id if len(found) > limit else None,
    )


@tool(title="Get a transcript", annotations=READS, timeout=8.0)
async def get_transcript(
    conversation_id: UUID | Unset = None,
    view: Literal["entries", "turns"] = "entries",
    turn: Index | Unset = None,
    call: ToolCall = CALL,
) -> Transcript:
    """Read what was said, in order: entry by entry, or each user turn with its responses."""
    async with opened(call) as store:
        conversation = await store.conversation(conversation_id)
        said = await turns(store, conversation)
    if turn is not None:
        said = [one for one in said if one.order_index == turn]
        if not said:
            raise NotFound("There is no such turn.")
    if view == "turns" or turn is not None:
        return Transcript(conversation_id=conversation.id, turns=said)
    return Transcript(conversation_id=conversation.id, entries=entries(said))


@tool(title="Search transcripts", annotations=READS, timeout=8.0)
async def search_transcripts(
    query: Annotated[Name, Field(description='Words or a "phrase".')],
    limit: Page = 5,
    call: ToolCall = CALL,
) -> Matches:
    """Find where something was said, newest first."""
    async with opened(call) as store:
        return Matches(matches=await search(store, query, limit))


@tool(title="Export a transcript", annotations=READS, timeout=8.0)
async def export_transcript(
    format: Format, conversation_id: UUID | Unset = None, call: ToolCall = CALL
) -> Export:
    """Get a transcript as the content of a file."""
    async with opened(call) as store:
        conversation = await store.conversation(conversation_id)
        said = await turns(store, conversation)
    return exported(format, _full(conversation), entries(said))


def _short(conversation: Conversation) -> ConversationView:
    return ConversationView.model_validate(
        {
            "conversation_id": conversation.id,
            "status": conversation.status,
            "direction": conversation.direction,
            "started_at": conversation.started_at,
            "ended_at": conversation.ended_at,
        }
    )


def _full(conversation: Conversation) -> ConversationView:
    return _short(conversation).model_copy(
        update={
            "bot_id": conversation.agent_config_id,
            "session_id": conversation.session_id,
            "room_name": conversation.room_name,
            "room_sid": conversation.room_sid,
            "agent_job_id": conversation.agent_job_id,
            "detected_language": conversation.detected_language,
            "end_reason": conversation.details.get("end_reason"),
        }
    )


SERVER = ServerSpec(
    "transcripts",
    "What was said in every conversation: recorded as it is spoken, read and searched afterwards.",
    (
        start_conversation,
        append_user_turn,
        append_agent_response,
        end_conversation,
        get_conversation,
        list_conversations,
        get_transcript,
        search_transcripts,
        export_transcript,
        update_conversation,
        record_usage,
    ),
)
