"""Which entries of a call's journal are delivered together."""

import time

from orchestrator.agent.journal import JournalEntry
from orchestrator.agent.turn_batches import WAIT_SECONDS, PendingEntry, merge, next_batch

TURN = JournalEntry(tool="append_user_turn", arguments={"order_index": 1})
RESPONSE = JournalEntry(tool="append_agent_response", arguments={"order_index": 2})
CALL = JournalEntry(tool="append_tool_call", arguments={"call_id": "c"})
USAGE = JournalEntry(tool="record_usage", arguments={"rows": [{"request_id": "r"}]})


def pending(*entries: JournalEntry, tries: int = 0, age: float = 0.0) -> list[PendingEntry]:
    """Return entries that were recorded `age` seconds ago."""
    return [PendingEntry(each, tries, time.monotonic() - age) for each in entries]


def tools(batch: list[PendingEntry]) -> list[str]:
    """Return the tools of a batch."""
    return [each.entry.tool for each in batch]


def test_a_response_takes_what_waits_with_it() -> None:
    batch = next_batch(pending(USAGE, CALL, CALL, RESPONSE))
    assert merge(batch).arguments == {
        "order_index": 2,
        "log": {
            "tool_calls": [{"call_id": "c"}, {"call_id": "c"}],
            "usage": [{"request_id": "r"}],
        },
    }


def test_a_turn_of_the_callers_goes_at_once_and_alone() -> None:
    assert tools(next_batch(pending(USAGE, TURN, RESPONSE))) == ["append_user_turn"]


def test_what_waits_for_its_response_goes_without_one_in_the_end() -> None:
    assert next_batch(pending(USAGE, CALL)) == []
    old = pending(USAGE, CALL, USAGE, age=WAIT_SECONDS)
    assert merge(next_batch(old)).arguments == {"rows": [{"request_id": "r"}] * 2}
    assert tools(next_batch(pending(CALL, age=WAIT_SECONDS))) == ["append_tool_call"]
    assert tools(next_batch(pending(CALL), closing=True)) == ["append_tool_call"]


def test_what_has_failed_is_tried_by_itself() -> None:
    failed = pending(CALL, USAGE, RESPONSE, tries=1)
    assert [tools(next_batch(failed[number:])) for number in range(3)] == [
        ["append_tool_call"],
        ["record_usage"],
        ["append_agent_response"],
    ]


def test_a_batch_is_no_larger_than_a_request_may_be() -> None:
    batch = next_batch(pending(*[USAGE, CALL] * 50, RESPONSE))
    assert len(batch) == 41
