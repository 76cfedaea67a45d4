"""What a caller has waited for: the agent's first sound, and its answer, as they were heard."""

from collections.abc import Sequence
from typing import Any

from orchestrator.demo.caller import Caller, TranscriptLine

_NEAR = 0.3  # seconds by which the caller's recording may place the answer elsewhere


def latency(caller: Caller, spoken: float, ended: float) -> dict[str, float] | None:
    """Return the seconds from the caller's last sound, `spoken`, to what was heard until `ended`.

    `first_sound` is any sound, `answer` the first one that is no filler's; it is missing where
    there was none. With the agent's own figures for the turn there are its parts, and `transport`:
    what the way through LiveKit takes, and what the agent takes the caller's last sound for too
    late. All parts together are the answer.

    The first sound is right to 0.03 s. So is the answer after a filler, where silence of 0.1 s
    stands before it; else it is as late after the first sound as its transcript came after the
    filler's, which is right to about 0.1 s.
    """
    first = caller.first_voice(spoken)
    if first is None or first >= ended:
        return None
    figures = {"first_sound": first - spoken}
    answers = caller.answers(spoken, ended)
    if answers:
        lines = caller.agent_lines(spoken, ended)
        figures["answer"] = _answered(caller, first, lines[0], answers[0]) - spoken
        measured = _measured(caller.events, spoken, ended)
        if measured is not None:
            parts = {k: v for k, v in measured.items() if k not in ("first_sound", "answer")}
            figures = parts | {"transport": figures["answer"] - sum(parts.values())} | figures
    return {name: round(seconds, 3) for name, seconds in figures.items()}


def _answered(
    caller: Caller, first_sound: float, first: TranscriptLine, answer: TranscriptLine
) -> float:
    """Return when the answer began to be heard; its transcript comes somewhat before it."""
    if answer is first:
        return first_sound
    expected = first_sound + answer.began - first.began
    onsets = caller.onsets(expected - _NEAR, expected + _NEAR)
    return min(onsets, key=lambda at: abs(at - expected), default=expected)


def _measured(
    events: Sequence[dict[str, Any]], spoken: float, ended: float
) -> dict[str, float] | None:
    for event in events:
        if event["type"] == "latency" and spoken < event["heard_at"] < ended:
            seconds: dict[str, float] = event["seconds"]
            return seconds
    return None
