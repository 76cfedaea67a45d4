"""`antiphon keys`: API keys of a business, and the secrets of a deployment."""

from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from config.settings import running_settings
from orchestrator.cli.terminal import Business, console, run

app = typer.Typer(help="API keys of a business.", no_args_is_help=True)

Names = list[str] | None


@app.command("create")
def create(
    business: Business,
    name: Annotated[str, typer.Option(help="What the key is for.")] = "key",
    bot: Annotated[Names, typer.Option(help="A bot it may act as; again for more.")] = None,
    server: Annotated[Names, typer.Option(help="A server it may use; again for more.")] = None,
    tool: Annotated[
        Names, typer.Option(metavar="SERVER_TOOL", help="A tool it may use; again for more.")
    ] = None,
    read_only: Annotated[
        bool, typer.Option("--read-only", help="It may use tools that only read.")
    ] = False,
) -> None:
    """Make a key of a business. It is printed once, and only its hash is stored.

    A limited key opens MCP and /api/tools/execute; one without limits opens all of the API.
    """
    from orchestrator.admin.api_keys import KeyLimits, create_api_key

    asked = KeyLimits(bot or (), server or (), tool or (), read_only)
    typer.echo(run(create_api_key(running_settings(), business, name, asked)))


@app.command("list")
def list_(business: Business) -> None:
    """Show the keys of a business, and what each may do."""
    from orchestrator.admin.api_keys import list_api_keys

    table = Table("id", "name", "may use", "made", "revoked")
    for key in run(list_api_keys(running_settings(), business)):
        revoked = f"{key.revoked_at:%Y-%m-%d}" if key.revoked_at else ""
        table.add_row(str(key.id), key.name, key.rights, f"{key.created_at:%Y-%m-%d}", revoked)
    Console().print(table)


@app.command("revoke")
def revoke(
    business: Business,
    key: Annotated[str, typer.Argument(help="The key's id, or its name.")],
) -> None:
    """Make a key useless, everywhere within half a minute."""
    from orchestrator.admin.api_keys import revoke_api_key

    revoked = run(revoke_api_key(running_settings(), business, key))
    console.print(f"{revoked.name} ({revoked.id}) is revoked.", highlight=False)


@app.command("service")
def service() -> None:
    """Print new secrets of a deployment, as the lines of .env that compose.yaml reads."""
    from orchestrator.local.secrets import env_line, generate_secrets

    for name, value in generate_secrets().items():
        typer.echo(env_line(name, value))
