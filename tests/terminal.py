"""The command `antiphon`, run in this process: importing everything anew takes seconds."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

from typer.testing import CliRunner

from orchestrator.cli import app


@dataclass(frozen=True)
class Ended:
    """How a command ended, and what it printed."""

    returncode: int
    stdout: str
    stderr: str


async def antiphon_here(environment: Mapping[str, str], *arguments: str) -> Ended:
    """Run the command in a thread, while this loop goes on serving."""

    def run() -> Ended:
        answer = CliRunner().invoke(app, arguments, env={"COLUMNS": "200", **environment})
        return Ended(answer.exit_code, answer.stdout, answer.stderr)

    return await asyncio.to_thread(run)
