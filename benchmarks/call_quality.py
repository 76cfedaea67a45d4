"""Makes the calls of `tests/fixtures` with the embedded model, and counts the turns that are right.

Run: `python -m benchmarks.call_quality [CALL …]`, or `make bench-model` for all of them. Each takes
one to five minutes.
"""

import asyncio
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.call_expectations import (
    FIXTURES,
    CallFile,
    agent_error,
    caller_error,
    failed_turns,
)
from benchmarks.demo_call import make_call
from benchmarks.figures import heading
from orchestrator.demo.report import Report


def read_calls() -> dict[str, CallFile]:
    """Return every call by name."""
    calls = [CallFile.read(path) for path in sorted(FIXTURES.glob("*.calls.yaml"))]
    return {call.name: call for call in calls}


async def main(names: list[str]) -> None:
    """Make the calls, and print each problem and the score."""
    calls = read_calls()
    print(f"call_quality: {heading()}")
    right = lines = 0
    for name in names or list(calls):
        call = calls[name]
        for voice, folder in call.recordings.items():
            began = datetime.now(UTC)
            report = await _call(call, _recordings(folder))
            problems = call.problems(report, began)
            failed = failed_turns(problems)
            right, lines = right + len(call.lines) - len(failed), lines + len(call.lines)
            score = f"{len(call.lines) - len(failed)} of {len(call.lines)} right"
            errors = f"WER {caller_error(report):.1%} heard, {agent_error(report):.1%} said"
            print(f"{name}, {voice}: {score}; {errors}", flush=True)
            for problem in problems:
                print(f"  {problem}")
    print(f"{right} of {lines} turns right ({right / lines:.1%}); at the end: {heading()}")


def _recordings(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.wav"), key=lambda path: int(path.name.partition("-")[0]))


async def _call(call: CallFile, recordings: Sequence[Path]) -> Report:
    wavs = [argument for path in recordings for argument in ("--wav", str(path))]
    return await make_call(["--bots", str(call.declaration), *wavs], {})


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1:]))
