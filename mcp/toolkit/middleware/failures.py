"""Middleware for failures: every exception of a tool call becomes a failed result."""

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

# What an argument has to be, by the types of pydantic's errors, whose words are Python's.
_WANTED = {
    **dict.fromkeys(
        ("list_type", "tuple_type", "set_type", "frozen_set_type", "iterable_type"),
        'a list, such as ["a", "b"]',
    ),
    **dict.fromkeys(
        ("dict_type", "mapping_type", "model_type", "model_attributes_type", "dataclass_type"),
        'an object, such as {"a": 1}',
    ),
    **dict.fromkeys(("int_type", "int_parsing", "int_from_float"), "a whole number"),
    **dict.fromkeys(("float_type", "float_parsing", "decimal_type"), "a number"),
    **dict.fromkeys(("bool_type", "bool_parsing"), "true or false"),
    "string_type": "a text",
}


class Failures(Middleware):
    """Returns the result of a `ToolFailure`, also for the exceptions of FastMCP and the database.

    `writing` are the names of the tools that are unsafe to repeat.
    """

    def __init__(self, writing: frozenset[str]) -> None:
        self._writing = writing

    async def on_call_tool(
        self,
        context: MiddlewareContext[CallToolRequestParams],
        call_next: CallNext[CallToolRequestParams, ToolResult],
    ) -> ToolResult:
        """Run the tool; a failure is a result, too."""
        try:
            return await call_next(context)
        except ToolFailure as failure:
            return failure.to_result()
        except ValidationError as error:
            return Invalid(_describe_invalid(error)).to_result()
        except NotFoundError:
            return UnknownTool().to_result()
        except UNREACHABLE:
            return _unreachable_database().to_result()
        except ToolError as error:
            tool = context.message.name
            return _unmask(error, tool, tool in self._writing).to_result()


def _unmask(error: ToolError, tool: str, writes: bool) -> ToolFailure:
    """Return what FastMCP has masked: the tool's timeout, a lost database, or a bug."""
    cause = error.__cause__
    if isinstance(cause, MCPError):
        late = f"{tool} did not finish in time."
        return OutcomeUnknown(late) if writes else TimedOut(late)
    return _unreachable_database() if isinstance(cause, UNREACHABLE) else Fault()


def _unreachable_database() -> ToolFailure:
    return Unavailable("The records cannot be reached.")


def _describe_invalid(error: ValidationError) -> str:
    """Name the arguments that do not fit and say why, without their values."""
    cause = error.__cause__
    if not isinstance(cause, pydantic.ValidationError):
        return "The arguments do not fit."
    details = cause.errors(include_url=False, include_context=False, include_input=False)
    return " ".join(_describe_detail(detail) for detail in details[:3])


def _describe_detail(detail: Mapping[str, Any]) -> str:
    name = ".".join(str(part) for part in detail["loc"]) or "arguments"
    match detail["type"]:
        case "missing" | "missing_argument":
            return f"{name} is missing."
        case "unexpected_keyword_argument" | "extra_forbidden":
            return "There is an argument that the tool does not take."
        case kind if (wanted := _WANTED.get(kind)) is not None:
            return f"{name} does not fit: it has to be {wanted}."
        case _:
            return f"{name} does not fit: {str(detail['msg']).splitlines()[0]}."
