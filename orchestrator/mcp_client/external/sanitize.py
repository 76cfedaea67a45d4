"""Cleans and bounds what external MCP servers send: tools, results, texts.

These texts reach a model, so invisible characters are removed. Our own metadata (examples,
handles, a profile) is ignored where an external server sends it. Clients of others get a result as
it was sent, up to a megabyte; our own model reads whole items up to its budget.
"""

import json
from collections.abc import Mapping
from typing import Any, cast

from mcp_types import CallToolResult, TextContent, Tool

from config.text import clean
from orchestrator.mcp_client.external.whole_items import fit_data, fit_text, to_json
from orchestrator.mcp_client.tool import Outcome, ToolInfo

MAX_TEXT = 8 * 1024  # characters of a result that a model reads
MAX_RESULT = 1_000_000  # characters of a result as JSON
_MAX_DESCRIPTION = 2000
_MAX_TITLE = 200
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
    schema: Any = _sanitize_value(tool.output_schema)
    return ToolInfo(
        server=server,
        tool=tool.name,
        description=sanitize_text(tool.description or "", _MAX_DESCRIPTION),
        parameters=parameters,
        reads=reads,
        repeatable=reads or bool(hints and hints.idempotent_hint),
        voice=True,
        title=sanitize_text(tool.title, _MAX_TITLE) if tool.title else None,
        output_schema=schema,
        annotations=effect_annotations(tool),
        external=True,
    )


def effect_annotations(tool: Tool) -> dict[str, Any] | None:
    """Return the annotations that say what the tool does, for retries and confirmation."""
    hints = tool.annotations
    return hints.model_dump(by_alias=True, exclude_none=True, exclude={"title"}) if hints else None


def sanitize_result(result: CallToolResult, ms: float) -> Outcome:
    """Convert an external server's answer; its own refusal is an error, and no fault."""
    cleaned = CallToolResult.model_validate(
        _sanitize_value(result.model_dump(by_alias=True, mode="json", exclude={"meta"}))
    )
    if len(cleaned.model_dump_json(by_alias=True)) > MAX_RESULT:
        return Outcome(
            "The answer is larger than 1 MB. Next: Ask for less of it.",
            error="rejected",
            ms=ms,
            refusal=True,
        )
    text = "\n".join(part.text for part in cleaned.content if isinstance(part, TextContent))
    if result.is_error:
        text = text or "The tool failed."
        model_text = fit_text(text, MAX_TEXT)
        return Outcome(
            text, error="rejected", ms=ms, raw_result=cleaned, model_text=model_text, refusal=True
        )
    data = _data_of(cleaned)
    if data is None:
        text = text or "It is done."
        return Outcome(text, ms=ms, raw_result=cleaned, model_text=_fit_answer(text))
    if [*data] == ["result"] and isinstance(wrapped := data["result"], str):
        # FastMCP wraps a text in `result`.
        return Outcome(wrapped, ms=ms, raw_result=cleaned, model_text=_fit_answer(wrapped))
    say = data.get("say")
    sentence = sanitize_text(say, _MAX_SAY) if isinstance(say, str) else None
    model_text = fit_data(data, MAX_TEXT)
    return Outcome(
        text or to_json(data), data, sentence, ms=ms, raw_result=cleaned, model_text=model_text
    )


def _data_of(result: CallToolResult) -> dict[str, Any] | None:
    content: object = result.structured_content
    return cast("dict[str, Any]", content) if isinstance(content, dict) else None


def _fit_answer(text: str) -> str:
    """Return a text that a model may read; JSON in it loses whole items and not its end."""
    if len(text) <= MAX_TEXT:
        return text
    try:
        data: object = json.loads(text)
    except (ValueError, RecursionError):
        return fit_text(text, MAX_TEXT)
    whole = cast("dict[str, Any]", data) if isinstance(data, dict) else {"items": data}
    return fit_data(whole, MAX_TEXT)


def _sanitize_value(value: object, depth: int = 0) -> object:
    if depth > _MAX_DEPTH:
        return None
    match value:
        case str():
            return clean(value)
        case dict():
            items = cast("Mapping[str, object]", value).items()
            return {clean(key): _sanitize_value(each, depth + 1) for key, each in items}
        case list():
            return [_sanitize_value(each, depth + 1) for each in cast("list[object]", value)]
        case _:
            return value
