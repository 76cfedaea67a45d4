"""The journal of a call: what the transcripts server is to store, written to disk first.

A line is one tool call on that server, and every one of them may be repeated. The process that
serves the call holds a lock on its file; a file without a lock is an orphan, which
`journal_replay` delivers. What the disk does not take waits in memory until it does.
"""

import asyncio
import fcntl
import json
import logging
import math
import os
from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any, Self, cast
from uuid import UUID, uuid4

from pydantic import BaseModel, BeforeValidator, ConfigDict

from config.settings import Settings
from orchestrator.agent import journal_metrics as metrics

logger = logging.getLogger("antiphon.journal")

SERVER = "transcripts"
JOURNAL = ".jsonl"
BEGUN = ".new"  # a journal that is not locked yet, or does not say yet whose it is
PROBE = ".probe"
_MAX_DEPTH = 50  # of what is stored; encoders of JSON give up on what is much deeper
_PROBE_BYTES = 4096  # less could fit beside a file's own record
_PROBE_TIMEOUT = 2.0  # seconds


def storable(value: Any, depth: int = 0) -> Any:
    """Return a value that JSON, the transcripts server and PostgreSQL take.

    Lone surrogates are replaced, NaN and infinite numbers are None.
    """
    if depth > _MAX_DEPTH:
        return None
    match value:
        case str():
            return value.encode("utf-8", "replace").decode()
        case float():
            return value if math.isfinite(value) else None
        case None | bool() | int():
            return value
        case Mapping():
            items = cast("Mapping[object, object]", value).items()
            return {storable(str(name)): storable(each, depth + 1) for name, each in items}
        case list() | tuple():
            return [storable(each, depth + 1) for each in cast("list[Any]", value)]
        case _:
            return storable(str(value))


def journal_folder(settings: Settings) -> Path:
    """Return where the calls of this machine have their journals."""
    return settings.state_dir / "journal"


class JournalHeader(BaseModel):
    """The first line of a journal: which call it is of."""

    model_config = ConfigDict(frozen=True)

    subject: str
    business_id: UUID
    bot_id: UUID
    conversation_id: UUID


class JournalEntry(BaseModel):
    """One line of a journal: a tool call on the transcripts server."""

    model_config = ConfigDict(frozen=True)

    tool: str
    arguments: Annotated[Mapping[str, Any], BeforeValidator(storable)]


class Journal:
    """The file of one call, locked as long as this process lives.

    Nothing here raises for a disk that is full or broken. A call goes on with what it has to say
    in memory, and each write begins with what the disk has not taken yet.
    """

    def __init__(self, path: Path, header: JournalHeader) -> None:
        self.path = path
        self._header = header
        self._descriptor: int | None = None
        self._unwritten: deque[bytes] = deque()
        self._failing = False

    @classmethod
    def create(cls, folder: Path, header: JournalHeader) -> Self:
        """Create and lock the file of a call."""
        # No second process may ever take the name, not even with the same number on another host.
        name = f"{header.conversation_id}.{os.getpid()}.{uuid4().hex[:8]}{JOURNAL}"
        journal = cls(folder / name, header)
        journal.flush()
        return journal

    @property
    def unwritten(self) -> int:
        """Return how many entries are in memory only."""
        return len(self._unwritten)

    def append(self, entry: JournalEntry) -> None:
        """Write one entry. On disk, it survives the death of this process."""
        self._unwritten.append(json_line(entry))
        self.flush()

    def flush(self) -> bool:
        """Write what is in memory only, and return whether everything is on disk."""
        try:
            if self._descriptor is None:
                self._descriptor = _create_locked(self.path, json_line(self._header))
            while self._unwritten:
                append_line(self._descriptor, self._unwritten[0])
                self._unwritten.popleft()
        except OSError as error:
            self._report_failure(error)
        else:
            self._report_success()
        metrics.unwritten.set(len(self._unwritten))
        return not self._failing

    def close(self, *, delivered: bool) -> None:
        """Unlock the file; remove it if all of it was delivered."""
        if self._descriptor is None:
            return
        if delivered:
            remove(self.path)
        os.close(self._descriptor)
        self._descriptor = None

    def _report_failure(self, error: OSError) -> None:
        metrics.write_failures.add(1)
        if not self._failing:
            fields = {"error": describe_error(error)}
            logger.error("a journal cannot be written; it goes on in memory", extra=fields)
        self._failing = True

    def _report_success(self) -> None:
        if self._failing:
            logger.warning("a journal is on disk, after it could not be written")
        self._failing = False


