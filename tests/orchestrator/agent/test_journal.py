"""The journal of a call: what was written before a death is read again, and nothing else."""

import fcntl
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from orchestrator.agent.journal import Journal, JournalEntry, JournalHeader, find_orphans

HEADER = JournalHeader(
    subject="bot:1", business_id=uuid4(), bot_id=uuid4(), conversation_id=uuid4()
)
ENTRIES = tuple(
    JournalEntry(
        tool="append_user_turn", arguments={"order_index": index, "text": f"Zürich {index}\n"}
    )
    for index in range(3)
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where the journals are."""
    return tmp_path / "journal"


@pytest.fixture
def dead(folder: Path) -> Path:
    """The file of a call whose process has died after three entries."""
    journal = Journal.create(folder, HEADER)
    for entry in ENTRIES:
        journal.append(entry)
    journal.close(delivered=False)
    return journal.path


def test_an_orphan_holds_what_was_written(folder: Path, dead: Path) -> None:
    (orphan,) = find_orphans(folder)
    assert (orphan.header, orphan.entries) == (HEADER, ENTRIES)
    orphan.journal.close(delivered=True)
    assert not dead.exists()


@pytest.mark.parametrize("torn", [1, 20, 60])
def test_a_torn_line_never_counted(folder: Path, dead: Path, torn: int) -> None:
    dead.write_bytes(dead.read_bytes()[:-torn])
    (orphan,) = find_orphans(folder)
    assert orphan.entries == ENTRIES[: 3 if torn == 1 else 2]
    orphan.journal.close(delivered=True)


def test_a_file_that_does_not_say_whose_it_is_is_removed(folder: Path, dead: Path) -> None:
    dead.write_bytes(dead.read_bytes()[:20])
    assert list(find_orphans(folder)) == []
    assert not dead.exists()


def test_what_could_not_be_delivered_stays(folder: Path, dead: Path) -> None:
    (orphan,) = find_orphans(folder)
    orphan.journal.close(delivered=False)
    assert dead.exists()
    assert len(list(find_orphans(folder))) == 1


def test_a_living_call_is_no_orphan(folder: Path) -> None:
    journal = Journal.create(folder, HEADER)
    journal.append(ENTRIES[0])
    assert list(find_orphans(folder)) == []
    journal.close(delivered=True)
    assert list(folder.iterdir()) == []


def test_an_orphan_is_replayed_by_one_only(folder: Path, dead: Path) -> None:
    first = find_orphans(folder)
    mine = next(first)
    assert list(find_orphans(folder)) == []
    mine.journal.close(delivered=True)
    assert not dead.exists()


def test_a_call_that_just_begins_is_not_taken_for_a_dead_one(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock = fcntl.flock

    def looked_for_orphans_before(descriptor: int, operation: int) -> None:
        monkeypatch.setattr(fcntl, "flock", lock)
        assert list(find_orphans(folder)) == []
        lock(descriptor, operation)

    monkeypatch.setattr(fcntl, "flock", looked_for_orphans_before)
    journal = Journal.create(folder, HEADER)
    journal.append(ENTRIES[0])
    assert journal.path.exists()
    journal.close(delivered=True)


def test_only_we_may_read_it(folder: Path) -> None:
    journal = Journal.create(folder, HEADER)
    modes: list[Any] = [path.stat().st_mode & 0o777 for path in (folder, journal.path)]
    assert modes == [0o700, 0o600]
    journal.close(delivered=True)
