"""`antiphon journal` and what the doctor says of journals, as a person at a terminal meets them."""

import asyncio
import json
import os
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
import pytest_asyncio
from redis.asyncio import Redis

from config.database import Database
from config.security.tokens import Signer
from config.settings import Settings
from orchestrator.agent.journal import Journal, JournalHeader
from orchestrator.agent.journal_files import (
    DeadLetter,
    Line,
    add_dead_letters,
    dead_letters_path,
    lock_dead_letters,
)
from orchestrator.cli import journal, local
from tests.conftest import Tenant
from tests.support.asgi import serve_app
from tests.support.processes import in_one_task
from tests.support.recording import Gate, RecordedCall, error_result, start_call, user_turn
from tests.support.servers import serve
from tests.support.terminal import Ended, antiphon_at_once
from transcripts.server import SERVER


@pytest_asyncio.fixture(scope="module")
async def gate(signer: Signer, database: Database, cache: Redis) -> AsyncGenerator[Gate]:
    """The real transcripts server, behind a gate."""
    async with in_one_task(serve([SERVER], signer, database, cache)) as servers:
        yield Gate(servers.app)


@pytest_asyncio.fixture(scope="module")
async def url(gate: Gate) -> AsyncGenerator[str]:
    """Where the gate is."""
    async with in_one_task(serve_app(gate)) as url:
        yield url


@pytest_asyncio.fixture
async def call(
    signer: Signer, url: str, tenant: Tenant, database: Database, gate: Gate
) -> RecordedCall:
    """A conversation that has begun."""
    gate.open()
    return await start_call(signer, f"{url}/transcripts/mcp", tenant, database)