def json_line(record: BaseModel) -> bytes:
    """Return a record as one line of JSON, in ASCII."""
    fields = record.model_dump(mode="json", exclude_none=True)
    return json.dumps(fields, ensure_ascii=True, separators=(",", ":")).encode() + b"\n"


def append_line(descriptor: int, line: bytes) -> None:
    """Append a line as a whole, on a line of its own.

    Raises:
        OSError: the disk does not take it; what it took of it is removed where that is possible.
    """
    size = os.fstat(descriptor).st_size
    torn = size > 0 and os.pread(descriptor, 1, size - 1) != b"\n"
    try:
        write_all(descriptor, b"\n" + line if torn else line)
    except OSError:
        with suppress(OSError):
            os.ftruncate(descriptor, size)
        raise


def write_all(descriptor: int, data: bytes) -> None:
    """Write all of `data`: one write may take less.

    Raises:
        OSError: the disk does not take all of it.
    """
    left = memoryview(data)
    while left:
        left = left[os.write(descriptor, left) :]


def open_locked(path: Path, *, create: bool = False) -> int | None:
    """Open and lock a file; None if it is gone, or another process has locked it.

    Raises:
        OSError: it cannot be opened or locked.
    """
    flags = os.O_RDWR | os.O_APPEND | os.O_NOFOLLOW
    try:
        descriptor = os.open(path, flags | os.O_CREAT if create else flags, 0o600)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # Between the two it may have been removed or replaced by who had locked it.
        if path.exists() and os.path.samestat(path.stat(), os.fstat(descriptor)):
            return descriptor
    except (BlockingIOError, FileNotFoundError):
        pass
    except OSError:
        os.close(descriptor)
        raise
    os.close(descriptor)
    return None


def remove(path: Path) -> bool:
    """Remove a file, and return whether it is gone; one that cannot be removed is logged."""
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        fields = {"error": describe_error(error)}
        logger.warning("a file of a journal could not be removed", extra=fields)
        return False
    return True


def describe_error(error: OSError) -> str:
    """Return the kind of an error of the operating system: its text would name files."""
    return f"{type(error).__name__}: {os.strerror(error.errno)}" if error.errno else "OSError"


def probe(folder: Path) -> None:
    """Write, sync and remove a small file, as a journal is written.

    Raises:
        OSError: the folder takes no journal.
    """
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    path = folder / f"{os.getpid()}{PROBE}"
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        write_all(descriptor, os.urandom(_PROBE_BYTES))
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
        path.unlink(missing_ok=True)


_probing: dict[Path, asyncio.Future[None]] = {}


async def is_writable(folder: Path) -> bool:
    """Say whether a journal could be written to `folder` now; it is tried, in a thread.

    A disk that hangs is not writable, and is not asked twice at the same time.
    """
    probing = _probing.get(folder)
    if probing is None or probing.done() or probing.get_loop() is not asyncio.get_running_loop():
        probing = _probing[folder] = asyncio.ensure_future(asyncio.to_thread(probe, folder))
        probing.add_done_callback(_retrieve_exception)
    done, _ = await asyncio.wait({probing}, timeout=_PROBE_TIMEOUT)
    return bool(done) and not probing.cancelled() and probing.exception() is None


def _retrieve_exception(probing: "asyncio.Future[None]") -> None:
    """Mark an exception as retrieved: after a timeout nobody asks for it."""
    if not probing.cancelled():
        probing.exception()


def _create_locked(path: Path, first_line: bytes) -> int:
    """Create and lock a file with its first line; until then, nobody can take it for an orphan.

    Raises:
        OSError: that is not possible; nothing of it is left where that can be helped.
    """
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    begun = path.with_suffix(BEGUN)
    descriptor = os.open(begun, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        write_all(descriptor, first_line)
        begun.rename(path)
    except OSError:
        os.close(descriptor)
        with suppress(OSError):
            begun.unlink()
        raise
    return descriptor
