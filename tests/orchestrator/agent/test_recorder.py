"""What was said arrives at the transcripts server, however long that is away."""

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
import pytest_asyncio
from redis.asyncio import Redis

from config.database import Database
from config.security.tokens import Signer
from orchestrator.agent.journal import Journal, JournalEntry, JournalHeader
from orchestrator.agent.journal_replay import replay_orphans
from orchestrator.agent.recorder import Recorder
from orchestrator.mcp_client.router import Router
from orchestrator.mcp_client.tool import Outcome
from tests.conftest import Tenant, fetch
from tests.support.asgi import serve_app
from tests.support.processes import in_one_task
from tests.support.servers import serve
from transcripts.server import SERVER

CANARY = "canary-4711"
UNREACHABLE_URL = "http://127.0.0.1:1/transcripts/mcp"


@pytest_asyncio.fixture(scope="session")
async def transcripts_url(signer: Signer, database: Database, cache: Redis) -> AsyncGenerator[str]:
    """The real transcripts server, on a port of this machine."""
    async with (
        in_one_task(serve([SERVER], signer, database, cache)) as servers,
        in_one_task(serve_app(servers.app)) as url,
    ):
        yield f"{url}/transcripts/mcp"


@dataclass
class ServerUrl:
    """The address of the transcripts server, and how often the router has looked for it."""

    url: str
    lookups: list[str] = field(default_factory=list[str])

    def __call__(self, server: str) -> str:
        """Return the address."""
        self.lookups.append(server)
        return self.url

    async def wait_for_lookups(self, times: int) -> None:
        """Wait until the server was looked for so often."""
        async with asyncio.timeout(10):
            missing = times - len(self.lookups)
            while missing > 0:
                await asyncio.sleep(0.02)
                missing = times - len(self.lookups)


@dataclass(frozen=True)
class Conversation:
    """A conversation that has begun, and what is stored of it."""

    tenant: Tenant
    header: JournalHeader
    database: Database

    async def texts(self) -> list[str]:
        """Return what was said, in order."""
        return [row["text"] for row in await self._rows(_TEXTS)]

    async def counts(self) -> dict[str, int]:
        """Return how many tool calls, usage rows and calls of the transcripts server there are."""
        (row,) = await self._rows(COUNTS)
        return dict(row)

    async def end_reason(self) -> str | None:
        """Return why it has ended, or None while it has not."""
        (row,) = await self._rows("select status, end_reason from conversation where id = :id")
        return str(row["end_reason"]) if row["status"] == "ended" else None

    async def _rows(self, query: str) -> list[Any]:
        return await fetch(self.database, self.tenant, query, id=self.header.conversation_id)


_TEXTS = """
select order_index, transcribed_text as text from user_turn where conversation_id = :id
union all
select order_index, response_text from agent_response where conversation_id = :id
order by order_index
"""


@pytest.fixture
def server_url(transcripts_url: str) -> ServerUrl:
    """The address of a server that is not there yet."""
    return ServerUrl(UNREACHABLE_URL)


@pytest_asyncio.fixture
async def router(signer: Signer, server_url: ServerUrl) -> AsyncGenerator[Router]:
    router = Router(signer, server_url)
    yield router
    await router.aclose()


@pytest_asyncio.fixture
async def conversation(
    signer: Signer, transcripts_url: str, tenant: Tenant, database: Database
) -> Conversation:
    header = JournalHeader(
        subject=f"bot:{tenant.bot_id}",
        business_id=tenant.business_id,
        bot_id=tenant.bot_id,
        conversation_id=uuid4(),
    )
    router = Router(signer, lambda _: transcripts_url)
    outcome = await router.call(
        "transcripts",
        "start_conversation",
        {"room_name": "room", "direction": "inbound"},
        tenant.claims(conversation_id=header.conversation_id),
    )
    assert outcome.error is None, outcome.text
    await router.aclose()
    return Conversation(tenant, header, database)


def record_talk(recorder: Recorder) -> None:
    """Record a greeting, a question and its answer."""
    spoken: dict[str, Any] = {
        "llm_provider": "openai",
        "tts_provider": "embedded",
        "voice_id": None,
        "language": "en",
        "interrupted": False,
    }
    recorder.add_job(room_sid="RM_1", agent_job_id="AJ_1")
    recorder.add_agent_response("Hello.", **spoken)
    recorder.add_user_turn("Are you open?", stt_provider="embedded", confidence=0.9)
    recorder.add_agent_response("Until nine.", **spoken)


async def test_what_could_not_be_delivered_is_tried_again_in_order(
    router: Router,
    conversation: Conversation,
    server_url: ServerUrl,
    transcripts_url: str,
    tmp_path: Path,
) -> None:
    recorder = Recorder(router, tmp_path, conversation.header)
    record_talk(recorder)
    await server_url.wait_for_lookups(3)
    assert await conversation.texts() == []
    server_url.url = transcripts_url
    assert await recorder.end("caller_left", 10)
    assert await conversation.texts() == ["Hello.", "Are you open?", "Until nine."]
    assert await conversation.end_reason() == "caller_left"
    assert await asyncio.to_thread(lambda: [*tmp_path.iterdir()]) == []


