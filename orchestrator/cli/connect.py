"""`antiphon connect`: the configuration with which an MCP client reaches a business's servers."""

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
from orchestrator.cli.mcp_client_configs import (
    CLIENTS,
    McpClient,
    ServerEntry,
    add_entries,
    endpoint,
)
from orchestrator.cli.terminal import Failure, console

_VARIABLE = "ANTIPHON_KEY"


class ClientName(StrEnum):
    """The MCP clients whose files are known here."""

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
        entry = _entry(name, endpoint(url or _own_url(settings()), server, bot), key)
        _warn(entry, server)
        if write:
            _write(target, entry)
        else:
            _print(client, target, entry)
    except UserError as error:
        raise Failure(str(error)) from None


def _own_url(config: Settings) -> str:
    return config.public_url or f"http://127.0.0.1:{config.api_port}"


def _entry(name: str, url: str, key: str) -> ServerEntry:
    if key.startswith(PREFIX):
        return ServerEntry(name, url, _VARIABLE, key)
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", key):
        raise Failure(
            f"--key takes the name of an environment variable, such as {_VARIABLE}, "
            f"or a key, which begins with {PREFIX}"
        )
    return ServerEntry(name, url, key)


def _warn(entry: ServerEntry, server: str | None) -> None:
    if entry.unencrypted:
        _say(f"{entry.url} is not encrypted: whoever is on the way can read the key.")
    known = constellation().servers
    if server is not None and server not in known:
        _say(f"{server} is none of {', '.join(known)}: it must be one that the business has added.")


def _write(target: McpClient, entry: ServerEntry) -> None:
    path = target.path()
    if entry.key is not None and not target.personal:
        raise Failure(
            f"{path} belongs to the project, so no key is written into it; put the key into an "
            f"environment variable, and name that: --key {_VARIABLE}"
        )
    if entry.key is None and target.personal:
        raise Failure(
            f"{target.title} hands on none of your environment variables, so its file must hold "
            "the key: --key ak_…"
        )
    change = add_entries(path, target.to_json(entry))
    backup = f"; what it was is kept as {change.backup}" if change.backup else ""
    result = f"{entry.name} is in it now{backup}" if change.changed else "no difference"
    _say(f"{path}: {result}")
    _say(_next_step(target, entry))


def _print(client: ClientName, target: McpClient, entry: ServerEntry) -> None:
    _say(f"For {target.path()}; --write adds it there:")
    typer.echo(json.dumps(target.to_json(entry), indent=2, ensure_ascii=False))
    if client is ClientName.CLAUDE_CODE:
        _say(f"Or, for yourself only: {_claude_mcp_add(entry)}")
    _say(_next_step(target, entry))


def _next_step(target: McpClient, entry: ServerEntry) -> str:
    if target.personal:
        first = "" if entry.key else "Put the key where the entry says ak_…. "
        return f"{first}Restart {target.title}; it needs Node, which runs mcp-remote."
    if target is CLIENTS[ClientName.VSCODE]:
        return f"{target.title} asks for the key when it starts the server."
    return f"Set {entry.variable} to the key where {target.title} is started."


def _claude_mcp_add(entry: ServerEntry) -> str:
    key = entry.key or f"${{{entry.variable}}}"
    command = f"claude mcp add --transport http {shlex.quote(entry.name)} {shlex.quote(entry.url)}"
    return f'{command} --header "Authorization: Bearer {key}"'


def _say(line: str) -> None:
    console.print(line, highlight=False, markup=False, soft_wrap=True)
