"""`antiphon apply`: bring declarations of businesses and bots into the database."""

import json
from pathlib import Path
from typing import Annotated

import typer

from config.declarations.section import sections
from config.settings import running_settings
from orchestrator.cli.terminal import Failure, console, run


def apply(
    files: Annotated[list[Path] | None, typer.Argument(help="Declarations, as YAML.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show the difference.")] = False,
    untried: Annotated[
        bool, typer.Option("--untried", help="Store new accounts without asking their vendor.")
    ] = False,
    schema: Annotated[
        bool, typer.Option("--schema", help="Print the JSON Schema for editors, and stop.")
    ] = False,
) -> None:
    """Show how declarations differ from what is stored, and apply them."""
    from config.declarations.schema import json_schema

    if schema:
        typer.echo(json.dumps(json_schema(sections()), indent=2))
        return
    if not files:
        raise Failure("name at least one file, such as config/bots/demo-clinic.yaml")
    run(_apply(files, dry_run=dry_run, untried=untried))


async def _apply(files: list[Path], *, dry_run: bool, untried: bool) -> None:
    from orchestrator.admin.declarations import apply_file

    signs = {"add": "[green]+[/]", "change": "[yellow]~[/]", "remove": "[red]-[/]"}
    for path in files:
        changes = await apply_file(
            running_settings(),
            path,
            dry_run=dry_run,
            untried=untried,
            progress=lambda line: console.print(f"  {line}"),
        )
        for change in changes:
            detail = f": {change.detail}" if change.detail else ""
            console.print(f"{signs[change.action]} {change.what}{detail}", highlight=False)
        verb = "would change" if dry_run else "changed"
        console.print(f"{path}: {len(changes)} {verb}" if changes else f"{path}: no difference")
