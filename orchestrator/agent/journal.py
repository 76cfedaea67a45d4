"""The journal of a call: what the transcripts server is to store, written to disk first.

A line is one tool call on that server, and every one of them may be repeated. The process that
serves the call holds a lock on its file; a file without a lock is an orphan and is replayed.
"""

import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, ValidationError

SERVER = "transcripts"


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
    arguments: Mapping[str, Any]


class Journal:
    """The file of one call, locked as long as this process lives."""

    def __init__(self, path: Path, descriptor: int) -> None:
        self.path = path
        self._descriptor = descriptor

    @classmethod
    def create(cls, folder: Path, header: JournalHeader) -> Self:
        """Create and lock the file of a call."""
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        path = folder / f"{header.conversation_id}.{os.getpid()}.jsonl"
        # Until it is locked and says whose it is, it must not be taken for an orphan.
        unnamed = path.with_suffix(".new")
        descriptor = os.open(unnamed, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        journal = cls(path, descriptor)
        journal._write(header.model_dump(mode="json"))
        unnamed.rename(path)
        return journal

    def append(self, entry: JournalEntry) -> None:
        """Write one entry. It survives the death of this process as soon as this returns."""
        self._write(entry.model_dump(mode="json"))

    def close(self, *, delivered: bool) -> None:
        """Unlock the file; remove it if all of it was delivered."""
        if delivered:
            self.path.unlink(missing_ok=True)
        os.close(self._descriptor)

    def _write(self, record: Mapping[str, Any]) -> None:
        line = json.dumps(record, ensure_ascii=True, separators=(",", ":")) + "\n"
        os.write(self._descriptor, line.encode())


@dataclass(frozen=True)
class OrphanedJournal:
    """A journal whose process is gone, locked by the process that replays it."""

    journal: Journal
    header: JournalHeader
    entries: tuple[JournalEntry, ...]


def find_orphans(folder: Path) -> Iterator[OrphanedJournal]:
    """Lock and yield each journal that no living process has locked."""
    for path in sorted(folder.glob("*.jsonl")):
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_APPEND)
        except FileNotFoundError:
            continue
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            continue
        journal = Journal(path, descriptor)
        content = _read(path)
        if content is None:
            journal.close(delivered=True)  # died before it had said whose call it is
            continue
        yield OrphanedJournal(journal, *content)


def _read(path: Path) -> tuple[JournalHeader, tuple[JournalEntry, ...]] | None:
    """Return header and entries, or None without a header. A torn last line does not count."""
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    if not lines:
        return None
    try:
        header = JournalHeader.model_validate_json(lines[0])
    except ValidationError:
        return None
    entries: list[JournalEntry] = []
    for line in lines[1:]:
        try:
            entries.append(JournalEntry.model_validate_json(line))
        except ValidationError:
            break
    return header, tuple(entries)
