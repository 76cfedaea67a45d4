"""Middleware for rate limits: how many calls a business may make on a server in a minute."""

import asyncio
import logging
import time
from uuid import UUID

from fastmcp.server.middleware import CallNext, Middleware, MiddlewareContext
from fastmcp.tools import ToolResult
from mcp_types import CallToolRequestParams
from redis.asyncio import Redis
from redis.exceptions import RedisError

from toolkit.errors import RateLimited
from toolkit.tenancy import current_claims, current_runtime

logger = logging.getLogger("antiphon.limits")

_MINUTE = 60
_MESSAGE = "This business has made too many calls within a minute."


class RateLimit(Middleware):
    """Counts each business's calls in the cache, for all replicas of a server.

    The tools in `writing` wait for the count. Others run while the call is counted; their result
    is dropped where the call was one too many. What the platform itself records with the tools in
    `recording` is not counted: a busy business would lose what was said in its calls.
    """

    def __init__(self, writing: frozenset[str], recording: frozenset[str] = frozenset()) -> None:
        self._writing = writing
        self._recording = recording
        self._minute = 0
        self._exhausted: set[UUID] = set()  # businesses that have no calls left in this minute

    async def on_call_tool(
        self,
        context: MiddlewareContext[CallToolRequestParams],
        call_next: CallNext[CallToolRequestParams, ToolResult],
    ) -> ToolResult:
        """Run the tool, unless there were too many calls."""
        ctx = context.fastmcp_context
        if ctx is None or (cache := current_runtime(ctx).cache) is None:
            return await call_next(context)
        runtime = current_runtime(ctx)
        claims = current_claims(runtime)
        if claims.platform and context.message.name in self._recording:
            return await call_next(context)
        business_id, minute = claims.business_id, int(time.time()) // _MINUTE
        self._start_minute(minute)
        if business_id in self._exhausted:
            raise _too_many_calls()
        key = f"calls:{ctx.fastmcp.name}:{business_id}:{minute}"
        counting = asyncio.ensure_future(_count_call(cache, key))
        try:
            if context.message.name in self._writing:
                self._check(business_id, await counting, runtime.calls_per_minute)
            result = await call_next(context)
            self._check(business_id, await counting, runtime.calls_per_minute)
            return result
        finally:
            counting.cancel()

    def _start_minute(self, minute: int) -> None:
        if minute != self._minute:
            self._minute = minute
            self._exhausted.clear()

    def _check(self, business_id: UUID, count: int, limit: int) -> None:
        if count > limit:
            self._exhausted.add(business_id)
            raise _too_many_calls()


def _too_many_calls() -> RateLimited:
    return RateLimited(_MESSAGE, retry_after=_MINUTE - time.time() % _MINUTE)


async def _count_call(cache: Redis, key: str) -> int:
    try:
        async with cache.pipeline(transaction=False) as pipeline:
            pipeline.incr(key)
            pipeline.expire(key, 2 * _MINUTE, nx=True)
            count, _ = await pipeline.execute()
    except RedisError:
        # Without the cache, calls go uncounted rather than unanswered.
        logger.warning("calls are not being counted: the cache does not answer")
        return 0
    return int(count)
