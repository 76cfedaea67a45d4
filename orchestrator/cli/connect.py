"""`antiphon connect`: tells an MCP client how to reach the servers of a business."""

import json
import re
import shlex
from enum import StrEnum
from typing import Annotated

import typer

from config.constellation import constellation
from config.errors import UserError
from config.security.api_keys import PREFIX
from config.settings import Settings, settings
from orchestrator.cli.mcp_client_configs import CLIENTS, Client, Wanted, endpoint, written
from orchestrator.cli.terminal import Failure, console

_VARIABLE = "ANTIPHON_KEY"


class ClientName(StrEnum):
    """The clients whose files we know."""

    CLAUDE_CODE = "claude-code"
    CLAUDE_DESKTOP = "claude-desktop"
    CURSOR = "cursor"
    VSCODE = "vscode"


def connect(
    client: Annotated[ClientName, typer.Argument(help="The client to connect.")],
    business: Annotated[
        str | None, typer.Option(help="The business's slug; it becomes part of the entry's name.")
    ] = None,
    key: Annotated[
        str, typer.Option(help="The environment variable that holds the key, or the key itself.")
    ] = _VARIABLE,
    url: Annotated[
        str | None,
        typer.Option(help="Where the API is; PUBLIC_URL, or this machine, by default."),
    ] = None,
    server: Annotated[
        str | None, typer.Option(help="Connect one server; all of them by default.")
    ] = None,
    bot: Annotated[
        str | None, typer.Option(help="Act as this bot, if the key may act as several.")
    ] = None,
    write: Annotated[
        bool, typer.Option("--write", help="Write it into the client's file, and keep a backup.")
    ] = False,
) -> None:
    """Print the configuration that connects an MCP client, or write it into the client's file.

    `antiphon keys create` makes the key. No file that a project shares ever holds it.
    """
    target = CLIENTS[client]
    name = "-".join(part for part in ("antiphon", business, server) if part)
    try:
        wanted = _wanted(name, endpoint(url or _own_url(settings()), server, bot), key)
        _warn(wanted, server)
        if write:
            _write(target, wanted)
        else:
            _print(client, target, wanted)
    except UserError as error:
        raise Failure(str(error)) from None


def _own_url(config: Settings) -> str:
    return config.public_url or f"http://127.0.0.1:{config.api_port}"


def _wanted(name: str, url: str, key: str) -> Wanted:
    if key.startswith(PREFIX):
        return Wanted(name, url, _VARIABLE, key)
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", key):
        raise Failure(
            f"--key takes the name of an environment variable, such as {_VARIABLE}, "
            f"or a key, which begins with {PREFIX}"
        )
    return Wanted(name, url, key)


def _warn(wanted: Wanted, server: str | None) -> None:
    if wanted.in_the_clear:
        _say(f"{wanted.url} is not encrypted: whoever is on the way can read the key.")
    known = constellation().servers
    if server is not None and server not in known:
        _say(f"{server} is none of {', '.join(known)}: it must be one that the business has added.")


def _write(target: Client, wanted: Wanted) -> None:
    path = target.file()
    if wanted.key is not None and not target.own:
        raise Failure(
            f"{path} belongs to the project, so no key is written into it; put the key into an "
            f"environment variable, and name that: --key {_VARIABLE}"
        )
    if wanted.key is None and target.own:
        raise Failure(
            f"{target.title} hands on none of your environment variables, so its file must hold "
            "the key: --key ak_…"
        )
    done = written(path, target.entries(wanted))
    kept = f"; what it was is kept as {done.backup}" if done.backup else ""
    said = f"{wanted.name} is in it now{kept}" if done.changed else "no difference"
    _say(f"{path}: {said}")
    _say(_then(target, wanted))


def _print(client: ClientName, target: Client, wanted: Wanted) -> None:
    _say(f"For {target.file()}; --write adds it there:")
    typer.echo(json.dumps(target.entries(wanted), indent=2, ensure_ascii=False))
    if client is ClientName.CLAUDE_CODE:
        _say(f"Or, for yourself only: {_claude_mcp_add(wanted)}")
    _say(_then(target, wanted))


def _then(target: Client, wanted: Wanted) -> str:
    if target.own:
        first = "" if wanted.key else "Put the key where the entry says ak_…. "
        return f"{first}Restart {target.title}; it needs Node, which runs mcp-remote."
    if target is CLIENTS[ClientName.VSCODE]:
        return f"{target.title} asks for the key when it starts the server."
    return f"Set {wanted.variable} to the key where {target.title} is started."


def _claude_mcp_add(wanted: Wanted) -> str:
    key = wanted.key or f"${{{wanted.variable}}}"
    command = (
        f"claude mcp add --transport http {shlex.quote(wanted.name)} {shlex.quote(wanted.url)}"
    )
    return f'{command} --header "Authorization: Bearer {key}"'


def _say(line: str) -> None:
    console.print(line, highlight=False, markup=False, soft_wrap=True)
