"""Calls a tool as a bot would."""

from orchestrator.api.access import Seat, Tools
from orchestrator.api.errors import failed, forbidden
from orchestrator.api.identities import meant
from orchestrator.api.models import ExecuteTool, ToolResult
from orchestrator.api.operations import Ask, Operation


async def execute(ask: Ask[ExecuteTool]) -> ToolResult:
    """Call a tool under a bot's own rights. `tool_key` is the server's name, `_`, the tool's."""
    given, dependencies = ask.given, ask.dependencies
    if given.business_id not in (None, ask.known.business_id):
        raise forbidden("This API key is another business's.")
    identity = await meant(
        dependencies,
        ask.known,
        bot=given.bot,
        bot_id=given.bot_id,
        conversation_id=given.conversation_id,
    )
    outcome = await Tools(dependencies).call(
        Seat(identity, ask.known.rights), given.tool_key, given.params, given.idempotency_key
    )
    if outcome.error is not None:
        raise failed(outcome)
    return ToolResult(result=outcome.data, text=outcome.text, say=outcome.say)


OPERATIONS = (Operation("POST", "/api/tools/execute", execute, ExecuteTool, ToolResult, "limited"),)
