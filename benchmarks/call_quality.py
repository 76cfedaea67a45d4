"""Makes the calls of `tests/fixtures` with the embedded model, and counts the turns that are right.

Run: `python -m benchmarks.call_quality [CALL …]`, or `make bench-model` for all of them. Each takes
one to five minutes.
"""

import asyncio
import os
import sys
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.call_expectations import (
    FIXTURES,
    CallFile,
    agent_error,
    caller_error,
    parse_report,
)
from benchmarks.figures import heading
from orchestrator.demo.report import Report

_CLINIC = Path(__file__).parents[1] / "config" / "bots" / "demo-clinic.yaml"
_BICYCLE = FIXTURES / "bicycle.yaml"


def read_calls() -> dict[str, list[tuple[CallFile, Path]]]:
    """Return every call by name, each with the folders of its recordings."""
    clinic = CallFile.read(FIXTURES / "demo-clinic.calls.yaml", _CLINIC)
    bicycle = CallFile.read(FIXTURES / "bicycle.calls.yaml", _BICYCLE)
    calls = {
        clinic.name: [(clinic, _CLINIC.with_suffix(""))],
        bicycle.name: [(bicycle, FIXTURES / "bicycle" / voice) for voice in ("first", "second")],
    }
    for path in sorted(FIXTURES.glob("*-[0-9].calls.yaml")):
        call = CallFile.read(path)
        calls[call.name] = [(call, folder) for folder in call.recordings.values()]
    return calls


async def main(names: list[str]) -> None:
    """Make the calls, and print each problem and the score."""
    calls = read_calls()
    print(f"call_quality: {heading()}")
    right = lines = 0
    for name in names or list(calls):
        for call, folder in calls[name]:
            began = datetime.now(UTC)
            report = await _call(call, _recordings(folder))
            failed = call.failed_turns(report, began)
            right, lines = right + len(call.lines) - len(failed), lines + len(call.lines)
            score = f"{len(call.lines) - len(failed)} of {len(call.lines)} right"
            errors = f"WER {caller_error(report):.1%} heard, {agent_error(report):.1%} said"
            print(f"{name}, {folder.name}: {score}; {errors}", flush=True)
            for problem in call.problems(report, began):
                print(f"  {problem}")
    print(f"{right} of {lines} turns right ({right / lines:.1%}); at the end: {heading()}")


def _recordings(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.wav"), key=lambda path: int(path.name.partition("-")[0]))


async def _call(call: CallFile, recordings: Sequence[Path]) -> Report:
    wavs = [argument for path in recordings for argument in ("--wav", str(path))]
    arguments = ["--bots", str(call.declaration), *wavs]
    child = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "orchestrator", "demo", "--once", "--json", *arguments),
        stdout=PIPE,
        stderr=DEVNULL,
        env=os.environ,
    )
    printed, _ = await child.communicate()
    assert child.returncode == 0, "the demo failed: run `antiphon demo --once` to see how"
    return parse_report(printed)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1:]))
