"""Pins the tools of external servers: only those are offered that are unchanged since accepted."""

import hashlib
import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from mcp_types import Tool

from orchestrator.mcp_client.external.sanitize import (
    effect_annotations,
    sanitize_text,
    sanitize_tool,
)
from orchestrator.mcp_client.reserved_names import RESERVED_NAMES
from orchestrator.mcp_client.tool import ToolInfo, model_name

Reason = Literal["new", "changed", "unusable name", "listed twice", "too large"]

# As MCP has them; models see other characters mapped to underscores.
_NAME = re.compile(r"[A-Za-z0-9_.\-/ ]{1,128}")
_MAX_SIZE = 16 * 1024  # bytes of description and schema


@dataclass(frozen=True)
class WithheldTool:
    """A tool that is not offered, the reason, and its current description and digest."""

    tool: str
    reason: Reason
    description: str
    digest: str


@dataclass(frozen=True)
class PinnedTools:
    """A server's tools compared with those that were accepted.

    `digests` has the current digest of every tool that could be accepted.
    """

    available: Mapping[str, ToolInfo]
    withheld: Sequence[WithheldTool]
    digests: Mapping[str, str]
    listed: Sequence[Tool] = field(repr=False)


def tool_digest(tool: Tool) -> str:
    """Return the SHA-256 of what models and the agent rely on: texts, schema, effects."""
    parts = [tool.name, tool.description or "", tool.input_schema, effect_annotations(tool)]
    if tool.output_schema:  # models of other clients may read it
        parts.append(tool.output_schema)
    return hashlib.sha256(_canonical(parts)).hexdigest()


def check_pins(server: str, tools: Sequence[Tool], accepted: Mapping[str, str]) -> PinnedTools:
    """Divide a server's tools into available and withheld ones; `accepted` has digests by name."""
    available: dict[str, ToolInfo] = {}
    digests: dict[str, str] = {}
    withheld: list[WithheldTool] = []
    counts = Counter(model_name(server, tool.name) for tool in tools)
    for tool in tools:
        current = tool_digest(tool)
        reason = _unusable_reason(server, tool, counts[model_name(server, tool.name)])
        if reason is None:
            digests[tool.name] = current
            if accepted.get(tool.name) == current:
                available[tool.name] = sanitize_tool(server, tool)
                continue
            reason = "changed" if tool.name in accepted else "new"
        description = sanitize_text(tool.description or "")
        withheld.append(WithheldTool(sanitize_text(tool.name, 128), reason, description, current))
    return PinnedTools(available, withheld, digests, tools)


def _unusable_reason(server: str, tool: Tool, count: int) -> Reason | None:
    if not _NAME.fullmatch(tool.name) or model_name(server, tool.name) in RESERVED_NAMES:
        return "unusable name"
    if count > 1:  # a call might reach the one that was not accepted
        return "listed twice"
    size = len(_canonical([tool.description, tool.input_schema]))
    return "too large" if size > _MAX_SIZE else None


def _canonical(value: object) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()
