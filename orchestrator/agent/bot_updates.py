"""Hears that the bot of a call was changed. A cache that is down costs freshness, nothing else."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any, cast
from uuid import UUID

from redis.asyncio import Redis
from redis.exceptions import RedisError

from config.bots import CHANGES

logger = logging.getLogger("antiphon.watching")

_QUIET = 60.0  # seconds, after which the connection has to show that it lives
_AGAIN = 2.0  # seconds until a lost connection is opened anew


async def watch(
    cache: Redis, business_id: UUID, bot_id: UUID, changed: Callable[[], Awaitable[None]]
) -> None:
    """Call `changed` whenever the bot may have been changed, until this is cancelled.

    Also once it listens, for nobody knows what was announced before.
    """
    mine = f"{business_id}/{bot_id}"
    lost = False
    while True:
        try:
            async with cache.pubsub() as channel:
                await channel.subscribe(CHANGES)
                while True:
                    message = cast(Any, await channel.get_message(timeout=_QUIET))
                    match message:
                        case None:
                            await channel.ping()
                        case {"type": "subscribe"}:  # again, where the client has reconnected
                            lost = False
                            await changed()
                        case {"type": "message", "data": data} if data == mine:
                            await changed()
                        case _:
                            pass
        except (RedisError, OSError):
            if not lost:
                logger.warning("changes of bots are not heard for now")
            lost = True
        await asyncio.sleep(_AGAIN)
