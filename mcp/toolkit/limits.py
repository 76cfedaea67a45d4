"""How many calls a business may make on a server in a minute: one tenant cannot starve the rest."""

import logging
import time

from fastmcp.server.middleware import CallNext, Middleware, MiddlewareContext
from fastmcp.tools import ToolResult
from mcp_types import CallToolRequestParams
from redis.asyncio import Redis
from redis.exceptions import RedisError

from toolkit.errors import Limited
from toolkit.tenancy import claims_of_request, runtime_of

logger = logging.getLogger("antiphon.limits")

_MINUTE = 60


class RateLimits(Middleware):
    """Counts each business's calls in the cache, for all replicas of a server together."""

    async def on_call_tool(
        self,
        context: MiddlewareContext[CallToolRequestParams],
        call_next: CallNext[CallToolRequestParams, ToolResult],
    ) -> ToolResult:
        """Answer the call, unless there were too many."""
        ctx = context.fastmcp_context
        if ctx is not None:
            runtime = runtime_of(ctx)
            if runtime.cache is not None:
                business_id = claims_of_request(runtime).business_id
                key = f"calls:{ctx.fastmcp.name}:{business_id}:{int(time.time()) // _MINUTE}"
                await _count(runtime.cache, key, runtime.calls_per_minute)
        return await call_next(context)


async def _count(cache: Redis, key: str, most: int) -> None:
    try:
        async with cache.pipeline(transaction=False) as counting:
            counting.incr(key)
            counting.expire(key, 2 * _MINUTE, nx=True)
            count, _ = await counting.execute()
    except RedisError:
        # A cache that is down must not silence every phone line.
        logger.warning("calls are not being counted: the cache does not answer")
        return
    if count > most:
        raise Limited("This business has made too many calls within a minute.")
