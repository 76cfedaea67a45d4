"""What was said is delivered or set aside where it can be seen; nothing holds up the rest."""

import asyncio
import json
import logging
import threading
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any, get_args
from uuid import UUID

import pytest
import pytest_asyncio
from redis.asyncio import Redis
from starlette.responses import JSONResponse, Response

from config.database import Database
from config.protocol import ErrorKind
from config.security.tokens import Signer
from orchestrator.agent.journal import Journal, is_writable
from orchestrator.agent.journal_delivery import Verdict, judge, retry_delay
from orchestrator.agent.journal_files import (
    Orphan,
    dead_letters_path,
    find_orphans,
    open_orphan,
    read_dead_letters,
)
from orchestrator.agent.journal_replay import (
    MAX_DOUBTFUL_TRIES,
    JournalReplay,
    replay_orphans,
    retry_dead_letters,
)
from orchestrator.agent.journal_report import report_folder
from orchestrator.agent.recorder import Recorder
from orchestrator.mcp_client.router import Router
from orchestrator.mcp_client.tool import Outcome
from orchestrator.runtime.supervision import keep_running
from tests.conftest import new_tenant
from tests.support.asgi import serve_app
from tests.support.metrics import read_metric
from tests.support.processes import in_one_task
from tests.support.recording import (
    Gate,
    RecordedCall,
    Request,
    error_result,
    say,
    start_call,
    user_turn,
)
from tests.support.servers import serve
from transcripts.server import SERVER

LIMIT = 3  # calls of a business in a minute
SEVEN = tuple(f"Turn {number}." for number in range(7))
LATER = ["disconnected", "outcome_unknown", "rate_limited", "timeout", "unavailable"]
DOUBTFUL = ["fault"]
REFUSED = ["conflict", "forbidden", "invalid", "not_found", "rejected", "unknown_tool"]


@pytest_asyncio.fixture(scope="module")
async def gate(signer: Signer, database: Database, cache: Redis) -> AsyncGenerator[Gate]:
    """The real transcripts server with a low limit, behind a gate."""
    async with in_one_task(
        serve([SERVER], signer, database, cache, calls_per_minute=LIMIT)
    ) as servers:
        yield Gate(servers.app)


@pytest_asyncio.fixture(scope="module")
async def url(gate: Gate) -> AsyncGenerator[str]:
    """Where the gate is."""
    async with in_one_task(serve_app(gate)) as url:
        yield f"{url}/transcripts/mcp"


@pytest.fixture(autouse=True)
def open_gate(gate: Gate, monkeypatch: pytest.MonkeyPatch) -> None:
    """Begin each test with a server that answers, and do not wait between tries."""
    gate.open()
    monkeypatch.setattr("orchestrator.agent.recorder._RETRY_DELAYS", (0.01,))
    monkeypatch.setattr("orchestrator.agent.journal_replay._RETRY_DELAYS", (0.0,))


@pytest_asyncio.fixture
async def router(signer: Signer, url: str) -> AsyncGenerator[Router]:
    router = Router(signer, lambda _: url)
    yield router
    await router.aclose()


@pytest_asyncio.fixture
async def call(signer: Signer, url: str, database: Database, gate: Gate) -> RecordedCall:
    """A conversation of a business of its own."""
    call = await start_call(signer, url, await new_tenant(database), database)
    gate.open()
    return call


@pytest_asyncio.fixture
async def other_call(signer: Signer, url: str, database: Database, gate: Gate) -> RecordedCall:
    """A conversation of another business."""
    call = await start_call(signer, url, await new_tenant(database), database)
    gate.open()
    return call


def leave_journal(folder: Path, call: RecordedCall, *texts: str) -> Path:
    """Write the journal of a call whose process has died."""
    journal = Journal.create(folder, call.header)
    for index, text in enumerate(texts):
        journal.append(user_turn(index, text))
    journal.close(delivered=False)
    return journal.path


def occupy(path: Path) -> Path:
    """Put a file where a folder is wanted."""
    path.touch()
    return path


