"""Handles that tool results have offered, and that arguments of other tools may take.

A handle is a short name such as `garden-fri-15:00`; it stands for a free time or a record, so that
a model never has to copy an id.
"""

from collections.abc import Mapping, Sequence
from typing import Any, cast

from orchestrator.mcp_client.tool import Outcome, ToolInfo


class OfferedHandles:
    """The handles that were offered last."""

    def __init__(self) -> None:
        self._handles: Sequence[str] = ()

    def __bool__(self) -> bool:
        """Return whether there are any."""
        return bool(self._handles)

    def update(self, tool: ToolInfo, outcome: Outcome) -> None:
        """Take the handles of a result. A write that offers none withdraws the ones before it."""
        handles = _handles_in(outcome.data)
        if handles or not tool.reads:
            self._handles = handles

    def argument_values(self, tool: ToolInfo) -> dict[str, Sequence[str]]:
        """Return the valid values of each of the tool's arguments that takes a handle."""
        return dict.fromkeys(tool.handles, self._handles)


def _handles_in(data: Mapping[str, Any]) -> list[str]:
    offered = data.get("offered")
    if not isinstance(offered, list):
        return []
    entries = cast("list[object]", offered)
    handles = [
        cast("dict[str, object]", entry).get("handle")
        for entry in entries
        if isinstance(entry, dict)
    ]
    return [handle for handle in handles if isinstance(handle, str)]
