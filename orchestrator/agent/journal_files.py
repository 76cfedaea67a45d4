"""What is beside the journals of living calls: orphans, their progress, and dead letters.

* `<conversation>.<process>.<id>.jsonl` is a journal; nobody has locked an orphan.
* The same with `.new` was begun and never got its first line or its name.
* The same with `.progress` says how far an orphan has been delivered.
* The same with `.unreadable` is a journal that does not say whose it is, until it is mended.
* `<conversation>.dead` are the dead letters of a call: what the server refuses for good.
"""

import base64
import hashlib
import os
import stat
import time
from collections.abc import Generator, Iterable, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Self
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from orchestrator.agent.journal import (
    BEGUN,
    JOURNAL,
    PROBE,
    JournalEntry,
    JournalHeader,
    append_line,
    describe_error,
    json_line,
    open_locked,
    remove,
    write_all,
)

PROGRESS = ".progress"
UNREADABLE = ".unreadable"
DEAD = ".dead"
UNREADABLE_LINE = "unreadable"  # the error of a dead letter that is no entry
TEMPORARY = ".tmp"
_ABANDONED = 60.0  # seconds after which nobody goes on with a file that was begun


class UnreadableError(Exception):
    """A journal could not be opened, or does not say whose it is."""


@dataclass(frozen=True)
class Line:
    """A line of a journal behind its header: an entry, or bytes that are none."""

    raw: bytes
    entry: JournalEntry | None

    @classmethod
    def parse(cls, raw: bytes) -> Self:
        """Read a line."""
        try:
            return cls(raw, JournalEntry.model_validate_json(raw))
        except ValidationError:
            return cls(raw, None)

    @classmethod
    def of(cls, entry: JournalEntry) -> Self:
        """Return the line of an entry."""
        return cls(json_line(entry).rstrip(), entry)

    @property
    def digest(self) -> str:
        """Return what names this line in a progress."""
        return hashlib.sha256(self.raw).hexdigest()[:24]


class Progress(BaseModel):
    """How far an orphan has been delivered; lines are named by their digests."""

    done: set[str] = Field(default_factory=set)
    tries: dict[str, int] = Field(default_factory=dict)
    error: str | None = None


@dataclass
class Orphan:
    """A journal whose process is gone, locked by the process that replays it."""

    path: Path
    header: JournalHeader
    lines: Sequence[Line]
    progress: Progress
    _descriptor: int = field(repr=False)

    @property
    def entries(self) -> tuple[JournalEntry, ...]:
        """Return every entry."""
        return tuple(line.entry for line in self.lines if line.entry is not None)

    @property
    def pending(self) -> list[Line]:
        """Return the lines that are neither delivered nor set aside."""
        return [line for line in self.lines if line.digest not in self.progress.done]

    def close(self, *, delivered: bool) -> bool:
        """Unlock the file; remove it if all of it was delivered or set aside, and return if so."""
        removed = delivered and remove(self.path)
        if removed:
            remove(self.path.with_suffix(PROGRESS))
        else:
            # What was delivered may be delivered once more, so a full disk costs only time.
            with suppress(OSError):
                replace_file(self.path.with_suffix(PROGRESS), json_line(self.progress))
        os.close(self._descriptor)
        return removed


def _check_base64(text: str) -> str:
    base64.b64decode(text, validate=True)
    return text


class DeadLetter(BaseModel):
    """What the server refuses for good, or a line that is no entry: then `raw` has its bytes."""

    model_config = ConfigDict(frozen=True)

    at: datetime
    error: str
    entry: JournalEntry | None = None
    raw: Annotated[str, AfterValidator(_check_base64)] | None = None

    @classmethod
    def of(cls, line: Line, error: str) -> Self:
        """Return the dead letter of a line."""
        if line.entry is not None:
            return cls(at=datetime.now(UTC), error=error, entry=line.entry)
        raw = base64.b64encode(line.raw).decode()
        return cls(at=datetime.now(UTC), error=UNREADABLE_LINE, raw=raw)

    @classmethod
    def parse(cls, raw: bytes) -> Self:
        """Read a line of a file of dead letters; one that is none becomes one itself."""
        try:
            return cls.model_validate_json(raw)
        except ValidationError:
            return cls.of(Line(raw, None), UNREADABLE_LINE)

    @property
    def line(self) -> Line:
        """Return the line that this was made of."""
        if self.entry is not None:
            return Line.of(self.entry)
        return Line.parse(base64.b64decode(self.raw or ""))


def find_orphans(folder: Path) -> list[Path]:
    """Return the journals that may be orphans, oldest first.

    Those that were only begun, and those whose first line was mended, are among them; what dead
    processes have left of other files is removed.
    """
    old = [path for path in folder.iterdir() if _age(path) > _ABANDONED] if folder.is_dir() else []
    for path in old:
        if path.suffix == BEGUN or path.suffix == UNREADABLE:
            with suppress(OSError):
                _adopt(path)
        elif path.suffix in (TEMPORARY, PROBE) or (
            path.suffix == PROGRESS and not path.with_suffix(JOURNAL).exists()
        ):
            remove(path)
    return sorted(folder.glob(f"*{JOURNAL}"), key=_age, reverse=True)