def files_in(folder: Path) -> list[str]:
    """Return the names of what is in a folder."""
    return sorted(path.name for path in folder.iterdir())


def letters_of(folder: Path, call: RecordedCall) -> list[tuple[str, Any]]:
    """Return the error and the text of each dead letter of a call."""
    path = dead_letters_path(folder, call.header.conversation_id)
    if not path.exists():
        return []
    header, letters = read_dead_letters(path)
    assert header == call.header
    assert path.stat().st_mode & 0o777 == 0o600
    return [(each.error, each.entry and each.entry.arguments.get("text")) for each in letters]


def refuse(text: str, answer: Response | str) -> Any:
    """Return a rule that refuses each entry with `text`."""

    def rule(request: Request) -> Response | None:
        if request.arguments.get("text") != text:
            return None
        return error_result(request, answer) if isinstance(answer, str) else answer

    return rule


def refuse_first(times: int, answer: Any) -> Any:
    """Return a rule that refuses the first requests, whatever they are."""
    left = [times]

    def rule(request: Request) -> Response | None:
        if not left[0]:
            return None
        left[0] -= 1
        return error_result(request, answer) if isinstance(answer, str) else answer

    return rule


async def test_every_kind_of_failure_is_judged() -> None:
    judged = {
        **dict.fromkeys(LATER, Verdict.LATER),
        **dict.fromkeys(DOUBTFUL, Verdict.DOUBTFUL),
        **dict.fromkeys(REFUSED, Verdict.REFUSED),
    }
    assert set(judged) == set(get_args(ErrorKind))
    assert {kind: judge(Outcome("", error=kind)).verdict for kind in judged} == judged
    assert judge(Outcome("", error="a kind of tomorrow")).verdict is Verdict.DOUBTFUL


@pytest.mark.parametrize(
    ("status", "verdict"),
    [
        *((status, Verdict.REFUSED) for status in (413, 414, 422, 431)),
        *((status, Verdict.LATER) for status in (301, 307, 401, 404, 405, 407, 408, 421, 425)),
        *((status, Verdict.LATER) for status in (429, 500, 502, 503, 504, 507, 599)),
        *((status, Verdict.DOUBTFUL) for status in (400, 402, 403, 406, 409, 410, 415, 451)),
    ],
)
async def test_every_status_is_judged(status: int, verdict: Verdict) -> None:
    delivery = judge(Outcome("", error="unavailable", status=status, retry_after=7.0))
    assert (delivery.verdict, delivery.error) == (verdict, f"http_{status}")
    assert delivery.retry_after == 7.0


def test_a_server_is_waited_for_as_long_as_it_asks_within_bounds() -> None:
    assert 1.0 <= retry_delay((1.0, 2.0), 1, None) <= 1.1
    assert 2.0 <= retry_delay((1.0, 2.0), 9, 0.5) <= 2.2
    assert retry_delay((1.0,), 1, 30.0) == 30.0
    assert retry_delay((1.0,), 1, 1e9) == 900.0


async def test_what_is_said_does_not_count_as_calls_of_the_business(
    router: Router, call: RecordedCall, tmp_path: Path
) -> None:
    recorder = Recorder(router, tmp_path, call.header)
    say(recorder, *SEVEN)
    assert await recorder.end("caller_left", 20)
    assert await call.texts() == list(SEVEN)
    assert files_in(tmp_path) == []


async def test_a_journal_is_delivered_though_the_business_has_no_calls_left(
    router: Router, call: RecordedCall, tmp_path: Path
) -> None:
    claims = call.tenant.claims(conversation_id=call.header.conversation_id)
    outcomes = [
        await router.call("transcripts", "get_conversation", {}, claims) for _ in range(LIMIT + 1)
    ]
    assert outcomes[-1].error == "rate_limited"
    own = {"order_index": 9, "text": "Mine.", "stt_provider": "embedded"}
    assert (
        await router.call("transcripts", "append_user_turn", own, claims)
    ).error == "rate_limited"
    leave_journal(tmp_path, call, *SEVEN)
    assert await replay_orphans(router, tmp_path) == 1
    assert await call.texts() == list(SEVEN)


