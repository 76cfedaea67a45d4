"""Middleware for idempotency: a repeated write returns the result of the first one.

The key of a write is derived from conversation, tool and arguments. A client may send a key of
its own instead; without a conversation only such a key counts. Where a server's own records hold
the key as well, the write is done once even if the process died before the result was stored.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from fastmcp import Context
from fastmcp.exceptions import ValidationError
from fastmcp.server.middleware import CallNext, Middleware, MiddlewareContext
from fastmcp.tools import Tool, ToolResult
from fastmcp.tools.base import InputRequiredToolResult
from mcp_types import CallToolRequestParams
from sqlalchemy import Integer, cast, delete, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from config.columns import now
from config.protocol import IDEMPOTENCY_KEY, WRITE_BUDGET
from config.tables import IdempotentCall
from toolkit.effects import is_removal, is_replacement, is_unsafe_to_repeat
from toolkit.errors import OutcomeUnknown, ToolFailure
from toolkit.middleware.confirmation import is_unconfirmed
from toolkit.middleware.results import drop_nulls, to_tool_result
from toolkit.tenancy import Attempt, ToolCall, current_attempt, current_call

_IN_FLIGHT = timedelta(seconds=WRITE_BUDGET)  # after it, no process works on the write any more
_REPLAY_WINDOW = timedelta(hours=24)
_COUNT = "count"


class Idempotency(Middleware):
    """Stores the result of each write, and replays it for repeats. `tools` are the server's."""

    def __init__(self, tools: Mapping[str, Tool]) -> None:
        self._tools = tools

    async def on_call_tool(
        self,
        context: MiddlewareContext[CallToolRequestParams],
        call_next: CallNext[CallToolRequestParams, ToolResult],
    ) -> ToolResult:
        """Do a write once, and replay its result for repeats."""
        ctx = context.fastmcp_context
        tool = self._tools.get(context.message.name)
        identity = ctx and _identify(ctx, tool, context.message)
        if ctx is None or not identity or is_unconfirmed():
            return await call_next(context)
        call = current_call(ctx)
        if call.runtime.database is None:
            return await call_next(context)
        attempt = await _claim(call, identity)
        if not isinstance(attempt, Attempt):
            return to_tool_result(attempt)
        reset = current_attempt.set(attempt)
        try:
            result = await call_next(context)
        except OutcomeUnknown:
            raise
        except (ToolFailure, ValidationError):
            # The tool says that nothing was done. After a timeout or a bug that is not known: the
            # key stays claimed, and the next attempt looks for the record before it writes.
            await _release(call, attempt.key)
            raise
        finally:
            current_attempt.reset(reset)
        if isinstance(result, InputRequiredToolResult):  # it asks for input, and has done nothing
            await _release(call, attempt.key)
            return result
        await _store_result(
            call, identity, attempt.key, drop_nulls(result.structured_content or {})
        )
        return result


@dataclass(frozen=True)
class _WriteIdentity:
    """What makes two writes the same: a digest, and the counters of what has happened since.

    A caller who moves a time to three, to four, and to three again means the last of these. So a
    replacement raises a counter that is part of the keys of later replacements, and a removal
    raises one that is part of every later key.
    """

    digest: str
    counters: tuple[str, ...] = ()
    raises: str | None = None  # the counter that this write raises itself

    def key(self, counts: Mapping[str, int]) -> str:
        """Return the key of this write at these counts."""
        since = {name: counts[name] for name in self.counters if counts.get(name)}
        return _hash([self.digest, sorted(since.items())]) if since else self.digest


def _identify(
    ctx: Context, tool: Tool | None, message: CallToolRequestParams
) -> _WriteIdentity | None:
    """Return the identity of a write; None for a call that may be repeated."""
    if tool is None or not is_unsafe_to_repeat(tool.annotations):
        return None
    call = current_call(ctx)
    scope = [str(call.claims.conversation_id), call.claims.sub]
    request = ctx.request_context
    sent = (request.meta or {}).get(IDEMPOTENCY_KEY) if request else None
    if sent is not None:
        return _WriteIdentity(_hash([*scope, message.name, str(sent)]))
    if call.claims.conversation_id is None:
        return None
    digest = _hash([*scope, message.name, message.arguments or {}])
    removals = _hash([*scope, ctx.fastmcp.name, "taken away"])
    replacements = _hash([*scope, ctx.fastmcp.name, "changed"])
    if is_replacement(tool.annotations):
        return _WriteIdentity(digest, (removals, replacements), replacements)
    raises = removals if is_removal(tool.annotations) else None
    return _WriteIdentity(digest, (removals,), raises)


def _hash(parts: Any) -> str:
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


async def _claim(call: ToolCall, identity: _WriteIdentity) -> Attempt | dict[str, Any]:
    """Claim the key of a write, or return the result that is stored under it.

    Raises:
        OutcomeUnknown: another attempt is at work.
    """
    async with call.transaction() as session:
        key = identity.key(await _read_counts(session, identity.counters))
        new = (
            insert(IdempotentCall)
            .values(business_id=call.business_id, key=key, created_at=now())
            .on_conflict_do_nothing()
            .returning(col(IdempotentCall.key))
        )
        if (await session.execute(new)).scalar() is not None:
            return Attempt(key)
        existing = select(IdempotentCall).where(col(IdempotentCall.key) == key).with_for_update()
        first = (await session.execute(existing)).scalar_one()
        age = now() - first.created_at
        if first.result is not None and age < _REPLAY_WINDOW:
            return first.result
        if first.result is None and age < _IN_FLIGHT:
            raise OutcomeUnknown("The same request is still being worked on.")
        without_result = first.result is None
        first.created_at, first.result = now(), None
        return Attempt(key, is_retry=without_result)


async def _read_counts(session: AsyncSession, counters: Sequence[str]) -> dict[str, int]:
    if not counters:
        return {}
    row = IdempotentCall
    rows = await session.execute(select(row).where(col(row.key).in_(counters)))
    return {each.key: int((each.result or {}).get(_COUNT, 0)) for each in rows.scalars()}


async def _store_result(
    call: ToolCall, identity: _WriteIdentity, key: str, result: dict[str, Any]
) -> None:
    """Store the result of a write under the key that a repeat of it has from now on."""
    async with call.transaction() as session:
        if identity.raises is not None:
            await _raise_count(session, call, identity.raises)
        later_key = identity.key(await _read_counts(session, identity.counters))
        row = update(IdempotentCall).where(col(IdempotentCall.key) == key)
        await session.execute(row.values(result=result, key=later_key))


async def _raise_count(session: AsyncSession, call: ToolCall, counter: str) -> None:
    first = insert(IdempotentCall).values(
        business_id=call.business_id, key=counter, created_at=now(), result={_COUNT: 1}
    )
    incremented = func.jsonb_build_object(
        _COUNT, cast(col(IdempotentCall.result)[_COUNT].astext, Integer) + 1
    )
    statement = first.on_conflict_do_update(
        index_elements=["business_id", "key"], set_={"result": incremented}
    )
    await session.execute(statement)


async def _release(call: ToolCall, key: str) -> None:
    async with call.transaction() as session:
        await session.execute(delete(IdempotentCall).where(col(IdempotentCall.key) == key))
