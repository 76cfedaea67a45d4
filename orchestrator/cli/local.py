"""`antiphon up`, `demo` and `doctor`: everything on this machine."""

import logging
import signal
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from config.settings import running_settings, settings
from orchestrator.cli.terminal import Failure, console, run


def up() -> None:
    """Run everything on this machine, on fixed ports, until Ctrl-C."""
    from orchestrator.local.up import run as serve_everything

    _handle_signals()
    run(serve_everything(settings(), console))


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
    from orchestrator.demo.run import DemoOptions, run_demo

    logging.getLogger("livekit").setLevel(logging.CRITICAL)  # it calls a hang-up an error
    _handle_signals()
    options = DemoOptions(declaration, bot, tuple(wav or ()), once, record, state)
    report = run(run_demo(settings(), options, console))
    if report is None:
        return
    if as_json:
        typer.echo(report.model_dump_json(indent=2))
    if report.unanswered:
        raise Failure(f"{report.unanswered} utterances were not answered")


def doctor() -> None:
    """Say what is there, what is missing, and the one command that helps."""
    from orchestrator.cli.doctor import examine

    healthy = run(examine(running_settings(), Console()))
    sys.exit(0 if healthy else 1)


def _handle_signals() -> None:
    """Treat SIGTERM as Ctrl-C, and both as such even where a shell has us ignore them."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
