"""A tool as its server lists it, and how a call of it ended."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from mcp_types import CallToolResult, ContentBlock, TextContent, Tool, ToolAnnotations
from pydantic import BaseModel, ConfigDict

from config.errors import UserError

_META = "antiphon"


class ServerUnreachableError(UserError):
    """A server could not be asked, or did not answer in time."""


class ToolInfo(BaseModel):
    """A tool as its server lists it for one bot. What only outside clients need may be missing."""

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
    title: str | None = None
    annotations: Mapping[str, Any] | None = None
    output_schema: Mapping[str, Any] | None = None
    external: bool = False  # somebody else's: it knows neither our grants nor our keys

    @property
    def name(self) -> str:
        """Return the name that clients of several servers see."""
        return f"{self.server}_{self.tool}"

    @classmethod
    def of(cls, server: str, tool: Tool) -> "ToolInfo":
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
            repeatable=reads
            or bool(hints and hints.idempotent_hint and not hints.destructive_hint),
            voice=details.get("profile") == "voice",
            examples=tuple(details.get("examples", ())),
            handles=tuple(details.get("handles", ())),
            title=tool.title,
            annotations=hints.model_dump(by_alias=True, exclude_none=True) if hints else None,
            output_schema=tool.output_schema,
        )

    def for_model(self) -> "ToolInfo":
        """Return the card without what no model sees."""
        return self.model_copy(update={"title": None, "annotations": None, "output_schema": None})

    def listed_as(self, name: str) -> Tool:
        """Return the tool as an outside client sees it, without what only concerns us."""
        hints = self.annotations
        return Tool(
            name=name,
            title=self.title,
            description=self.description,
            input_schema=dict(self.parameters),
            output_schema=None if self.output_schema is None else dict(self.output_schema),
            annotations=None if hints is None else ToolAnnotations.model_validate(hints),
        )


@dataclass(frozen=True)
class Outcome:
    """How a tool call ended. A failure has an `error` kind, and a text for the model.

    `answer` is the server's own, as it came.
    """

    text: str
    data: Mapping[str, Any] = field(default_factory=dict[str, Any])
    say: str | None = None
    error: str | None = None
    ms: float = 0.0
    answer: CallToolResult | None = field(default=None, repr=False, compare=False)

    @property
    def for_model(self) -> str:
        """Return what the model reads: compact JSON, or the catalogue's words."""
        if self.error or not self.data:
            return self.text
        return json.dumps(self.data, ensure_ascii=False, separators=(",", ":"))

    @property
    def result(self) -> CallToolResult:
        """Return what an outside client gets: the server's answer, without what concerns us."""
        details = {"error": self.error, "say": self.say} if self.error else None
        meta = {_META: details} if details else None
        if self.answer is not None:
            return self.answer.model_copy(update={"meta": meta})
        content: list[ContentBlock] = [TextContent(text=self.text)]
        return CallToolResult(
            content=content,
            structured_content=dict(self.data) or None,
            is_error=self.error is not None,
            _meta=meta,
        )


def outcome_of(result: CallToolResult, ms: float) -> Outcome:
    """Read a server's answer."""
    text = "\n".join(part.text for part in result.content if isinstance(part, TextContent))
    details: Mapping[str, Any] = (result.meta or {}).get(_META, {})
    if result.is_error:
        say, error = details.get("say"), details.get("error", "fault")
        return Outcome(text, say=say, error=error, ms=ms, answer=result)
    content: object = result.structured_content
    if not isinstance(content, dict):
        return Outcome(text, ms=ms, answer=result)
    data = cast("dict[str, Any]", content)
    say = data.get("say")
    return Outcome(text, data, say if isinstance(say, str) else None, ms=ms, answer=result)


def unknown_tool(what: str = "There is no such tool.") -> Outcome:
    """Return the outcome of a call of what does not exist for its caller, as servers word it."""
    say = "I'm afraid I can't do that."
    text = f"{what} Tell the caller: {say} Next: Use one of the listed tools."
    return Outcome(text, say=say, error="unknown_tool")


def unreachable(what: str, ms: float) -> Outcome:
    """Return the outcome of a call that reached nobody, or that nobody answered."""
    say = "That system is not answering right now."
    text = f"{what} Tell the caller: {say} Next: Do not retry. Offer a follow-up."
    return Outcome(text, say=say, error="unavailable", ms=ms)
