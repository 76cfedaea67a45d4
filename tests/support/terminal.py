"""The command `antiphon`, run in this process: importing everything anew takes seconds."""

import asyncio
import traceback
from collections.abc import Mapping
from dataclasses import dataclass

from typer.testing import CliRunner

from orchestrator.cli.app import app


@dataclass(frozen=True)
class Ended:
    """How a command ended, and what it printed."""

    returncode: int
    stdout: str
    stderr: str


def antiphon_at_once(*arguments: str, environment: Mapping[str, str] | None = None) -> Ended:
    """Run the command; it has an event loop of its own, so none may run in this thread."""
    wide = {"COLUMNS": "200", **(environment or {})}
    answer = CliRunner().invoke(app, arguments, env=wide)
    told = answer.stderr
    if answer.exception is not None and not isinstance(answer.exception, SystemExit):
        told += "".join(traceback.format_exception(answer.exception))
    return Ended(answer.exit_code, answer.stdout, told)


async def antiphon_here(environment: Mapping[str, str], *arguments: str) -> Ended:
    """Run the command in a thread, while this loop goes on serving."""
    return await asyncio.to_thread(antiphon_at_once, *arguments, environment=environment)
