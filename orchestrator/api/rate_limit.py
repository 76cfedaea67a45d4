"""How often somebody whom nobody knows may ask."""

from ipaddress import IPv6Address, ip_address

from redis.asyncio import Redis
from redis.exceptions import RedisError
from starlette.requests import Request

from orchestrator.api.errors import ApiError

_WINDOW = 60  # seconds
_IPV6_NETWORK = 64  # bits: what one customer of a provider has


async def limit(cache: Redis, request: Request, what: str, per_minute: int) -> None:
    """Count one request of this address for `what`.

    Raises:
        ApiError: there were too many this minute, or nobody can count them.
    """
    key = f"limit:{what}:{_address(request)}"
    try:
        async with cache.pipeline(transaction=True) as counting:
            counting.incr(key)
            counting.expire(key, _WINDOW, nx=True)
            counting.ttl(key)
            asked, _, seconds = await counting.execute()
    except RedisError:
        message = "Calls without an API key are not possible right now."
        raise ApiError(503, "unavailable", message) from None
    if asked > per_minute:
        message = "Too many calls from this address. Try again in a minute."
        headers = {"Retry-After": str(max(int(seconds), 1))}
        raise ApiError(429, "too_many_requests", message, headers=headers)


def _address(request: Request) -> str:
    host = request.client.host if request.client else "unknown"
    try:
        address = ip_address(host)
    except ValueError:
        return host
    if isinstance(address, IPv6Address):
        return f"{int(address) >> (128 - _IPV6_NETWORK):x}"
    return host
