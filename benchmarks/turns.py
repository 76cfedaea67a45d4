"""Measures how long a caller waits for the first sound and for the answer, part by part.

The same demonstration call with the embedded language model on each of its engines, and with a
script in its place. OpenVINO takes part where `antiphon models prepare` has been run.

Run: `python -m benchmarks.turns [CALLS]`
"""

import asyncio
import json
import statistics
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest
from uuid import uuid4

from benchmarks.demo_call import make_call
from benchmarks.fake_servers import Json, model_server
from benchmarks.figures import heading, percentile
from benchmarks.process_memory import memory_peak
from orchestrator.demo.report import Report
from orchestrator.embedded.llm_engine import choose_engine
from orchestrator.embedded.weights import WeightsError

_SOUNDS = ("first_sound", "answer")  # as the caller hears them; the parts explain the answer
_PARTS = ("hearing", "endpointing", "retrieval", "model", "tools", "speech", "filler", "ours")

Latency = Mapping[str, float]


@dataclass
class Measured:
    """What the calls with one model were like."""

    answers: list[Latency] = field(default_factory=list[Latency])
    first_answers: list[float] = field(default_factory=list[float])  # of each call, seconds
    texts: list[list[str]] = field(default_factory=list[list[str]])  # of the agent, by call
    memory: float = 0.0  # gigabytes, of the models' processes

    def add(self, report: Report, memory: float) -> None:
        """Take in a call."""
        latencies: list[Latency] = [turn.latency for turn in report.turns if turn.latency]
        answers = [latency for latency in latencies if "ours" in latency]
        self.answers += answers
        self.first_answers += [answer["answer"] for answer in answers[:1]]
        self.texts.append([turn.text for turn in report.turns if turn.role == "agent"])
        self.memory = max(self.memory, memory)
        outcome = "a booking was made" if report.booking else "no booking was made"
        fillers = sum(answer["first_sound"] < answer["answer"] for answer in answers)
        name = report.engine or report.providers["llm"]
        print(f"  {name}: {len(answers)} answers timed, {fillers} after a filler, {outcome}")


async def main(calls: int) -> None:
    """Call in turn with each model, and print the figures over all answers."""
    async with model_server(scripted) as url:
        script = {
            "LLM_MODEL": "openai/scripted",
            "OPENAI_API_BASE": url,
            "OPENAI_API_KEY": "benchmark",
        }
        models = {**_engines(), "scripted": script}
        measured = {name: Measured() for name in models}
        print(f"turns: {calls} calls with each of {', '.join(models)}, in turn; {heading()}")
        for _ in range(calls):
            for name, environment in models.items():
                async with memory_peak("orchestrator.embedded", "orchestrator models") as peak:
                    report = await make_call((), environment)
                measured[name].add(report, peak.gigabytes)
        print(f"at the end: {heading()}")
    _report(measured)
    if "openvino" in measured:
        _compare(measured["llama.cpp"].texts, measured["openvino"].texts)


def _engines() -> dict[str, dict[str, str]]:
    engines = {"llama.cpp": {"LLM_ENGINE": "llama.cpp"}}
    try:
        choose_engine("openvino", None)
    except WeightsError as error:
        print(f"without OpenVINO: {error}")
        return engines
    return {**engines, "openvino": {"LLM_ENGINE": "openvino"}}


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


def _report(measured: Mapping[str, Measured]) -> None:
    _row("seconds, medians (of how many answers)", list(measured))
    for part in (*_SOUNDS, *_PARTS, "transport"):
        _row(
            part,
            [_median([a[part] for a in each.answers if part in a]) for each in measured.values()],
        )
    for name, values in (
        ("first sound, the longest", [_each(m, "first_sound", 100) for m in measured.values()]),
        ("answer, p95", [_each(m, "answer", 95) for m in measured.values()]),
        ("first answer of a call", [_median(m.first_answers) for m in measured.values()]),
        (
            "first answer of the first call",
            [f"{m.first_answers[0]:.3f}" for m in measured.values()],
        ),
        ("memory of the models, GB", [f"{m.memory:.2f}" for m in measured.values()]),
        ("ours, of the answer", [_share(m.answers, ("ours",)) for m in measured.values()]),
        (
            "ours, with our servers' answers",
            [_share(m.answers, ("ours", "retrieval", "tools")) for m in measured.values()],
        ),
    ):
        _row(name, values)


def _row(name: str, cells: Sequence[str]) -> None:
    print(f"{name:40}{''.join(f'{cell:>16}' for cell in cells)}")


def _each(measured: Measured, sound: str, percent: float) -> str:
    return f"{percentile([answer[sound] for answer in measured.answers], percent):.3f}"


def _compare(one: Sequence[Sequence[str]], other: Sequence[Sequence[str]]) -> None:
    """Print how many of the agent's turns have the same text, and each difference."""
    pairs = [pair for calls in zip(one, other, strict=True) for pair in zip_longest(*calls)]
    same = sum(a == b for a, b in pairs)
    print(f"the same text on {same} of {len(pairs)} turns ({same / len(pairs):.0%})")
    for a, b in dict.fromkeys(pair for pair in pairs if pair[0] != pair[1]):
        print(f"  llama.cpp: {a}\n  openvino:  {b}")


def _median(values: Sequence[float]) -> str:
    return f"{statistics.median(values):.3f} ({len(values)})" if values else "-"


def _share(measured: Sequence[Latency], parts: Sequence[str]) -> str:
    shares = [sum(a.get(part, 0) for part in parts) / a["answer"] for a in measured]
    return f"{statistics.median(shares):.1%}" if shares else "-"


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]) if sys.argv[1:] else 5))
