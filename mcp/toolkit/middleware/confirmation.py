"""Two steps before something happens: read it back, then do it when the caller has agreed.

A tool calls `confirm(sentence)` once it knows what it would do. Where the bot wants its calls
confirmed, the first call ends there, with the sentence and a code; the second call carries the
code. The code is bound to business, conversation, tool and arguments, works once, for two minutes.
"""

import hashlib
import json
import secrets
from collections.abc import Mapping
from contextvars import ContextVar
from typing import Any

from fastmcp.exceptions import ToolError
from fastmcp.server.middleware import CallNext, Middleware, MiddlewareContext
from fastmcp.tools import Tool, ToolResult
from mcp_types import CallToolRequestParams
from redis.asyncio import Redis
from redis.exceptions import RedisError

from config.security.tokens import Claims
from toolkit.errors import Unavailable
from toolkit.middleware.results import rendered
from toolkit.tenancy import claims_of_request, runtime_of

CODE = "confirmation_code"
LIFETIME = 120  # seconds

_unconfirmed: ContextVar[bool] = ContextVar("unconfirmed", default=False)

_CODE_SCHEMA = {
    "type": "string",
    "description": "From the needs_confirmation answer, once the caller has agreed.",
}
NEEDS_CONFIRMATION_SCHEMA: Mapping[str, Any] = {
    "type": "object",
    "properties": {
        "status": {"const": "needs_confirmation"},
        "say": {"type": "string"},
        CODE: {"type": "string"},
    },
    "required": ["status", "say", CODE],
}


class _NeedsConfirmation(ToolError):
    """The tool has said what it would do, and stopped there."""

    def __init__(self, say: str) -> None:
        super().__init__(say)
        self.say = say


def confirm(say: str) -> None:
    """Stop here with `say`, unless the caller has already agreed or need not be asked."""
    if _unconfirmed.get():
        raise _NeedsConfirmation(say)


def unconfirmed() -> bool:
    """Say whether this call will stop where it would ask."""
    return _unconfirmed.get()


def with_code(tool: Tool) -> Tool:
    """Return the tool with the argument that carries the code."""
    properties = {**tool.parameters.get("properties", {}), CODE: _CODE_SCHEMA}
    return tool.model_copy(update={"parameters": {**tool.parameters, "properties": properties}})


class Confirmation(Middleware):
    """Asks before the tools that the grant wants confirmed."""

    async def on_call_tool(
        self,
        context: MiddlewareContext[CallToolRequestParams],
        call_next: CallNext[CallToolRequestParams, ToolResult],
    ) -> ToolResult:
        """Run the tool, up to the point where the caller has to agree."""
        ctx = context.fastmcp_context
        if ctx is None:
            return await call_next(context)
        runtime = runtime_of(ctx)
        claims = claims_of_request(runtime)
        if context.message.name not in claims.grant.confirm:
            return await call_next(context)
        arguments = dict(context.message.arguments or {})
        code = arguments.pop(CODE, None)
        bound_to = _binding(claims, context.message.name, arguments)
        message = context.message.model_copy(update={"arguments": arguments})
        agreed = code is not None and await _redeem(runtime.cache, str(code), bound_to)
        reset = _unconfirmed.set(not agreed)
        try:
            return await call_next(context.copy(message=message))
        except _NeedsConfirmation as asked:
            new = await _issue(runtime.cache, bound_to)
            return rendered({"status": "needs_confirmation", "say": asked.say, CODE: new})
        finally:
            _unconfirmed.reset(reset)


def _binding(claims: Claims, tool: str, arguments: Mapping[str, Any]) -> str:
    parts = [str(claims.business_id), str(claims.conversation_id), tool, dict(arguments)]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


async def _issue(cache: Redis | None, bound_to: str) -> str:
    code = secrets.token_urlsafe(12)
    try:
        await _needed(cache).set(f"confirm:{code}", bound_to, ex=LIFETIME)
    except RedisError:
        raise Unavailable("The confirmation could not be kept.") from None
    return code


async def _redeem(cache: Redis | None, code: str, bound_to: str) -> bool:
    try:
        return await _needed(cache).getdel(f"confirm:{code}") == bound_to
    except RedisError:
        raise Unavailable("The confirmation could not be checked.") from None


def _needed(cache: Redis | None) -> Redis:
    if cache is None:
        raise Unavailable("Confirmations need Redis.")
    return cache