@pytest.mark.parametrize("kind", [*LATER, *DOUBTFUL])
async def test_a_failure_for_now_is_tried_anew_in_a_call(
    kind: str, gate: Gate, router: Router, call: RecordedCall, tmp_path: Path
) -> None:
    gate.rule = refuse_first(2, kind)
    recorder = Recorder(router, tmp_path, call.header)
    say(recorder, "One.", "Two.")
    assert await recorder.end("caller_left", 20)
    assert await call.texts() == ["One.", "Two."]
    assert letters_of(tmp_path, call) == []


@pytest.mark.parametrize("status", [400, 401, 403, 404, 408, 429, 500, 502, 503, 504])
async def test_a_status_for_now_is_tried_anew_in_a_call(
    status: int, gate: Gate, router: Router, call: RecordedCall, tmp_path: Path
) -> None:
    # The router itself tries twice.
    gate.rule = refuse_first(3, Response("Not now.", status))
    recorder = Recorder(router, tmp_path, call.header)
    say(recorder, "One.", "Two.")
    assert await recorder.end("caller_left", 20)
    assert await call.texts() == ["One.", "Two."]
    assert letters_of(tmp_path, call) == []


async def test_a_journal_outlives_an_exchange_of_keys(
    router: Router, url: str, call: RecordedCall, tmp_path: Path
) -> None:
    leave_journal(tmp_path, call, "One.")
    early = Router(Signer.generate(), lambda _: url)
    assert await replay_orphans(early, tmp_path) == 0
    await early.aclose()
    assert letters_of(tmp_path, call) == []
    (report,) = report_folder(tmp_path).calls
    assert (report.error, len(report.undelivered)) == ("http_401", 1)
    assert await replay_orphans(router, tmp_path) == 1
    assert await call.texts() == ["One."]


