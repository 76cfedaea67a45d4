"""Runs the benchmark: `python -m benchmarks.capacity [CALLS …] [--runs N] [--seconds S] [--gap S]`.

For each number of calls, both sides in turn, and in the other order in every second run. The
callers arrive `--gap` seconds apart; all of them talk for `--seconds` after the last has arrived.
Processor time is per second of a call, while all calls run. The largest number of calls that a side
carries is that of which in every run a turn's 95th percentile and the median greeting stay within
1.5 seconds, and nobody is left without an answer.
"""

import argparse
import asyncio
import os
import statistics
import sys
import time
from asyncio.subprocess import PIPE
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import get_args

import httpx2

from benchmarks.capacity.callers import RESULTS, CallResult, Order, Side
from benchmarks.capacity.usage import RoleUsage, memory_of_jobs
from benchmarks.figures import heading, percentile
from config.settings import Settings
from orchestrator.admin.api_keys import create_api_key
from orchestrator.admin.declarations import apply_file
from orchestrator.engines.ports import free_port
from orchestrator.engines.process import Process, Program, run_program
from orchestrator.local.deployment import Deployment, Plan, run_deployment

_DECLARATION = Path(__file__).with_name("museum.yaml")
_BUSINESS, _BOT = "harbour-museum", "busy"
_LIMIT = 1.5  # seconds
_SAMPLE = 0.2  # seconds between two looks at the processes
_SETTLE = 4.0  # seconds after the last arrival until processor time is counted
_REST = 5.0  # seconds after a step, in which its processes end


@dataclass(frozen=True)
class Machine:
    """Both sides, ready for calls."""

    deployment: Deployment
    api_key: str
    roots: dict[str, int]

    def order(self, side: Side, calls: int, options: argparse.Namespace) -> Order:
        """Return what callers are told."""
        environment = self.deployment.environment
        return Order(
            side=side,
            calls=calls,
            seconds=options.seconds,
            gap=options.gap,
            api_url=self.deployment.api_url,
            api_key=self.api_key,
            bot=_BOT,
            livekit_url=self.deployment.livekit_url,
            livekit_api_key=environment["LIVEKIT_API_KEY"],
            livekit_api_secret=environment["LIVEKIT_API_SECRET"],
        )


@dataclass
class Step:
    """So many calls of one side: times in seconds, memory in MB."""

    side: Side
    calls: int
    results: list[CallResult]
    steady: dict[str, float] = field(default_factory=dict[str, float])  # per second of a call
    once: float = 0.0  # of a call, beyond the steady rate, in the worker's processes
    busy: list[float] = field(default_factory=list[float])
    idle: list[float] = field(default_factory=list[float])

    @property
    def greetings(self) -> list[float]:
        """Return the greetings that were heard."""
        return [each.greeting for each in self.results if each.greeting is not None]

    @property
    def turns(self) -> list[float]:
        """Return the answers that were heard."""
        return [turn for each in self.results for turn in each.turns if turn is not None]

    @property
    def unanswered(self) -> int:
        """Return how often a caller waited in vain."""
        silent = sum(each.greeting is None for each in self.results)
        return silent + sum(turn is None for each in self.results for turn in each.turns)

    @property
    def passes(self) -> bool:
        """Return whether the calls were carried."""
        if not self.greetings or not self.turns or self.unanswered:
            return False
        slow = percentile(self.turns, 95) > _LIMIT
        return not slow and statistics.median(self.greetings) <= _LIMIT

    @property
    def cost(self) -> float:
        """Return the processor time of a call second on this side, callers and LiveKit apart."""
        return sum(self.steady.get(role, 0.0) for role in _roles(self.side))

    def line(self) -> str:
        """Return the step as a line of the report."""
        greeting, turns = self.greetings or [float("nan")], self.turns or [float("nan")]
        memory = [
            f"{statistics.median(each):.0f}" if each else "-" for each in (self.busy, self.idle)
        ]
        parts = ", ".join(f"{role} {1000 * used:.0f}" for role, used in sorted(self.steady.items()))
        return (
            f"{self.side:5} {self.calls:3} calls: greeting {statistics.median(greeting):.2f} "
            f"{percentile(greeting, 95):.2f}, turn {statistics.median(turns):.2f} "
            f"{percentile(turns, 95):.2f}, unanswered {self.unanswered} of "
            f"{len(self.turns) + len(self.results)}, once {self.once:.2f} s, memory in a call "
            f"{memory[0]} MB, warm {memory[1]} MB\n      ms per call second: {parts}"
        )


def _roles(side: Side) -> Sequence[str]:
    ours = ("api", "mcp", "PostgreSQL", "Valkey")
    return (f"{side} worker", f"{side} jobs", *(ours if side == "ours" else ("stock server",)))


