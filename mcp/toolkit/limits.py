"""How many calls a business may make on a server in a minute: one tenant cannot starve the rest."""

import asyncio
import logging
import time
from collections.abc import Awaitable

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
    """Counts each business's calls in the cache, for all replicas of a server together.

    `writing` are the tools that wait for the count; a read goes on beside it, and is cut off.
    """

    def __init__(self, writing: frozenset[str]) -> None:
        self._writing = writing

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
        business_id = claims_of_request(runtime).business_id
        key = f"calls:{ctx.fastmcp.name}:{business_id}:{int(time.time()) // _MINUTE}"
        counted = _count(cache, key, runtime.calls_per_minute)
        if context.message.name in self._writing:
            await counted
            return await call_next(context)
        return await _beside(counted, call_next(context))


async def _beside(counted: Awaitable[None], answer: Awaitable[ToolResult]) -> ToolResult:
    """Return the answer, unless the count forbids it: then neither is waited for."""
    counting = asyncio.ensure_future(counted)
    answering = asyncio.ensure_future(answer)
    try:
        await asyncio.wait({counting, answering}, return_when=asyncio.FIRST_COMPLETED)
        await counting
        return await answering
    finally:
        counting.cancel()
        answering.cancel()


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
