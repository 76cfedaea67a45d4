"""The tool for what a conversation consumed at providers."""

from uuid import UUID

from fastmcp.tools import tool

from toolkit.effects import RECORDS
from toolkit.tenancy import CALL, ToolCall
from transcripts.inputs import Unset, UsageRows
from transcripts.operations import open_operations
from transcripts.results import UsageResult


@tool(title="Record usage", annotations=RECORDS, timeout=15.0)
async def record_usage(
    rows: UsageRows,
    conversation_id: UUID | Unset = None,
    call: ToolCall = CALL,
) -> UsageResult:
    """Record usage of providers; each request_id counts once."""
    async with open_operations(call) as operations:
        target = conversation_id or call.claims.conversation_id
        if target is not None:
            target = (await operations.get_conversation(conversation_id, locked=True)).id
        return UsageResult(new=await operations.record_usage(target, rows))
