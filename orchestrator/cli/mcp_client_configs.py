"""How each MCP client is told to reach us: one entry of the file that it reads."""

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

Json = dict[str, Any]

_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
_PLACEHOLDER = "ak_…"
_PRIVATE = 0o600


class ConnectError(UserError):
    """A client cannot be told."""


@dataclass(frozen=True)
class Wanted:
    """What is to be reached. The key is in an environment variable, or given as it is."""

    name: str
    url: str
    variable: str
    key: str | None = None

    @property
    def in_the_clear(self) -> bool:
        """Say whether others on the way could read the key."""
        parts = urlsplit(self.url)
        return parts.scheme == "http" and parts.hostname not in _LOOPBACK


@dataclass(frozen=True)
class Client:
    """One MCP client: its file, whether that is its user's own, and what goes into it."""

    title: str
    file: Callable[[], Path]
    own: bool
    entries: Callable[[Wanted], Json]


@dataclass(frozen=True)
class Written:
    """What became of a file, and where what it was before is kept."""

    changed: bool
    backup: Path | None = None


def endpoint(base: str, server: str | None = None, bot: str | None = None) -> str:
    """Return the address of all servers, or of one, of the API at `base`.

    Raises:
        ConnectError: that is no address.
    """
    parts = urlsplit(base)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query:
        raise ConnectError(f"{base!r} is no address of the API, such as https://voice.example.com")
    root = base.rstrip("/").removesuffix("/mcp")
    path = f"/{server}/mcp" if server else "/mcp"
    return f"{root}{path}" + (f"?{urlencode({'bot': bot})}" if bot else "")


def written(path: Path, entries: Json) -> Written:
    """Add entries to a file, beside all that it holds already.

    Raises:
        ConnectError: the file is not plain JSON, or not of the shape that its client reads.
    """
    path = path.expanduser().resolve()
    before = _read(path)
    after = _merged(path, before or {}, entries)
    if after == before:
        return Written(changed=False)
    path.parent.mkdir(parents=True, exist_ok=True)
    backup = None
    if before is not None:
        backup = _unused(path)
        shutil.copy2(path, backup)
    new = path.with_name(f".{path.name}.new")
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, _PRIVATE), "w") as file:
        file.write(json.dumps(after, indent=2, ensure_ascii=False) + "\n")
    if backup is not None:
        shutil.copymode(backup, new)
    new.replace(path)
    return Written(True, backup)


def _read(path: Path) -> Json | None:
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ConnectError(f"{path}: {error.strerror or 'cannot be read'}") from None
    try:
        found: object = json.loads(text or "{}")
    except ValueError:
        raise _unfit(path, "is not plain JSON, perhaps for its comments") from None
    if not isinstance(found, dict):
        raise _unfit(path, "does not hold an object")
    return cast("Json", found)


def _merged(path: Path, before: Json, entries: Json) -> Json:
    after = dict(before)
    for part, added in entries.items():
        there = before.get(part, type(added)())
        if type(there) is not type(added):
            raise _unfit(path, f"has {part} in a shape that its client does not read")
        if isinstance(added, list):
            after[part] = _joined(there, cast("list[Json]", added))
        else:
            after[part] = {**there, **added}
    return after


def _joined(there: list[Any], added: list[Json]) -> list[Any]:
    ids = [each["id"] for each in added]
    return [each for each in there if _id(each) not in ids] + added


def _id(each: Any) -> Any:
    return cast("Json", each).get("id") if isinstance(each, dict) else None


def _unfit(path: Path, why: str) -> ConnectError:
    return ConnectError(f"{path} {why}; without --write, the entry is printed to add by hand")


def _unused(path: Path) -> Path:
    backup, number = path.with_name(f"{path.name}.bak"), 1
    while backup.exists():
        number += 1
        backup = path.with_name(f"{path.name}.bak{number}")
    return backup


def _claude_code(wanted: Wanted) -> Json:
    headers = {"Authorization": f"Bearer ${{{wanted.variable}}}"}
    return {"mcpServers": {wanted.name: {"type": "http", "url": wanted.url, "headers": headers}}}


def _cursor(wanted: Wanted) -> Json:
    headers = {"Authorization": f"Bearer ${{env:{wanted.variable}}}"}
    return {"mcpServers": {wanted.name: {"url": wanted.url, "headers": headers}}}


def _vscode(wanted: Wanted) -> Json:
    asked = {
        "type": "promptString",
        "id": f"{wanted.name}-key",
        "description": f"API key of {wanted.name}, which begins with ak_",
        "password": True,
    }
    headers = {"Authorization": f"Bearer ${{input:{asked['id']}}}"}
    entry = {"type": "http", "url": wanted.url, "headers": headers}
    return {"inputs": [asked], "servers": {wanted.name: entry}}


def _claude_desktop(wanted: Wanted) -> Json:
    # The whole header is in the variable: on Windows, npx takes an argument apart at its spaces.
    variable = "ANTIPHON_AUTHORIZATION"
    arguments = ["-y", "mcp-remote", wanted.url, "--transport", "http-only"]
    arguments += ["--header", f"Authorization:${{{variable}}}"]
    arguments += ["--allow-http"] if wanted.in_the_clear else []
    environment = {variable: f"Bearer {wanted.key or _PLACEHOLDER}"}
    entry = {"command": "npx", "args": arguments, "env": environment}
    return {"mcpServers": {wanted.name: entry}}


def _desktop_file() -> Path:
    match sys.platform:
        case "darwin":
            folder = Path("~/Library/Application Support")
        case "win32":
            folder = Path(os.environ.get("APPDATA", "~/AppData/Roaming"))
        case _:
            folder = Path(os.environ.get("XDG_CONFIG_HOME", "~/.config"))
    return folder.expanduser() / "Claude" / "claude_desktop_config.json"


CLIENTS: Mapping[str, Client] = {
    "claude-code": Client("Claude Code", lambda: Path(".mcp.json"), False, _claude_code),
    "claude-desktop": Client("Claude Desktop", _desktop_file, True, _claude_desktop),
    "cursor": Client("Cursor", lambda: Path(".cursor/mcp.json"), False, _cursor),
    "vscode": Client("VS Code", lambda: Path(".vscode/mcp.json"), False, _vscode),
}
