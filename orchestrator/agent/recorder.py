"""Records turns, usage and the end of a call: in its journal, then at the transcripts server."""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

from config.protocol import NEEDS_CONFIRMATION, ChosenBy, to_end_reason
from config.redaction import kept_arguments, kept_text
from config.security.tokens import Claims, Grant
from orchestrator.agent.journal import (
    SERVER,
    Journal,
    JournalEntry,
    JournalHeader,
    OrphanedJournal,
    find_orphans,
)
from orchestrator.mcp_client.router import Router
from orchestrator.mcp_client.tool import Outcome

logger = logging.getLogger("antiphon.recorder")

_RETRY_DELAYS = (0.2, 0.5, 1.0, 2.0, 5.0)  # seconds between tries; the last one repeats
_RETRYABLE = frozenset({"unavailable", "timeout", "fault", "outcome_unknown"})

RecordToolCall = Callable[[str, str, Mapping[str, Any], Outcome, ChosenBy], None]


class Recorder:
    """Records one call. What is said is numbered in its order."""

    def __init__(self, router: Router, folder: Path, header: JournalHeader) -> None:
        self._router = router
        self._claims = _claims(header)
        self._journal = Journal.create(folder, header)
        self._undelivered: asyncio.Queue[JournalEntry | None] = asyncio.Queue()
        self._delivery = asyncio.create_task(self._deliver())
        self._next_index = 0
        self._last_user_turn: int | None = None

    def add_user_turn(
        self,
        text: str,
        *,
        stt_provider: str,
        language: str | None = None,
        confidence: float | None = None,
    ) -> None:
        """Record what the caller said."""
        self._last_user_turn = index = self._index()
        self._record(
            "append_user_turn",
            order_index=index,
            text=text,
            stt_provider=stt_provider,
            language=language,
            stt_confidence=confidence,
            spoken_at=_now(),
        )

    def add_agent_response(
        self,
        text: str,
        *,
        llm_provider: str,
        tts_provider: str,
        voice_id: str | None,
        language: str,
        interrupted: bool,
    ) -> None:
        """Record what the caller heard."""
        self._record(
            "append_agent_response",
            order_index=self._index(),
            user_turn_index=self._last_user_turn,
            text=text,
            llm_provider=llm_provider,
            tts_provider=tts_provider,
            voice_id=voice_id,
            language=language,
            interrupted=interrupted,
            spoken_at=_now(),
        )

    def add_tool_call(
        self,
        server: str,
        tool: str,
        arguments: Mapping[str, Any],
        outcome: Outcome,
        chosen_by: ChosenBy = "model",
    ) -> None:
        """Record a tool call, without secrets; a search may be for words that are no turn yet."""
        asked = outcome.data.get("status") == NEEDS_CONFIRMATION
        self._record(
            "append_tool_call",
            call_id=str(uuid4()),
            user_turn_index=self._last_user_turn if chosen_by == "model" else None,
            server=server,
            tool=tool,
            arguments=kept_arguments(arguments),
            said=kept_text((not outcome.error and outcome.say) or outcome.for_model),
            outcome=outcome.error or (NEEDS_CONFIRMATION if asked else "ok"),
            ms=round(outcome.ms, 1),
            chosen_by=chosen_by,
            called_at=(datetime.now(UTC) - timedelta(milliseconds=outcome.ms)).isoformat(),
        )

    def add_job(self, *, room_sid: str, agent_job_id: str) -> None:
        """Record which job serves the call."""
        self._record("update_conversation", room_sid=room_sid, agent_job_id=agent_job_id)

    def add_usage(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Record what providers bill for."""
        self._record("record_usage", rows=list(rows))

    async def end(self, reason: str, delivery_seconds: float) -> bool:
        """Record the end; return whether everything was delivered within `delivery_seconds`."""
        self._record("end_conversation", reason=to_end_reason(reason), ended_at=_now())
        return await self.close(delivery_seconds)

    async def close(self, delivery_seconds: float) -> bool:
        """Record nothing more; return whether all was delivered within `delivery_seconds`."""
        self._undelivered.put_nowait(None)
        done, _ = await asyncio.wait({self._delivery}, timeout=delivery_seconds)
        if not done:
            self._delivery.cancel()
        self._journal.close(delivered=bool(done))
        return bool(done)

    def _index(self) -> int:
        index = self._next_index
        self._next_index += 1
        return index

    def _record(self, tool: str, /, **arguments: Any) -> None:
        present = {name: value for name, value in arguments.items() if value is not None}
        entry = JournalEntry(tool=tool, arguments=present)
        self._journal.append(entry)
        self._undelivered.put_nowait(entry)

    async def _deliver(self) -> None:
        while (entry := await self._undelivered.get()) is not None:
            await _deliver(self._router, self._claims, entry)


async def replay_orphans(router: Router, folder: Path) -> int:
    """Deliver the journals of calls whose process died, and return how many there were."""
    count = 0
    for orphan in find_orphans(folder):
        await _replay(router, orphan)
        count += 1
    return count


async def _replay(router: Router, orphan: OrphanedJournal) -> None:
    claims = _claims(orphan.header)
    delivered = False
    try:
        for entry in orphan.entries:
            await _deliver(router, claims, _with_known_reason(entry))
        if all(entry.tool != "end_conversation" for entry in orphan.entries):
            end = JournalEntry(tool="end_conversation", arguments={"reason": "agent_lost"})
            await _deliver(router, claims, end)
        delivered = True
    finally:
        orphan.journal.close(delivered=delivered)


async def _deliver(router: Router, claims: Claims, entry: JournalEntry) -> None:
    """Deliver one entry, however long the server is away; an entry that it refuses is logged."""
    attempt = 0
    while True:
        outcome = await router.call(SERVER, entry.tool, entry.arguments, claims, retry=True)
        if outcome.error not in _RETRYABLE:
            _log_refusal(entry, outcome)
            return
        await asyncio.sleep(_RETRY_DELAYS[min(attempt, len(_RETRY_DELAYS) - 1)])
        attempt += 1


def _log_refusal(entry: JournalEntry, outcome: Outcome) -> None:
    if outcome.error:
        fields = {"tool": entry.tool, "error": outcome.error}
        logger.error("the transcripts server refused an entry", extra=fields)


def _with_known_reason(entry: JournalEntry) -> JournalEntry:
    """Return an entry as the server takes it: journals of earlier versions have any reason."""
    reason = entry.arguments.get("reason")
    if entry.tool != "end_conversation" or not isinstance(reason, str):
        return entry
    return JournalEntry(
        tool=entry.tool, arguments={**entry.arguments, "reason": to_end_reason(reason)}
    )


def _claims(header: JournalHeader) -> Claims:
    return Claims(
        sub=header.subject,
        business_id=header.business_id,
        bot_id=header.bot_id,
        conversation_id=header.conversation_id,
        grant=Grant(),
    )


def _now() -> str:
    return datetime.now(UTC).isoformat()
