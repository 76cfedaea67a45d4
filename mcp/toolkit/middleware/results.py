"""What a tool answers: a small typed model, with a sentence fit to be spoken where there is one."""

import json
from collections.abc import Mapping
from typing import Any, cast

from fastmcp.server.middleware import CallNext, Middleware, MiddlewareContext
from fastmcp.tools import ToolResult
from mcp_types import CallToolRequestParams
from pydantic import BaseModel, ConfigDict


class Result(BaseModel):
    """Base of what tools return. `say` can be spoken to the caller as it stands."""

    model_config = ConfigDict(frozen=True)

    say: str | None = None


class CompactResults(Middleware):
    """Drops nulls from answers, and puts the spoken sentence first in their text."""

    async def on_call_tool(
        self,
        context: MiddlewareContext[CallToolRequestParams],
        call_next: CallNext[CallToolRequestParams, ToolResult],
    ) -> ToolResult:
        """Answer the call in few tokens."""
        result = await call_next(context)
        if result.is_error or result.structured_content is None:
            return result
        return rendered(cast(Mapping[str, Any], without_nulls(result.structured_content)))


def rendered(structured: Mapping[str, Any]) -> ToolResult:
    """Return a result whose text is its `say` sentence and the rest as compact JSON."""
    rest = {key: value for key, value in structured.items() if key != "say"}
    lines = [str(structured["say"])] if structured.get("say") else []
    if rest:
        lines.append(json.dumps(rest, ensure_ascii=False, separators=(",", ":")))
    return ToolResult(content="\n".join(lines) or "Done.", structured_content=dict(structured))


def without_nulls(value: object) -> Any:
    """Return `value` without the keys whose value is null."""
    match value:
        case dict():
            items = cast("dict[str, object]", value).items()
            return {key: without_nulls(item) for key, item in items if item is not None}
        case list():
            return [without_nulls(item) for item in cast("list[object]", value)]
        case _:
            return value
