"""Calls a tool as a bot would."""

from orchestrator.api.access import EffectiveAccess
from orchestrator.api.credentials import LimitedKeyCaller
from orchestrator.api.dependencies import ApiDependencies
from orchestrator.api.errors import forbidden, tool_failure
from orchestrator.api.identities import resolve_identity
from orchestrator.api.requests import LARGE_BODY_SIZE
from orchestrator.api.routing import ApiRouter
from orchestrator.api.schemas import ExecuteTool, ToolResult
from orchestrator.api.tool_dispatcher import Dispatcher
from orchestrator.sentences import in_language

router = ApiRouter()


@router.post("/api/tools/execute", max_body_size=LARGE_BODY_SIZE)
async def execute(
    body: ExecuteTool,
    caller: LimitedKeyCaller,
    dependencies: ApiDependencies,
    dispatcher: Dispatcher,
) -> ToolResult:
    """Call a tool under a bot's own rights. `tool_key` is the server's name, `_`, the tool's."""
    if body.business_id not in (None, caller.business_id):
        raise forbidden("This API key is another business's.")
    identity, language = await resolve_identity(
        dependencies,
        caller,
        bot=body.bot,
        bot_id=body.bot_id,
        conversation_id=body.conversation_id,
    )
    access = EffectiveAccess(identity, caller.rights)
    with in_language(language):
        outcome = await dispatcher.call_tool(
            access, body.tool_key, body.params, idempotency_key=body.idempotency_key
        )
    if outcome.error is not None and not outcome.refusal:
        raise tool_failure(outcome)
    return ToolResult(
        result=outcome.data, text=outcome.text, say=outcome.say, is_error=outcome.refusal
    )
