"""What a call has to tell the transcripts server, on disk before it counts.

A line is one tool call on that server, and every one of them may be repeated. The process that
serves the call holds a lock on its file; a file that nobody locks is an orphan and is replayed.
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


class Header(BaseModel):
    """Whose call a journal is of."""

    model_config = ConfigDict(frozen=True)

    subject: str
    business_id: UUID
    bot_id: UUID
    conversation_id: UUID


class Entry(BaseModel):
    """One tool call."""

    model_config = ConfigDict(frozen=True)

    tool: str
    arguments: Mapping[str, Any]


class Journal:
    """One call's file, locked as long as this process lives."""

    def __init__(self, path: Path, descriptor: int) -> None:
        self.path = path
        self._descriptor = descriptor

    @classmethod
    def start(cls, folder: Path, header: Header) -> Self:
        """Begin a call's file."""
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

    def append(self, entry: Entry) -> None:
        """Write one entry. It survives the death of this process as soon as this returns."""
        self._write(entry.model_dump(mode="json"))

    def close(self, *, delivered: bool) -> None:
        """Let go of the file; what was all delivered is not needed any more."""
        if delivered:
            self.path.unlink(missing_ok=True)
        os.close(self._descriptor)

    def _write(self, record: Mapping[str, Any]) -> None:
        line = json.dumps(record, ensure_ascii=True, separators=(",", ":")) + "\n"
        os.write(self._descriptor, line.encode())


@dataclass(frozen=True)
class Orphan:
    """A file whose process is gone, locked by whoever replays it."""

    journal: Journal
    header: Header
    entries: tuple[Entry, ...]


def orphans(folder: Path) -> Iterator[Orphan]:
    """Yield each file that no living process holds, locked."""
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
        found = _read(path)
        if found is None:
            journal.close(delivered=True)  # died before it had said whose call it is
            continue
        yield Orphan(journal, *found)


def _read(path: Path) -> tuple[Header, tuple[Entry, ...]] | None:
    """Return what the file holds; its last line may be torn, and then never counted."""
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    if not lines:
        return None
    try:
        header = Header.model_validate_json(lines[0])
    except ValidationError:
        return None
    entries: list[Entry] = []
    for line in lines[1:]:
        try:
            entries.append(Entry.model_validate_json(line))
        except ValidationError:
            break
    return header, tuple(entries)
