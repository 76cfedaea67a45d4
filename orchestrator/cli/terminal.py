"""What all commands share: the console, the event loop, logging, and failures as one sentence."""

import asyncio
import logging
import sys
from collections.abc import Callable, Coroutine
from typing import Annotated, Any, TypeVar

import typer
from rich.console import Console
from rich.markup import escape

from config.errors import UserError
from config.settings import settings

T = TypeVar("T")

console = Console(stderr=True, soft_wrap=True)  # a path stays whole, in a log as well

Business = Annotated[str, typer.Option(help="The business's slug.")]


class Failure(typer.Exit):
    """Ends the command with a message and exit code 1."""

    def __init__(self, message: str) -> None:
        console.print(f"[bold red]error:[/] {escape(message)}", highlight=False)
        super().__init__(1)


def run(work: Coroutine[Any, Any, T], *, serving: bool = False) -> T:
    """Run a command's coroutine and return its result; a UserError becomes a `Failure`.

    `serving` takes the faster event loop, where there is one for this platform.
    """
    _configure_logging(settings().log_level)
    try:
        with asyncio.Runner(loop_factory=_fast_loop() if serving else None) as runner:
            return runner.run(work)
    except UserError as error:
        raise Failure(str(error)) from None
    except KeyboardInterrupt:
        raise typer.Exit(130) from None


def _fast_loop() -> Callable[[], asyncio.AbstractEventLoop] | None:
    if sys.platform == "win32":
        return None
    from uvloop import new_event_loop

    return new_event_loop


def _configure_logging(level: str) -> None:
    logging.basicConfig(
        level=level, format="%(asctime)s %(levelname)s %(name)s: %(message)s", stream=sys.stderr
    )
    # One line per request of ours is noise, and some of theirs would hold what was said.
    for name in ("httpx2", "httpx", "LiteLLM", "aiohttp.access", "mcp", "fastmcp", "procrastinate"):
        logging.getLogger(name).setLevel(logging.WARNING)
