"""`ToolInfo`, a tool as its server lists it, and `Outcome`, the result of a call."""

import hashlib
import json
import math
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from mcp_types import CallToolResult, ContentBlock, TextContent, Tool, ToolAnnotations
from pydantic import BaseModel, ConfigDict, Field

from config.errors import UserError
from config.protocol import META_KEY, ErrorKind
from config.security.tokens import Grant
from orchestrator.sentences import say

_OTHERS = re.compile(r"[^A-Za-z0-9_]")
_MAX_NAME = 64  # characters that models' vendors accept


class ServerUnreachableError(UserError):
    """A server could not be reached, or did not answer: `late`, where it had the time to.

    `maybe_done` says that the request went out, so that it may have been done.
    """

    def __init__(self, message: str, *, late: bool = False, maybe_done: bool = False) -> None:
        super().__init__(message)
        self.late = late
        self.maybe_done = maybe_done


def model_name(server: str, tool: str) -> str:
    """Return the name of a tool for models, which take 64 letters, digits and underscores.

    Other characters are mapped; what is longer is cut, and told apart by a digest.
    """
    name = _OTHERS.sub("_", f"{server}_{tool}")
    if len(name) <= _MAX_NAME:
        return name
    digest = hashlib.sha256(tool.encode()).hexdigest()[:8]
    return f"{name[: _MAX_NAME - 9]}_{digest}"


class ToolInfo(BaseModel):
    """A tool as its server lists it for one bot.

    `title`, `annotations` and `output_schema` are for outside clients only, and may be missing.
    `caller` has the arguments that say who the caller is, by `name`, `phone` and `email`, and
    `words` is the one that keeps what the caller said. A field for each part makes fifteen.
    """

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
    caller: Mapping[str, str] = Field(default_factory=dict[str, str])
    words: str | None = None
    title: str | None = None
    annotations: Mapping[str, Any] | None = None
    output_schema: Mapping[str, Any] | None = None
    external: bool = False  # of an external server, which gets no grants or idempotency keys

    @property
    def name(self) -> str:
        """Return the name under which clients of several servers see it."""
        return model_name(self.server, self.tool)

    @classmethod
    def from_tool(cls, server: str, tool: Tool) -> "ToolInfo":
        """Read a tool from a server's listing."""
        hints = tool.annotations
        details = (tool.meta or {}).get(META_KEY, {})
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
            caller=dict(details.get("caller", {})),
            words=details.get("words"),
            title=tool.title,
            annotations=hints.model_dump(by_alias=True, exclude_none=True) if hints else None,
            output_schema=tool.output_schema,
        )

    def count_changes(self, arguments: Mapping[str, Any]) -> int:
        """Return how many changes a call asks for: the items of its longest list, at least one.

        Only lists that the tool requires, or that hold objects: a record's tags are one change.
        """
        required = self.parameters.get("required", ())
        lists = {
            name: cast("Sequence[object]", value)
            for name, value in arguments.items()
            if isinstance(value, list)
        }
        sizes = [
            len(values)
            for name, values in lists.items()
            if name in required or any(isinstance(each, dict) for each in values)
        ]
        return max([1, *sizes])

    def is_granted(self, grant: Grant) -> bool:
        """Say whether a grant on its server includes it."""
        return grant.allows(self.tool, reads=self.reads, voice=self.voice)

    def for_model(self) -> "ToolInfo":
        """Return a copy without the fields that no model sees."""
        return self.model_copy(update={"title": None, "annotations": None, "output_schema": None})

    def to_tool(self, name: str) -> Tool:
        """Return the tool as an outside client sees it, without our own metadata."""
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

    `say` is the sentence for the caller, `ms` the duration, `raw_result` the server's answer.
    `model_text` is what the model reads where the data are too many for it. `refusal` marks what an
    external server has answered itself: its tool says no. `status` is the HTTP status of a request
    that got no result, and `retry_after` the seconds after which it may succeed. `noted` is the key
    of a write to an external server that is remembered until `Router.forget_writes`.
    """

    text: str
    data: Mapping[str, Any] = field(default_factory=dict[str, Any])
    say: str | None = None
    error: str | None = None
    ms: float = 0.0
    raw_result: CallToolResult | None = field(default=None, repr=False, compare=False)
    model_text: str | None = field(default=None, repr=False, compare=False)
    refusal: bool = False
    status: int | None = None
    retry_after: float | None = None
    noted: str | None = field(default=None, repr=False, compare=False)

    @property
    def for_model(self) -> str:
        """Return what the model reads: compact JSON, or the text of an error."""
        if self.model_text is not None:
            return self.model_text
        if self.error or not self.data:
            return self.text
        return json.dumps(self.data, ensure_ascii=False, separators=(",", ":"))

    @property
    def result(self) -> CallToolResult:
        """Return what an outside client gets: the server's answer without our own metadata."""
        details: dict[str, Any] = {"error": self.error, "say": self.say} if self.error else {}
        if details and self.retry_after is not None:
            details["retry_after"] = self.retry_after
        meta = {META_KEY: details} if details else None
        if self.raw_result is not None:
            return self.raw_result.model_copy(update={"meta": meta})
        content: list[ContentBlock] = [TextContent(text=self.text)]
        return CallToolResult(
            content=content,
            structured_content=dict(self.data) or None,
            is_error=self.error is not None,
            _meta=meta,
        )


