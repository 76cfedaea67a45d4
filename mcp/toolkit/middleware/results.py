"""Results of tools: small typed models, and the middleware that makes them compact."""

import json
from collections.abc import Mapping
from typing import Any, cast

from fastmcp.server.middleware import CallNext, Middleware, MiddlewareContext
from fastmcp.tools import ToolResult
from mcp_types import CallToolRequestParams
from pydantic import BaseModel, ConfigDict


class Result(BaseModel):
    """Base of the results of tools. `say` is a sentence that can be spoken to the caller."""

    model_config = ConfigDict(frozen=True)

    say: str | None = None


class CompactResults(Middleware):
    """Drops nulls from results, and puts the `say` sentence first in their text."""

    async def on_call_tool(
        self,
        context: MiddlewareContext[CallToolRequestParams],
        call_next: CallNext[CallToolRequestParams, ToolResult],
    ) -> ToolResult:
        """Run the tool and return its result in few tokens."""
        result = await call_next(context)
        if result.is_error or result.structured_content is None:
            return result
        return to_tool_result(cast(Mapping[str, Any], drop_nulls(result.structured_content)))


def to_tool_result(structured: Mapping[str, Any]) -> ToolResult:
    """Return a result whose text is its `say` sentence, then the rest as compact JSON."""
    rest = {key: value for key, value in structured.items() if key != "say"}
    lines = [str(structured["say"])] if structured.get("say") else []
    if rest:
        lines.append(json.dumps(rest, ensure_ascii=False, separators=(",", ":")))
    return ToolResult(content="\n".join(lines) or "Done.", structured_content=dict(structured))


def drop_nulls(value: object) -> Any:
    """Return `value` without the keys whose value is null."""
    match value:
        case dict():
            items = cast("dict[str, object]", value).items()
            return {key: drop_nulls(item) for key, item in items if item is not None}
        case list():
            return [drop_nulls(item) for item in cast("list[object]", value)]
        case _:
            return value
