"""Figures of the benchmark `tool_call`: medians, rates, processor time, as a table or as JSON."""

import statistics
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from benchmarks.figures import percentile, spread

SIDES = ("http", "fastmcp", "ours")
ALONE, CROWD = 1, 50  # calls at once
CALLS = {ALONE: 50, CROWD: 500}  # in a round


@dataclass(frozen=True)
class Block:
    """Calls of one side in one round."""

    durations: tuple[float, ...]  # milliseconds of each call
    seconds: float
    failures: tuple[str, ...]
    processor: Mapping[str, float]  # seconds of processor time, by process


@dataclass
class Figures:
    """All blocks, by side and by the number of concurrent calls."""

    blocks: dict[tuple[str, int], list[Block]] = field(
        default_factory=dict[tuple[str, int], list[Block]]
    )

    def durations(self, side: str, at_once: int) -> list[float]:
        """Return the milliseconds of every call."""
        return [each for block in self.blocks[side, at_once] for each in block.durations]

    def ratio(self, side: str, at_once: int) -> float:
        """Return the median of the rounds' ratios of medians, over the request alone."""
        pairs = zip(self.blocks[side, at_once], self.blocks["http", at_once], strict=True)
        return statistics.median(
            statistics.median(mine.durations) / statistics.median(alone.durations)
            for mine, alone in pairs
        )

    def rate(self, side: str, at_once: int) -> float:
        """Return calls per second, the median of the rounds."""
        blocks = self.blocks[side, at_once]
        return statistics.median(len(block.durations) / block.seconds for block in blocks)

    def processor(self, side: str, at_once: int) -> dict[str, float]:
        """Return milliseconds of processor time per call, by process."""
        blocks = self.blocks[side, at_once]
        calls = sum(len(block.durations) for block in blocks)
        return {
            name: sum(block.processor[name] for block in blocks) * 1000 / calls
            for name in blocks[0].processor
        }

    def failures(self, side: str, at_once: int) -> list[str]:
        """Return the message of each failed call."""
        return [each for block in self.blocks[side, at_once] for each in block.failures]


@dataclass(frozen=True)
class Run:
    """The conditions under which the figures were measured."""

    rounds: int
    vendor_ms: float
    calls_per_minute: int
    began: str
    ended: str


def data(figures: Figures, run: Run) -> dict[str, Any]:
    """Return the figures as `--json` prints them."""
    sides = [
        {
            "side": side,
            "at_once": at_once,
            "calls": len(figures.durations(side, at_once)),
            "p50_ms": statistics.median(figures.durations(side, at_once)),
            "p95_ms": percentile(figures.durations(side, at_once), 95),
            "ratio_to_http": figures.ratio(side, at_once),
            "calls_per_second": figures.rate(side, at_once),
            "failed": len(figures.failures(side, at_once)),
            "processor_ms_per_call": figures.processor(side, at_once),
        }
        for at_once in CALLS
        for side in SIDES
    ]
    return {"benchmark": "tool_call", **asdict(run), "sides": sides}


def report(figures: Figures, run: Run) -> None:
    """Print the figures as a table."""
    per_round = " and ".join(f"{calls} calls {n} at once" for n, calls in CALLS.items())
    print(f"tool_call: {run.rounds} rounds of {per_round} a side, in turn; {run.began}")
    print(f"the vendor answers after {run.vendor_ms:g} ms, and is asked once a call")
    print(f"MCP_CALLS_PER_MINUTE={run.calls_per_minute}: calls are counted, and none is refused")
    for at_once in CALLS:
        title = f"\n{f'{at_once} at once':12}{'p50 ms':>8}{'p95 ms':>9}{'p50/http':>10}"
        print(f"{title}{'calls/s':>9}{'failed':>8}   processor time per call, ms")
        for side in SIDES:
            durations, failures = figures.durations(side, at_once), figures.failures(side, at_once)
            ratio, rate = figures.ratio(side, at_once), figures.rate(side, at_once)
            processor = _format_shares(figures.processor(side, at_once))
            row = f"{side:12}{spread(durations)}{ratio:10.2f}{rate:9.0f}{len(failures):8}"
            print(f"{row}   {processor}")
    for side, at_once in figures.blocks:
        for message in sorted(set(figures.failures(side, at_once)))[:3]:
            print(f"{side}, {at_once} at once: {message}")
    print(f"\nat the end: {run.ended}")


def _format_shares(processor: Mapping[str, float]) -> str:
    return "  ".join(f"{name} {ms:.2f}" for name, ms in processor.items() if ms >= 0.02)