async def test_a_call_that_ends_before_the_server_is_back_is_replayed(
    router: Router,
    conversation: Conversation,
    server_url: ServerUrl,
    transcripts_url: str,
    tmp_path: Path,
) -> None:
    recorder = Recorder(router, tmp_path, conversation.header)
    record_talk(recorder)
    assert not await recorder.end("max_duration", 0.05)
    server_url.url = transcripts_url
    assert await replay_orphans(router, tmp_path) == 1
    assert await conversation.texts() == ["Hello.", "Are you open?", "Until nine."]
    assert await conversation.end_reason() == "max_duration"
    assert await replay_orphans(router, tmp_path) == 0


async def test_a_call_whose_process_died_is_ended_as_lost(
    router: Router,
    conversation: Conversation,
    server_url: ServerUrl,
    transcripts_url: str,
    tmp_path: Path,
) -> None:
    server_url.url = transcripts_url
    journal = Journal.create(tmp_path, conversation.header)
    said = {"order_index": 0, "text": "Are you open?", "stt_provider": "embedded"}
    journal.append(JournalEntry(tool="append_user_turn", arguments=said))

    async def is_lost(_: UUID) -> bool:
        return True

    assert await replay_orphans(router, tmp_path, is_lost=is_lost) == 0
    journal.close(delivered=False)
    assert await replay_orphans(router, tmp_path, is_lost=is_lost) == 1
    assert await conversation.texts() == ["Are you open?"]
    assert await conversation.end_reason() == "agent_lost"


@pytest.mark.parametrize(
    ("written", "stored"), [("parent process shutdown", "other"), ("max_duration", "max_duration")]
)
async def test_the_end_of_an_earlier_versions_journal_is_stored(
    router: Router,
    conversation: Conversation,
    server_url: ServerUrl,
    transcripts_url: str,
    tmp_path: Path,
    written: str,
    stored: str,
) -> None:
    server_url.url = transcripts_url
    journal = Journal.create(tmp_path, conversation.header)
    journal.append(JournalEntry(tool="end_conversation", arguments={"reason": written}))
    journal.close(delivered=False)
    assert await replay_orphans(router, tmp_path) == 1
    assert await conversation.end_reason() == stored


async def test_an_entry_that_the_server_refuses_does_not_hold_up_the_others(
    router: Router,
    conversation: Conversation,
    server_url: ServerUrl,
    transcripts_url: str,
    tmp_path: Path,
) -> None:
    server_url.url = transcripts_url
    recorder = Recorder(router, tmp_path, conversation.header)
    recorder.add_usage([{"provider": "p", "operation": "dance", "request_id": "r"}])
    record_talk(recorder)
    assert await recorder.end("caller_left", 10)
    assert await conversation.texts() == ["Hello.", "Are you open?", "Until nine."]


async def test_usage_is_stored_once_however_often_it_is_told(
    router: Router,
    conversation: Conversation,
    server_url: ServerUrl,
    transcripts_url: str,
    tmp_path: Path,
) -> None:
    server_url.url = transcripts_url
    recorder = Recorder(router, tmp_path, conversation.header)
    row = {"provider": "p", "operation": "llm", "request_id": str(uuid4()), "metadata": {"n": 1}}
    recorder.add_usage([row])
    recorder.add_usage([row])
    assert await recorder.end("caller_left", 10)
    query = "select metadata from api_usage where request_id = :id"
    rows = await fetch(conversation.database, conversation.tenant, query, id=row["request_id"])
    assert [stored["metadata"] for stored in rows] == [{"n": 1}]


def record_turn(recorder: Recorder, number: int) -> None:
    """Record a turn of three tool calls, with what its requests will be billed by."""
    spoken: dict[str, Any] = {"llm_provider": "p", "tts_provider": "p", "voice_id": None}
    recorder.add_user_turn(f"Three of them, please, {number}.", stt_provider="p")
    for step in range(3):
        recorder.add_usage([usage_row("llm")])
        recorder.add_tool_call("erp", "order", {"number": step}, Outcome("ordered", ms=5))
    for operation in ("stt", "llm", "tts"):
        recorder.add_usage([usage_row(operation)])
    recorder.add_agent_response("Done.", **spoken, language="en", interrupted=False)


def usage_row(operation: str) -> dict[str, Any]:
    """Return what one request is billed by."""
    return {"provider": "p", "operation": operation, "request_id": str(uuid4())}


COUNTS = """
select (select count(*) from tool_call where conversation_id = :id) as tool_calls,
    (select count(*) from api_usage where conversation_id = :id) as usage,
    (select count(*) from audit where conversation_id = :id and server = 'transcripts') as calls
"""


