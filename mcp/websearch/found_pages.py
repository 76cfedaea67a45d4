"""The pages that searches have found: no others are read.

A page goes by a random name within its conversation, or its business where there is none. Names are
in the cache, for all replicas of the server; a server without one has them in its memory.
"""

import logging
import secrets
from collections.abc import Sequence
from functools import partial

from redis.exceptions import RedisError

from toolkit.errors import NotFound, Unavailable
from toolkit.tenancy import ToolCall
from websearch.sentences import say

logger = logging.getLogger("antiphon.websearch")

LIFETIME = 3600  # seconds


class FoundPages:
    """The pages that were found in the conversation of a tool call."""

    def __init__(self, call: ToolCall) -> None:
        self._cache = call.runtime.cache
        self._memory = call.runtime.ttl_cache
        self._scope = f"{call.business_id}:{call.claims.conversation_id or ''}"

    async def add(self, links: Sequence[str]) -> list[str | None]:
        """Return a name for each link; None where the cache does not take them."""
        names = [secrets.token_hex(4) for _ in links]
        if self._cache is None:
            for name, link in zip(names, links, strict=True):
                await self._memory.get(self._key(name), LIFETIME, partial(_link, link))
            return [*names]
        try:
            async with self._cache.pipeline(transaction=False) as pipeline:
                for name, link in zip(names, links, strict=True):
                    pipeline.set(self._key(name), link, ex=LIFETIME)
                await pipeline.execute()
        except RedisError:
            logger.warning("found pages cannot be read: the cache does not answer")
            return [None] * len(links)
        return [*names]

    async def find(self, name: str) -> str:
        """Return the link of a page.

        Raises:
            NotFound: no such page has been found here within the last hour.
            Unavailable: the cache does not answer.
        """
        try:
            link = await self._look_up(self._key(name))
        except RedisError:
            raise Unavailable("What was found cannot be looked up.") from None
        if link is None:
            raise NotFound(
                "No such page was found.",
                say=say("which_page"),
                next="Call search_web, and pass the `page` of one of its results.",
            )
        return link

    async def _look_up(self, key: str) -> str | None:
        if self._cache is not None:
            link = await self._cache.get(key)
            return link if isinstance(link, str) else None
        try:
            return await self._memory.get(key, LIFETIME, partial(_link, None))
        except LookupError:
            return None

    def _key(self, name: str) -> str:
        return f"websearch:{self._scope}:{name.strip()}"


async def _link(link: str | None) -> str:
    """Return a link to be stored; a failure is not stored.

    Raises:
        LookupError: there is none.
    """
    if link is None:
        raise LookupError
    return link
