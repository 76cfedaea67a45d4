"""The cache, Valkey or Redis, for data that may be lost.

Nothing waits for it longer than a quarter of a second.
"""

from redis.asyncio import BlockingConnectionPool, Redis

_TIMEOUT = 0.25  # seconds
_CONNECTIONS = 50


def connect(url: str) -> Redis:
    """Return a client that waits for a free connection, within its timeout, before it fails."""
    pool = BlockingConnectionPool.from_url(
        url,
        max_connections=_CONNECTIONS,
        timeout=_TIMEOUT,
        socket_timeout=_TIMEOUT,
        socket_connect_timeout=_TIMEOUT,
        decode_responses=True,
        driver_info=None,  # it looks its own version up among all packages, in a call
    )
    return Redis.from_pool(pool)
