"""Which language models rest after a failure, for all calls of all workers."""

import logging
from typing import Literal
from uuid import UUID

from redis.asyncio import Redis
from redis.exceptions import RedisError

logger = logging.getLogger("antiphon.model")

_PAUSE = 30  # seconds that a deployment which failed is not asked
_BUSINESSES = 2  # whose requests have to fail before an unclear fault is the provider's

# Whose fault a failure is. Where it is unclear, a business's own prompt or settings may be why.
Fault = Literal["provider", "request", "unclear"]


class ModelHealth:
    """Failures of deployments, in the cache, as one business's calls see them.

    What the provider has failed at rests for all businesses, what may be a business's own doing
    for that business alone, and what a request has brought on itself for nobody: no business can
    take a model away from the others. Without the cache every model is taken for healthy.
    """

    def __init__(self, cache: Redis, business_id: UUID) -> None:
        self._cache = cache
        self._business_id = business_id

    async def is_healthy(self, deployment: str) -> bool:
        """Return whether a deployment is to be asked: it has not failed in the last 30 seconds."""
        try:
            return not await self._cache.exists(
                _key(deployment), _key(deployment, self._business_id)
            )
        except RedisError:
            return True

    async def record_failure(self, deployment: str, fault: Fault) -> None:
        """Have a deployment rest for those whom this failure concerns."""
        if fault == "request":
            return
        try:
            if fault == "provider" or await self._is_shared(deployment):
                await self._cache.set(_key(deployment), "1", ex=_PAUSE)
            else:
                await self._cache.set(_key(deployment, self._business_id), "1", ex=_PAUSE)
        except RedisError:
            logger.warning("a failed model could not be remembered")

    async def _is_shared(self, deployment: str) -> bool:
        """Note an unclear failure; say whether other businesses have them at the same time."""
        key = f"llm:failing:{deployment}"
        async with self._cache.pipeline(transaction=True) as pipeline:
            pipeline.sadd(key, str(self._business_id))
            pipeline.expire(key, _PAUSE, nx=True)
            pipeline.scard(key)
            _, _, businesses = await pipeline.execute()
        return int(businesses) >= _BUSINESSES


def _key(deployment: str, business_id: UUID | None = None) -> str:
    return f"llm:rests:{deployment}:{business_id or 'all'}"
