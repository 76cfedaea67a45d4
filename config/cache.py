"""Valkey or Redis: what may be forgotten.

Calls wait for nothing here longer than a quarter of a second.
"""

from redis.asyncio import BlockingConnectionPool, Redis

_PATIENCE = 0.25  # seconds
_CONNECTIONS = 50


def connect(url: str) -> Redis:
    """Return a client that waits for a free connection instead of failing, within its patience."""
    pool = BlockingConnectionPool.from_url(
        url,
        max_connections=_CONNECTIONS,
        timeout=_PATIENCE,
        socket_timeout=_PATIENCE,
        socket_connect_timeout=_PATIENCE,
        decode_responses=True,
        driver_info=None,  # it looks its own version up among all packages, in a call
    )
    return Redis.from_pool(pool)
