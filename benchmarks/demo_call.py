"""Makes one demonstration call in a process of its own, as `antiphon demo --once --json` does."""

import asyncio
import os
import sys
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import Mapping, Sequence

from orchestrator.demo.report import Report


async def make_call(arguments: Sequence[str], environment: Mapping[str, str]) -> Report:
    """Make a call, with more arguments and variables, and return its report."""
    child = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "orchestrator", "demo", "--once", "--json", *arguments),
        stdout=PIPE,
        stderr=DEVNULL,
        env=os.environ | environment,
    )
    printed, _ = await child.communicate()
    assert child.returncode == 0, "the demo failed: run `antiphon demo --once` to see how"
    return Report.model_validate_json(printed)
