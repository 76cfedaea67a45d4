"""The tool calls of a demonstration: what its events told, and what is in the call's log."""

from collections.abc import Mapping, Sequence
from typing import Any

from orchestrator.demo.report import ToolCall

_NEAR = 1.0  # milliseconds by which two accounts of one call may differ
_EVENTS = ("agent_tool_call", "retrieval")

Json = Mapping[str, Any]


def merge_tool_calls(
    events: Sequence[Json], log: Sequence[Json], transcript: Sequence[Json]
) -> list[ToolCall]:
    """Return every tool call once: in the order of the log, then what it lacks.

    Events know results and passages, the log knows the turn of a call.
    """
    told = [event for event in events if event["type"] in _EVENTS]
    calls: list[ToolCall] = []
    for entry in log:
        event = next((each for each in told if _same(each, entry)), None)
        if event is not None:
            told.remove(event)
        calls.append(_tool_call({**entry, **(event or {})}, transcript))
    return calls + [_tool_call(event, transcript) for event in told]


def _same(event: Json, entry: Json) -> bool:
    names = ("server", "tool", "outcome", "chosen_by")
    return (
        all(event[name] == entry[name] for name in names)
        and abs(event["ms"] - entry["ms"]) <= _NEAR
    )


def _tool_call(call: Json, transcript: Sequence[Json]) -> ToolCall:
    fields = {name: value for name, value in call.items() if name in ToolCall.model_fields}
    return ToolCall.model_validate(fields | {"turn": _turn(call, transcript)})


def _turn(call: Json, transcript: Sequence[Json]) -> int | None:
    """Return which of the caller's turns the call was made for, from 1, where that is known."""
    index = call.get("user_turn_index")
    turns = [entry["order_index"] for entry in transcript if entry["role"] == "user"]
    return turns.index(index) + 1 if index in turns else None
