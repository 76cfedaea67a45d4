"""Replays journals of calls whose process has ended, side by side, and retries dead letters.

One try of a journal ends with the first entry that fails; the next try comes later, and begins
with the entries that have failed least. So neither a journal nor an entry holds up another.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from uuid import UUID

from orchestrator.agent import journal_metrics as metrics
from orchestrator.agent.journal import JournalEntry, is_writable
from orchestrator.agent.journal_delivery import (
    Delivery,
    Verdict,
    deliver,
    in_order,
    retry_delay,
    set_aside,
)
from orchestrator.agent.journal_files import (
    UNREADABLE_LINE,
    DeadLetter,
    Line,
    LockedDeadLetters,
    Orphan,
    UnreadableError,
    find_orphans,
    lock_dead_letters,
    open_orphan,
)
from orchestrator.agent.journal_report import report_folder
from orchestrator.mcp_client.router import Router

logger = logging.getLogger("antiphon.journal")

_INTERVAL = 3.0  # seconds between two looks into the folder
_REPORT_INTERVAL = 30.0  # seconds between two counts of what is left
_RETRY_DELAYS = (3.0, 6.0, 12.0, 30.0, 60.0, 120.0, 300.0)  # seconds; the last one repeats
_CONCURRENCY = 8  # journals that are delivered at the same time
MAX_DOUBTFUL_TRIES = 12  # of an entry, which take half an hour

_INTERRUPTED = Delivery(Verdict.LATER, "interrupted")
_DISK = Delivery(Verdict.LATER, "disk")  # a dead letter could not be stored

IsLost = Callable[[UUID], Awaitable[bool]]


class JournalReplay:
    """Delivers the orphans in a folder.

    `is_lost` says whether a conversation without an end is nobody's any more; it is ended then.
    """

    def __init__(
        self,
        router: Router,
        folder: Path,
        *,
        is_lost: IsLost | None = None,
        concurrency: int = _CONCURRENCY,
    ) -> None:
        self._router = router
        self._folder = folder
        self._is_lost = is_lost
        self._slots = asyncio.Semaphore(concurrency)
        self._running: dict[Path, asyncio.Task[bool]] = {}
        self._failures: dict[Path, int] = {}
        self._due: dict[Path, float] = {}  # times of time.monotonic()
        self._runs = 0
        self._writable = True
        self._next_report = 0.0

    async def run(self) -> None:
        """Replay what there is and what comes, until cancelled."""
        if self._runs:
            metrics.replay_restarts.add(1)
        self._runs += 1
        try:
            while True:
                await self._start_due()
                await self._measure()
                await asyncio.sleep(_INTERVAL)
        finally:
            await self._stop()

    async def run_once(self, conversation_id: UUID | None = None) -> int:
        """Try each journal that is due, or those of one call; return how many were finished."""
        try:
            tasks = await self._start_due(conversation_id)
            if tasks:
                await asyncio.wait(tasks)
            return sum(_has_finished(task) for task in tasks)
        finally:
            await self._stop()

    async def _start_due(self, conversation_id: UUID | None = None) -> list[asyncio.Task[bool]]:
        """Start a try of each journal that is due, without waiting for those that run."""
        tasks: list[asyncio.Task[bool]] = []
        found = await asyncio.to_thread(find_orphans, self._folder)
        self._failures = {path: self._failures[path] for path in found if path in self._failures}
        self._due = {path: self._due[path] for path in found if path in self._due}
        for path in found:
            if conversation_id is not None and not path.name.startswith(f"{conversation_id}."):
                continue
            if path in self._running or self._due.get(path, 0.0) > time.monotonic():
                continue
            task = asyncio.create_task(self._replay(path))
            self._running[path] = task
            task.add_done_callback(partial(self._note_end, path))
            tasks.append(task)
        return tasks

    async def _stop(self) -> None:
        tasks = [*self._running.values()]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    def _note_end(self, path: Path, task: asyncio.Task[bool]) -> None:
        self._running.pop(path, None)
        if not task.cancelled() and (error := task.exception()) is not None:
            logger.error("a journal could not be replayed", exc_info=error)
            self._postpone(path, None)

    def _postpone(self, path: Path, retry_after: float | None) -> None:
        failures = self._failures[path] = self._failures.get(path, 0) + 1
        self._due[path] = time.monotonic() + retry_delay(_RETRY_DELAYS, failures, retry_after)

    async def _replay(self, path: Path) -> bool:
        """Try a journal once, and return whether nothing of it is left to deliver."""
        async with self._slots:
            try:
                orphan = await _open(path)
            except UnreadableError as error:
                logger.warning("a journal cannot be read; it stays", extra={"reason": str(error)})
                self._postpone(path, None)
                return False
            if orphan is None:
                return False
            failed: Delivery | None = _INTERRUPTED
            try:
                failed = await self._deliver(orphan)
            finally:
                removed = orphan.close(delivered=failed is None)
        if failed is not None or not removed:
            self._postpone(path, failed.retry_after if failed else None)
            return False
        logger.warning("the journal of a call was replayed after its process")
        return True

    async def _deliver(self, orphan: Orphan) -> Delivery | None:
        """Deliver what is pending; return the failure that ends this try, None if there is none."""
        progress = orphan.progress
        pending = [(line, progress.tries.get(line.digest, 0)) for line in orphan.pending]
        disk_failed = False
        for line in in_order(pending):
            failed = await self._deliver_line(orphan, line)
            if failed is _DISK:
                disk_failed = True  # which is no reason to leave the others undelivered
            elif failed is not None:
                return failed
        if (end := await self._missing_end(orphan)) is not None:
            failed = await self._deliver_line(orphan, end)
            if failed is not None:
                return failed
        return _DISK if disk_failed else None

    async def _deliver_line(self, orphan: Orphan, line: Line) -> Delivery | None:
        """Deliver a line, or set it aside; return why neither was possible."""
        progress = orphan.progress
        tries = progress.tries.get(line.digest, 0) + 1
        if line.entry is None:
            failed = Delivery(Verdict.REFUSED, UNREADABLE_LINE)
        else:
            failed = await deliver(self._router, orphan.header, line.entry)
        if failed.verdict is Verdict.REFUSED or (
            failed.verdict is Verdict.DOUBTFUL and tries >= MAX_DOUBTFUL_TRIES
        ):
            stored = await set_aside(self._folder, orphan.header, [line], failed.error)
            failed = Delivery(Verdict.DELIVERED) if stored else _DISK
        if failed.verdict is Verdict.DELIVERED:
            progress.done.add(line.digest)
            return None
        progress.tries[line.digest] = tries
        progress.error = failed.error
        return failed

    async def _missing_end(self, orphan: Orphan) -> Line | None:
        """Return the end of a call whose process died and which no other one has taken over."""
        if any(entry.tool == "end_conversation" for entry in orphan.entries):
            return None
        if self._is_lost is None or not await self._is_lost(orphan.header.conversation_id):
            return None
        arguments = {"reason": "agent_lost"}
        return Line.of(JournalEntry(tool="end_conversation", arguments=arguments))

    async def _measure(self) -> None:
        """Measure the folder, and say so when it stops taking journals."""
        writable = await is_writable(self._folder)
        metrics.writable.set(int(writable))
        if self._writable and not writable:
            logger.error("the folder of the journals cannot be written: no call is taken")
        self._writable = writable
        if time.monotonic() < self._next_report:
            return
        self._next_report = time.monotonic() + _REPORT_INTERVAL
        report = await asyncio.to_thread(report_folder, self._folder, {*self._running})
        metrics.undelivered.set(report.undelivered, {"where": "orphans"})
        metrics.dead_letters.set(report.dead_letters)
        metrics.unreadable.set(report.unreadable)


async def replay_orphans(
    router: Router, folder: Path, conversation_id: UUID | None = None, is_lost: IsLost | None = None
) -> int:
    """Try each orphan once, or those of one call, and return how many were finished."""
    return await JournalReplay(router, folder, is_lost=is_lost).run_once(conversation_id)


@dataclass
class Retried:
    """What came of dead letters that were delivered anew."""

    delivered: int = 0
    left: int = 0
    errors: set[str] = field(default_factory=set[str])


async def retry_dead_letters(router: Router, path: Path) -> Retried:
    """Deliver the dead letters of one call anew; those that are refused once more stay.

    Raises:
        OSError: the file cannot be read or written, or another process has locked it.
    """
    result = Retried()
    with lock_dead_letters(path) as file:
        left: list[DeadLetter] = []
        for number, letter in enumerate(file.letters):
            error, verdict = await _retry(router, file, letter)
            if error is None:
                result.delivered += 1
                continue
            result.errors.add(error)
            left.append(letter.model_copy(update={"error": error}))
            if verdict is Verdict.LATER:
                left += file.letters[number + 1 :]
                break
        result.left = len(left)
        file.letters = left
        file.save()
    return result


async def _retry(
    router: Router, file: LockedDeadLetters, letter: DeadLetter
) -> tuple[str | None, Verdict]:
    entry = letter.line.entry
    if file.header is None or entry is None:
        return UNREADABLE_LINE, Verdict.REFUSED
    delivery = await deliver(router, file.header, entry)
    return delivery.error or None, delivery.verdict


async def _open(path: Path) -> Orphan | None:
    """Open an orphan in a thread; one that is opened too late for its asker is closed.

    Raises:
        UnreadableError: it cannot be read.
    """
    opening = asyncio.ensure_future(asyncio.to_thread(open_orphan, path))
    try:
        return await asyncio.shield(opening)
    except asyncio.CancelledError:
        opening.add_done_callback(_close_opened)
        raise


def _close_opened(opening: "asyncio.Future[Orphan | None]") -> None:
    if opening.cancelled() or opening.exception() is not None:
        return
    if (orphan := opening.result()) is not None:
        orphan.close(delivered=False)


def _has_finished(task: asyncio.Task[bool]) -> bool:
    return not task.cancelled() and task.exception() is None and task.result()
