"""The journal of a call: whatever its disk and its process come to, nothing said is lost."""

import fcntl
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from orchestrator.agent.journal import (
    Journal,
    JournalEntry,
    JournalHeader,
    is_writable,
    json_line,
    open_locked,
    probe,
    storable,
)
from orchestrator.agent.journal_files import (
    DeadLetter,
    Line,
    Orphan,
    UnreadableError,
    add_dead_letters,
    dead_letters_path,
    find_orphans,
    lock_dead_letters,
    open_orphan,
    read_dead_letters,
)
from orchestrator.agent.journal_report import report_folder
from tests.support.metrics import read_metric
from tests.support.recording import user_turn

HEADER = JournalHeader(
    subject="bot:1", business_id=uuid4(), bot_id=uuid4(), conversation_id=uuid4()
)
ENTRIES = tuple(user_turn(index, f"Zürich {index}\n\x85\u2028") for index in range(3))
NOBODY = 65534


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


def orphan_at(path: Path) -> Orphan:
    """Open a journal that must be an orphan."""
    orphan = open_orphan(path)
    assert orphan is not None
    return orphan


def names(folder: Path) -> list[str]:
    """Return what is in a folder."""
    return sorted(path.name for path in folder.iterdir())


def descriptor_of(path: Path) -> int:
    """Return the descriptor with which this process has opened a file."""
    for link in Path("/proc/self/fd").iterdir():
        if link.exists() and link.samefile(path):
            return int(link.name)
    raise AssertionError(f"{path} is not open")


@contextmanager
def full_disk(journal: Journal) -> Generator[None]:
    """Have the kernel answer that no space is left when a journal is written."""
    descriptor = descriptor_of(journal.path)
    saved, full = os.dup(descriptor), os.open("/dev/full", os.O_RDWR)
    os.dup2(full, descriptor)
    try:
        yield
    finally:
        os.dup2(saved, descriptor)
        os.close(saved)
        os.close(full)


def test_an_orphan_holds_what_was_written(folder: Path, dead: Path) -> None:
    assert find_orphans(folder) == [dead]
    orphan = orphan_at(dead)
    assert (orphan.header, orphan.entries) == (HEADER, ENTRIES)
    orphan.close(delivered=True)
    assert names(folder) == []


@pytest.mark.parametrize("torn", [1, 20, 60])
def test_a_torn_last_line_is_no_entry_and_stays(folder: Path, dead: Path, torn: int) -> None:
    content = dead.read_bytes()[:-torn]
    dead.write_bytes(content)
    orphan = orphan_at(dead)
    assert orphan.entries == ENTRIES[: 3 if torn == 1 else 2]
    bad = [line.raw for line in orphan.pending if line.entry is None]
    assert bad == ([] if torn == 1 else [content.splitlines()[-1]])
    orphan.close(delivered=False)


@pytest.mark.parametrize(
    "spoilt", [b"", b"\n", b'{"subject":"bo', b"\xff\xfe\x00\n", b"\x00" * 99, b"[]\n", b"null\n"]
)
def test_a_file_that_does_not_say_whose_it_is_stays_under_another_name(
    folder: Path, dead: Path, spoilt: bytes
) -> None:
    content = spoilt + dead.read_bytes().partition(b"\n")[2] if spoilt else b""
    dead.write_bytes(content)
    with pytest.raises(UnreadableError):
        open_orphan(dead)
    assert find_orphans(folder) == []
    (left,) = folder.iterdir()
    assert left == dead.with_suffix(".unreadable")
    assert left.read_bytes() == content


def _folder(path: Path) -> None:
    path.mkdir()


def _pipe(path: Path) -> None:
    os.mkfifo(path)


def _link_to_itself(path: Path) -> None:
    path.symlink_to(path)


def _link_elsewhere(path: Path) -> None:
    path.symlink_to("/etc/hostname")


@pytest.mark.parametrize("make", [_folder, _pipe, _link_to_itself, _link_elsewhere])
def test_what_is_no_file_is_left_alone_and_holds_up_nothing(
    folder: Path, dead: Path, make: Any
) -> None:
    strange = folder / f"{uuid4()}.1.jsonl"
    make(strange)
    assert set(find_orphans(folder)) == {strange, dead}
    report = report_folder(folder)
    assert (report.unreadable, report.undelivered) == (1, len(ENTRIES))
    for _ in range(2):
        try:
            opened = open_orphan(strange)
        except UnreadableError:
            opened = None
        assert opened is None
    orphan_at(dead).close(delivered=True)
    assert os.path.lexists(strange) or os.path.lexists(strange.with_suffix(".unreadable"))


