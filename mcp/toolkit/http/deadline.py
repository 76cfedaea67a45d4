"""By when a tool has to have its vendor's answer, so that it is not cut off before it has one."""

import asyncio
from contextvars import ContextVar

# A time of the event loop's clock; None outside of a tool call.
tool_deadline: ContextVar[float | None] = ContextVar("tool_deadline", default=None)


def remaining(budget: float) -> float:
    """Return how many seconds a request may take: its own budget, and not past the tool's end."""
    deadline = tool_deadline.get()
    if deadline is None:
        return budget
    return max(0.0, min(budget, deadline - asyncio.get_running_loop().time()))
