"""What is in the folder of the journals, for the command line, the doctor and the metrics."""

import fcntl
import os
from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from orchestrator.agent.journal import JOURNAL, describe_error
from orchestrator.agent.journal_files import (
    DEAD,
    UNREADABLE,
    DeadLetter,
    Line,
    UnreadableError,
    read_dead_letters,
    read_journal,
    read_progress,
)


@dataclass
class CallReport:
    """What is left of one call: entries that wait, dead letters, and files that say nothing.

    `in_use` are the entries of a journal that a process has locked: its call lives, or it is being
    delivered. `error` is the last one; `since` is when the oldest of all that was written.
    """

    conversation_id: str
    in_use: list[Line] = field(default_factory=list[Line])
    undelivered: list[Line] = field(default_factory=list[Line])
    dead_letters: list[DeadLetter] = field(default_factory=list[DeadLetter])
    unreadable: list[Path] = field(default_factory=list[Path])
    error: str = ""
    since: datetime | None = None

    def note(self, since: datetime, error: str | None) -> None:
        """Note when something was written, and why it is still there."""
        self.since = min(self.since or since, since)
        self.error = error or self.error


@dataclass(frozen=True)
class FolderReport:
    """What is left of all calls."""

    calls: tuple[CallReport, ...]

    @property
    def undelivered(self) -> int:
        """Return how many entries wait for their delivery."""
        return sum(len(call.undelivered) for call in self.calls)

    @property
    def dead_letters(self) -> int:
        """Return how many entries were set aside."""
        return sum(len(call.dead_letters) for call in self.calls)

    @property
    def unreadable(self) -> int:
        """Return how many files do not say whose they are, or cannot be opened."""
        return sum(len(call.unreadable) for call in self.calls)


def check_readable(folder: Path) -> None:
    """Check that what is in a folder can be listed; one that is not there is empty.

    Raises:
        OSError: it cannot.
    """
    with suppress(FileNotFoundError), os.scandir(folder):
        pass


def report_folder(folder: Path, delivering: Collection[Path] = ()) -> FolderReport:
    """Read what is left of calls. `delivering` are journals that this process has locked."""
    calls: dict[str, CallReport] = {}
    for path in sorted([*folder.glob(f"*{JOURNAL}"), *folder.glob(f"*{UNREADABLE}")]):
        name = path.name.split(".")[0]
        call = calls.setdefault(name, CallReport(name))
        _add_journal(call, path, in_delivery=path in delivering)
    for path in sorted(folder.glob(f"*{DEAD}")):
        _add_dead_letters(calls.setdefault(path.stem, CallReport(path.stem)), path)
    return FolderReport(tuple(call for call in calls.values() if call.since is not None))


def _add_journal(call: CallReport, path: Path, *, in_delivery: bool) -> None:
    try:
        written = datetime.fromtimestamp(path.lstat().st_mtime, UTC)
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError:
        return
    except OSError as error:
        call.unreadable.append(path)
        call.note(datetime.now(UTC), describe_error(error))
        return
    try:
        waiting = call.undelivered if in_delivery or _is_free(descriptor) else call.in_use
        _, lines = read_journal(descriptor)
    except OSError as error:
        call.unreadable.append(path)
        call.note(written, describe_error(error))
    except UnreadableError as error:
        call.unreadable.append(path)
        call.note(written, str(error))
    else:
        progress = read_progress(path)
        waiting += [line for line in lines if line.digest not in progress.done]
        call.note(written, progress.error)
    finally:
        os.close(descriptor)


def _is_free(descriptor: int) -> bool:
    try:
        # A shared lock: two who only look do not take each other for a call.
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _add_dead_letters(call: CallReport, path: Path) -> None:
    try:
        _, letters = read_dead_letters(path)
    except FileNotFoundError:
        return
    except OSError as error:
        call.unreadable.append(path)
        call.note(datetime.now(UTC), describe_error(error))
        return
    call.dead_letters += letters
    for letter in letters:
        call.note(letter.at, letter.error)
