"""Tasks that are started and not waited for, until their owner closes them."""

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any

logger = logging.getLogger("antiphon.background")


class BackgroundTasks:
    """Holds running tasks, so that they are not garbage collected, and logs those that fail."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[Any]] = set()

    def start(self, coroutine: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Run a coroutine as a task."""
        task = asyncio.get_running_loop().create_task(coroutine)
        self.add(task)
        return task

    def add(self, task: asyncio.Task[Any]) -> None:
        """Hold a task that runs already."""
        self._tasks.add(task)
        task.add_done_callback(self._remove)

    async def aclose(self) -> None:
        """Cancel the tasks that still run, and wait until they have ended."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _remove(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()):
            logger.error("a background task failed", exc_info=error)
