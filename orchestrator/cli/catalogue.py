"""`antiphon catalogue` and `antiphon tools`: what servers offer, and what a bot sees of it."""

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from config.constellation import constellation, load_object
from config.settings import running_settings
from orchestrator.cli.terminal import Business, console, run


def tools(
    business: Business,
    bot: Annotated[str, typer.Option(help="The bot's name.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print the schemas themselves.")] = False,
) -> None:
    """Show what a bot's model sees of its tools, and how many tokens that is."""
    from orchestrator.admin.bot_tools import list_model_tools

    listed = run(list_model_tools(running_settings(), business, bot))
    if as_json:
        typer.echo(json.dumps([tool.schema for tool in listed], indent=2, ensure_ascii=False))
        return
    table = Table("tool", "description", "arguments", "tokens")
    for tool in listed:
        table.add_row(tool.name, tool.description, ", ".join(tool.arguments), str(tool.tokens))
    table.add_section()
    table.add_row(f"{len(listed)} tools", "", "", str(sum(tool.tokens for tool in listed)))
    Console().print(table)


def catalogue(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    docs: Annotated[
        Path | None, typer.Option(help="Write a page per server into this folder, and stop.")
    ] = None,
) -> None:
    """Show every server, its providers and its tools, as the code has them."""
    if docs is not None:
        from orchestrator.cli.server_docs import write_pages

        for page in write_pages(docs):
            console.print(str(page), highlight=False)
        return
    entries = {
        name: load_object(spec).catalogue() for name, spec in constellation().servers.items()
    }
    if as_json:
        typer.echo(json.dumps(entries, indent=2))
        return
    table = Table("server", "providers", "tools")
    for name, entry in entries.items():
        table.add_row(name, "\n".join(entry["providers"]), "\n".join(entry["tools"]))
    Console().print(table)
