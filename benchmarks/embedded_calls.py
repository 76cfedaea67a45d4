"""Measures calls that the embedded models serve under load, one kind after the other.

- `two`: two calls at once.
- `prefix`: a bot with a prompt of some 2,900 tokens is read for the first time during a call.
- `kill`: the language model's process is killed while it answers.
- `soak`: calls one after the other, for some minutes.

Run: `python -m benchmarks.embedded_calls [two|prefix|kill|soak=MINUTES …]`; `LLM_ENGINE` chooses
the engine.
"""

import asyncio
import os
import signal
import statistics
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from uuid import uuid4

import httpx2
import psutil
from rich.console import Console

from benchmarks.figures import heading, percentile
from benchmarks.process_memory import memory_peak
from config.declarations.schema import read_declaration
from config.declarations.section import sections
from config.settings import Settings
from orchestrator.admin.api_keys import create_api_key
from orchestrator.admin.bot_tools import list_bot_tools, read_bot_prefix
from orchestrator.admin.declarations import apply_file
from orchestrator.demo.conversation import CallTarget, run_call
from orchestrator.demo.report import Report
from orchestrator.demo.script import find_recordings, load_utterances
from orchestrator.demo.timeline import Timeline
from orchestrator.local.deployment import Deployment, Plan, run_deployment

_DECLARATION = Path(__file__).parents[1] / "config" / "bots" / "demo-clinic.yaml"
_MODELS = ("orchestrator.embedded", "orchestrator models")  # in the commands of their processes
_LONG_PROMPT = "Visitors of house number {number} are asked to ring the bell twice. "
_LONG = 170  # such sentences: about 2,900 tokens


class Calls:
    """Makes demonstration calls in one deployment."""

    def __init__(self, deployment: Deployment, target: CallTarget) -> None:
        self.deployment = deployment
        self._target = target
        self._script = load_utterances(find_recordings(_DECLARATION))

    async def make(self) -> Report:
        """Make one call."""
        quiet = Timeline(Console(quiet=True))
        return await run_call(self._target, self._script, quiet)

    async def read_long_prefix(self) -> float:
        """Have the model read a prompt that it has never seen; return how long that took."""
        sentences = "".join(_LONG_PROMPT.format(number=number) for number in range(_LONG))
        prompt = {"role": "system", "content": f"{uuid4().hex}. {sentences}"}
        function = {"name": "ring", "parameters": {"type": "object"}}
        body = {"messages": [prompt], "tools": [{"type": "function", "function": function}]}
        began = time.monotonic()
        async with httpx2.AsyncClient(timeout=300, trust_env=False) as client:
            response = await client.post(f"{self.deployment.models_url}/prefixes", json=body)
            assert response.is_success, response.text
        return time.monotonic() - began


async def main(scenes: Sequence[str]) -> None:
    """Run the scenes in one deployment."""
    declaration = read_declaration(_DECLARATION, sections())
    business, bot = declaration.business.slug, declaration.bots[0].name
    plan = Plan(folder=None, models=True, extra={"WORKER_MAX_CALLS": "2"})
    async with run_deployment(Settings(), plan, print) as deployment:
        await apply_file(deployment.settings, _DECLARATION)
        await list_bot_tools(deployment.settings, business, bot)
        await read_bot_prefix(deployment.settings, business, bot)
        key = await create_api_key(deployment.settings, business, "benchmark")
        providers = {"stt": "embedded", "llm": "embedded", "tts": "embedded"}
        calls = Calls(
            deployment,
            CallTarget(deployment.api_url, business, bot, key, deployment.models_url, providers),
        )
        print(f"embedded_calls: {heading()}")
        for scene in scenes:
            name, _, minutes = scene.partition("=")
            match name:
                case "two":
                    await _two_at_once(calls)
                case "prefix":
                    await _prefix_during_a_call(calls)
                case "kill":
                    await _killed_model(calls)
                case "soak":
                    await _soak(calls, float(minutes or 30))
                case _:
                    raise SystemExit(f"There is no {name!r}: two, prefix, kill, soak=MINUTES")
        print(f"at the end: {heading()}")


def _answers(report: Report) -> list[float]:
    return [turn.latency["answer"] for turn in report.turns if turn.latency]


def _figures(seconds: Sequence[float]) -> str:
    median, slow = statistics.median(seconds), percentile(seconds, 95)
    return f"{len(seconds)} answers, median {median:.2f} s, p95 {slow:.2f} s"


async def _two_at_once(calls: Calls) -> None:
    alone = await calls.make()
    both = await asyncio.gather(calls.make(), calls.make())
    print(f"one call: {_figures(_answers(alone))}")
    print(f"two at once: {_figures([each for report in both for each in _answers(report)])}")
    print(f"  unanswered: {sum(report.unanswered for report in both)}")


async def _prefix_during_a_call(calls: Calls) -> None:
    before = await calls.make()
    during, took = await asyncio.gather(calls.make(), calls.read_long_prefix())
    pairs = zip(_answers(before), _answers(during), strict=False)
    delays = ", ".join(f"{later - sooner:+.2f}" for sooner, later in pairs)
    print(f"a prefix of 2,900 tokens, read in {took:.1f} s during a call: delays {delays} s")


async def _killed_model(calls: Calls) -> None:
    async with httpx2.AsyncClient(trust_env=False) as client:
        url = calls.deployment.settings.models_health_url
        call = asyncio.create_task(calls.make())
        await asyncio.sleep(12)  # the first question has been asked
        _kill_language_model()
        killed = time.monotonic()
        while not (await client.get(url)).is_success:  # noqa: ASYNC110 - another process's state
            await asyncio.sleep(0.1)
        print(f"a killed language model is back after {time.monotonic() - killed:.1f} s")
        report = await call
    print(f"  unanswered: {report.unanswered}; what the agent said:")
    for turn in report.turns:
        if turn.role == "agent":
            print(f"    {turn.text}")


def _kill_language_model() -> None:
    for process in psutil.process_iter():
        command = " ".join(process.cmdline())
        if "embedded.llama_process" in command or "embedded.openvino_process" in command:
            os.kill(process.pid, signal.SIGKILL)


async def _soak(calls: Calls, minutes: float) -> None:
    answers: list[list[float]] = []
    memory: list[float] = []
    until = time.monotonic() + minutes * 60
    unanswered = 0
    while time.monotonic() < until:
        async with memory_peak(*_MODELS) as peak:
            report = await calls.make()
        answers.append(_answers(report))
        memory.append(peak.gigabytes)
        unanswered += report.unanswered
    third = max(1, len(answers) // 3)
    print(f"{len(answers)} calls in {minutes:g} minutes, {unanswered} turns unanswered")
    print(f"  the first third: {_figures([each for call in answers[:third] for each in call])}")
    print(f"  the last third: {_figures([each for call in answers[-third:] for each in call])}")
    print(f"  memory of the models in GB: {' '.join(f'{each:.2f}' for each in memory)}")


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1:] or ["two", "prefix", "kill", "soak"]))
