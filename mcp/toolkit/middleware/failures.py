"""Turns every failure of a tool call into an answer from the catalogue of errors."""

from collections.abc import Mapping
from typing import Any

import pydantic
from fastmcp.exceptions import NotFoundError, ToolError, ValidationError
from fastmcp.server.middleware import CallNext, Middleware, MiddlewareContext
from fastmcp.tools import ToolResult
from mcp.shared.exceptions import MCPError
from mcp_types import CallToolRequestParams

from config.database import UNREACHABLE
from toolkit.errors import (
    Fault,
    Invalid,
    OutcomeUnknown,
    TimedOut,
    ToolFailure,
    Unavailable,
    UnknownTool,
)


class Failures(Middleware):
    """Turns every failure of a call into an answer from the catalogue.

    `writing` are the tools that do their work twice if they are called twice.
    """

    def __init__(self, writing: frozenset[str]) -> None:
        self._writing = writing

    async def on_call_tool(
        self,
        context: MiddlewareContext[CallToolRequestParams],
        call_next: CallNext[CallToolRequestParams, ToolResult],
    ) -> ToolResult:
        """Answer the call, or say what went wrong with it."""
        try:
            return await call_next(context)
        except ToolFailure as failure:
            return failure.result()
        except ValidationError as error:
            return Invalid(_what_does_not_fit(error)).result()
        except NotFoundError:
            return UnknownTool().result()
        except UNREACHABLE:
            return _unreachable_records().result()
        except ToolError as error:
            tool = context.message.name
            return _masked(error, tool, tool in self._writing).result()


def _masked(error: ToolError, tool: str, writes: bool) -> ToolFailure:
    """Say what FastMCP has masked: its own deadline, the database, or a mistake of ours."""
    cause = error.__cause__
    if isinstance(cause, MCPError):
        late = f"{tool} did not finish in time."
        return OutcomeUnknown(late) if writes else TimedOut(late)
    return _unreachable_records() if isinstance(cause, UNREACHABLE) else Fault()


def _unreachable_records() -> ToolFailure:
    return Unavailable("The records cannot be reached.")


def _what_does_not_fit(error: ValidationError) -> str:
    """Name each argument that does not fit and why, but never its value."""
    cause = error.__cause__
    if not isinstance(cause, pydantic.ValidationError):
        return "The arguments do not fit."
    details = cause.errors(include_url=False, include_context=False, include_input=False)
    return " ".join(_complaint(detail) for detail in details[:3])


def _complaint(detail: Mapping[str, Any]) -> str:
    name = ".".join(str(part) for part in detail["loc"]) or "arguments"
    match detail["type"]:
        case "missing" | "missing_argument":
            return f"{name} is missing."
        case "unexpected_keyword_argument" | "extra_forbidden":
            return "There is an argument that the tool does not take."
        case _:
            return f"{name} does not fit: {str(detail['msg']).splitlines()[0]}."
