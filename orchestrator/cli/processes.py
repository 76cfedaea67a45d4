"""The processes of a deployment: `antiphon api`, `worker`, `jobs`, `mcp`, `models`, `migrate`."""

from pathlib import Path
from typing import Annotated

import typer

from config.constellation import constellation
from config.errors import UserError
from config.settings import required, settings
from orchestrator.cli.terminal import Failure, console, run

ModelPath = Annotated[Path | None, typer.Option(help="Other weights than those of the package.")]
Threads = Annotated[int, typer.Option(min=1, help="How many threads it may take.")]


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


def models(
    speech: Annotated[bool, typer.Option(help="Text to speech.")] = True,
    hearing: Annotated[bool, typer.Option(help="Speech to text.")] = True,
    llm: Annotated[bool, typer.Option(help="The language model.")] = True,
    port: Annotated[
        int | None, typer.Option(help="0 takes a free one; MODELS_PORT by default.")
    ] = None,
    speech_path: ModelPath = None,
    hearing_path: ModelPath = None,
    llm_path: ModelPath = None,
    speech_threads: Threads = 1,
    hearing_threads: Threads = 2,
    llm_threads: Threads = 2,
    slots: Annotated[int, typer.Option(help="How many calls the language model remembers.")] = 2,
    context: Annotated[int, typer.Option(help="How many tokens it remembers of each.")] = 3072,
) -> None:
    """Serve the embedded models on loopback, behind the OpenAI wire."""
    from orchestrator.embedded.loader import LoadOptions
    from orchestrator.embedded.server import serve

    options = LoadOptions(
        speech=speech,
        hearing=hearing,
        llm=llm,
        speech_path=speech_path,
        hearing_path=hearing_path,
        llm_path=llm_path,
        speech_threads=speech_threads,
        hearing_threads=hearing_threads,
        llm_threads=llm_threads,
        slots=slots,
        context=context,
    )
    try:
        serve(settings().models_host, settings().models_port if port is None else port, options)
    except UserError as error:
        raise Failure(str(error)) from None


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
