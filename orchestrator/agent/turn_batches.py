"""Entries of a journal that are delivered together: an agent response with what led to it.

Tool calls and usage wait for the response of their turn, and travel in its tool call: so a turn
costs two calls of the transcripts server, however many tools it used. Each entry is in the journal
by itself. What fails together is tried one by one.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from orchestrator.agent.journal import JournalEntry
from orchestrator.agent.journal_delivery import in_order

WAIT_SECONDS = 10.0  # that an entry waits for the response of its turn
_RESPONSE, _TOOL_CALL, _USAGE = "append_agent_response", "append_tool_call", "record_usage"
_WAITING = frozenset({_TOOL_CALL, _USAGE})
_MAX_TOOL_CALLS, _MAX_USAGE = 20, 20  # entries in one call, of a few rows each


@dataclass(eq=False)
class PendingEntry:
    """An entry that is not delivered yet, since when, and how often that was tried."""

    entry: JournalEntry
    tries: int = 0
    since: float = field(default_factory=time.monotonic)


def next_batch(pending: Sequence[PendingEntry], *, closing: bool = False) -> list[PendingEntry]:
    """Return what is to be delivered next, in one tool call; nothing while all of it waits.

    When the recorder is `closing`, nothing waits.
    """
    waiting = [each for each in pending if not each.tries and each.entry.tool in _WAITING]
    others = [(each, each.tries) for each in pending if each not in waiting]
    if others:
        first = in_order(others)[0]
        if first.entry.tool != _RESPONSE or first.tries:
            return [first]
        calls = [each for each in waiting if each.entry.tool == _TOOL_CALL]
        usage = [each for each in waiting if each.entry.tool == _USAGE]
        return [first, *calls[:_MAX_TOOL_CALLS], *usage[:_MAX_USAGE]]
    overdue = time.monotonic() - WAIT_SECONDS
    ready = [each for each in waiting if closing or each.since <= overdue]
    usage = [each for each in ready if each.entry.tool == _USAGE]
    return usage[:_MAX_USAGE] or ready[:1]


def merge(batch: Sequence[PendingEntry]) -> JournalEntry:
    """Return one tool call that stores all of a batch."""
    first, *others = (each.entry for each in batch)
    if not others:
        return first
    usage = [row for each in batch if each.entry.tool == _USAGE for row in _rows(each.entry)]
    if first.tool == _USAGE:
        return JournalEntry(tool=_USAGE, arguments={"rows": usage})
    calls = [each.arguments for each in others if each.tool == _TOOL_CALL]
    log = {"tool_calls": calls, "usage": usage}
    return JournalEntry(tool=_RESPONSE, arguments={**first.arguments, "log": log})


def _rows(entry: JournalEntry) -> list[Any]:
    return list(entry.arguments.get("rows") or ())