@pytest.fixture
def folder(tmp_path: Path, signer: Signer, url: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The journals of the machine that the commands are for."""
    values: dict[str, Any] = {
        "ANTIPHON_STATE": tmp_path,
        "service_token_private_key": signer.private_key,
        "mcp_url": url + "/{server}/mcp",
    }
    for module in (journal, local):
        monkeypatch.setattr(module, "running_settings", lambda: Settings(**values))
    return tmp_path / "journal"


async def antiphon(*arguments: str) -> Ended:
    # It has an event loop of its own.
    return await asyncio.to_thread(antiphon_at_once, "journal", *arguments)


def set_aside(folder: Path, call: RecordedCall, *texts: str) -> Path:
    """Write dead letters of a call."""
    entries = [user_turn(index, text) for index, text in enumerate(texts)]
    letters = [DeadLetter.of(Line.of(entry), "rejected") for entry in entries]
    add_dead_letters(folder, call.header, letters)
    return dead_letters_path(folder, call.header.conversation_id)


def leave_journal(folder: Path, *texts: str) -> JournalHeader:
    """Write the journal of a call whose process has died."""
    header = JournalHeader(
        subject="bot:1", business_id=uuid4(), bot_id=uuid4(), conversation_id=uuid4()
    )
    left = Journal.create(folder, header)
    for index, text in enumerate(texts):
        left.append(user_turn(index, text))
    left.close(delivered=False)
    return header


@pytest.mark.parametrize("command", ["list", "show", "retry"])
async def test_every_command_explains_itself(command: str) -> None:
    answer = await antiphon(command, "--help")
    assert answer.returncode == 0
    assert "Usage:" in answer.stdout


async def test_nothing_is_left_where_everything_is_stored(folder: Path) -> None:
    for _ in range(2):  # without a folder, and with one
        answer = await antiphon("list")
        assert (answer.returncode, answer.stdout) == (0, "")
        assert "Nothing is left" in answer.stderr
        assert (await antiphon("list", "--json")).stdout == ""
        await asyncio.to_thread(folder.mkdir, exist_ok=True)
    assert (await antiphon("retry", "--all")).returncode == 0


async def test_the_list_says_what_is_left_of_which_call(folder: Path, call: RecordedCall) -> None:
    set_aside(folder, call, "One.", "Two.")
    orphan = leave_journal(folder, "Three.", "Four.", "Five.")
    torn = folder / f"{uuid4()}.1.0.jsonl"
    torn.write_bytes(b'{"subject": "bo')
    living = Journal.create(folder, call.header)
    living.append(user_turn(0, "Six."))

    answer = await antiphon("list", "--json")
    assert answer.returncode == 0, answer.stderr
    rows = {row["conversation_id"]: row for row in map(json.loads, answer.stdout.splitlines())}
    counts = ("undelivered", "dead_letters", "unreadable_files", "in_use", "last_error")
    assert {name: tuple(row[each] for each in counts) for name, row in rows.items()} == {
        str(call.header.conversation_id): (0, 2, 0, 1, "rejected"),
        str(orphan.conversation_id): (3, 0, 0, 0, ""),
        torn.name.split(".")[0]: (0, 0, 1, 0, "it does not say whose it is"),
    }
    table = (await antiphon("list")).stdout
    for word in (*rows, "rejected", "0 min"):
        assert word in table
    # To look is to leave everything as it is, and to take nothing from a call.
    living.append(user_turn(1, "Seven."))
    living.close(delivered=True)
    assert torn.exists()


async def test_the_entries_of_a_call_are_shown(folder: Path, call: RecordedCall) -> None:
    path = set_aside(folder, call, "\x1b[31mOne.")
    with path.open("ab") as file:
        file.write(b"\xffno entry\n")
    answer = await antiphon("show", str(call.header.conversation_id))
    assert answer.returncode == 0
    assert answer.stdout.isprintable() or "\x1b" not in answer.stdout
    refused, spoilt = map(json.loads, answer.stdout.splitlines())
    assert refused["state"] == spoilt["state"] == "dead_letter"
    assert (refused["error"], refused["tool"]) == ("rejected", "append_user_turn")
    assert refused["arguments"]["text"] == "\x1b[31mOne."
    assert (spoilt["error"], spoilt["raw"]) == ("unreadable", "\\xffno entry")
    unknown = await antiphon("show", str(uuid4()))
    assert (unknown.returncode, unknown.stdout) == (1, "")
    assert "nothing is left" in unknown.stderr


async def test_dead_letters_are_retried_until_none_is_left(
    folder: Path, call: RecordedCall, gate: Gate
) -> None:
    path = set_aside(folder, call, "One.", "Two.")
    gate.rule = lambda request: (
        error_result(request, "conflict") if request.arguments.get("text") == "Two." else None
    )
    refused = await antiphon("retry", str(call.header.conversation_id))
    assert refused.returncode == 1
    assert "1 delivered, 1 left (conflict)" in refused.stderr
    gate.open()
    assert (await antiphon("retry", "--all")).returncode == 0
    assert await call.texts() == ["One.", "Two."]
    assert not path.exists()
    missing = await antiphon("retry", str(call.header.conversation_id))
    assert missing.returncode == 1
    assert "no dead letters" in missing.stderr


@pytest.mark.parametrize(
    "arguments", [(), (str(UUID(int=1)), "--all"), ("no id",)], ids=["none", "two", "no id"]
)
async def test_a_retry_is_of_one_call_or_of_all(arguments: tuple[str, ...], folder: Path) -> None:
    answer = await antiphon("retry", *arguments)
    assert answer.returncode == 2


async def test_dead_letters_that_another_process_has_are_left_to_it(
    folder: Path, call: RecordedCall
) -> None:
    path = set_aside(folder, call, "One.")
    with lock_dead_letters(path):
        answer = await antiphon("retry", "--all")
    assert answer.returncode == 1
    assert "another process has it" in answer.stderr
    assert path.exists()


async def test_a_folder_that_cannot_be_read_is_named(folder: Path) -> None:
    await asyncio.to_thread(folder.touch)
    for command in (("list",), ("show", str(uuid4())), ("retry", "--all")):
        answer = await antiphon(*command)
        assert answer.returncode == 1
        assert "NotADirectoryError" in answer.stderr


def _finding() -> tuple[str, int]:
    answer = antiphon_at_once("doctor")
    (line,) = (line for line in answer.stdout.splitlines() if "journals of calls" in line)
    return line, answer.returncode


def test_the_doctor_says_what_is_left(folder: Path) -> None:
    assert "all delivered" in _finding()[0]
    header = leave_journal(folder, "One.", "Two.")
    line, _ = _finding()
    assert "ok" in line
    assert "2 undelivered" in line
    (path,) = folder.iterdir()
    os.utime(path, (0, 0))
    line, code = _finding()
    assert code == 1
    for word in ("not stored", "2 undelivered", "antiphon journal list"):
        assert word in line
    path.unlink()
    add_dead_letters(folder, header, [DeadLetter.of(Line.of(user_turn(0, "One.")), "rejected")])
    line, code = _finding()
    assert (code, "not stored" in line, "1 dead letters" in line) == (1, True, True)


def test_the_doctor_says_that_the_folder_takes_no_journal(folder: Path) -> None:
    folder.touch()
    line, code = _finding()
    assert code == 1
    assert "not writable" in line
