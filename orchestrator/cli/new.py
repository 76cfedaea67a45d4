"""`antiphon new`: lays out what somebody is about to write."""

from pathlib import Path
from typing import Annotated

import typer

from config.errors import UserError
from orchestrator.cli.scaffold.provider import new_provider
from orchestrator.cli.terminal import Failure, console

app = typer.Typer(help="Lay out a new vendor, in a checkout.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    """Lay out what somebody is about to write, in a checkout."""


@app.command("provider")
def provider(
    server: Annotated[str, typer.Argument(help="The server, such as scheduling.")],
    name: Annotated[str, typer.Argument(help="The vendor in lower case, such as calcom.")],
    title: Annotated[
        str | None, typer.Option(help='The vendor as it writes itself, such as "Cal.com".')
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say what would be written.")
    ] = False,
) -> None:
    """Write a vendor's file and its test, and register it. CONTRIBUTING.md says what comes next."""
    try:
        files = new_provider(Path.cwd(), server, name, title)
    except UserError as error:
        raise Failure(str(error)) from None
    for file in files:
        sign = "~" if file.exists else "+"
        console.print(f"{sign} {file.path.relative_to(Path.cwd())}", highlight=False)
        if not dry_run:
            file.path.write_text(file.text, encoding="utf-8")
    if not dry_run:
        console.print(f"next: pytest tests/{server}/test_{name}.py, until the contract is green")
