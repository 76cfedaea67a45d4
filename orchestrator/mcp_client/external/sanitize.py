"""What comes from a server that somebody else runs: cleaned, bounded, and never taken on trust.

Such a server's texts reach the model, so what nobody can see is taken out of them, and what it
says about itself beside its description (examples, handles, a profile) is not read at all.
"""

import json
from collections.abc import Mapping
from typing import Any, cast

from mcp_types import CallToolResult, ContentBlock, TextContent, Tool

from config.text import clean as visible
from orchestrator.mcp_client.tool import Outcome, ToolInfo

LONGEST_TEXT = 8 * 1024  # characters of an answer
_LONGEST_DESCRIPTION = 2000
_LONGEST_SAY = 500
_DEEPEST = 20
_CUT = " [cut off]"


def clean(text: str, longest: int = LONGEST_TEXT) -> str:
    """Return the text without control characters and what cannot be seen, cut to a length."""
    # Twice as much may be looked at: what is hidden is not counted.
    seen = visible(text[: longest * 2])
    cut = len(seen) > longest or len(text) > longest * 2
    return seen[:longest] + _CUT if cut else seen


def card_of(server: str, tool: Tool) -> ToolInfo:
    """Return a tool as a bot has it; without a profile, every one is for voice."""
    hints = tool.annotations
    reads = bool(hints and hints.read_only_hint)
    cleaned: Any = _cleaned(tool.input_schema)
    return ToolInfo(
        server=server,
        tool=tool.name,
        description=clean(tool.description or "", _LONGEST_DESCRIPTION),
        parameters=cleaned,
        reads=reads,
        repeatable=reads or bool(hints and hints.idempotent_hint),
        voice=True,
        annotations=effects(tool),
        external=True,
    )


def effects(tool: Tool) -> dict[str, Any] | None:
    """Return what the tool says of its effects, by which we go when we repeat or ask."""
    hints = tool.annotations
    return hints.model_dump(by_alias=True, exclude_none=True, exclude={"title"}) if hints else None


def outcome_of(result: CallToolResult, ms: float) -> Outcome:
    """Read such a server's answer: as data where that is short enough, else as text."""
    text = clean("\n".join(part.text for part in result.content if isinstance(part, TextContent)))
    if result.is_error:
        return Outcome(text or "The tool failed.", error="fault", ms=ms)
    content: object = _cleaned(result.structured_content)
    if not isinstance(content, dict):
        return Outcome(text or "It is done.", ms=ms)
    data = cast("dict[str, Any]", content)
    if [*data] == ["result"] and isinstance(only := data["result"], str):
        return Outcome(only, ms=ms)  # FastMCP wraps a text in this
    say = data.get("say")
    spoken = clean(say, _LONGEST_SAY) if isinstance(say, str) else None
    compact = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    if len(compact) > LONGEST_TEXT:
        return Outcome(text or clean(compact), say=spoken, ms=ms)
    shown: list[ContentBlock] = [TextContent(text=text or compact)]
    answer = CallToolResult(content=shown, structured_content=data)
    return Outcome(text or compact, data, spoken, ms=ms, answer=answer)


def _cleaned(value: object, depth: int = 0) -> object:
    if depth > _DEEPEST:
        return None
    match value:
        case str():
            return clean(value)
        case dict():
            items = cast("Mapping[str, object]", value).items()
            return {clean(key): _cleaned(each, depth + 1) for key, each in items}
        case list():
            return [_cleaned(each, depth + 1) for each in cast("list[object]", value)]
        case _:
            return value