def open_orphan(path: Path) -> Orphan | None:
    """Lock and read a journal; None if its call lives, or another process replays it.

    A journal that does not say whose it is gets another name, and stays.

    Raises:
        UnreadableError: it cannot be opened, is no file, or does not say whose it is.
    """
    try:
        descriptor = open_locked(path)
    except OSError as error:
        raise UnreadableError(describe_error(error)) from None
    if descriptor is None:
        return None
    try:
        header, lines = read_journal(descriptor)
    except OSError as error:
        os.close(descriptor)
        raise UnreadableError(describe_error(error)) from None
    except UnreadableError:
        with suppress(OSError):
            path.rename(path.with_suffix(UNREADABLE))
        os.close(descriptor)
        raise
    return Orphan(path, header, lines, read_progress(path), descriptor)


def read_journal(descriptor: int) -> tuple[JournalHeader, list[Line]]:
    """Return the header and the lines of a journal.

    Raises:
        UnreadableError: its first line is no header.
        OSError: it cannot be read.
    """
    first, *rest = _read_all(descriptor).split(b"\n")
    try:
        header = JournalHeader.model_validate_json(first)
    except ValidationError:
        raise UnreadableError("it does not say whose it is") from None
    return header, [Line.parse(raw) for raw in rest if raw.strip()]


def read_progress(path: Path) -> Progress:
    """Return how far a journal has been delivered, as far as that is known."""
    try:
        return Progress.model_validate_json(path.with_suffix(PROGRESS).read_bytes())
    except (OSError, ValidationError):
        return Progress()


def dead_letters_path(folder: Path, conversation_id: UUID) -> Path:
    """Return the file of a call's dead letters."""
    return folder / f"{conversation_id}{DEAD}"


def add_dead_letters(folder: Path, header: JournalHeader, letters: Iterable[DeadLetter]) -> None:
    """Append dead letters to the file of their call, on disk when this returns.

    Letters that are there already, from an attempt that ended in between, are not added.

    Raises:
        OSError: the disk does not take them, or another process has locked the file.
    """
    path = dead_letters_path(folder, header.conversation_id)
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    with _locked(path, create=True) as descriptor:
        present, stored = _parse_dead_letters(_read_all(descriptor))
        digests = {letter.line.digest for letter in stored}
        added = [letter for letter in letters if letter.line.digest not in digests]
        first = [] if present else [json_line(header)]
        lines = [*first, *(json_line(letter) for letter in added)]
        if lines:
            append_line(descriptor, b"".join(lines))
            os.fsync(descriptor)


def read_dead_letters(path: Path) -> tuple[JournalHeader | None, list[DeadLetter]]:
    """Return whose dead letters these are, if that can be read, and the letters.

    Raises:
        OSError: they cannot be read.
    """
    return _parse_dead_letters(path.read_bytes())


@dataclass
class LockedDeadLetters:
    """The dead letters of a call, locked by the process that delivers them."""

    path: Path
    header: JournalHeader | None
    letters: list[DeadLetter]

    def save(self) -> None:
        """Write the letters that are left; remove the file if there are none.

        Raises:
            OSError: that is not possible; the file is as it was.
        """
        if not self.letters:
            self.path.unlink()
            return
        first = [json_line(self.header)] if self.header else []
        replace_file(self.path, b"".join([*first, *map(json_line, self.letters)]))


@contextmanager
def lock_dead_letters(path: Path) -> Generator[LockedDeadLetters]:
    """Lock and read a file of dead letters.

    Raises:
        OSError: it cannot be read, or another process has locked it.
    """
    with _locked(path) as descriptor:
        yield LockedDeadLetters(path, *_parse_dead_letters(_read_all(descriptor)))


def replace_file(path: Path, content: bytes) -> None:
    """Replace a file as a whole, by one that only its owner can read.

    Raises:
        OSError: that is not possible; the file is as it was.
    """
    written = path.with_name(f"{path.name}.{os.getpid()}{TEMPORARY}")
    descriptor = os.open(written, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        write_all(descriptor, content)
        os.fsync(descriptor)
        written.replace(path)
    except OSError:
        with suppress(OSError):
            written.unlink()
        raise
    finally:
        os.close(descriptor)


@contextmanager
def _locked(path: Path, *, create: bool = False) -> Generator[int]:
    descriptor = open_locked(path, create=create)
    if descriptor is None:
        raise BlockingIOError(f"{path.name} is locked, or gone")
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _parse_dead_letters(content: bytes) -> tuple[JournalHeader | None, list[DeadLetter]]:
    header: JournalHeader | None = None
    letters: list[DeadLetter] = []
    for raw in content.split(b"\n"):
        if not raw.strip():
            continue
        if header is None:
            with suppress(ValidationError):
                header = JournalHeader.model_validate_json(raw)
                continue
        letters.append(DeadLetter.parse(raw))
    return header, letters


def _adopt(path: Path) -> None:
    """Make a file an orphan if it says whose it is.

    Entries are not written before a journal has its name: one that was only begun, and does not
    say whose it is, is empty.
    """
    descriptor = open_locked(path)
    if descriptor is None:
        return
    try:
        read_journal(descriptor)
    except UnreadableError:
        if path.suffix == BEGUN:
            remove(path)
    else:
        path.rename(path.with_suffix(JOURNAL))
    finally:
        os.close(descriptor)


def _read_all(descriptor: int) -> bytes:
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        raise OSError("it is no file")
    parts: list[bytes] = []
    offset = 0
    while part := os.pread(descriptor, 1 << 20, offset):
        parts.append(part)
        offset += len(part)
    return b"".join(parts)


def _age(path: Path) -> float:
    try:
        return time.time() - path.stat().st_mtime
    except OSError:
        return 0.0
