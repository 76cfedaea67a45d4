"""Tool calls are told once, whether their events came or not."""

from typing import Any

from orchestrator.demo.call_log import merge_tool_calls

TRANSCRIPT = [
    {"order_index": index, "role": role}
    for index, role in enumerate(["agent", "user", "agent", "user", "agent"])
]


def entry(tool: str = "create_booking", **fields: Any) -> dict[str, Any]:
    """Return an entry of the log, as an API key reads it."""
    return {
        "order_index": 0,
        "user_turn_index": 3,
        "server": "scheduling",
        "tool": tool,
        "arguments": {"name": "Mary"},
        "said": "It is booked.",
        "outcome": "ok",
        "ms": 84.2,
        "chosen_by": "model",
        "called_at": "2026-03-02T10:00:07Z",
        **fields,
    }


def event(tool: str = "create_booking", **fields: Any) -> dict[str, Any]:
    """Return what was published of a tool call."""
    return {
        "type": "agent_tool_call",
        "at": 0,
        "server": "scheduling",
        "tool": tool,
        "arguments": {"name": "Mary"},
        "outcome": "ok",
        "ms": 84.2,
        "chosen_by": "model",
        "result": {"id": "42"},
        **fields,
    }


def test_a_call_without_an_event_is_told_by_the_log() -> None:
    (call,) = merge_tool_calls([], [entry()], TRANSCRIPT)
    assert (call.tool, call.arguments, call.outcome) == ("create_booking", {"name": "Mary"}, "ok")
    assert (call.turn, call.said, call.result) == (2, "It is booked.", None)


def test_both_accounts_make_one_call() -> None:
    (call,) = merge_tool_calls([event()], [entry()], TRANSCRIPT)
    assert (call.turn, call.said, call.result) == (2, "It is booked.", {"id": "42"})


def test_like_calls_are_told_apart_by_their_time_and_outcome() -> None:
    calls = merge_tool_calls(
        [event(ms=84.2), event(ms=84.2, outcome="conflict", result=None), event(ms=9.5)],
        [entry(ms=84.2), entry(ms=84.2, outcome="conflict"), entry(ms=9.5), entry(ms=50.0)],
        TRANSCRIPT,
    )
    assert [call.ms for call in calls] == [84.2, 84.2, 9.5, 50.0]
    assert [bool(call.result) for call in calls] == [True, False, True, False]


def test_an_event_that_the_log_lacks_is_kept() -> None:
    calls = merge_tool_calls([event("get_available_slots"), event()], [entry()], TRANSCRIPT)
    assert [call.tool for call in calls] == ["create_booking", "get_available_slots"]
    assert calls[1].turn is None


def test_a_retrieval_keeps_its_passages_and_may_have_no_turn() -> None:
    fields = {"server": "knowledge", "chosen_by": "retrieval", "arguments": {"query": "price"}}
    told = event("search_knowledge", type="retrieval", passages=["45 euros"], result=None, **fields)
    logged = entry("search_knowledge", user_turn_index=None, **fields)
    (call,) = merge_tool_calls([told, {"type": "latency"}], [logged], TRANSCRIPT)
    assert (call.passages, call.turn) == (["45 euros"], None)
