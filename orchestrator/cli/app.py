"""The command `antiphon`: every subcommand and group, each in a module beside this one."""

import typer

from orchestrator.cli import (
    catalogue,
    connect,
    declarations,
    integrations,
    journal,
    keys,
    local,
    models,
    new,
    processes,
    servers,
)

app = typer.Typer(
    name="antiphon",
    help="Voice agents whose every capability is its own MCP server.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_show_locals=False,
)
app.add_typer(integrations.app, name="integrations")
app.add_typer(journal.app, name="journal")
app.add_typer(keys.app, name="keys")
app.add_typer(models.app, name="models")
app.add_typer(new.app, name="new")
app.add_typer(servers.app, name="servers")
app.command("connect")(connect.connect)
app.command("api")(processes.api)
app.command("worker")(processes.worker)
app.command("jobs")(processes.jobs)
app.command("mcp")(processes.mcp)
app.command("migrate")(processes.migrate)
app.command("apply")(declarations.apply)
app.command("tools")(catalogue.tools)
app.command("catalogue")(catalogue.catalogue)
app.command("up")(local.up)
app.command("demo")(local.demo)
app.command("doctor")(local.doctor)
