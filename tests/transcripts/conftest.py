"""The transcripts server on the real database, and a conversation to record."""

from collections.abc import AsyncGenerator
from typing import Any
from uuid import UUID, uuid4

import pytest
import pytest_asyncio
from redis.asyncio import Redis

from config.database import Database
from config.security.tokens import Claims, Signer
from tests.conftest import Tenant, new_tenant
from tests.support.processes import in_one_task
from tests.support.servers import Answer, Caller, Servers, serve
from transcripts.server import SERVER


class Recorder:
    """A client of the transcripts server for one tenant, by default for all conversations."""

    def __init__(self, servers: Servers, claims: Claims) -> None:
        self._servers = servers
        self.claims = claims

    async def call(self, tool: str, /, **arguments: Any) -> Answer:
        """Call a tool; it may fail."""
        async with self._servers.connect("transcripts", self.claims) as caller:
            return await caller.call(tool, **arguments)

    async def __call__(self, tool: str, /, **arguments: Any) -> dict[str, Any]:
        """Call a tool that must succeed."""
        answer = await self.call(tool, **arguments)
        assert answer.error is None, answer.text
        return answer.data

    async def start(self) -> str:
        """Start a conversation and return its id."""
        conversation_id = str(uuid4())
        await self(
            "start_conversation",
            conversation_id=conversation_id,
            room_name="room",
            direction="inbound",
        )
        return conversation_id

    async def record(self, conversation_id: str) -> None:
        """Append the sample entries to a conversation that has been started."""
        async with self._servers.connect("transcripts", self.claims) as caller:
            for tool, arguments in ENTRIES:
                await call_successfully(caller, tool, conversation_id=conversation_id, **arguments)

    def for_caller(self, conversation_id: str) -> "Recorder":
        """Return a client with the rights that the caller of a conversation has."""
        changes = {"sub": f"conversation:{conversation_id}", "bot_id": None}
        bound = self.for_conversation(conversation_id)
        return Recorder(self._servers, bound.claims.model_copy(update=changes))

    def for_conversation(self, conversation_id: str | UUID) -> "Recorder":
        """Return a client whose token is for one conversation only."""
        claims = self.claims.model_copy(update={"conversation_id": UUID(str(conversation_id))})
        return Recorder(self._servers, claims)


async def call_successfully(caller: Caller, tool: str, /, **arguments: Any) -> dict[str, Any]:
    """Call a tool that must succeed."""
    answer = await caller.call(tool, **arguments)
    assert answer.error is None, answer.text
    return answer.data


def at(second: int) -> str:
    """Return a time within the sample conversation."""
    return f"2026-03-02T10:00:{second:02}Z"


async def record_texts(recorder: Recorder, *texts: str) -> str:
    """Start a conversation, append these user turns, and return its id."""
    conversation_id = await recorder.start()
    for index, text in enumerate(texts):
        await recorder(
            "append_user_turn",
            conversation_id=conversation_id,
            order_index=index,
            text=text,
            stt_provider="s",
            spoken_at=at(index),
        )
    return conversation_id


def tool_call(**changes: Any) -> dict[str, Any]:
    """Return the arguments for recording one more tool call."""
    return {
        "call_id": str(uuid4()),
        "server": "crm",
        "tool": "find_contacts",
        "arguments": {"query": "Mary Brown"},
        "said": "I found Mary Brown.",
        "outcome": "ok",
        "ms": 12.5,
        **changes,
    }


ENTRIES: list[tuple[str, dict[str, Any]]] = [
    (
        "append_agent_response",
        {"order_index": 0, "text": "Hello, this is the bakery.", "spoken_at": at(0)},
    ),
    (
        "append_user_turn",
        {
            "order_index": 1,
            "text": "Do you have rye bread?",
            "stt_provider": "deepgram",
            "stt_confidence": 0.93,
            "language": "en",
            "spoken_at": at(4),
        },
    ),
    (
        "append_agent_response",
        {
            "order_index": 2,
            "user_turn_index": 1,
            "text": "Let me look.",
            "language": "en",
            "spoken_at": at(6),
        },
    ),
    (
        "append_agent_response",
        {
            "order_index": 3,
            "user_turn_index": 1,
            "text": "Two loaves are left, shall I",
            "interrupted": True,
            "llm_provider": "openai",
            "tts_provider": "elevenlabs",
            "voice_id": "v1",
            "spoken_at": at(9),
        },
    ),
    (
        "append_user_turn",
        {
            "order_index": 4,
            "text": "Merci, gardez-les.",
            "stt_provider": "deepgram",
            "language": "fr",
            "spoken_at": at(11),
        },
    ),
    (
        "append_agent_response",
        {"order_index": 5, "user_turn_index": 4, "text": "Avec plaisir.", "spoken_at": at(13)},
    ),
]


@pytest_asyncio.fixture(scope="session")
async def servers(signer: Signer, database: Database, cache: Redis) -> AsyncGenerator[Servers]:
    async with in_one_task(serve([SERVER], signer, database, cache)) as servers:
        yield servers


@pytest.fixture
def recorder(servers: Servers, tenant: Tenant) -> Recorder:
    return Recorder(servers, tenant.claims())


@pytest.fixture
def other_recorder(servers: Servers, other_tenant: Tenant) -> Recorder:
    return Recorder(servers, other_tenant.claims())


@pytest_asyncio.fixture
async def fresh(servers: Servers, database: Database) -> Recorder:
    """A client of a tenant without conversations."""
    return Recorder(servers, (await new_tenant(database)).claims())
