"""Middleware for failures: every exception of a tool call becomes a failed result."""

from fastmcp.exceptions import NotFoundError, ToolError, ValidationError
from fastmcp.server.middleware import CallNext, Middleware, MiddlewareContext
from fastmcp.tools import ToolResult
from mcp.shared.exceptions import MCPError
from mcp_types import CallToolRequestParams
from sqlalchemy.exc import DataError

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
        except ValidationError:
            return Invalid("The arguments do not fit.").to_result()
        except NotFoundError:
            return UnknownTool().to_result()
        except UNREACHABLE:
            return _unreachable_database().to_result()
        except DataError:
            return _unstorable_value().to_result()
        except ToolError as error:
            tool = context.message.name
            return _unmask(error, tool, tool in self._writing).to_result()


def _unmask(error: ToolError, tool: str, writes: bool) -> ToolFailure:
    """Return what FastMCP has masked: the tool's timeout, a lost database, or a bug."""
    cause = error.__cause__
    if isinstance(cause, MCPError):
        late = f"{tool} did not finish in time."
        return OutcomeUnknown(late) if writes else TimedOut(late)
    if isinstance(cause, DataError):
        return _unstorable_value()
    return _unreachable_database() if isinstance(cause, UNREACHABLE) else Fault()


def _unreachable_database() -> ToolFailure:
    return Unavailable("The records cannot be reached.")


def _unstorable_value() -> ToolFailure:
    return Invalid("There is a value that cannot be stored.")