def parse_result(result: CallToolResult, ms: float) -> Outcome:
    """Convert the answer of one of our servers."""
    text = "\n".join(part.text for part in result.content if isinstance(part, TextContent))
    details: Mapping[str, Any] = (result.meta or {}).get(META_KEY, {})
    if result.is_error:
        return Outcome(
            text,
            say=details.get("say"),
            error=details.get("error", "fault"),
            ms=ms,
            raw_result=result,
            retry_after=details.get("retry_after"),
        )
    content: object = result.structured_content
    if not isinstance(content, dict):
        return Outcome(text, ms=ms, raw_result=result)
    data = cast("dict[str, Any]", content)
    sentence = data.get("say")
    spoken = sentence if isinstance(sentence, str) else None
    return Outcome(text, data, spoken, ms=ms, raw_result=result)


def unknown_tool_outcome(message: str = "There is no such tool.") -> Outcome:
    """Return the outcome of a call of a tool that the caller does not have."""
    kind: ErrorKind = "unknown_tool"
    sentence = say(kind)
    text = f"{message} Tell the caller: {sentence} Next: Use one of the listed tools."
    return Outcome(text, say=sentence, error=kind)


def invalid_outcome(message: str, ms: float) -> Outcome:
    """Return the outcome of a call whose arguments the server does not take."""
    kind: ErrorKind = "invalid"
    text = f"{message} Next: Call again with the arguments corrected, or ask the caller."
    return Outcome(text, say=say(kind), error=kind, ms=ms)


def unreachable_outcome(message: str, ms: float) -> Outcome:
    """Return the outcome of a call that reached no server, or got no answer."""
    kind: ErrorKind = "unavailable"
    sentence = say(kind)
    text = f"{message} Tell the caller: {sentence} Next: Do not retry. Offer a follow-up."
    return Outcome(text, say=sentence, error=kind, ms=ms)


def rate_limited_outcome(seconds: float) -> Outcome:
    """Return the outcome of a write that was not sent: there were too many in this minute."""
    kind: ErrorKind = "rate_limited"
    wait = math.ceil(seconds)
    text = f"Too many changes were asked for within a minute. Next: Call again in {wait} seconds."
    return Outcome(text, say=say(kind), error=kind, retry_after=wait)


def lost_outcome(error: ServerUnreachableError, ms: float, *, reads: bool) -> Outcome:
    """Return the outcome of a call without an answer: of a write, it may be that it was done."""
    if error.maybe_done and not reads:
        kind: ErrorKind = "outcome_unknown"
        text = f"{error} It is not known whether it was done."
        advice = "Do not call it again. Say that someone will check, and go on."
    elif error.late:
        kind, text, advice = "timeout", str(error), "Apologise, and offer a follow-up."
    else:
        return unreachable_outcome(str(error), ms)
    sentence = say(kind)
    return Outcome(
        f"{text} Tell the caller: {sentence} Next: {advice}", say=sentence, error=kind, ms=ms
    )


def elapsed_ms(started: float) -> float:
    """Return the milliseconds since `started`, a time of `time.perf_counter`."""
    return (time.perf_counter() - started) * 1000
