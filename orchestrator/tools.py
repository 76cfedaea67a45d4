"""A tool as its server lists it, and how a call of it ended."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from mcp_types import CallToolResult, TextContent, Tool
from pydantic import BaseModel, ConfigDict

_META = "antiphon"


class ToolCard(BaseModel):
    """A tool as its server lists it for one bot."""

    model_config = ConfigDict(frozen=True)

    server: str
    tool: str
    description: str
    parameters: Mapping[str, Any]
    reads: bool
    repeatable: bool
    voice: bool = False
    examples: tuple[Mapping[str, Any], ...] = ()
    handles: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """Return the name that clients of several servers see."""
        return f"{self.server}_{self.tool}"

    @classmethod
    def of(cls, server: str, tool: Tool) -> "ToolCard":
        """Read a card from a server's listing."""
        hints = tool.annotations
        details = (tool.meta or {}).get(_META, {})
        reads = bool(hints and hints.read_only_hint)
        return cls(
            server=server,
            tool=tool.name,
            description=tool.description or "",
            parameters=tool.input_schema,
            reads=reads,
            repeatable=reads or bool(hints and hints.idempotent_hint),
            voice=details.get("profile") == "voice",
            examples=tuple(details.get("examples", ())),
            handles=tuple(details.get("handles", ())),
        )


@dataclass(frozen=True)
class Outcome:
    """How a tool call ended. A failure has an `error` kind, and a text for the model."""

    text: str
    data: Mapping[str, Any] = field(default_factory=dict[str, Any])
    say: str | None = None
    error: str | None = None
    ms: float = 0.0

    @property
    def for_model(self) -> str:
        """Return what the model reads: compact JSON, or the catalogue's words."""
        if self.error or not self.data:
            return self.text
        return json.dumps(self.data, ensure_ascii=False, separators=(",", ":"))


def outcome_of(result: CallToolResult, ms: float) -> Outcome:
    """Read a server's answer."""
    text = "\n".join(part.text for part in result.content if isinstance(part, TextContent))
    details: Mapping[str, Any] = (result.meta or {}).get(_META, {})
    if result.is_error:
        return Outcome(text, say=details.get("say"), error=details.get("error", "fault"), ms=ms)
    content: object = result.structured_content
    if not isinstance(content, dict):
        return Outcome(text, ms=ms)
    data = cast("dict[str, Any]", content)
    say = data.get("say")
    return Outcome(text, data, say if isinstance(say, str) else None, ms=ms)


def unreachable(what: str, ms: float) -> Outcome:
    """Return the outcome of a call that reached nobody, or that nobody answered."""
    say = "That system is not answering right now."
    text = f"{what} Tell the caller: {say} Next: Do not retry. Offer a follow-up."
    return Outcome(text, say=say, error="unavailable", ms=ms)
