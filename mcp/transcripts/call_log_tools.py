"""The tools for the log of a conversation's tool calls: append and list.

Every write names what it writes, so that it can be repeated, in any order, until it has arrived.
"""

from uuid import UUID

from fastmcp.tools import tool as mcp_tool

from toolkit.effects import READS, RECORDS
from toolkit.tenancy import CALL, ToolCall
from transcripts.inputs import (
    Chooser,
    Index,
    LoggedArguments,
    LoggedOutcome,
    LoggedText,
    Name,
    Number,
    Time,
    ToolCallEntry,
    Unset,
)
from transcripts.operations import open_operations
from transcripts.queries import load_tool_calls
from transcripts.results import CallListResult, CallResult


@mcp_tool(title="Append a tool call", annotations=RECORDS, timeout=15.0)
async def append_tool_call(
    call_id: UUID,
    server: Name,
    tool: Name,
    arguments: LoggedArguments,
    said: LoggedText,
    outcome: LoggedOutcome,
    ms: Number,
    conversation_id: UUID | Unset = None,
    chosen_by: Chooser = "model",
    user_turn_index: Index | Unset = None,
    called_at: Time | Unset = None,
    call: ToolCall = CALL,
) -> CallResult:
    """Record a tool call; each call_id counts once."""
    entry = ToolCallEntry(
        call_id=call_id,
        server=server,
        tool=tool,
        arguments=arguments,
        said=said,
        outcome=outcome,
        ms=ms,
        chosen_by=chosen_by,
        user_turn_index=user_turn_index,
        called_at=called_at,
    )
    async with open_operations(call) as operations:
        conversation = await operations.get_conversation(conversation_id, locked=True)
        await operations.append_tool_calls(conversation, [entry])
    return CallResult(conversation_id=conversation.id, call_id=call_id)


@mcp_tool(title="List tool calls", annotations=READS, timeout=8.0)
async def list_tool_calls(
    conversation_id: UUID | Unset = None, call: ToolCall = CALL
) -> CallListResult:
    """List the tools that the agent called: with what, and what they said."""
    async with open_operations(call) as operations:
        conversation = await operations.get_conversation(conversation_id)
        calls = await load_tool_calls(operations, conversation)
    return CallListResult(conversation_id=conversation.id, tool_calls=calls)