async def test_a_turn_with_three_tool_calls_is_stored_by_two(
    router: Router,
    conversation: Conversation,
    server_url: ServerUrl,
    transcripts_url: str,
    tmp_path: Path,
) -> None:
    server_url.url = transcripts_url
    recorder = Recorder(router, tmp_path, conversation.header)
    before = await conversation.counts()
    for number in range(2):
        record_turn(recorder, number)
    assert await recorder.end("caller_left", 10)
    after = await conversation.counts()
    assert after["calls"] - before["calls"] == 2 * 2 + 1  # the end is one, too
    assert (after["tool_calls"], after["usage"]) == (6, 12)


async def test_what_is_refused_together_is_stored_one_by_one(
    router: Router,
    conversation: Conversation,
    server_url: ServerUrl,
    transcripts_url: str,
    tmp_path: Path,
) -> None:
    """An entry that the server does not take costs neither the turn nor the others."""
    server_url.url = transcripts_url
    recorder = Recorder(router, tmp_path, conversation.header)
    recorder.add_usage([usage_row("dance")])
    record_turn(recorder, 1)
    assert await recorder.end("caller_left", 10)
    after = await conversation.counts()
    assert (after["tool_calls"], after["usage"]) == (3, 6)
    assert await conversation.texts() == ["Three of them, please, 1.", "Done."]


async def test_what_has_no_response_is_stored_at_the_end(
    router: Router,
    conversation: Conversation,
    server_url: ServerUrl,
    transcripts_url: str,
    tmp_path: Path,
) -> None:
    server_url.url = transcripts_url
    recorder = Recorder(router, tmp_path, conversation.header)
    recorder.add_tool_call("erp", "order", {}, Outcome("ordered", ms=5))
    recorder.add_usage([usage_row("llm")])
    recorder.add_usage([usage_row("tts")])
    assert await recorder.end("caller_left", 10)
    after = await conversation.counts()
    assert (after["tool_calls"], after["usage"]) == (1, 2)


def read_journals(folder: Path) -> str:
    """Return what is on the disk."""
    return "".join(path.read_text(encoding="utf-8") for path in folder.rglob("*.jsonl"))


def copy_journal(folder: Path) -> None:
    """Have the journal twice, as after a delivery whose end was not noticed."""
    (journal,) = folder.rglob("*.jsonl")
    journal.with_name("copy.jsonl").write_bytes(journal.read_bytes())


async def test_tool_calls_are_stored_without_secrets(
    router: Router,
    conversation: Conversation,
    server_url: ServerUrl,
    transcripts_url: str,
    tmp_path: Path,
) -> None:
    recorder = Recorder(router, tmp_path, conversation.header)
    looked_up = Outcome("", {"passages": [{"text": "Until nine."}]}, ms=9)
    recorder.add_tool_call(
        "knowledge", "search_knowledge", {"query": "open"}, looked_up, "retrieval"
    )
    record_talk(recorder)
    asked = {"status": "needs_confirmation", "say": "Shall I?", "confirmation_code": CANARY}
    arguments = {"slot": "a", "confirmation_code": CANARY, "login": {"password": CANARY}}
    recorder.add_tool_call("scheduling", "book", arguments, Outcome("", asked, "Shall I?", ms=80))
    hostile = {"number": float("nan"), "text": "\x00\ud800" * 9000}
    failed = Outcome(f"It failed. token={CANARY} \ud800", say="Sorry.", error="on_fire")
    recorder.add_tool_call("erp", "order", hostile, failed)
    assert CANARY not in await asyncio.to_thread(read_journals, tmp_path)
    server_url.url = transcripts_url
    assert await recorder.end("caller_left", 10)
    query = "select * from tool_call where conversation_id = :id order by created_at"
    identity = conversation.header.conversation_id
    rows = await fetch(conversation.database, conversation.tenant, query, id=identity)
    searched, booked, ordered = sorted(rows, key=lambda row: str(row["chosen_by"]), reverse=True)
    assert (searched["said"], searched["user_turn_index"]) == (
        '{"passages":[{"text":"Until nine."}]}',
        None,
    )
    assert booked["arguments"] == {"slot": "a", "login": {"password": "[redacted]"}}
    assert (booked["said"], booked["outcome"]) == ("Shall I?", "needs_confirmation")
    assert (booked["user_turn_index"], booked["ms"], booked["chosen_by"]) == (1, 80, "model")
    assert (ordered["arguments"]["number"], ordered["outcome"]) == ("nan", "fault")
    assert ordered["said"] == "It failed. token=[redacted] ?"


async def test_tool_calls_of_a_lost_call_are_stored_once(
    router: Router,
    conversation: Conversation,
    server_url: ServerUrl,
    transcripts_url: str,
    tmp_path: Path,
) -> None:
    recorder = Recorder(router, tmp_path, conversation.header)
    recorder.add_tool_call("crm", "find_contacts", {"query": "Mary"}, Outcome("Found."))
    await asyncio.to_thread(copy_journal, tmp_path)
    assert not await recorder.end("caller_left", 0.05)
    server_url.url = transcripts_url
    assert await replay_orphans(router, tmp_path) == 2
    query = "select said from tool_call where conversation_id = :id"
    identity = conversation.header.conversation_id
    rows = await fetch(conversation.database, conversation.tenant, query, id=identity)
    assert [row["said"] for row in rows] == ["Found."]
