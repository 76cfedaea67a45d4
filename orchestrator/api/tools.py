"""Calls a tool as a bot would."""

from config.constellation import constellation
from orchestrator.api.errors import ApiError, failed, forbidden
from orchestrator.api.identities import meant
from orchestrator.api.models import ExecuteTool, ToolResult
from orchestrator.api.operations import Ask, Operation
from orchestrator.constellation import WRITE_BUDGET


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
    server, _, tool = given.tool_key.partition("_")
    use = identity.bot.servers.get(server) if identity.bot else None
    if use is None or not use.enabled or server not in constellation().servers:
        raise ApiError(404, "unknown_tool", "There is no such tool.")
    policy = use.policy.get(tool)
    outcome = await dependencies.constellation.call(
        server,
        tool,
        given.params,
        identity.claims(server),
        budget=(policy and policy.timeout) or WRITE_BUDGET,
        key=given.idempotency_key,
    )
    if outcome.error is not None:
        raise failed(outcome)
    return ToolResult(result=outcome.data, text=outcome.text, say=outcome.say)


OPERATIONS = (Operation("POST", "/api/tools/execute", execute, ExecuteTool, ToolResult),)
