"""Records turns, usage and the end of a call: in its journal, then at the transcripts server."""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

from config.protocol import NEEDS_CONFIRMATION, ChosenBy, to_end_reason
from config.redaction import kept_arguments, kept_text
from orchestrator.agent import journal_metrics as metrics
from orchestrator.agent.journal import Journal, JournalEntry, JournalHeader
from orchestrator.agent.journal_delivery import (
    Delivery,
    Verdict,
    deliver,
    retry_delay,
    set_aside,
)
from orchestrator.agent.journal_files import Line
from orchestrator.agent.turn_batches import WAIT_SECONDS, PendingEntry, merge, next_batch
from orchestrator.mcp_client.router import Router
from orchestrator.mcp_client.tool import Outcome

logger = logging.getLogger("antiphon.recorder")

_RETRY_DELAYS = (0.2, 0.5, 1.0, 2.0, 5.0)  # seconds between tries; the last one repeats

RecordToolCall = Callable[[str, str, Mapping[str, Any], Outcome, ChosenBy], None]


class Recorder:
    """Records one call. What is said is numbered in its order."""

    def __init__(
        self, router: Router, folder: Path, header: JournalHeader, *, next_index: int = 0
    ) -> None:
        self._router = router
        self._folder = folder
        self._header = header
        self._journal = Journal.create(folder, header)
        self._pending: list[PendingEntry] = []
        self._changed = asyncio.Event()
        self._closing = False
        self._delivery = asyncio.create_task(self._deliver())
        self._delivery.add_done_callback(_log_death)
        self._last_user_turn: int | None = None
        self.next_index = next_index
        self.turns = 0  # of the caller's

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
        self.turns += 1
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
        self._closing = True
        self._changed.set()
        await asyncio.wait({self._delivery}, timeout=delivery_seconds)
        self._delivery.cancel()
        await asyncio.wait({self._delivery})
        delivered = not self._pending
        if not delivered and not self._journal.flush():
            lost = min(len(self._pending), self._journal.unwritten)
            metrics.lost.add(lost)
            logger.critical("neither the disk nor the server took entries", extra={"lost": lost})
        self._journal.close(delivered=delivered)
        metrics.undelivered.set(0, {"where": "call"})  # what is left is an orphan's
        return delivered

    def _index(self) -> int:
        index = self.next_index
        self.next_index += 1
        return index

    def _record(self, tool: str, /, **arguments: Any) -> None:
        present = {name: value for name, value in arguments.items() if value is not None}
        entry = JournalEntry(tool=tool, arguments=present)
        self._journal.append(entry)
        self._pending.append(PendingEntry(entry))
        self._changed.set()

    async def _deliver(self) -> None:
        """Deliver each entry, however long the server is away, until the recorder is closed."""
        failures = 0
        while not self._closing or self._pending:
            metrics.undelivered.set(len(self._pending), {"where": "call"})
            batch = next_batch(self._pending, closing=self._closing)
            if not batch:
                await self._wait_for_change()
                continue
            delivery = await deliver(self._router, self._header, merge(batch))
            if await self._is_done_with(batch, delivery):
                for each in batch:
                    self._pending.remove(each)
                failures = 0
                continue
            for each in batch:
                each.tries += 1
            failures += 1
            self._journal.flush()
            await asyncio.sleep(retry_delay(_RETRY_DELAYS, failures, delivery.retry_after))

    async def _wait_for_change(self) -> None:
        """Wait for another entry, or until those that wait for their turn have waited too long."""
        self._changed.clear()
        with suppress(TimeoutError):
            async with asyncio.timeout(WAIT_SECONDS if self._pending else None):
                await self._changed.wait()

    async def _is_done_with(self, batch: Sequence[PendingEntry], delivery: Delivery) -> bool:
        match delivery.verdict:
            case Verdict.DELIVERED:
                return True
            case Verdict.REFUSED if len(batch) == 1:
                lines = [Line.of(batch[0].entry)]
                return await set_aside(self._folder, self._header, lines, delivery.error)
            case _:
                # What is doubtful to the end is left to the replay; of what was refused together,
                # each is tried by itself.
                return False


def _log_death(delivery: "asyncio.Task[None]") -> None:
    if not delivery.cancelled() and (error := delivery.exception()) is not None:
        logger.error("the delivery of a call ended; its journal is left", exc_info=error)


def _now() -> str:
    return datetime.now(UTC).isoformat()
