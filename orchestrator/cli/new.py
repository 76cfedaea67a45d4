"""`antiphon new`: lay out a vendor or a server that is about to be written."""

import importlib.util
import sys
from pathlib import Path
from typing import Annotated

import typer

from config.errors import UserError
from orchestrator.cli.scaffold.files import Scaffold
from orchestrator.cli.scaffold.provider import new_provider
from orchestrator.cli.scaffold.server import new_server
from orchestrator.cli.terminal import Failure, console, run
from orchestrator.engines.process import run_command as run_program

app = typer.Typer(help="Lay out a new vendor or server, in a checkout.", no_args_is_help=True)

DryRun = Annotated[bool, typer.Option("--dry-run", help="Only say what would be written.")]


@app.command("provider")
def provider(
    server: Annotated[str, typer.Argument(help="The server, such as scheduling.")],
    name: Annotated[str, typer.Argument(help="The vendor in lower case, such as calcom.")],
    title: Annotated[
        str | None, typer.Option(help='The vendor as it writes itself, such as "Cal.com".')
    ] = None,
    dry_run: DryRun = False,
) -> None:
    """Write a vendor's file and its test, and register it. CONTRIBUTING.md explains each step."""
    try:
        _apply(new_provider(Path.cwd(), server, name, title), dry_run=dry_run)
    except UserError as error:
        raise Failure(str(error)) from None


@app.command("server")
def server(
    name: Annotated[str, typer.Argument(help="The server in lower case, such as scheduling.")],
    dry_run: DryRun = False,
) -> None:
    """Write a server with one tool, its tests, its container and its place in the constellation."""
    try:
        _apply(new_server(Path.cwd(), name), dry_run=dry_run)
    except UserError as error:
        raise Failure(str(error)) from None


def _apply(scaffold: Scaffold, *, dry_run: bool) -> None:
    for file in scaffold.files:
        _print(f"{'~' if file.exists else '+'} {file.path.relative_to(Path.cwd())}")
    if not dry_run:
        scaffold.write()
        _format([file.path for file in scaffold.files if file.path.suffix == ".py"])
    for title, lines in (("read", scaffold.reading), ("write", scaffold.remaining)):
        _print(f"{title}:")
        for line in lines:
            _print(f"  {line}")


def _format(files: list[Path]) -> None:
    """Sort imports and wrap lines, where ruff is installed; else `make format` does it."""
    if importlib.util.find_spec("ruff") is None:
        return
    ruff = [sys.executable, "-m", "ruff"]
    run(run_program([*ruff, "check", "--quiet", "--select", "I", "--fix", *files]))
    run(run_program([*ruff, "format", "--quiet", *files]))


def _print(line: str) -> None:
    console.print(line, highlight=False, markup=False, soft_wrap=True)