async def main(options: argparse.Namespace) -> None:
    """Run every step, and print the figures."""
    steps: list[Step] = []
    async with _machine() as machine:
        print(f"capacity: {options.runs} runs, {options.seconds:.0f} s, {heading()}", flush=True)
        print("greeting and turn: median and 95th percentile, seconds", flush=True)
        for run, calls in product(range(options.runs), options.calls):
            sides = get_args(Side) if (run + calls // 2) % 2 == 0 else get_args(Side)[::-1]
            for side in sides:
                step = await _measure(machine, machine.order(side, calls, options))
                steps.append(step)
                print(step.line(), flush=True)
    print(f"at the end: {heading()}")
    for side in get_args(Side):
        of_side = [step for step in steps if step.side == side]
        carried = [n for n in options.calls if all(s.passes for s in of_side if s.calls == n)]
        cost = statistics.median(step.cost for step in of_side)
        print(
            f"{side}: carries {max(carried, default=0)} calls, {1000 * cost:.0f} ms a call second"
        )


async def _measure(machine: Machine, order: Order) -> Step:
    """Make the calls of one step, and measure what they use."""
    usage = RoleUsage(dict(machine.roots))
    usage.sample()
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "benchmarks.capacity.callers", stdin=PIPE, stdout=PIPE
    )
    usage.roots["callers"] = process.pid
    calling = asyncio.create_task(process.communicate(order.model_dump_json().encode()))
    arrived = time.monotonic() + order.gap * (order.calls - 1) + _SETTLE
    await _sample_until(usage, arrived, calling)
    before, jobs_before = dict(usage.seconds), usage.job_times(order.side)
    window = order.seconds - _SETTLE - 1
    await _sample_until(usage, arrived + window, calling)
    after, jobs_after = dict(usage.seconds), usage.job_times(order.side)
    busy, idle = memory_of_jobs(jobs_before, jobs_after, window)
    output, _ = await calling
    await _sample_until(usage, time.monotonic() + _REST, None)
    step = Step(order.side, order.calls, RESULTS.validate_json(output), busy=busy, idle=idle)
    call_seconds = order.calls * window
    step.steady = {
        role: (used - before.get(role, 0.0)) / call_seconds
        for role, used in after.items()
        if used - before.get(role, 0.0) > 0.0005 * call_seconds
    }
    worker = (f"{order.side} worker", f"{order.side} jobs")
    lasted = sum(each.ended - each.began for each in step.results if each.ended)
    steady = sum(step.steady.get(role, 0.0) for role in worker) * lasted
    step.once = (sum(usage.seconds[role] for role in worker) - steady) / order.calls
    return step


async def _sample_until(
    usage: RoleUsage, until: float, calling: "asyncio.Task[tuple[bytes, bytes]] | None"
) -> None:
    while time.monotonic() < until and not (calling and calling.done()):
        await asyncio.to_thread(usage.sample)
        await asyncio.sleep(_SAMPLE)


@asynccontextmanager
async def _machine() -> AsyncGenerator[Machine]:
    """Start both sides on this machine."""
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="antiphon-")))
        start = _Starter(stack, folder)
        models_url = await start("double", "/health")
        stock_url = await start("stock_server", "/mcp")
        extra = {
            "MODELS_URL": f"{models_url}/v1",
            "WORKER_MAX_CALLS": "64",
            "LLM_MODEL": "openai/scripted",
            "OPENAI_API_BASE": f"{models_url}/v1",
            "OPENAI_API_KEY": "benchmark",
            "MCP_CALLS_PER_MINUTE": "1000000",
        }
        deployment = await stack.enter_async_context(
            run_deployment(Settings(), Plan(folder=folder / "home", extra=extra), print)
        )
        await apply_file(deployment.settings, _DECLARATION)
        api_key = await create_api_key(deployment.settings, _BUSINESS, "capacity")
        environment = deployment.environment
        ready = folder / "stock.ready"
        await start.worker(
            ready,
            {
                "LIVEKIT_URL": deployment.livekit_url,
                "LIVEKIT_API_KEY": environment["LIVEKIT_API_KEY"],
                "LIVEKIT_API_SECRET": environment["LIVEKIT_API_SECRET"],
                "MODELS_URL": f"{models_url}/v1",
                "STOCK_SERVER_URL": f"{stock_url}/mcp",
                "WORKER_READY_FILE": str(ready),
            },
        )
        roots = {process.name: process.pid for process in deployment.processes}
        roots |= {process.name: process.pid for process in deployment.engines.processes}
        roots["ours"] = roots.pop("worker")
        yield Machine(deployment, api_key, roots | start.roots)


class _Starter:
    """Starts the benchmark's own processes."""

    def __init__(self, stack: AsyncExitStack, folder: Path) -> None:
        self._stack = stack
        self._folder = folder
        self.roots: dict[str, int] = {}

    async def __call__(self, module: str, path: str) -> str:
        """Start a server, and return its URL once it answers under `path`."""
        port = free_port()
        url = f"http://127.0.0.1:{port}"
        await self._start(module, [str(port)], _answers(url + path), None)
        return url

    async def worker(self, ready: Path, environment: dict[str, str]) -> None:
        """Start the stock worker, and wait until it takes calls."""

        async def is_ready(_: Process) -> bool:
            return await asyncio.to_thread(ready.exists)

        await self._start("stock_worker", [str(free_port())], is_ready, environment)
        self.roots["stock"] = self.roots.pop("stock worker")

    async def _start(
        self,
        module: str,
        arguments: Sequence[str],
        ready: Callable[[Process], Awaitable[bool]],
        environment: dict[str, str] | None,
    ) -> None:
        program = Program(
            name=module,
            command=[sys.executable, "-m", f"benchmarks.capacity.{module}", *arguments],
            log=self._folder / f"{module}.log",
            env=None if environment is None else {**_environment(), **environment},
            deadline=90,
        )
        process = await self._stack.enter_async_context(run_program(program, ready))
        self.roots[module.replace("_", " ")] = process.pid


def _answers(url: str) -> Callable[[Process], Awaitable[bool]]:
    async def ready(_: Process) -> bool:
        try:
            async with httpx2.AsyncClient(timeout=1, trust_env=False) as http:
                return (await http.get(url)).status_code < 500
        except httpx2.HTTPError:
            return False

    return ready


def _environment() -> dict[str, str]:
    return {name: os.environ[name] for name in ("PATH", "PYTHONPATH", "HOME") if name in os.environ}


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.capacity", description=__doc__)
    parser.add_argument("calls", nargs="*", type=int, default=[6, 8, 10])
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--gap", type=float, default=1.0)
    return parser.parse_args()


if __name__ == "__main__":
    asyncio.run(main(_options()))