@pytest.mark.skipif(os.geteuid() != 0, reason="needs a user who may read it, and one who may not")
def test_a_file_that_may_not_be_read_stays_until_it_may(dead: Path) -> None:
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / dead.name
        path.write_bytes(dead.read_bytes())
        path.chmod(0o600)
        Path(name).chmod(0o777)
        os.seteuid(NOBODY)
        try:
            with pytest.raises(UnreadableError, match="PermissionError"):
                open_orphan(path)
        finally:
            os.seteuid(0)
        orphan = orphan_at(path)
        assert orphan.entries == ENTRIES
        orphan.close(delivered=True)


def test_what_could_not_be_delivered_stays(folder: Path, dead: Path) -> None:
    orphan = orphan_at(dead)
    orphan.progress.done.add(orphan.lines[1].digest)
    orphan.progress.tries[orphan.lines[0].digest] = 4
    orphan.close(delivered=False)
    assert find_orphans(folder) == [dead]
    orphan = orphan_at(dead)
    assert [line.entry for line in orphan.pending] == [ENTRIES[0], ENTRIES[2]]
    assert orphan.progress.tries == {orphan.lines[0].digest: 4}
    orphan.close(delivered=True)
    assert names(folder) == []


@pytest.mark.parametrize("content", [b"", b"\xff", b"{", b'{"done": 1}'])
def test_a_spoilt_progress_costs_a_repeat_only(dead: Path, content: bytes) -> None:
    dead.with_suffix(".progress").write_bytes(content)
    orphan = orphan_at(dead)
    assert [line.entry for line in orphan.pending] == list(ENTRIES)
    orphan.close(delivered=False)


def test_a_progress_is_of_lines_and_not_of_their_places(dead: Path) -> None:
    orphan = orphan_at(dead)
    orphan.progress.done.add(orphan.lines[0].digest)
    orphan.close(delivered=False)
    lines = dead.read_bytes().splitlines(keepends=True)
    dead.write_bytes(b"".join([lines[0], json_line(user_turn(9, "By hand.")), *lines[1:]]))
    orphan = orphan_at(dead)
    assert [line.entry for line in orphan.pending] == [user_turn(9, "By hand."), *ENTRIES[1:]]
    orphan.close(delivered=False)


def test_a_living_call_is_no_orphan(folder: Path) -> None:
    journal = Journal.create(folder, HEADER)
    journal.append(ENTRIES[0])
    assert open_orphan(journal.path) is None
    journal.close(delivered=True)
    assert names(folder) == []


def test_an_orphan_is_replayed_by_one_only(dead: Path) -> None:
    mine = orphan_at(dead)
    assert open_orphan(dead) is None
    mine.close(delivered=True)
    assert open_orphan(dead) is None
    assert not dead.exists()


