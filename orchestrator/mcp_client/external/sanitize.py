"""Cleans and bounds what external MCP servers send: tools, results, texts.

These texts reach the model, so invisible characters are removed. Our own metadata (examples,
handles, a profile) is ignored where an external server sends it.
"""

import json
from collections.abc import Mapping
from typing import Any, cast

from mcp_types import CallToolResult, ContentBlock, TextContent, Tool

from config.text import clean
from orchestrator.mcp_client.tool import Outcome, ToolInfo

MAX_TEXT = 8 * 1024  # characters of a result
_MAX_DESCRIPTION = 2000
_MAX_SAY = 500
_MAX_DEPTH = 20
_CUT_OFF = " [cut off]"


def sanitize_text(text: str, limit: int = MAX_TEXT) -> str:
    """Return `text` without control and invisible characters, cut to `limit` characters."""
    # Invisible characters do not count, so twice the limit is looked at.
    visible = clean(text[: limit * 2])
    too_long = len(visible) > limit or len(text) > limit * 2
    return visible[:limit] + _CUT_OFF if too_long else visible


def sanitize_tool(server: str, tool: Tool) -> ToolInfo:
    """Return an external server's tool as a bot sees it; every one is a voice tool."""
    hints = tool.annotations
    reads = bool(hints and hints.read_only_hint)
    parameters: Any = _sanitize_value(tool.input_schema)
    return ToolInfo(
        server=server,
        tool=tool.name,
        description=sanitize_text(tool.description or "", _MAX_DESCRIPTION),
        parameters=parameters,
        reads=reads,
        repeatable=reads or bool(hints and hints.idempotent_hint),
        voice=True,
        annotations=effect_annotations(tool),
        external=True,
    )


def effect_annotations(tool: Tool) -> dict[str, Any] | None:
    """Return the annotations that say what the tool does, for retries and confirmation."""
    hints = tool.annotations
    return hints.model_dump(by_alias=True, exclude_none=True, exclude={"title"}) if hints else None


def sanitize_result(result: CallToolResult, ms: float) -> Outcome:
    """Convert an external server's answer: to data where that is short enough, else to text."""
    text = sanitize_text(
        "\n".join(part.text for part in result.content if isinstance(part, TextContent))
    )
    if result.is_error:
        return Outcome(text or "The tool failed.", error="fault", ms=ms)
    content: object = _sanitize_value(result.structured_content)
    if not isinstance(content, dict):
        return Outcome(text or "It is done.", ms=ms)
    data = cast("dict[str, Any]", content)
    if [*data] == ["result"] and isinstance(wrapped := data["result"], str):
        return Outcome(wrapped, ms=ms)  # FastMCP wraps a text in `result`
    say = data.get("say")
    sentence = sanitize_text(say, _MAX_SAY) if isinstance(say, str) else None
    compact = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    if len(compact) > MAX_TEXT:
        return Outcome(text or sanitize_text(compact), say=sentence, ms=ms)
    blocks: list[ContentBlock] = [TextContent(text=text or compact)]
    sanitized = CallToolResult(content=blocks, structured_content=data)
    return Outcome(text or compact, data, sentence, ms=ms, raw_result=sanitized)


def _sanitize_value(value: object, depth: int = 0) -> object:
    if depth > _MAX_DEPTH:
        return None
    match value:
        case str():
            return sanitize_text(value)
        case dict():
            items = cast("Mapping[str, object]", value).items()
            return {sanitize_text(key): _sanitize_value(each, depth + 1) for key, each in items}
        case list():
            return [_sanitize_value(each, depth + 1) for each in cast("list[object]", value)]
        case _:
            return value
