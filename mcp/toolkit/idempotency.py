"""A repeated write is answered from the first one, not done again.

The key is derived from conversation, tool and arguments; without a conversation only a key that
the client sent counts. A tool that keeps its own records stores the key beside them, so that even
a process that died between doing and remembering does the work once.
"""

import hashlib
import json
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from fastmcp import Context
from fastmcp.exceptions import ValidationError
from fastmcp.server.middleware import CallNext, Middleware, MiddlewareContext
from fastmcp.tools import Tool, ToolResult
from fastmcp.tools.base import InputRequiredToolResult
from mcp_types import CallToolRequestParams
from sqlalchemy import delete, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlmodel import col

from config.columns import now
from config.tables import IdempotentCall
from config.tokens import Claims
from toolkit.confirmation import unconfirmed
from toolkit.effects import guarded
from toolkit.errors import OutcomeUnknown, ToolFailure
from toolkit.results import rendered, without_nulls
from toolkit.tenancy import Attempt, Call, attempt, current_call

META_KEY = "antiphon/idempotency_key"
_IN_FLIGHT = timedelta(seconds=15)  # the budget of a write: after it, nobody is at work on it
_MEMORY = timedelta(hours=24)


class Idempotency(Middleware):
    """Remembers what each write answered. `tools` are those of the server."""

    def __init__(self, tools: Mapping[str, Tool]) -> None:
        self._tools = tools

    async def on_call_tool(
        self,
        context: MiddlewareContext[CallToolRequestParams],
        call_next: CallNext[CallToolRequestParams, ToolResult],
    ) -> ToolResult:
        """Do the write once, and answer its repeats."""
        ctx = context.fastmcp_context
        key = ctx and _key(ctx, self._tools.get(context.message.name), context.message)
        if ctx is None or not key or unconfirmed():
            return await call_next(context)
        call = current_call(ctx)
        if call.runtime.database is None:
            return await call_next(context)
        claimed = await _claim(call, key)
        if not isinstance(claimed, Attempt):
            return rendered(claimed)
        reset = attempt.set(claimed)
        try:
            result = await call_next(context)
        except OutcomeUnknown:
            raise
        except (ToolFailure, ValidationError):
            # It said itself that nothing was done. After its deadline, or a mistake of ours, nobody
            # knows: then the key stays claimed, and the next try looks before it writes.
            await _forget(call, key)
            raise
        finally:
            attempt.reset(reset)
        if isinstance(result, InputRequiredToolResult):  # it has asked, and done nothing yet
            await _forget(call, key)
            return result
        await _remember(call, key, without_nulls(result.structured_content or {}))
        return result


def _key(ctx: Context, tool: Tool | None, message: CallToolRequestParams) -> str | None:
    if tool is None or not guarded(tool.annotations):
        return None
    call = current_call(ctx)
    request = ctx.request_context
    sent = (request.meta or {}).get(META_KEY) if request else None
    if sent is not None:
        return _digest(call.claims, message.name, str(sent))
    if call.claims.conversation_id is None:
        return None
    return _digest(call.claims, message.name, message.arguments or {})


def _digest(claims: Claims, tool: str, what: Any) -> str:
    parts = [str(claims.conversation_id), claims.sub, tool, what]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


async def _claim(call: Call, key: str) -> Attempt | dict[str, Any]:
    """Reserve the key, or return what its first call answered.

    Raises:
        OutcomeUnknown: the first call is still at work.
    """
    mine = (
        insert(IdempotentCall)
        .values(business_id=call.business_id, key=key, created_at=now())
        .on_conflict_do_nothing()
        .returning(col(IdempotentCall.key))
    )
    taken = select(IdempotentCall).where(col(IdempotentCall.key) == key).with_for_update()
    async with call.transaction() as session:
        if (await session.execute(mine)).scalar() is not None:
            return Attempt(key)
        first = (await session.execute(taken)).scalar_one()
        age = now() - first.created_at
        if first.result is not None and age < _MEMORY:
            return first.result
        if first.result is None and age < _IN_FLIGHT:
            raise OutcomeUnknown("The same request is still being worked on.")
        lost = first.result is None
        first.created_at, first.result = now(), None
        return Attempt(key, again=lost)


async def _remember(call: Call, key: str, result: dict[str, Any]) -> None:
    statement = update(IdempotentCall).where(col(IdempotentCall.key) == key).values(result=result)
    async with call.transaction() as session:
        await session.execute(statement)


async def _forget(call: Call, key: str) -> None:
    async with call.transaction() as session:
        await session.execute(delete(IdempotentCall).where(col(IdempotentCall.key) == key))
