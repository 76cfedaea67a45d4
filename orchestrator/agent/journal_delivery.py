"""Delivers one entry of a journal, and judges whether a failure is for now or for good."""

import asyncio
import logging
import random
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum, auto
from pathlib import Path
from typing import TypeVar

from config.protocol import to_end_reason
from config.security.tokens import Claims, Grant
from orchestrator.agent import journal_metrics as metrics
from orchestrator.agent.journal import SERVER, JournalEntry, JournalHeader, describe_error
from orchestrator.agent.journal_files import DeadLetter, Line, add_dead_letters
from orchestrator.mcp_client.router import Router
from orchestrator.mcp_client.tool import Outcome

T = TypeVar("T")

logger = logging.getLogger("antiphon.journal")

MAX_RETRY_AFTER = 900.0  # seconds; a server may ask for more, but not be obeyed
_TRIES_TOGETHER = 3  # of an entry that fails, until the others go first


class Verdict(Enum):
    """What becomes of an entry after a try."""

    DELIVERED = auto()
    LATER = auto()  # the server cannot take it now
    DOUBTFUL = auto()  # the fault may be the entry's: later, but not for ever
    REFUSED = auto()  # the server will never take it


# By kind of error: config.protocol.ErrorKind.
VERDICTS = {
    "unavailable": Verdict.LATER,
    "timeout": Verdict.LATER,
    "rate_limited": Verdict.LATER,
    "outcome_unknown": Verdict.LATER,
    "disconnected": Verdict.LATER,  # the server runs without its database
    "fault": Verdict.DOUBTFUL,
    "invalid": Verdict.REFUSED,
    "unknown_tool": Verdict.REFUSED,
    "not_found": Verdict.REFUSED,
    "rejected": Verdict.REFUSED,
    "conflict": Verdict.REFUSED,
    "forbidden": Verdict.REFUSED,
}
# By HTTP status, for a request that got no result. Of the rest, 4xx is doubtful.
_REFUSALS = frozenset({413, 414, 422, 431})  # of what was sent
# 401: the token has expired, or keys are being exchanged. 404, 405, 421: the way to the server is
# wrong, whatever was sent.
_LATER = frozenset({401, 404, 405, 407, 408, 421, 425, 429})


@dataclass(frozen=True)
class Delivery:
    """How one try ended. `error` is a kind or a status, `retry_after` is in seconds."""

    verdict: Verdict
    error: str = ""
    retry_after: float | None = None


async def deliver(router: Router, header: JournalHeader, entry: JournalEntry) -> Delivery:
    """Call the tool of an entry once, on behalf of its call."""
    arguments = dict(entry.arguments)
    if entry.tool == "end_conversation" and isinstance(arguments.get("reason"), str):
        # Journals of earlier versions have any reason.
        arguments["reason"] = to_end_reason(arguments["reason"])
    # In a task: whatever an entry breaks, it must not end the delivery of the others.
    calling = asyncio.create_task(
        router.call(SERVER, entry.tool, arguments, _claims(header), retry=True)
    )
    try:
        await asyncio.wait({calling})
    finally:
        calling.cancel()
    if calling.cancelled():
        return Delivery(Verdict.LATER, "cancelled")
    if (error := calling.exception()) is not None:
        return Delivery(Verdict.DOUBTFUL, type(error).__name__)
    return judge(calling.result())


def judge(outcome: Outcome) -> Delivery:
    """Return what becomes of an entry whose tool call ended like this."""
    if outcome.error is None:
        return Delivery(Verdict.DELIVERED)
    if outcome.status is None:
        verdict = VERDICTS.get(outcome.error, Verdict.DOUBTFUL)
        return Delivery(verdict, outcome.error, outcome.retry_after)
    return Delivery(_judge_status(outcome.status), f"http_{outcome.status}", outcome.retry_after)


async def set_aside(folder: Path, header: JournalHeader, lines: Sequence[Line], error: str) -> bool:
    """Store lines as dead letters, and return whether the disk has taken them."""
    letters = [DeadLetter.of(line, error) for line in lines]
    try:
        await asyncio.to_thread(add_dead_letters, folder, header, letters)
    except OSError as failure:
        fields = {"error": describe_error(failure)}
        logger.warning("a dead letter could not be stored; its entry stays", extra=fields)
        return False
    for letter in letters:
        fields = {"error": letter.error, "tool": letter.entry.tool if letter.entry else "none"}
        logger.error("an entry of a journal was set aside as a dead letter", extra=fields)
        metrics.set_aside.add(1, fields)
    return True


def in_order(entries: Sequence[tuple[T, int]]) -> list[T]:
    """Return what is to be tried, with its number of tries, in the order of trying.

    That is the order in which it was said, but what has failed more often comes later: an entry
    that the server cannot take does not hold up the others.
    """
    ordered = sorted(entries, key=lambda each: each[1] // _TRIES_TOGETHER)
    return [entry for entry, _ in ordered]


def retry_delay(delays: Sequence[float], failures: int, retry_after: float | None) -> float:
    """Return the seconds until the next try, after so many failures in a row.

    It is one of `delays`, the last of which repeats, and up to a tenth more; what the server asks
    for, within bounds, if that is longer.
    """
    delay = delays[min(max(failures, 1), len(delays)) - 1]
    asked = min(retry_after or 0.0, MAX_RETRY_AFTER)
    jitter = random.uniform(1.0, 1.1)  # noqa: S311 - spreads requests, hides nothing
    return max(delay * jitter, asked)


def _judge_status(status: int) -> Verdict:
    if status in _REFUSALS:
        return Verdict.REFUSED
    if status in _LATER or not 400 <= status < 500:
        return Verdict.LATER
    return Verdict.DOUBTFUL


def _claims(header: JournalHeader) -> Claims:
    return Claims(
        sub=header.subject,
        business_id=header.business_id,
        bot_id=header.bot_id,
        conversation_id=header.conversation_id,
        platform=True,
        grant=Grant(),
    )
