"""The conversation of a call as it is stored when a job takes the call."""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from livekit.agents.llm import ChatContext

from orchestrator.agent.journal import SERVER
from orchestrator.agent.journal_replay import replay_orphans
from orchestrator.calls.state import Lease
from orchestrator.mcp_client.router import Identity, Router
from orchestrator.mcp_client.tool import Outcome

_TRIES = 3  # of reading, while the server is away
_PAUSE = 0.5  # seconds between two
# That a caller waits in silence for what is stored: for reading, and for replaying journals.
_READ_SECONDS = 4.0
_REPLAY_SECONDS = 4.0
# Turns that a job may have recorded after its last beat, and before its journal was read.
_INDEX_MARGIN = 10


@dataclass(frozen=True)
class StoredConversation:
    """What is known of a conversation: whether it is over, and what was said."""

    is_over: bool = False
    entries: Sequence[Mapping[str, Any]] = ()
    next_index: int = 0

    def chat_context(self) -> ChatContext | None:
        """Return what was said, for a model; None if nothing was."""
        if not self.entries:
            return None
        context = ChatContext.empty()
        for entry in self.entries:
            from_us = entry.get("role") == "agent"
            context.add_message(
                role="assistant" if from_us else "user", content=str(entry.get("text", ""))
            )
        return context


async def load_conversation(router: Router, identity: Identity) -> StoredConversation:
    """Read a conversation, in which nothing is said before a job has taken it.

    While the server is away or frozen, a call begins as if it were new: what is recorded is kept.
    """
    outcome = await _read(router, identity, "get_conversation")
    if outcome.error == "not_found":
        return StoredConversation(is_over=True)
    if outcome.data.get("status") == "ended":
        return StoredConversation(is_over=True)
    if outcome.error or outcome.data.get("agent_job_id") is None:
        return StoredConversation()
    return await _load_entries(router, identity)


async def resume_conversation(
    router: Router, identity: Identity, lease: Lease, journals: Path
) -> StoredConversation:
    """Read a conversation that an earlier job has left, with what its journal here still holds.

    What is not delivered in time, the worker delivers later.
    """
    with suppress(TimeoutError):
        async with asyncio.timeout(_REPLAY_SECONDS):
            await replay_orphans(router, journals, identity.conversation_id)
    stored = await _load_entries(router, identity)
    next_index = max(stored.next_index, lease.next_index) + _INDEX_MARGIN
    return StoredConversation(entries=stored.entries, next_index=next_index)


async def _load_entries(router: Router, identity: Identity) -> StoredConversation:
    outcome = await _read(router, identity, "get_transcript")
    entries: list[Mapping[str, Any]] = list(outcome.data.get("entries") or ())
    indexes = [int(entry["order_index"]) for entry in entries]
    return StoredConversation(entries=entries, next_index=max(indexes, default=-1) + 1)


async def _read(router: Router, identity: Identity, tool: str) -> Outcome:
    outcome, claims = Outcome(""), identity.claims(SERVER, every_tool=True)
    now = asyncio.get_running_loop().time
    deadline = now() + _READ_SECONDS
    for attempt in range(_TRIES):
        if attempt:
            await asyncio.sleep(_PAUSE)
        left = deadline - now()
        if left <= 0:
            break
        outcome = await router.call(SERVER, tool, {}, claims, budget=left, retry=True)
        if outcome.error not in ("unavailable", "timeout", "fault", "rate_limited"):
            break
    return outcome