def test_who_opens_what_another_one_removes_does_not_get_it(
    dead: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock = fcntl.flock

    def replayed_before(descriptor: int, operation: int) -> None:
        monkeypatch.setattr(fcntl, "flock", lock)
        orphan_at(dead).close(delivered=True)
        lock(descriptor, operation)

    monkeypatch.setattr(fcntl, "flock", replayed_before)
    assert open_orphan(dead) is None


def test_a_call_that_just_begins_is_not_taken_for_a_dead_one(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock = fcntl.flock

    def looked_for_orphans_before(descriptor: int, operation: int) -> None:
        monkeypatch.setattr(fcntl, "flock", lock)
        assert find_orphans(folder) == []
        lock(descriptor, operation)

    monkeypatch.setattr(fcntl, "flock", looked_for_orphans_before)
    journal = Journal.create(folder, HEADER)
    journal.append(ENTRIES[0])
    assert journal.path.exists()
    journal.close(delivered=True)


@pytest.mark.parametrize(
    ("content", "left"),
    [
        (json_line(HEADER), ".jsonl"),
        (b"", None),
        (b'{"subject":', None),
    ],
    ids=["whole", "empty", "torn"],
)
def test_a_journal_that_was_only_begun_is_adopted_if_it_says_whose_it_is(
    folder: Path, content: bytes, left: str | None
) -> None:
    folder.mkdir()
    begun = folder / f"{HEADER.conversation_id}.7.abcdef01.new"
    begun.write_bytes(content)
    assert find_orphans(folder) == []
    assert names(folder) == [begun.name]  # its call may be about to lock it
    a_minute_ago = time.time() - 61
    os.utime(begun, (a_minute_ago, a_minute_ago))
    locked = open_locked(begun)
    assert locked is not None
    assert find_orphans(folder) == []
    assert names(folder) == [begun.name]
    os.close(locked)
    found = find_orphans(folder)
    assert [path.suffix for path in found] == ([left] if left else [])
    assert [Path(name).suffix for name in names(folder)] == ([left] if left else [])


def test_a_journal_whose_first_line_was_mended_is_an_orphan(folder: Path, dead: Path) -> None:
    content = dead.read_bytes()
    dead.write_bytes(content[5:])
    with pytest.raises(UnreadableError):
        open_orphan(dead)
    mended = dead.with_suffix(".unreadable")
    mended.write_bytes(content)
    a_minute_ago = time.time() - 61
    os.utime(mended, (a_minute_ago, a_minute_ago))
    assert find_orphans(folder) == [dead]
    orphan = orphan_at(dead)
    assert orphan.entries == ENTRIES
    orphan.close(delivered=True)


def test_what_dead_processes_leave_is_removed_and_no_journal_with_it(
    folder: Path, dead: Path
) -> None:
    orphan_at(dead).close(delivered=False)
    junk = ["7.probe", f"{uuid4()}.dead.7.tmp", f"{uuid4()}.7.abcdef01.progress"]
    for name in junk:
        (folder / name).touch()
    assert find_orphans(folder) == [dead]
    assert set(junk) < set(names(folder))
    a_minute_ago = time.time() - 61
    for path in folder.iterdir():
        os.utime(path, (a_minute_ago, a_minute_ago))
    assert find_orphans(folder) == [dead]
    assert names(folder) == [dead.name, dead.with_suffix(".progress").name]


def test_what_was_delivered_and_cannot_be_removed_is_not_delivered_with_each_look(
    dead: Path,
) -> None:
    content = dead.read_bytes()
    orphan = orphan_at(dead)
    orphan.progress.done.update(line.digest for line in orphan.lines)
    dead.unlink()
    dead.mkdir()  # which cannot be unlinked
    assert not orphan.close(delivered=True)
    dead.rmdir()
    dead.write_bytes(content)
    orphan = orphan_at(dead)
    assert orphan.pending == []
    assert orphan.close(delivered=True)


def test_no_two_journals_have_the_same_name(folder: Path, dead: Path) -> None:
    # A container that is started anew may have the same number of a process.
    journal = Journal.create(folder, HEADER)
    assert journal.path != dead
    journal.close(delivered=True)
    assert names(folder) == [dead.name]


def test_only_we_may_read_it(folder: Path, dead: Path) -> None:
    add_dead_letters(folder, HEADER, [DeadLetter.of(Line.of(ENTRIES[0]), "rejected")])
    orphan_at(dead).close(delivered=False)
    modes = {path.suffix: path.stat().st_mode & 0o777 for path in folder.iterdir()}
    assert modes == {".jsonl": 0o600, ".dead": 0o600, ".progress": 0o600}
    assert folder.stat().st_mode & 0o777 == 0o700


def test_a_full_disk_costs_nothing_that_is_said(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    before = read_metric("antiphon.journal.write_failures")
    journal = Journal.create(folder, HEADER)
    journal.append(ENTRIES[0])
    with full_disk(journal):
        journal.append(ENTRIES[1])
        journal.append(ENTRIES[2])
        assert journal.unwritten == 2
        assert not journal.flush()
        assert read_metric("antiphon.journal.unwritten") == 2
    assert caplog.messages == ["a journal cannot be written; it goes on in memory"]
    assert read_metric("antiphon.journal.write_failures") == before + 3
    journal.append(user_turn(3, "There is room."))
    assert journal.unwritten == read_metric("antiphon.journal.unwritten") == 0
    assert caplog.messages[1:] == ["a journal is on disk, after it could not be written"]
    journal.close(delivered=False)
    orphan = orphan_at(journal.path)
    assert [line.entry for line in orphan.lines] == [*ENTRIES, user_turn(3, "There is room.")]
    orphan.close(delivered=True)


def test_a_disk_that_takes_a_little_at_a_time_gets_all_of_it(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = os.write

    def write_a_little(descriptor: int, data: memoryview) -> int:
        return write(descriptor, data[:7])

    monkeypatch.setattr(os, "write", write_a_little)
    journal = Journal.create(folder, HEADER)
    for entry in ENTRIES:
        journal.append(entry)
    journal.close(delivered=False)
    orphan = orphan_at(journal.path)
    assert [line.entry for line in orphan.lines] == list(ENTRIES)
    orphan.close(delivered=True)


def test_half_a_line_that_cannot_be_removed_is_not_in_the_way(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = Journal.create(folder, HEADER)
    write = os.write

    def fails_half_way(descriptor: int, data: memoryview) -> int:
        monkeypatch.undo()
        monkeypatch.setattr(os, "ftruncate", _fail)
        monkeypatch.setattr(os, "write", _fail)
        return write(descriptor, data[:25])

    monkeypatch.setattr(os, "write", fails_half_way)
    journal.append(ENTRIES[0])
    monkeypatch.undo()
    journal.append(ENTRIES[1])
    journal.close(delivered=False)
    orphan = orphan_at(journal.path)
    assert orphan.entries == ENTRIES[:2]
    assert len(orphan.lines) == 3
    orphan.close(delivered=True)


def _fail(*_: Any) -> int:
    raise OSError(5, "Input/output error")


# What the processes of calls do on a disk that has no room for more than `limit` bytes of a file,
# and later has: the kernel writes what fits, and refuses the rest. Each has a process of its own.
_ON_A_FULL_DISK = """
import json, os, resource, signal, sys
from pathlib import Path
from orchestrator.agent.journal import Journal, JournalEntry, JournalHeader, probe

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
_, most = resource.getrlimit(resource.RLIMIT_FSIZE)

def serve_call(folder, header, entries, limit, then):
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, most))
    journal = Journal.create(folder, JournalHeader.model_validate(header))
    for entry, unwritten in entries:
        journal.append(JournalEntry.model_validate(entry))
        assert journal.unwritten == unwritten, (journal.unwritten, unwritten)
    try:
        probe(folder)
    except OSError:
        pass
    else:
        raise AssertionError("the folder counts as writable")
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
    probe(folder)
    if then == "mend":
        assert journal.flush()

for case in json.load(sys.stdin):
    child = os.fork()
    if not child:
        serve_call(Path(case.pop("folder")), **case)
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0, case["limit"]
"""
_HEADER_LENGTH = len(json_line(HEADER))
_TURNS = tuple(user_turn(index, f"Turn {index}.") for index in range(5))
_TURN_LENGTH = len(json_line(_TURNS[0]))
# The bytes that there is room for, and how many turns are on disk then.
_LIMITS = (
    (0, 0),
    (_HEADER_LENGTH // 2, 0),
    (_HEADER_LENGTH, 0),
    (_HEADER_LENGTH + 1, 0),
    (_HEADER_LENGTH + _TURN_LENGTH - 1, 0),
    (_HEADER_LENGTH + _TURN_LENGTH, 1),
    (_HEADER_LENGTH + 3 * _TURN_LENGTH + 50, 3),
)


@pytest.fixture(scope="module")
def full_disks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folders of calls whose disk was full after some bytes: `<bytes>-<what came then>`."""
    root = tmp_path_factory.mktemp("disks")
    cases: list[dict[str, Any]] = [
        {
            "folder": str(root / f"{limit}-{then}"),
            "header": HEADER.model_dump(mode="json"),
            "entries": [
                (turn.model_dump(mode="json"), max(0, number - written))
                for number, turn in enumerate(_TURNS, start=1)
            ],
            "limit": limit,
            "then": then,
        }
        for limit, written in _LIMITS
        for then in ("mend", "die")
    ]
    subprocess.run(
        [sys.executable, "-c", _ON_A_FULL_DISK], input=json.dumps(cases), text=True, check=True
    )
    return root


@pytest.mark.parametrize("limit", [limit for limit, _ in _LIMITS])
def test_wherever_a_disk_gets_full_all_is_written_once_there_is_room(
    full_disks: Path, limit: int
) -> None:
    (path,) = (full_disks / f"{limit}-mend").iterdir()
    orphan = orphan_at(path)
    assert [line.entry for line in orphan.lines] == list(_TURNS)
    orphan.close(delivered=False)


@pytest.mark.parametrize(("limit", "written"), _LIMITS)
def test_a_process_that_dies_on_a_full_disk_leaves_no_half_line(
    full_disks: Path, limit: int, written: int
) -> None:
    found = list((full_disks / f"{limit}-die").iterdir())
    assert len(found) == (limit >= _HEADER_LENGTH)
    for path in found:
        orphan = orphan_at(path)
        assert [line.entry for line in orphan.lines] == list(_TURNS[:written])
        orphan.close(delivered=False)


def test_a_call_begins_without_a_folder_and_goes_on_once_there_is_one(folder: Path) -> None:
    folder.write_text("This is a file.")
    journal = Journal.create(folder, HEADER)
    journal.append(ENTRIES[0])
    assert journal.unwritten == 1
    folder.unlink()
    journal.append(ENTRIES[1])
    journal.close(delivered=False)
    orphan = orphan_at(journal.path)
    assert orphan.entries == ENTRIES[:2]
    orphan.close(delivered=True)


def test_a_call_that_was_in_memory_only_ends_without_a_trace(folder: Path) -> None:
    folder.write_text("This is a file.")
    journal = Journal.create(folder, HEADER)
    journal.append(ENTRIES[0])
    journal.close(delivered=True)
    assert folder.read_text() == "This is a file."


async def test_a_folder_is_tried_by_writing_to_it(tmp_path: Path, folder: Path) -> None:
    assert await is_writable(folder)
    assert names(folder) == []
    occupied = tmp_path / "file"
    occupied.touch()
    assert not await is_writable(occupied)
    assert not await is_writable(occupied / "below")
    probe(folder)
    with pytest.raises(OSError, match="File exists"):
        probe(occupied)


async def test_a_disk_that_hangs_is_not_writable_and_is_asked_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("orchestrator.agent.journal._PROBE_TIMEOUT", 0.05)
    # Nobody reads from the pipe, so that the kernel holds who opens it.
    pipe = tmp_path / f"{os.getpid()}.probe"
    os.mkfifo(pipe)
    assert not await is_writable(tmp_path)
    assert not await is_writable(tmp_path)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    os.close(reader)


def test_dead_letters_are_of_one_call_and_each_is_there_once(folder: Path) -> None:
    refused = [DeadLetter.of(Line.of(entry), "rejected") for entry in ENTRIES]
    bad = DeadLetter.of(Line(b"\xff{", None), "")
    add_dead_letters(folder, HEADER, [refused[0]])
    add_dead_letters(folder, HEADER, [*refused[:2], bad])
    path = dead_letters_path(folder, HEADER.conversation_id)
    with path.open("ab") as file:
        file.write(b'{"at": "2026-01')
    add_dead_letters(folder, HEADER, [refused[2]])
    header, letters = read_dead_letters(path)
    assert header == HEADER
    assert letters[:3] == [*refused[:2], bad]
    assert [letter.line.raw for letter in letters[2:4]] == [b"\xff{", b'{"at": "2026-01']
    assert letters[4] == refused[2]


def test_dead_letters_are_replaced_as_a_whole(folder: Path) -> None:
    add_dead_letters(folder, HEADER, [DeadLetter.of(Line.of(each), "fault") for each in ENTRIES])
    path = dead_letters_path(folder, HEADER.conversation_id)
    with lock_dead_letters(path) as file:
        with pytest.raises(BlockingIOError), lock_dead_letters(path):
            pass
        file.letters = file.letters[1:]
        file.save()
    header, letters = read_dead_letters(path)
    assert (header, [letter.entry for letter in letters]) == (HEADER, list(ENTRIES[1:]))
    with lock_dead_letters(path) as file:
        file.letters = []
        file.save()
    assert names(folder) == []


def test_what_is_stored_can_be_sent() -> None:
    deep: Any = "deep"
    for _ in range(2000):
        deep = {"more": [deep]}
    value: Any = {
        "a": "\ud83d\x00é",
        "b": float("nan"),
        3: (1, None, True),
        "c": HEADER.bot_id,
        "d": deep,
    }
    stored = storable(value)
    assert {name: stored[name] for name in ("a", "b", "3", "c")} == {
        "a": "?\x00é",
        "b": None,
        "3": [1, None, True],
        "c": str(HEADER.bot_id),
    }
    entry = JournalEntry(tool="record_usage", arguments=value)
    assert Line.parse(json_line(entry).rstrip()).entry == entry
