"""A repeated write is answered from the first one, not done again.

The key is derived from conversation, tool and arguments; without a conversation only a key that
the client sent counts. A tool that keeps its own records stores the key beside them, so that even
a process that died between doing and remembering does the work once.
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
from config.tables import IdempotentCall
from toolkit.effects import changes, destroys, guarded
from toolkit.errors import OutcomeUnknown, ToolFailure
from toolkit.middleware.confirmation import unconfirmed
from toolkit.middleware.results import rendered, without_nulls
from toolkit.tenancy import Attempt, ToolCall, attempt, current_call

META_KEY = "antiphon/idempotency_key"
_IN_FLIGHT = timedelta(seconds=15)  # the budget of a write: after it, nobody is at work on it
_MEMORY = timedelta(hours=24)
_COUNT = "count"


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
        tool = self._tools.get(context.message.name)
        name = ctx and _named(ctx, tool, context.message)
        if ctx is None or not name or unconfirmed():
            return await call_next(context)
        call = current_call(ctx)
        if call.runtime.database is None:
            return await call_next(context)
        claimed = await _claim(call, name)
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
            await _forget(call, claimed.key)
            raise
        finally:
            attempt.reset(reset)
        if isinstance(result, InputRequiredToolResult):  # it has asked, and done nothing yet
            await _forget(call, claimed.key)
            return result
        await _remember(call, name, claimed.key, without_nulls(result.structured_content or {}))
        return result


@dataclass(frozen=True)
class _Name:
    """What a write is known by: what it is, and the counts of what may have undone it since.

    Who has a time moved to three, to four, and to three again means the last of them. So what
    changes something counts up, and is another call afterwards; and where something was taken
    away, whatever was made before may be made again.
    """

    what: str
    counts: tuple[str, ...] = ()
    counted: str | None = None  # the count that this very write raises

    def key(self, counts: Mapping[str, int]) -> str:
        """Return the key, as things stand."""
        since = {count: counts[count] for count in self.counts if counts.get(count)}
        return _hashed([self.what, sorted(since.items())]) if since else self.what


def _named(ctx: Context, tool: Tool | None, message: CallToolRequestParams) -> _Name | None:
    if tool is None or not guarded(tool.annotations):
        return None
    call = current_call(ctx)
    who = [str(call.claims.conversation_id), call.claims.sub]
    request = ctx.request_context
    sent = (request.meta or {}).get(META_KEY) if request else None
    if sent is not None:
        return _Name(_hashed([*who, message.name, str(sent)]))
    if call.claims.conversation_id is None:
        return None
    what = _hashed([*who, message.name, message.arguments or {}])
    taken_away = _hashed([*who, ctx.fastmcp.name, "taken away"])
    changed = _hashed([*who, ctx.fastmcp.name, "changed"])
    if changes(tool.annotations):
        return _Name(what, (taken_away, changed), changed)
    return _Name(what, (taken_away,), taken_away if destroys(tool.annotations) else None)


def _hashed(parts: Any) -> str:
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


async def _claim(call: ToolCall, name: _Name) -> Attempt | dict[str, Any]:
    """Reserve the key, or return what its first call answered.

    Raises:
        OutcomeUnknown: the first call is still at work.
    """
    async with call.transaction() as session:
        key = name.key(await _counts(session, name.counts))
        mine = (
            insert(IdempotentCall)
            .values(business_id=call.business_id, key=key, created_at=now())
            .on_conflict_do_nothing()
            .returning(col(IdempotentCall.key))
        )
        if (await session.execute(mine)).scalar() is not None:
            return Attempt(key)
        taken = select(IdempotentCall).where(col(IdempotentCall.key) == key).with_for_update()
        first = (await session.execute(taken)).scalar_one()
        age = now() - first.created_at
        if first.result is not None and age < _MEMORY:
            return first.result
        if first.result is None and age < _IN_FLIGHT:
            raise OutcomeUnknown("The same request is still being worked on.")
        lost = first.result is None
        first.created_at, first.result = now(), None
        return Attempt(key, is_retry=lost)


async def _counts(session: AsyncSession, counts: Sequence[str]) -> dict[str, int]:
    if not counts:
        return {}
    row = IdempotentCall
    rows = await session.execute(select(row).where(col(row.key).in_(counts)))
    return {each.key: int((each.result or {}).get(_COUNT, 0)) for each in rows.scalars()}


async def _remember(call: ToolCall, name: _Name, key: str, result: dict[str, Any]) -> None:
    """Remember the answer, under the key that a repeat of it has from now on."""
    async with call.transaction() as session:
        if name.counted is not None:
            await _count(session, call, name.counted)
        later = name.key(await _counts(session, name.counts))
        mine = update(IdempotentCall).where(col(IdempotentCall.key) == key)
        await session.execute(mine.values(result=result, key=later))


async def _count(session: AsyncSession, call: ToolCall, count: str) -> None:
    first = insert(IdempotentCall).values(
        business_id=call.business_id, key=count, created_at=now(), result={_COUNT: 1}
    )
    more = func.jsonb_build_object(
        _COUNT, cast(col(IdempotentCall.result)[_COUNT].astext, Integer) + 1
    )
    raised = first.on_conflict_do_update(
        index_elements=["business_id", "key"], set_={"result": more}
    )
    await session.execute(raised)


async def _forget(call: ToolCall, key: str) -> None:
    async with call.transaction() as session:
        await session.execute(delete(IdempotentCall).where(col(IdempotentCall.key) == key))
