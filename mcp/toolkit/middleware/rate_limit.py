"""How many calls a business may make on a server in a minute: one tenant cannot starve the rest."""

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
from toolkit.tenancy import claims_of_request, runtime_of

logger = logging.getLogger("antiphon.limits")

_MINUTE = 60
_TOO_MANY = "This business has made too many calls within a minute."


class RateLimit(Middleware):
    """Counts each business's calls in the cache, for all replicas of a server together.

    `writing` are the tools that wait for the count; a read goes on beside it, and is not answered
    where it was one too many.
    """

    def __init__(self, writing: frozenset[str]) -> None:
        self._writing = writing
        self._minute = 0
        self._full: set[UUID] = set()  # who is known to have had their fill in this minute

    async def on_call_tool(
        self,
        context: MiddlewareContext[CallToolRequestParams],
        call_next: CallNext[CallToolRequestParams, ToolResult],
    ) -> ToolResult:
        """Answer the call, unless there were too many."""
        ctx = context.fastmcp_context
        if ctx is None or (cache := runtime_of(ctx).cache) is None:
            return await call_next(context)
        runtime = runtime_of(ctx)
        business_id, minute = claims_of_request(runtime).business_id, int(time.time()) // _MINUTE
        self._begin(minute)
        if business_id in self._full:
            raise RateLimited(_TOO_MANY)
        key = f"calls:{ctx.fastmcp.name}:{business_id}:{minute}"
        counting = asyncio.ensure_future(_counted(cache, key))
        try:
            if context.message.name in self._writing:
                self._check(business_id, await counting, runtime.calls_per_minute)
            answer = await call_next(context)
            self._check(business_id, await counting, runtime.calls_per_minute)
            return answer
        finally:
            counting.cancel()

    def _begin(self, minute: int) -> None:
        if minute != self._minute:
            self._minute = minute
            self._full.clear()

    def _check(self, business_id: UUID, count: int, most: int) -> None:
        if count > most:
            self._full.add(business_id)
            raise RateLimited(_TOO_MANY)


async def _counted(cache: Redis, key: str) -> int:
    try:
        async with cache.pipeline(transaction=False) as counting:
            counting.incr(key)
            counting.expire(key, 2 * _MINUTE, nx=True)
            count, _ = await counting.execute()
    except RedisError:
        # A cache that is down must not silence every phone line.
        logger.warning("calls are not being counted: the cache does not answer")
        return 0
    return int(count)
