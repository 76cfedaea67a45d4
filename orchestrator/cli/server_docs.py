"""The pages of docs/servers: one for each MCP server, generated from its code."""

from collections.abc import Mapping
from inspect import getdoc
from pathlib import Path
from typing import Any

from fastmcp.tools import FunctionTool
from mcp_types import ToolAnnotations

from config.constellation import constellation, load_object
from config.security.tokens import server_audience

_NOTICE = "<!-- Made by `antiphon catalogue --docs docs/servers`; edit the server instead. -->"


def server_page(name: str) -> str:
    """Return the page of one server, as Markdown."""
    spec = load_object(constellation().servers[name])
    catalogue = spec.catalogue()
    tools = [FunctionTool.from_function(function) for function in spec.tools]
    parts = [
        _NOTICE,
        f"# {name}",
        spec.instructions,
        f"Served at `/{name}/mcp`, to bearers of a token for `{server_audience(name)}`. "
        f"Providers: {_code_list(catalogue['providers'])}.",
        *_accounts(name, spec.providers),
        _table(tools),
        *(_section(tool) for tool in tools),
        *_unsupported(catalogue["unsupported"]),
    ]
    return "\n\n".join(parts) + "\n"


def write_pages(folder: Path) -> list[Path]:
    """Write every server's page into `folder`, and return the files."""
    folder.mkdir(parents=True, exist_ok=True)
    pages = {folder / f"{name}.md": server_page(name) for name in constellation().servers}
    for path, text in pages.items():
        path.write_text(text, encoding="utf-8")
    return list(pages)


def _accounts(server: str, providers: Mapping[str, Any]) -> list[str]:
    """Say what connecting each vendor takes."""
    rows = [
        f"| {name} | {_code_list(list(provider.credentials.model_fields)) or 'none'} "
        f"| `antiphon integrations add --business B --server {server} --provider {name}` |"
        for name, provider in providers.items()
        if name != "builtin"
    ]
    if not rows:
        return []
    notes = [
        f"- **{name}**: {' '.join((getdoc(provider) or '').split())}"
        for name, provider in providers.items()
        if name != "builtin"
    ]
    return [
        "\n".join(["| vendor | secrets | connect it |", "|---|---|---|", *rows]),
        "\n".join(notes),
        "A setting `base_url` is the address of a vendor's self-hosted edition.",
    ]


def _table(tools: list[FunctionTool]) -> str:
    rows = ["| tool | what it is for | effect | profile |", "|---|---|---|---|"]
    for tool in tools:
        rows.append(
            f"| [`{tool.name}`](#{tool.name}) | {tool.title} "
            f"| {_effect(tool.annotations)} | {_profile(tool)} |"
        )
    return "\n".join(rows)


def _profile(tool: FunctionTool) -> str:
    """Return who sees a tool; one that is `named only` is meant by no grant of all tools."""
    if "named-only" in tool.tags:
        return "named only: a bot has to list it under `tools`"
    return "voice" if "voice" in tool.tags else "full"


def _section(tool: FunctionTool) -> str:
    required = tool.parameters.get("required", [])
    lines = [f"## {tool.name}", "", tool.description or ""]
    arguments: Mapping[str, Mapping[str, Any]] = tool.parameters.get("properties", {})
    if arguments:
        lines += ["", "| argument | type | |", "|---|---|---|"]
    for name, schema in arguments.items():
        note = "required" if name in required else "optional"
        lines.append(f"| `{name}` | {_type(schema)} | {note} |")
    return "\n".join(lines)


def _effect(annotations: ToolAnnotations | None) -> str:
    if annotations is None:
        return "unknown"
    if annotations.read_only_hint:
        return "reads"
    if annotations.destructive_hint:
        return "changes" if annotations.idempotent_hint else "destroys"
    return "writes; a repeat changes nothing" if annotations.idempotent_hint else "writes"


def _type(schema: Mapping[str, Any]) -> str:
    """Say in a few words what an argument takes."""
    if "enum" in schema:
        return _code_list(schema["enum"])
    if "const" in schema:
        return _code_list([schema["const"]])
    if "anyOf" in schema:
        kinds = [_type(each) for each in schema["anyOf"] if each.get("type") != "null"]
        return " or ".join(dict.fromkeys(kinds))
    kind = str(schema.get("format") or schema.get("type") or "object")
    return f"list of {_type(schema['items'])}" if kind == "array" and "items" in schema else kind


def _unsupported(unsupported: Mapping[str, Mapping[str, str]]) -> list[str]:
    """Say which tools a provider has no counterpart for, and why."""
    rows = [
        f"| {provider} | `{tool}` | {reason} |"
        for provider, tools in unsupported.items()
        for tool, reason in tools.items()
    ]
    if not rows:
        return []
    return ["## Not listed", "\n".join(["| provider | tool | why |", "|---|---|---|", *rows])]


def _code_list(names: list[Any]) -> str:
    return ", ".join(f"`{name}`" for name in names)
