"""The tools for conversations as a whole: when, where and by which bot they were held.

Every write names what it writes, so that it can be repeated, in any order, until it has arrived.
"""

from uuid import UUID

from fastmcp.tools import tool

from config.columns import now
from toolkit.effects import READS, RECORDS
from toolkit.tenancy import CALL, ToolCall
from transcripts.inputs import CallerMetadata, Detail, Name, PageSize, Reason, Time, Unset
from transcripts.operations import open_operations
from transcripts.queries import list_page
from transcripts.results import (
    ConversationListResult,
    ConversationResult,
    Direction,
    Status,
    to_full_result,
    to_short_result,
)


@tool(title="Start a conversation", annotations=RECORDS, timeout=15.0)
async def start_conversation(
    room_name: Name,
    direction: Direction,
    conversation_id: UUID | Unset = None,
    session_id: UUID | Unset = None,
    started_at: Time | Unset = None,
    language: Name | Unset = None,
    metadata: CallerMetadata | Unset = None,
    call: ToolCall = CALL,
) -> ConversationResult:
    """Record that a conversation begins."""
    async with open_operations(call) as operations:
        conversation = await operations.start(
            conversation_id,
            room_name=room_name,
            direction=direction,
            session_id=session_id,
            started_at=started_at or now(),
            language=language,
            details=metadata or {},
        )
    return to_full_result(conversation)


@tool(title="End a conversation", annotations=RECORDS, timeout=15.0)
async def end_conversation(
    conversation_id: UUID | Unset = None,
    reason: Reason | Unset = None,
    ended_at: Time | Unset = None,
    call: ToolCall = CALL,
) -> ConversationResult:
    """Record that a conversation is over."""
    async with open_operations(call) as operations:
        conversation = await operations.get_conversation(conversation_id, locked=True)
        conversation.end(ended_at or now(), reason)
    return to_full_result(conversation)


@tool(title="Update a conversation", annotations=RECORDS, timeout=15.0)
async def update_conversation(
    conversation_id: UUID | Unset = None,
    room_sid: Name | Unset = None,
    agent_job_id: Name | Unset = None,
    detected_language: Name | Unset = None,
    call: ToolCall = CALL,
) -> ConversationResult:
    """Record what became known later. A user turn's language outranks this one."""
    async with open_operations(call) as operations:
        conversation = await operations.get_conversation(conversation_id, locked=True)
        await operations.update(
            conversation, detected_language, room_sid=room_sid, agent_job_id=agent_job_id
        )
    return to_full_result(conversation)


@tool(title="Get a conversation", annotations=READS, timeout=8.0)
async def get_conversation(
    conversation_id: UUID | Unset = None, call: ToolCall = CALL
) -> ConversationResult:
    """Look up when, where and by which bot a conversation was held."""
    async with open_operations(call) as operations:
        return to_full_result(await operations.get_conversation(conversation_id))


@tool(title="List conversations", annotations=READS, timeout=8.0)
async def list_conversations(
    limit: PageSize = 8,
    before: UUID | Unset = None,
    status: Status | Unset = None,
    bot_id: UUID | Unset = None,
    detail: Detail = "short",
    call: ToolCall = CALL,
) -> ConversationListResult:
    """List conversations, newest first."""
    async with open_operations(call) as operations:
        found = await list_page(operations, limit + 1, before, status, bot_id)
    page = found[:limit]
    to_result = to_full_result if detail == "full" else to_short_result
    return ConversationListResult(
        conversations=[to_result(conversation) for conversation in page],
        next_before=page[-1].id if len(found) > limit else None,
    )
