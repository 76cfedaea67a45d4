"""Which tools of somebody else's server are offered: those that are as they were accepted."""

import hashlib
import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from mcp_types import Tool

from orchestrator.agent.system_tools import CONFIRM, END
from orchestrator.mcp_client.external.sanitize import card_of, clean, effects
from orchestrator.mcp_client.tool import ToolInfo

Reason = Literal["new", "changed", "unusable name", "listed twice", "too large"]

_NAME = re.compile(r"[a-z0-9_]{1,64}")
_LONGEST_NAME = 64  # characters that models' vendors take
_LARGEST = 16 * 1024  # bytes of description and schema


@dataclass(frozen=True)
class Withheld:
    """A tool that is not offered, why, and what it says of itself now."""

    tool: str
    reason: Reason
    description: str
    digest: str


@dataclass(frozen=True)
class PinnedTools:
    """What a server lists, held against what was accepted."""

    cards: Mapping[str, ToolInfo]
    withheld: Sequence[Withheld]
    pins: Mapping[str, str]  # every tool that could be accepted, with its digest of now
    tools: Sequence[Tool] = field(repr=False)


def digest(tool: Tool) -> str:
    """Return what changes with anything that models or we go by: texts, schema, and effects."""
    parts = [tool.name, tool.description or "", tool.input_schema, effects(tool)]
    return hashlib.sha256(_canonical(parts)).hexdigest()


def check_pins(server: str, tools: Sequence[Tool], accepted: Mapping[str, str]) -> PinnedTools:
    """Sort a server's tools into those that are offered and those that are withheld."""
    cards: dict[str, ToolInfo] = {}
    pins: dict[str, str] = {}
    withheld: list[Withheld] = []
    times = Counter(tool.name for tool in tools)
    for tool in tools:
        now = digest(tool)
        reason = _never(server, tool, times[tool.name])
        if reason is None:
            pins[tool.name] = now
            if accepted.get(tool.name) == now:
                cards[tool.name] = card_of(server, tool)
                continue
            reason = "changed" if tool.name in accepted else "new"
        description = clean(tool.description or "")
        withheld.append(Withheld(clean(tool.name, 128), reason, description, now))
    return PinnedTools(cards, withheld, pins, tools)


def _never(server: str, tool: Tool, times: int) -> Reason | None:
    joined = f"{server}_{tool.name}"
    if not _NAME.fullmatch(tool.name) or len(joined) > _LONGEST_NAME or joined in (CONFIRM, END):
        return "unusable name"
    if times > 1:  # whichever were called, it might be the other one that was accepted
        return "listed twice"
    size = len(_canonical([tool.description, tool.input_schema]))
    return "too large" if size > _LARGEST else None


def _canonical(value: object) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()
