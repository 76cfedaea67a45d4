"""The configuration files of MCP clients: an entry for our servers in the form each one reads."""

import json
import os
import shutil
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlencode, urlsplit

from config.errors import UserError
from config.settings import environment

Json = dict[str, Any]

_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
_PLACEHOLDER = "ak_…"
_PRIVATE = 0o600


class ConnectError(UserError):
    """A client's configuration cannot be made or written."""


@dataclass(frozen=True)
class ServerEntry:
    """A server to connect to. The key is in the environment variable, unless `key` holds it."""

    name: str
    url: str
    variable: str
    key: str | None = None

    @property
    def unencrypted(self) -> bool:
        """Whether others between the client and the server could read the key."""
        parts = urlsplit(self.url)
        return parts.scheme == "http" and parts.hostname not in _LOOPBACK


@dataclass(frozen=True)
class McpClient:
    """One MCP client: where its file is, and how it writes a server down.

    `personal` is whether the file belongs to its user alone, and not to a project.
    """

    title: str
    path: Callable[[], Path]
    personal: bool
    to_json: Callable[[ServerEntry], Json]


@dataclass(frozen=True)
class FileChange:
    """Whether a file was changed, and where its former content is."""

    changed: bool
    backup: Path | None = None


def endpoint(base: str, server: str | None = None, bot: str | None = None) -> str:
    """Return the MCP address of all servers, or of one, of the API at `base`.

    Raises:
        ConnectError: `base` is not an HTTP address.
    """
    parts = urlsplit(base)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query:
        raise ConnectError(f"{base!r} is no address of the API, such as https://voice.example.com")
    root = base.rstrip("/").removesuffix("/mcp")
    path = f"/{server}/mcp" if server else "/mcp"
    return f"{root}{path}" + (f"?{urlencode({'bot': bot})}" if bot else "")


def add_entries(path: Path, entries: Json) -> FileChange:
    """Add entries to a client's file and keep all that it holds already.

    Raises:
        ConnectError: the file is not plain JSON, or not of the shape that its client reads.
    """
    path = path.expanduser().resolve()
    before = _read(path)
    after = _merge(path, before or {}, entries)
    if after == before:
        return FileChange(changed=False)
    path.parent.mkdir(parents=True, exist_ok=True)
    backup = None
    if before is not None:
        backup = _backup_path(path)
        shutil.copy2(path, backup)
    new = path.with_name(f".{path.name}.new")
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, _PRIVATE), "w") as file:
        file.write(json.dumps(after, indent=2, ensure_ascii=False) + "\n")
    if backup is not None:
        shutil.copymode(backup, new)
    new.replace(path)
    return FileChange(True, backup)


def _read(path: Path) -> Json | None:
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ConnectError(f"{path}: {error.strerror or 'cannot be read'}") from None
    try:
        content: object = json.loads(text or "{}")
    except ValueError:
        raise _unreadable(path, "is not plain JSON, perhaps for its comments") from None
    if not isinstance(content, dict):
        raise _unreadable(path, "does not hold an object")
    return cast("Json", content)


def _merge(path: Path, before: Json, entries: Json) -> Json:
    after = dict(before)
    for part, added in entries.items():
        present = before.get(part, type(added)())
        if type(present) is not type(added):
            raise _unreadable(path, f"has {part} in a shape that its client does not read")
        if isinstance(added, list):
            after[part] = _replace_by_id(present, cast("list[Json]", added))
        else:
            after[part] = {**present, **added}
    return after


def _replace_by_id(present: list[Any], added: list[Json]) -> list[Any]:
    ids = [each["id"] for each in added]
    return [each for each in present if _id(each) not in ids] + added


def _id(each: Any) -> Any:
    return cast("Json", each).get("id") if isinstance(each, dict) else None


def _unreadable(path: Path, why: str) -> ConnectError:
    return ConnectError(f"{path} {why}; without --write, the entry is printed to add by hand")


def _backup_path(path: Path) -> Path:
    backup, number = path.with_name(f"{path.name}.bak"), 1
    while backup.exists():
        number += 1
        backup = path.with_name(f"{path.name}.bak{number}")
    return backup


def _claude_code(entry: ServerEntry) -> Json:
    headers = {"Authorization": f"Bearer ${{{entry.variable}}}"}
    return {"mcpServers": {entry.name: {"type": "http", "url": entry.url, "headers": headers}}}


def _cursor(entry: ServerEntry) -> Json:
    headers = {"Authorization": f"Bearer ${{env:{entry.variable}}}"}
    return {"mcpServers": {entry.name: {"url": entry.url, "headers": headers}}}


def _vscode(entry: ServerEntry) -> Json:
    prompt = {
        "type": "promptString",
        "id": f"{entry.name}-key",
        "description": f"API key of {entry.name}, which begins with ak_",
        "password": True,
    }
    headers = {"Authorization": f"Bearer ${{input:{prompt['id']}}}"}
    server = {"type": "http", "url": entry.url, "headers": headers}
    return {"inputs": [prompt], "servers": {entry.name: server}}


def _claude_desktop(entry: ServerEntry) -> Json:
    # The whole header is in the variable: on Windows, npx takes an argument apart at its spaces.
    variable = "ANTIPHON_AUTHORIZATION"
    arguments = ["-y", "mcp-remote", entry.url, "--transport", "http-only"]
    arguments += ["--header", f"Authorization:${{{variable}}}"]
    arguments += ["--allow-http"] if entry.unencrypted else []
    variables = {variable: f"Bearer {entry.key or _PLACEHOLDER}"}
    server = {"command": "npx", "args": arguments, "env": variables}
    return {"mcpServers": {entry.name: server}}


def _desktop_file() -> Path:
    match sys.platform:
        case "darwin":
            folder = Path("~/Library/Application Support")
        case "win32":
            folder = Path(environment().get("APPDATA", "~/AppData/Roaming"))
        case _:
            folder = Path(environment().get("XDG_CONFIG_HOME", "~/.config"))
    return folder.expanduser() / "Claude" / "claude_desktop_config.json"


CLIENTS: Mapping[str, McpClient] = {
    "claude-code": McpClient("Claude Code", lambda: Path(".mcp.json"), False, _claude_code),
    "claude-desktop": McpClient("Claude Desktop", _desktop_file, True, _claude_desktop),
    "cursor": McpClient("Cursor", lambda: Path(".cursor/mcp.json"), False, _cursor),
    "vscode": McpClient("VS Code", lambda: Path(".vscode/mcp.json"), False, _vscode),
}
