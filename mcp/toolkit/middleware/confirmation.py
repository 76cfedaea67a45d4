"""Middleware for confirmations: the caller hears what a tool would do, agrees, and it is done.

A tool calls `confirm(sentence)` once it knows what it would do, and before it does it. Where the
bot wants that tool confirmed, the first call ends there, and its result has the sentence and a
code. The second call carries the code and goes through.
"""

from contextvars import ContextVar

from fastmcp.exceptions import ToolError
from fastmcp.server.middleware import CallNext, Middleware, MiddlewareContext
from fastmcp.tools import ToolResult
from mcp_types import CallToolRequestParams
from redis.asyncio import Redis
from redis.exceptions import RedisError

from config.confirmation import binding, issue_code, needs_confirmation, redeem_code
from config.protocol import CONFIRMATION_CODE
from toolkit.errors import Unavailable
from toolkit.middleware.results import to_tool_result
from toolkit.tenancy import current_claims, current_runtime

_unconfirmed: ContextVar[bool] = ContextVar("unconfirmed", default=False)


class _NeedsConfirmation(ToolError):
    """The tool has said what it would do, and has stopped there."""

    def __init__(self, say: str) -> None:
        super().__init__(say)
        self.say = say


def confirm(say: str) -> None:
    """End the call with the question `say`, unless the caller has agreed or need not be asked."""
    if _unconfirmed.get():
        raise _NeedsConfirmation(say)


def is_unconfirmed() -> bool:
    """Say whether `confirm` would end the current call."""
    return _unconfirmed.get()


class Confirmation(Middleware):
    """Asks for agreement to the tools that the grant wants confirmed."""

    async def on_call_tool(
        self,
        context: MiddlewareContext[CallToolRequestParams],
        call_next: CallNext[CallToolRequestParams, ToolResult],
    ) -> ToolResult:
        """Run the tool, up to the point where the caller has to agree."""
        ctx = context.fastmcp_context
        if ctx is None:
            return await call_next(context)
        runtime = current_runtime(ctx)
        claims = current_claims(runtime)
        if context.message.name not in claims.grant.confirm:
            return await call_next(context)
        arguments = dict(context.message.arguments or {})
        code = arguments.pop(CONFIRMATION_CODE, None)
        bound_to = binding(claims, context.message.name, arguments)
        message = context.message.model_copy(update={"arguments": arguments})
        agreed = code is not None and await _redeem(runtime.cache, str(code), bound_to)
        reset = _unconfirmed.set(not agreed)
        try:
            return await call_next(context.copy(message=message))
        except _NeedsConfirmation as question:
            new_code = await _issue(runtime.cache, bound_to)
            return to_tool_result(needs_confirmation(question.say, new_code))
        finally:
            _unconfirmed.reset(reset)


async def _issue(cache: Redis | None, bound_to: str) -> str:
    try:
        return await issue_code(_required(cache), bound_to)
    except RedisError:
        raise Unavailable("The confirmation could not be kept.") from None


async def _redeem(cache: Redis | None, code: str, bound_to: str) -> bool:
    try:
        return await redeem_code(_required(cache), code, bound_to)
    except RedisError:
        raise Unavailable("The confirmation could not be checked.") from None


def _required(cache: Redis | None) -> Redis:
    if cache is None:
        raise Unavailable("Confirmations need Redis.")
    return cache
