"""`antiphon journal`: what was said in calls of this machine and is not stored yet."""

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table

from config.settings import Settings, required, running_settings
from orchestrator.cli.terminal import Failure, console, run

if TYPE_CHECKING:
    from orchestrator.agent.journal_files import DeadLetter, Line
    from orchestrator.agent.journal_replay import Retried
    from orchestrator.agent.journal_report import CallReport

app = typer.Typer(
    help="What was said in calls of this machine and is not stored yet.", no_args_is_help=True
)

Conversation = Annotated[UUID, typer.Argument(help="The id of the conversation.")]


@app.command("list")
def list_(
    as_json: Annotated[bool, typer.Option("--json", help="Print a line of JSON each.")] = False,
) -> None:
    """Show each call that has entries which wait for their delivery, or dead letters.

    What is in use is of a call that lives, or is being delivered.
    """
    calls = _report(running_settings())
    if as_json:
        for call in calls:
            typer.echo(json.dumps(_summary(call)))
        return
    if not calls:
        console.print("Nothing is left: everything that was said is stored.")
        return
    table = Table(Column("conversation", no_wrap=True))
    for name in ("undelivered", "dead letters", "unreadable files", "in use", "age", "last error"):
        table.add_column(name)
    for call in calls:
        counts = (call.undelivered, call.dead_letters, call.unreadable, call.in_use)
        numbers = [str(len(each) or "") for each in counts]
        table.add_row(escape(call.conversation_id), *numbers, _age(call), escape(call.error))
    Console().print(table)


@app.command("show")
def show(conversation: Conversation) -> None:
    """Print the entries of one call as lines of JSON: what was said in it, and what failed."""
    for call in _report(running_settings()):
        if call.conversation_id == str(conversation):
            for record in _records(call):
                typer.echo(json.dumps(record))
            return
    raise Failure(f"nothing is left of {conversation}")


@app.command("retry")
def retry(
    conversation: Annotated[
        UUID | None, typer.Argument(help="The id of the conversation, or --all.")
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="The dead letters of all calls.")] = False,
) -> None:
    """Deliver dead letters anew. Those that are refused once more stay.

    Exits with 1 if any is left. Entries that are not dead letters are delivered by the worker.
    """
    from orchestrator.agent.journal import journal_folder
    from orchestrator.agent.journal_files import DEAD, dead_letters_path

    if (conversation is None) != every:
        raise typer.BadParameter("Name a conversation, or say --all.")
    config = running_settings()
    folder = journal_folder(config)
    _check_readable(folder)
    paths = sorted(folder.glob(f"*{DEAD}"))
    if conversation is not None:
        path = dead_letters_path(folder, conversation)
        if path not in paths:
            raise Failure(f"there are no dead letters of {conversation}")
        paths = [path]
    if not run(_retry(config, paths)):
        raise typer.Exit(1)


async def _retry(config: Settings, paths: list[Path]) -> bool:
    """Retry each file of dead letters, and return whether none is left."""
    from config.security.tokens import Signer
    from orchestrator.agent.journal import describe_error
    from orchestrator.agent.journal_replay import retry_dead_letters
    from orchestrator.mcp_client.router import Router

    key = required("SERVICE_TOKEN_PRIVATE_KEY", config.service_token_private_key)
    router = Router(Signer(key), config.mcp_server_url)
    done = True
    try:
        for path in paths:
            try:
                result = await retry_dead_letters(router, path)
            except BlockingIOError:
                console.print(f"{path.stem}: another process has it", highlight=False)
                done = False
            except OSError as error:
                console.print(f"{path.stem}: {describe_error(error)}", highlight=False)
                done = False
            else:
                console.print(f"{path.stem}: {_describe(result)}", highlight=False)
                done = done and not result.left
    finally:
        await router.aclose()
    return done


def _report(config: Settings) -> "tuple[CallReport, ...]":
    from orchestrator.agent.journal import journal_folder
    from orchestrator.agent.journal_report import report_folder

    folder = journal_folder(config)
    _check_readable(folder)
    return report_folder(folder).calls


def _check_readable(folder: Path) -> None:
    from orchestrator.agent.journal import describe_error
    from orchestrator.agent.journal_report import check_readable

    try:
        check_readable(folder)
    except OSError as error:
        raise Failure(f"{folder}: {describe_error(error)}") from None


def _describe(result: "Retried") -> str:
    if not result.left:
        return f"{result.delivered} delivered"
    errors = ", ".join(sorted(result.errors))
    return f"{result.delivered} delivered, {result.left} left ({errors})"


def _summary(call: "CallReport") -> Mapping[str, Any]:
    return {
        "conversation_id": call.conversation_id,
        "undelivered": len(call.undelivered),
        "dead_letters": len(call.dead_letters),
        "unreadable_files": len(call.unreadable),
        "in_use": len(call.in_use),
        "since": call.since.isoformat() if call.since else None,
        "last_error": call.error,
    }


def _records(call: "CallReport") -> Iterator[Mapping[str, Any]]:
    for line in call.undelivered:
        yield _of_line("undelivered", line)
    for line in call.in_use:
        yield _of_line("in_use", line)
    for letter in call.dead_letters:
        yield _of_letter(letter)
    for path in call.unreadable:
        yield {"state": "unreadable_file", "path": str(path)}


def _of_line(state: str, line: "Line") -> Mapping[str, Any]:
    if line.entry is None:
        return {"state": state, "raw": line.raw.decode("ascii", "backslashreplace")}
    return {"state": state, "tool": line.entry.tool, "arguments": line.entry.arguments}


def _of_letter(letter: "DeadLetter") -> Mapping[str, Any]:
    failed = {"at": letter.at.isoformat(), "error": letter.error}
    return {**_of_line("dead_letter", letter.line), **failed}


def _age(call: "CallReport") -> str:
    if call.since is None:
        return ""
    minutes = int((datetime.now(UTC) - call.since).total_seconds()) // 60
    days, hours = minutes // 1440, minutes // 60 % 24
    if days:
        return f"{days} d {hours} h"
    return f"{hours} h {minutes % 60} min" if hours else f"{minutes} min"
