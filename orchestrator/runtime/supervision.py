"""Keeps a process's own loops running: one that fails is logged, and started anew."""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any

logger = logging.getLogger("antiphon.supervision")


async def keep_running(
    name: str, loop: Callable[[], Coroutine[Any, Any, None]], *, pause: float = 1.0
) -> None:
    """Run `loop`, and run it again `pause` seconds after it has ended, until cancelled."""
    while True:
        task = asyncio.create_task(loop())
        try:
            await asyncio.wait({task})
        finally:
            task.cancel()
        if not task.cancelled():
            error, fields = task.exception(), {"loop": name}
            logger.error("a loop ended; it is started anew", exc_info=error, extra=fields)
        await asyncio.sleep(pause)
