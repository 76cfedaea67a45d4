"""The processes of a deployment: `antiphon api`, `worker`, `jobs`, `mcp`, `migrate`."""

from typing import Annotated

import typer

from config.constellation import constellation
from config.errors import UserError
from config.settings import required, settings
from orchestrator.cli.terminal import Failure, console, run


def api() -> None:
    """Serve REST, and the talk page."""
    from orchestrator.api.serving import serve

    run(serve(settings()), serving=True)


def worker() -> None:
    """Take calls from LiveKit, one process per call."""
    from orchestrator.agent.worker import serve

    run(serve())


def jobs() -> None:
    """Run what was enqueued, and what is due by the clock."""
    from orchestrator.jobs.worker import serve

    run(serve(settings()))


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


def migrate() -> None:
    """Bring the database's schema up to date."""
    from config import migrate as schema

    config = settings()
    try:
        owner = required("MIGRATION_DATABASE_URL", config.migration_database_url)
        schema.migrate(owner, required("DATABASE_URL", config.database_url))
    except (UserError, ValueError) as error:
        raise Failure(str(error)) from None
    console.print("The schema is up to date.")
