"""Which language models have failed just now, for all calls of all workers."""

import logging

from redis.asyncio import Redis
from redis.exceptions import RedisError

logger = logging.getLogger("antiphon.model")

_PAUSE = 30  # seconds that a model which failed is not asked


class ModelHealth:
    """Failures of models, in the cache. Without the cache every model is taken for healthy."""

    def __init__(self, cache: Redis) -> None:
        self._cache = cache

    async def is_healthy(self, model: str) -> bool:
        """Return whether a model has not failed within the last 30 seconds."""
        try:
            return not await self._cache.exists(_key(model))
        except RedisError:
            return True

    async def record_failure(self, model: str) -> None:
        """Have no call ask a model for 30 seconds."""
        try:
            await self._cache.set(_key(model), "1", ex=_PAUSE)
        except RedisError:
            logger.warning("a failed model could not be remembered")


def _key(model: str) -> str:
    return f"llm:rests:{model}"
