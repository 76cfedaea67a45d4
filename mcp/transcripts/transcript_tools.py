"""The tools for what was said in a conversation: append, read, search and export.

Every write names what it writes, so that it can be repeated, in any order, until it has arrived.
"""

from uuid import UUID

from fastmcp.tools import tool

from config.columns import now
from toolkit.effects import READS, RECORDS
from toolkit.errors import Invalid, NotFound
from toolkit.tenancy import CALL, ToolCall
from transcripts.export import export
from transcripts.inputs import (
    Index,
    Name,
    Number,
    PageSize,
    SearchText,
    Text,
    Time,
    TranscriptView,
    TurnLog,
    Unset,
)
from transcripts.operations import open_operations
from transcripts.queries import load_tool_calls, load_turns, search_entries, to_entries
from transcripts.results import (
    AppendResult,
    ExportResult,
    Format,
    SearchResult,
    TranscriptResult,
    to_full_result,
)
from transcripts.tables import AgentResponse, UserTurn


@tool(title="Append a user turn", annotations=RECORDS, timeout=15.0)
async def append_user_turn(
    order_index: Index,
    text: Text,
    stt_provider: Name,
    conversation_id: UUID | Unset = None,
    language: Name | Unset = None,
    stt_confidence: Number | Unset = None,
    spoken_at: Time | Unset = None,
    call: ToolCall = CALL,
) -> AppendResult:
    """Record what the user said. Turns and responses share one order_index, from 0."""
    async with open_operations(call) as operations:
        conversation = await operations.get_conversation(conversation_id, locked=True)
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
        await operations.append_user_turn(conversation, turn)
    return AppendResult(conversation_id=conversation.id, order_index=order_index)


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
    spoken_at: Time | Unset = None,
    log: TurnLog | Unset = None,
    call: ToolCall = CALL,
) -> AppendResult:
    """Record what the agent said."""
    if user_turn_index is not None and user_turn_index >= order_index:
        raise Invalid("user_turn_index must be smaller than order_index.")
    async with open_operations(call) as operations:
        conversation = await operations.get_conversation(conversation_id, locked=True)
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
        await operations.append_agent_response(conversation, response, user_turn_index)
        if log is not None:
            await operations.append_tool_calls(conversation, log.tool_calls)
            await operations.record_usage(conversation.id, log.usage)
    return AppendResult(conversation_id=conversation.id, order_index=order_index)


@tool(title="Get a transcript", annotations=READS, timeout=8.0)
async def get_transcript(
    conversation_id: UUID | Unset = None,
    view: TranscriptView = "entries",
    turn: Index | Unset = None,
    call: ToolCall = CALL,
) -> TranscriptResult:
    """Read what was said, in order: by entry or by user turn."""
    async with open_operations(call) as operations:
        conversation = await operations.get_conversation(conversation_id)
        turns = await load_turns(operations, conversation)
    if turn is not None:
        turns = [each for each in turns if each.order_index == turn]
        if not turns:
            raise NotFound("There is no such turn.")
    if view == "turns" or turn is not None:
        return TranscriptResult(conversation_id=conversation.id, turns=turns)
    return TranscriptResult(conversation_id=conversation.id, entries=to_entries(turns))


@tool(title="Search transcripts", annotations=READS, timeout=8.0)
async def search_transcripts(
    query: SearchText,
    limit: PageSize = 5,
    call: ToolCall = CALL,
) -> SearchResult:
    """Find where something was said, newest first."""
    async with open_operations(call) as operations:
        return SearchResult(matches=await search_entries(operations, query, limit))


@tool(title="Export a transcript", annotations=READS, timeout=8.0)
async def export_transcript(
    format: Format, conversation_id: UUID | Unset = None, call: ToolCall = CALL
) -> ExportResult:
    """Get a transcript as a file."""
    async with open_operations(call) as operations:
        conversation = await operations.get_conversation(conversation_id)
        turns = await load_turns(operations, conversation)
        calls = await load_tool_calls(operations, conversation)
    return export(format, to_full_result(conversation), to_entries(turns), calls)
