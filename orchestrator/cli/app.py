"""The command `antiphon`."""

import json
import logging
import signal
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from config.constellation import constellation, load, sections
from config.errors import UserError
from config.settings import running, settings
from orchestrator.cli import connect, integrations, keys, new, servers
from orchestrator.cli.terminal import Business, Failure, console, run

app = typer.Typer(
    name="antiphon",
    help="Voice agents whose every capability is its own MCP server.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_show_locals=False,
)
app.add_typer(integrations.app, name="integrations")
app.add_typer(keys.app, name="keys")
app.add_typer(new.app, name="new")
app.command("connect")(connect.connect)
app.add_typer(servers.app, name="servers")

Files = Annotated[list[Path] | None, typer.Argument(help="Declarations, as YAML.")]


def _end_in_order() -> None:
    """Treat SIGTERM as Ctrl-C, and both as such even where a shell has us ignore them."""
    for name in (signal.SIGINT, signal.SIGTERM):
        signal.signal(name, signal.default_int_handler)


@app.command()
def api() -> None:
    """Serve REST, and the talk page."""
    from orchestrator.api.serving import serve

    run(serve(settings()), serving=True)


@app.command()
def worker() -> None:
    """Take calls from LiveKit, one process per call."""
    from orchestrator.agent.worker import serve

    run(serve())


@app.command()
def jobs() -> None:
    """Run what was enqueued, and what is due by the clock."""
    from orchestrator.jobs.worker import serve

    run(serve(settings()))


@app.command()
def mcp(
    names: Annotated[list[str] | None, typer.Argument(help="Servers; all without names.")] = None,
) -> None:
    """Serve MCP servers, several in one process, at /<name>/mcp."""
    from orchestrator.runtime.serving import serve_mcp

    known = constellation().servers
    unknown = [name for name in names or () if name not in known]
    if unknown:
        raise Failure(f"there is no server {unknown[0]!r}; there are {', '.join(known)}")
    run(serve_mcp(settings(), names or list(known)), serving=True)


@app.command()
def models(
    speech: Annotated[bool, typer.Option(help="Text to speech.")] = True,
    hearing: Annotated[bool, typer.Option(help="Speech to text.")] = True,
    llm: Annotated[bool, typer.Option(help="The language model.")] = True,
) -> None:
    """Serve the embedded models on loopback, behind the OpenAI wire."""
    from orchestrator.embedded.loader import Options
    from orchestrator.embedded.server import serve
    from orchestrator.embedded.weights import WeightsError

    config = settings()
    try:
        options = Options(speech=speech, hearing=hearing, llm=llm)
        serve(config.models_host, config.models_port, options)
    except WeightsError as error:
        raise Failure(str(error)) from None


@app.command()
def migrate() -> None:
    """Bring the database's schema up to date."""
    from config import migrate as schema
    from config.settings import required

    config = settings()
    try:
        owner = required("MIGRATION_DATABASE_URL", config.migration_database_url)
        schema.migrate(owner, required("DATABASE_URL", config.database_url))
    except (UserError, ValueError) as error:
        raise Failure(str(error)) from None
    console.print("The schema is up to date.")


@app.command()
def apply(
    files: Files = None,
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
    from orchestrator.admin.declarations import applied

    for path in files:
        changes = await applied(
            running(),
            path,
            dry_run=dry_run,
            untried=untried,
            progress=lambda line: console.print(f"  {line}"),
        )
        signs = {"add": "[green]+[/]", "change": "[yellow]~[/]", "remove": "[red]-[/]"}
        for change in changes:
            detail = f": {change.detail}" if change.detail else ""
            console.print(f"{signs[change.action]} {change.what}{detail}", highlight=False)
        done = "would change" if dry_run else "changed"
        console.print(f"{path}: {len(changes)} {done}" if changes else f"{path}: no difference")


@app.command()
def tools(
    business: Business,
    bot: Annotated[str, typer.Option(help="The bot's name.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print the schemas themselves.")] = False,
) -> None:
    """Show what a bot's model sees of its tools, and how many tokens that is."""
    seen = run(_tools(business, bot))
    if as_json:
        typer.echo(json.dumps([entry.schema for entry in seen], indent=2, ensure_ascii=False))
        return
    table = Table("tool", "description", "arguments", "tokens")
    for entry in seen:
        table.add_row(entry.name, entry.description, ", ".join(entry.arguments), str(entry.tokens))
    table.add_section()
    table.add_row(f"{len(seen)} tools", "", "", str(sum(entry.tokens for entry in seen)))
    Console().print(table)


async def _tools(business: str, bot: str) -> Any:
    from orchestrator.admin.bot_tools import seen_tools

    return await seen_tools(running(), business, bot)


@app.command()
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
    entries = {name: load(spec).catalogue() for name, spec in constellation().servers.items()}
    if as_json:
        typer.echo(json.dumps(entries, indent=2))
        return
    table = Table("server", "providers", "tools")
    for name, entry in entries.items():
        table.add_row(name, "\n".join(entry["providers"]), "\n".join(entry["tools"]))
    Console().print(table)


@app.command()
def up() -> None:
    """Run everything on this machine, on fixed ports, until Ctrl-C."""
    from orchestrator.local.up import run as serve_everything

    _end_in_order()
    run(serve_everything(settings(), console))


@app.command()
def demo(
    declaration: Annotated[
        Path, typer.Option("--bots", help="The declaration of the business to call.")
    ] = Path("config/bots/demo-clinic.yaml"),
    bot: Annotated[
        str | None, typer.Option(help="Which of its bots; the first by default.")
    ] = None,
    wav: Annotated[
        list[Path] | None, typer.Option(help="A recording to play; once for each utterance.")
    ] = None,
    once: Annotated[bool, typer.Option("--once", help="End after the call.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the call as JSON.")] = False,
    record: Annotated[
        Path | None, typer.Option(help="A folder for what both sides said, as WAV.")
    ] = None,
    state: Annotated[
        Path | None, typer.Option(help="A folder that keeps the databases; else they go.")
    ] = None,
) -> None:
    """Set everything up, make a call, show it step by step, and leave a page to talk to."""
    from orchestrator.demo.run import Options, demonstrate

    logging.getLogger("livekit").setLevel(logging.CRITICAL)  # it calls a hang-up an error
    _end_in_order()
    options = Options(declaration, bot, tuple(wav or ()), once, record, state)
    report = run(demonstrate(settings(), options, console))
    if report is None:
        return
    if as_json:
        typer.echo(report.model_dump_json(indent=2))
    if report.unanswered:
        raise Failure(f"{report.unanswered} utterances were not answered")


@app.command()
def doctor() -> None:
    """Say what is there, what is missing, and the one command that helps."""
    from orchestrator.cli.doctor import examine

    healthy = run(examine(running(), Console()))
    sys.exit(0 if healthy else 1)
