"""A limit per client address for requests without a credential."""

from redis.asyncio import Redis
from redis.exceptions import RedisError
from starlette.requests import Request

from orchestrator.api.dependencies import Dependencies
from orchestrator.api.errors import ApiError
from orchestrator.runtime.addresses import limited_address

_WINDOW = 60  # seconds


async def admit_anonymous(request: Request) -> None:
    """Count a request without a credential, before its body is read.

    Raises:
        ApiError: there were too many this minute, or the cache does not answer.
    """
    dependencies: Dependencies = request.app.state.dependencies
    limit = dependencies.anonymous_requests_per_minute
    await enforce_limit(dependencies.cache, request, "anonymous", limit)


async def enforce_limit(cache: Redis, request: Request, name: str, per_minute: int) -> None:
    """Count one request of this address for `name`.

    Raises:
        ApiError: there were too many this minute, or the cache does not answer.
    """
    host = request.client.host if request.client else "unknown"
    key = f"limit:{name}:{limited_address(host)}"
    try:
        async with cache.pipeline(transaction=True) as pipeline:
            pipeline.incr(key)
            pipeline.expire(key, _WINDOW, nx=True)
            pipeline.ttl(key)
            count, _, seconds = await pipeline.execute()
    except RedisError:
        message = "Calls without an API key are not possible right now."
        raise ApiError(503, "unavailable", message) from None
    if count > per_minute:
        message = "Too many calls from this address. Try again in a minute."
        headers = {"Retry-After": str(max(int(seconds), 1))}
        raise ApiError(429, "too_many_requests", message, headers=headers)
