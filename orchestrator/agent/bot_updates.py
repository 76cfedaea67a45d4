"""Notices that the bot of a running call was changed.

Changes are announced in the cache. While it is down the call keeps the bot that it has.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any, cast
from uuid import UUID

from redis.asyncio import Redis
from redis.exceptions import RedisError

from config.bots import CHANGES_CHANNEL

logger = logging.getLogger("antiphon.watching")

RECONNECT_SECONDS = 2.0  # until a lost connection is opened anew
_PING_SECONDS = 60.0  # of silence, after which the connection is tested


async def watch_bot(
    cache: Redis,
    business_id: UUID,
    bot_id: UUID,
    on_change: Callable[[], Awaitable[None]],
    *,
    reconnect_seconds: float = RECONNECT_SECONDS,
) -> None:
    """Call `on_change` whenever the bot may have been changed, until this is cancelled.

    That includes each time that the connection is open: a change may have been missed before.
    """
    announced = f"{business_id}/{bot_id}"
    lost = False
    while True:
        try:
            async with cache.pubsub() as channel:
                await channel.subscribe(CHANGES_CHANNEL)
                while True:
                    message = cast(Any, await channel.get_message(timeout=_PING_SECONDS))
                    match message:
                        case None:
                            await channel.ping()
                        case {"type": "subscribe"}:  # again, where the client has reconnected
                            lost = False
                            await on_change()
                        case {"type": "message", "data": data} if data == announced:
                            await on_change()
                        case _:
                            pass
        except (RedisError, OSError):
            if not lost:
                logger.warning("changes of bots are not heard for now")
            lost = True
        await asyncio.sleep(reconnect_seconds)
