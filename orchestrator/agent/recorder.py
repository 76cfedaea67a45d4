"""Turns, usage and the end of a call: into the journal first, then to the transcripts server."""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from config.security.tokens import Claims, Grant
from orchestrator.agent.journal import SERVER, Entry, Header, Journal, Orphan, orphans
from orchestrator.mcp_client.router import Router
from orchestrator.mcp_client.tool import Outcome

logger = logging.getLogger("antiphon.recorder")

_RETRY = (0.2, 0.5, 1.0, 2.0, 5.0)  # seconds between tries; the last one repeats
_LATER = frozenset({"unavailable", "timeout", "fault", "outcome_unknown"})


class Recorder:
    """Numbers what is said in one call, and sees that it is stored."""

    def __init__(self, constellation: Router, folder: Path, header: Header) -> None:
        self._constellation = constellation
        self._claims = _claims(header)
        self._journal = Journal.start(folder, header)
        self._waiting: asyncio.Queue[Entry | None] = asyncio.Queue()
        self._delivery = asyncio.create_task(self._deliver())
        self._next_index = 0
        self._last_user_turn: int | None = None

    def user_turn(
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
            spoken_at=_moment(),
        )

    def agent_response(
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
            spoken_at=_moment(),
        )

    def joined(self, *, room_sid: str, agent_job_id: str) -> None:
        """Record which job serves the call."""
        self._record("update_conversation", room_sid=room_sid, agent_job_id=agent_job_id)

    def usage(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Record what providers will bill for."""
        self._record("record_usage", rows=list(rows))

    async def end(self, reason: str, patience: float) -> bool:
        """Record the end, and say whether everything was delivered within `patience` seconds."""
        self._record("end_conversation", reason=reason, ended_at=_moment())
        self._waiting.put_nowait(None)
        done, _ = await asyncio.wait({self._delivery}, timeout=patience)
        if not done:
            self._delivery.cancel()
        self._journal.close(delivered=bool(done))
        return bool(done)

    def _index(self) -> int:
        index = self._next_index
        self._next_index += 1
        return index

    def _record(self, tool: str, **arguments: Any) -> None:
        given = {name: value for name, value in arguments.items() if value is not None}
        entry = Entry(tool=tool, arguments=given)
        self._journal.append(entry)
        self._waiting.put_nowait(entry)

    async def _deliver(self) -> None:
        while (entry := await self._waiting.get()) is not None:
            await _deliver(self._constellation, self._claims, entry)


async def replay(constellation: Router, folder: Path) -> int:
    """Deliver the journals of calls whose process died, and return how many there were."""
    count = 0
    for orphan in orphans(folder):
        await _replay(constellation, orphan)
        count += 1
    return count


async def _replay(constellation: Router, orphan: Orphan) -> None:
    claims = _claims(orphan.header)
    delivered = False
    try:
        for entry in orphan.entries:
            await _deliver(constellation, claims, entry)
        if all(entry.tool != "end_conversation" for entry in orphan.entries):
            end = Entry(tool="end_conversation", arguments={"reason": "agent_lost"})
            await _deliver(constellation, claims, end)
        delivered = True
    finally:
        orphan.journal.close(delivered=delivered)


async def _deliver(constellation: Router, claims: Claims, entry: Entry) -> None:
    """Bring one entry to the server, however long that takes; what it refuses is logged."""
    attempt = 0
    while True:
        outcome = await constellation.call(SERVER, entry.tool, entry.arguments, claims, retry=True)
        if outcome.error not in _LATER:
            _complain(entry, outcome)
            return
        await asyncio.sleep(_RETRY[min(attempt, len(_RETRY) - 1)])
        attempt += 1


def _complain(entry: Entry, outcome: Outcome) -> None:
    if outcome.error:
        fields = {"tool": entry.tool, "error": outcome.error}
        logger.error("the transcripts server refused an entry", extra=fields)


def _claims(header: Header) -> Claims:
    return Claims(
        sub=header.subject,
        business_id=header.business_id,
        bot_id=header.bot_id,
        conversation_id=header.conversation_id,
        grant=Grant(),
    )


def _moment() -> str:
    return datetime.now(UTC).isoformat()
