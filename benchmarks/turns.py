"""Measures how long a caller waits for the first sound and for the answer, part by part.

The same demonstration call with the embedded language model, and with a script in its place.

Run: `python -m benchmarks.turns [CALLS]`
"""

import asyncio
import json
import statistics
import sys
from collections.abc import Mapping, Sequence
from uuid import uuid4

from benchmarks.demo_call import make_call
from benchmarks.fake_servers import Json, model_server
from benchmarks.figures import heading

_SOUNDS = ("first_sound", "answer")  # as the caller hears them; the parts explain the answer
_PARTS = ("hearing", "endpointing", "retrieval", "model", "tools", "speech", "filler", "ours")

Latency = Mapping[str, float]


async def main(calls: int) -> None:
    """Call in turn with either model, and print the medians over all answers."""
    answers: dict[str, list[Latency]] = {"embedded": [], "scripted": []}
    async with model_server(scripted) as url:
        script = {
            "LLM_MODEL": "openai/scripted",
            "OPENAI_API_BASE": url,
            "OPENAI_API_KEY": "benchmark",
        }
        print(f"turns: {calls} calls with each model, in turn; {heading()}")
        for _ in range(calls):
            answers["embedded"] += await _call({})
            answers["scripted"] += await _call(script)
        print(f"at the end: {heading()}")
    _report(answers)


def scripted(request: Json) -> Json:
    """Answer the demo's turns: a fact, free times, a booking, the yes, and the goodbye."""
    messages: list[Json] = request["messages"]
    last = messages[-1]
    if last["role"] == "tool":
        return {"content": _sentence(str(last["content"]))}
    user_texts = [str(message["content"]) for message in messages if message["role"] == "user"]
    match len(user_texts):
        case 2:
            words = user_texts[-1]
            return _tool("scheduling_get_available_slots", service=words, when=words)
        case 3:
            slot = _handle(messages)
            return _tool("scheduling_create_booking", slot=slot, name="Peter Brown")
        case 4:
            return _tool("confirm")
        case 5:
            return _tool("end_conversation")
        case _:
            return {"content": "That is forty-five pounds for half an hour."}


def _tool(tool: str, **arguments: str) -> Json:
    function = {"name": tool, "arguments": json.dumps(arguments)}
    call = {"index": 0, "id": f"call_{uuid4().hex}", "type": "function", "function": function}
    return {"tool_calls": [call]}


def _sentence(result: str) -> str:
    try:
        return str(json.loads(result).get("say", "Very well."))
    except ValueError:
        return "Very well."


def _handle(messages: Sequence[Json]) -> str:
    for message in reversed(messages):
        if message["role"] == "tool" and '"offered"' in str(message["content"]):
            offered: list[Json] = json.loads(message["content"])["offered"]
            return str(offered[0]["handle"])
    return "tomorrow at three"


async def _call(environment: Mapping[str, str]) -> list[Latency]:
    report = await make_call((), environment)
    outcome = "a booking was made" if report.booking else "no booking was made"
    latencies: list[Latency] = [turn.latency for turn in report.turns if turn.latency]
    measured = [latency for latency in latencies if "ours" in latency]
    fillers = sum(latency["first_sound"] < latency["answer"] for latency in measured)
    timed = f"{len(measured)} answers timed, {fillers} of them after a filler"
    print(f"  {report.providers['llm']}: {timed}, {outcome}")
    return measured


def _report(answers: Mapping[str, Sequence[Latency]]) -> None:
    print(f"{'seconds, medians (of how many answers)':40}{'embedded':>16}{'scripted':>16}")
    for part in (*_SOUNDS, *_PARTS, "transport"):
        cells = (_median([a[part] for a in measured if part in a]) for measured in answers.values())
        print(f"{part:40}{''.join(f'{cell:>16}' for cell in cells)}")
    for name, parts in (
        ("ours, of the answer", ("ours",)),
        ("ours, with our servers' answers", ("ours", "retrieval", "tools")),
    ):
        shares = (_share(measured, parts) for measured in answers.values())
        print(f"{name:40}{''.join(f'{share:>16}' for share in shares)}")


def _median(values: Sequence[float]) -> str:
    return f"{statistics.median(values):.3f} ({len(values)})" if values else "-"


def _share(measured: Sequence[Latency], parts: Sequence[str]) -> str:
    shares = [sum(a.get(part, 0) for part in parts) / a["answer"] for a in measured]
    return f"{statistics.median(shares):.1%}" if shares else "-"


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]) if sys.argv[1:] else 3))