async def test_a_replay_that_dies_is_said_and_started_anew(
    gate: Gate,
    router: Router,
    call: RecordedCall,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    restarts = read_metric("antiphon.journal.replay_restarts")
    deaths = [MemoryError(), OSError()]

    def find(folder: Path) -> list[Path]:
        if deaths:
            raise deaths.pop()
        return find_orphans(folder)

    monkeypatch.setattr("orchestrator.agent.journal_replay.find_orphans", find)
    leave_journal(tmp_path, call, "One.")
    replay = JournalReplay(router, tmp_path)
    running = asyncio.create_task(keep_running("replay of journals", replay.run, pause=0.0))
    await gate.wait_for_answers(1)
    running.cancel()
    await asyncio.wait({running})
    assert await call.texts() == ["One."]
    assert read_metric("antiphon.journal.replay_restarts") == restarts + 2
    assert caplog.messages.count("a loop ended; it is started anew") == 2


@pytest.mark.parametrize("answer", [*REFUSED, *(Response(status_code=n) for n in (413, 422, 431))])
async def test_a_refusal_for_good_is_set_aside_in_a_call(
    answer: Any, gate: Gate, router: Router, call: RecordedCall, tmp_path: Path
) -> None:
    gate.rule = refuse("Two.", answer)
    recorder = Recorder(router, tmp_path, call.header)
    say(recorder, "One.", "Two.", "Three.")
    assert await recorder.end("caller_left", 20)
    assert await call.texts() == ["One.", "Three."]
    error = answer if isinstance(answer, str) else f"http_{answer.status_code}"
    assert letters_of(tmp_path, call) == [(error, "Two.")]
    assert [name.split(".")[1] for name in files_in(tmp_path)] == ["dead"]


async def test_arguments_that_the_protocol_refuses_are_set_aside(
    gate: Gate, router: Router, call: RecordedCall, tmp_path: Path
) -> None:
    def rule(request: Request) -> Response | None:
        if request.arguments.get("text") != "Two.":
            return None
        error = {"code": -32602, "message": "Invalid params"}
        return JSONResponse({"jsonrpc": "2.0", "id": request.id, "error": error}, 400)

    gate.rule = rule
    leave_journal(tmp_path, call, "One.", "Two.", "Three.")
    assert await replay_orphans(router, tmp_path) == 1
    assert letters_of(tmp_path, call) == [("invalid", "Two.")]


@pytest.mark.parametrize("answer", [Response(status_code=413), "rejected"])
async def test_what_is_refused_for_good_holds_up_no_replay(
    answer: Any,
    gate: Gate,
    router: Router,
    call: RecordedCall,
    other_call: RecordedCall,
    tmp_path: Path,
) -> None:
    gate.rule = refuse("Two.", answer)
    leave_journal(tmp_path, call, "One.", "Two.", "Three.")
    leave_journal(tmp_path, other_call, *SEVEN)
    assert await replay_orphans(router, tmp_path) == 2
    assert await call.texts() == ["One.", "Three."]
    assert await other_call.texts() == list(SEVEN)
    assert [text for _, text in letters_of(tmp_path, call)] == ["Two."]


@pytest.mark.parametrize("answer", [Response(status_code=502), "fault", "timeout"])
async def test_an_entry_that_always_fails_holds_up_neither_its_call_nor_others(
    answer: Any,
    gate: Gate,
    router: Router,
    call: RecordedCall,
    other_call: RecordedCall,
    tmp_path: Path,
) -> None:
    gate.rule = refuse("Two.", answer)
    leave_journal(tmp_path, call, "One.", "Two.", "Three.")
    leave_journal(tmp_path, other_call, *SEVEN)
    replay = JournalReplay(router, tmp_path)
    done = sum([await replay.run_once() for _ in range(5)])
    assert done == 1
    assert await call.texts() == ["One.", "Three."]
    assert await other_call.texts() == list(SEVEN)
    # What was delivered is not delivered with each try.
    assert [each.arguments["text"] for each in gate.requests].count("One.") == 1


@pytest.mark.parametrize(("delay", "headers"), [(1000.0, {}), (0.0, {"Retry-After": "1000"})])
async def test_a_journal_that_failed_is_not_tried_at_once(
    delay: float,
    headers: dict[str, str],
    gate: Gate,
    router: Router,
    call: RecordedCall,
    other_call: RecordedCall,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("orchestrator.agent.journal_replay._RETRY_DELAYS", (delay,))
    gate.rule = lambda _: Response("Later.", 429, headers)
    leave_journal(tmp_path, call, "One.")
    replay = JournalReplay(router, tmp_path)
    assert await replay.run_once() == 0
    gate.open()
    leave_journal(tmp_path, other_call, "Two.")
    assert await replay.run_once() == 1
    assert (await call.texts(), await other_call.texts()) == ([], ["Two."])


async def test_a_doubtful_entry_is_set_aside_after_a_while(
    gate: Gate,
    router: Router,
    call: RecordedCall,
    tmp_path: Path,
) -> None:
    gate.rule = refuse("Two.", "fault")
    leave_journal(tmp_path, call, "One.", "Two.")
    for _ in range(MAX_DOUBTFUL_TRIES - 1):
        # Each time by another process: how often it was tried is on disk.
        assert await replay_orphans(router, tmp_path) == 0
    assert letters_of(tmp_path, call) == []
    assert await replay_orphans(router, tmp_path) == 1
    assert letters_of(tmp_path, call) == [("fault", "Two.")]


async def test_an_entry_that_breaks_the_client_holds_up_no_other(
    router: Router, call: RecordedCall, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    call_tool = Router.call

    async def breaks(
        self: Router, server: str, tool: str, arguments: Any, *rest: Any, **more: Any
    ) -> Outcome:
        if arguments.get("text") == "Two.":
            raise RecursionError
        return await call_tool(self, server, tool, arguments, *rest, **more)

    monkeypatch.setattr(Router, "call", breaks)
    leave_journal(tmp_path, call, "One.", "Two.", "Three.")
    replay = JournalReplay(router, tmp_path)
    for _ in range(MAX_DOUBTFUL_TRIES):
        await replay.run_once()
    assert await call.texts() == ["One.", "Three."]
    assert letters_of(tmp_path, call) == [("RecursionError", "Two.")]


async def test_a_journal_that_is_stuck_holds_up_no_other(
    gate: Gate, router: Router, call: RecordedCall, other_call: RecordedCall, tmp_path: Path
) -> None:
    gate.stuck.add("Nobody answers this.")
    stuck = leave_journal(tmp_path, call, "Nobody answers this.")
    replay = asyncio.create_task(replay_orphans(router, tmp_path))
    await gate.wait_for(1)
    other = leave_journal(tmp_path, other_call, *SEVEN)
    assert await replay_orphans(router, tmp_path) == 1
    assert await other_call.texts() == list(SEVEN)
    assert not replay.done()
    replay.cancel()
    await asyncio.wait({replay})
    assert (stuck.exists(), other.exists()) == (True, False)


async def test_the_replay_goes_on_with_new_journals_while_one_is_stuck(
    gate: Gate,
    router: Router,
    call: RecordedCall,
    other_call: RecordedCall,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("orchestrator.agent.journal_replay._INTERVAL", 0.01)
    gate.stuck.add("Nobody answers this.")
    leave_journal(tmp_path, call, "Nobody answers this.")
    replay = asyncio.create_task(JournalReplay(router, tmp_path, concurrency=2).run())
    await gate.wait_for(1)
    leave_journal(tmp_path, other_call, *SEVEN)
    await gate.wait_for_answers(len(SEVEN))
    assert await other_call.texts() == list(SEVEN)
    replay.cancel()
    await asyncio.wait({replay})


async def test_two_processes_deliver_a_folder_once(
    gate: Gate, router: Router, call: RecordedCall, other_call: RecordedCall, tmp_path: Path
) -> None:
    gate.rule = refuse("Two.", "rejected")
    leave_journal(tmp_path, call, "One.", "Two.")
    leave_journal(tmp_path, other_call, *SEVEN)
    done = await asyncio.gather(*(replay_orphans(router, tmp_path) for _ in range(4)))
    assert sum(done) == 2
    assert len(gate.requests) == 2 + len(SEVEN)
    assert [text for _, text in letters_of(tmp_path, call)] == ["Two."]


async def test_one_call_can_be_replayed_alone_and_is_not_ended(
    gate: Gate, router: Router, call: RecordedCall, other_call: RecordedCall, tmp_path: Path
) -> None:
    leave_journal(tmp_path, call, "One.")
    other = leave_journal(tmp_path, other_call, "Two.")
    assert await replay_orphans(router, tmp_path, call.header.conversation_id) == 1
    assert (await call.texts(), await call.end_reason()) == (["One."], None)
    assert other.exists()


@pytest.mark.parametrize(("lost", "reason"), [(True, "agent_lost"), (False, None)])
async def test_a_call_is_ended_if_nobody_has_taken_it_over(
    lost: bool, reason: str | None, router: Router, call: RecordedCall, tmp_path: Path
) -> None:
    asked: list[UUID] = []

    async def is_lost(conversation_id: UUID) -> bool:
        asked.append(conversation_id)
        return lost

    leave_journal(tmp_path, call, "One.")
    assert await replay_orphans(router, tmp_path, is_lost=is_lost) == 1
    assert await call.end_reason() == reason
    assert asked == [call.header.conversation_id]


async def test_a_journal_stays_if_nobody_knows_whether_its_call_goes_on(
    router: Router, call: RecordedCall, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def is_lost(_: UUID) -> bool:
        raise ConnectionError

    path = leave_journal(tmp_path, call, "One.")
    assert await replay_orphans(router, tmp_path, is_lost=is_lost) == 0
    assert "a journal could not be replayed" in caplog.messages
    assert path.exists()
    assert await call.texts() == ["One."]


async def test_every_readable_line_is_delivered_and_the_rest_is_set_aside(
    router: Router, call: RecordedCall, tmp_path: Path
) -> None:
    path = leave_journal(tmp_path, call, *SEVEN)
    lines = path.read_bytes().splitlines(keepends=True)
    torn = lines[2][:30]
    bad = [
        torn,
        b"\xff\xfe not UTF-8",
        b"[1, 2]",
        b'{"tool": 1}',
        b"\x00" * 40,
        b'{"tool":"\\ud800"',
    ]
    path.write_bytes(
        b"".join(lines[:2]) + b"\n".join(bad) + b"\n\n" + b"".join(lines[2:7]) + lines[7][:-1]
    )
    assert await replay_orphans(router, tmp_path) == 1
    assert await call.texts() == list(SEVEN)
    _, letters = read_dead_letters(dead_letters_path(tmp_path, call.header.conversation_id))
    assert [letter.line.raw for letter in letters] == bad
    assert {letter.error for letter in letters} == {"unreadable"}
    assert not path.exists()


async def test_what_no_wire_carries_is_said_all_the_same(
    router: Router, call: RecordedCall, tmp_path: Path
) -> None:
    recorder = Recorder(router, tmp_path, call.header)
    recorder.add_user_turn("Half \ud83d of it", stt_provider="embedded", confidence=float("nan"))
    recorder.add_user_turn("The rest.", stt_provider="embedded", confidence=float("inf"))
    assert await recorder.end("caller_left", 20)
    assert await call.texts() == ["Half ? of it", "The rest."]
    assert files_in(tmp_path) == []


async def test_dead_letters_can_be_delivered_anew(
    gate: Gate, router: Router, call: RecordedCall, tmp_path: Path
) -> None:
    gate.rule = lambda request: (
        error_result(request, "rejected") if request.arguments.get("text") != "Two." else None
    )
    leave_journal(tmp_path, call, "One.", "Two.", "Three.")
    await replay_orphans(router, tmp_path)
    path = dead_letters_path(tmp_path, call.header.conversation_id)

    gate.rule = refuse("Three.", "conflict")
    result = await retry_dead_letters(router, path)
    assert (result.delivered, result.left, result.errors) == (1, 1, {"conflict"})
    assert letters_of(tmp_path, call) == [("conflict", "Three.")]

    gate.rule = refuse_first(2, Response(status_code=503))
    result = await retry_dead_letters(router, path)
    assert (result.delivered, result.left, result.errors) == (0, 1, {"http_503"})

    gate.rule = None
    result = await retry_dead_letters(router, path)
    assert (result.delivered, result.left) == (1, 0)
    assert await call.texts() == ["One.", "Two.", "Three."]
    assert files_in(tmp_path) == []


async def test_dead_letters_that_wait_for_a_retry_take_new_ones(
    gate: Gate, router: Router, call: RecordedCall, tmp_path: Path
) -> None:
    gate.rule = lambda request: error_result(request, "rejected")
    leave_journal(tmp_path, call, "One.")
    await replay_orphans(router, tmp_path)
    path = dead_letters_path(tmp_path, call.header.conversation_id)

    gate.requests.clear()
    gate.rule = None
    gate.stuck.add("One.")
    retry = asyncio.create_task(retry_dead_letters(router, path))
    await gate.wait_for(1)
    gate.rule = lambda request: error_result(request, "rejected")
    journal = leave_journal(tmp_path, call, "Two.")
    # The file is locked, so the journal stays, and its entry with it.
    assert await replay_orphans(router, tmp_path) == 0
    assert journal.exists()
    retry.cancel()
    await asyncio.wait({retry})
    assert await replay_orphans(router, tmp_path) == 1
    assert letters_of(tmp_path, call) == [("rejected", "One."), ("rejected", "Two.")]


async def test_a_death_between_setting_aside_and_the_end_makes_no_second_letter(
    gate: Gate, router: Router, call: RecordedCall, tmp_path: Path
) -> None:
    gate.rule = refuse("Two.", "rejected")
    path = leave_journal(tmp_path, call, "One.", "Two.")
    content = path.read_bytes()
    assert await replay_orphans(router, tmp_path) == 1
    path.write_bytes(content)
    assert await replay_orphans(router, tmp_path) == 1
    assert letters_of(tmp_path, call) == [("rejected", "Two.")]


async def test_a_call_whose_delivery_breaks_keeps_its_journal(
    router: Router, call: RecordedCall, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def breaks(*_: Any, **__: Any) -> Outcome:
        raise RecursionError

    with monkeypatch.context() as patched:
        patched.setattr(Router, "call", breaks)
        recorder = Recorder(router, tmp_path, call.header)
        say(recorder, "One.")
        assert not await recorder.end("caller_left", 0.1)
    assert await replay_orphans(router, tmp_path) == 1
    assert (await call.texts(), await call.end_reason()) == (["One."], "caller_left")


async def test_a_call_on_a_broken_disk_is_delivered_from_memory(
    router: Router, call: RecordedCall, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    recorder = Recorder(router, occupy(tmp_path / "journal"), call.header)
    assert read_metric("antiphon.journal.unwritten") == 0
    say(recorder, *SEVEN)
    assert read_metric("antiphon.journal.unwritten") == len(SEVEN)
    assert caplog.messages == ["a journal cannot be written; it goes on in memory"]
    assert await recorder.end("caller_left", 20)
    assert (await call.texts(), await call.end_reason()) == (list(SEVEN), "caller_left")


async def test_what_is_in_memory_is_written_once_the_disk_takes_it(
    gate: Gate, router: Router, call: RecordedCall, tmp_path: Path
) -> None:
    gate.rule = lambda _: Response(status_code=503)
    folder = occupy(tmp_path / "journal")
    recorder = Recorder(router, folder, call.header)
    say(recorder, *SEVEN)
    folder.unlink()
    await gate.wait_for(len(gate.requests) + 3)  # each failure tries the disk, too
    assert len(files_in(folder)) == 1
    assert not await recorder.end("caller_left", 0.1)
    gate.open()
    assert await replay_orphans(router, folder) == 1
    assert (await call.texts(), await call.end_reason()) == (list(SEVEN), "caller_left")


async def test_what_neither_disk_nor_server_take_is_lost_loudly(
    gate: Gate,
    router: Router,
    call: RecordedCall,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    before = read_metric("antiphon.journal.lost")
    gate.rule = lambda _: Response(status_code=503)
    recorder = Recorder(router, occupy(tmp_path / "journal"), call.header)
    say(recorder, "One.", "Two.")
    assert not await recorder.end("caller_left", 0.1)
    assert "neither the disk nor the server took entries" in caplog.messages
    assert read_metric("antiphon.journal.lost") == before + 3


async def test_a_refused_entry_stays_where_dead_letters_cannot_be_written(
    gate: Gate, router: Router, call: RecordedCall, tmp_path: Path
) -> None:
    gate.rule = refuse("Two.", "rejected")
    journal = leave_journal(tmp_path, call, "One.", "Two.", "Three.")
    in_the_way = dead_letters_path(tmp_path, call.header.conversation_id)
    in_the_way.mkdir()
    with journal.open("ab") as file:
        file.write(b"no entry\n")
    replay = JournalReplay(router, tmp_path)
    assert await replay.run_once() == 0
    assert await call.texts() == ["One.", "Three."]
    assert journal.exists()
    in_the_way.rmdir()
    assert await replay.run_once() == 1
    assert letters_of(tmp_path, call) == [("rejected", "Two."), ("unreadable", None)]


async def test_what_is_left_is_measured(
    gate: Gate,
    router: Router,
    call: RecordedCall,
    other_call: RecordedCall,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("orchestrator.agent.journal_replay._INTERVAL", 0.01)
    monkeypatch.setattr("orchestrator.agent.journal_replay._REPORT_INTERVAL", 0.0)
    labels = {"error": "conflict", "tool": "append_user_turn"}
    before = read_metric("antiphon.journal.set_aside", **labels)
    restarts = read_metric("antiphon.journal.replay_restarts")
    gate.rule = refuse("Two.", "conflict")
    leave_journal(tmp_path, call, "One.", "Two.")
    (tmp_path / "torn.jsonl").write_text("{")
    assert await replay_orphans(router, tmp_path) == 1
    gate.rule = lambda _: Response(status_code=503)
    leave_journal(tmp_path, other_call, *SEVEN)

    replay = JournalReplay(router, tmp_path)
    for _ in range(2):
        running = asyncio.create_task(replay.run())
        await gate.wait_for(len(gate.requests) + 8)
        running.cancel()
        await asyncio.wait({running})
    assert read_metric("antiphon.journal.set_aside", **labels) == before + 1
    assert read_metric("antiphon.journal.undelivered", where="orphans") == len(SEVEN)
    assert read_metric("antiphon.journal.dead_letters") == 1
    assert read_metric("antiphon.journal.unreadable_files") == 1
    assert read_metric("antiphon.journal.writable") == 1
    assert read_metric("antiphon.journal.replay_restarts") == restarts + 1


async def test_a_folder_that_takes_no_journal_is_said_once(
    router: Router,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("orchestrator.agent.journal_replay._INTERVAL", 0.0)
    folder = occupy(tmp_path / "journal")
    replay = JournalReplay(router, folder)
    looks: list[Path] = []
    looked = asyncio.Event()

    async def look(folder: Path) -> bool:
        looks.append(folder)
        if len(looks) == 4:
            looked.set()
        return await is_writable(folder)

    monkeypatch.setattr("orchestrator.agent.journal_replay.is_writable", look)
    running = asyncio.create_task(replay.run())
    async with asyncio.timeout(10):
        await looked.wait()
    running.cancel()
    await asyncio.wait({running})
    said = "the folder of the journals cannot be written: no call is taken"
    assert caplog.messages.count(said) == 1
    assert read_metric("antiphon.journal.writable") == 0


async def test_a_delivery_that_dies_is_said_and_its_journal_is_left_to_the_replay(
    router: Router,
    call: RecordedCall,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def dies(*_: Any) -> None:
        raise MemoryError

    with monkeypatch.context() as patched:
        patched.setattr("orchestrator.agent.recorder.deliver", dies)
        recorder = Recorder(router, tmp_path, call.header)
        say(recorder, "One.")
        assert not await recorder.end("caller_left", 10)
    assert "the delivery of a call ended; its journal is left" in caplog.messages
    assert await replay_orphans(router, tmp_path) == 1
    assert (await call.texts(), await call.end_reason()) == (["One."], "caller_left")


async def test_a_replay_that_is_stopped_while_it_opens_a_journal_leaves_it_to_others(
    router: Router, call: RecordedCall, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = leave_journal(tmp_path, call, "One.")
    opening, stopped, opened = threading.Event(), threading.Event(), threading.Event()

    def open_slowly(path: Path) -> Orphan | None:
        opening.set()
        stopped.wait(10)
        orphan = open_orphan(path)
        opened.set()
        return orphan

    with monkeypatch.context() as patched:
        patched.setattr("orchestrator.agent.journal_replay.open_orphan", open_slowly)
        replay = asyncio.create_task(replay_orphans(router, tmp_path))
        await asyncio.to_thread(opening.wait)
        replay.cancel()
        await asyncio.wait({replay})
    stopped.set()
    await asyncio.to_thread(opened.wait)
    async with asyncio.timeout(10):
        while not await replay_orphans(router, tmp_path):  # noqa: ASYNC110 - a thread ends it
            await asyncio.sleep(0)
    assert await call.texts() == ["One."]
    assert not path.exists()


async def test_a_log_has_no_word_of_what_was_said(
    gate: Gate,
    router: Router,
    call: RecordedCall,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG, logger="antiphon")
    gate.rule = refuse("A secret.", "rejected")
    leave_journal(tmp_path, call, "A secret.", "Another.")
    assert await replay_orphans(router, tmp_path) == 1
    records = [record for record in caplog.records if record.name.startswith("antiphon")]
    assert records
    assert "secret" not in json.dumps([str(record.__dict__) for record in records])
