"""What the caller has said of themselves, for tools that ask who the caller is.

A large model repeats a name from earlier in the call. A small one leaves it out, and the ticket
would be nobody's.
"""

from collections.abc import Mapping
from typing import Any

from orchestrator.mcp_client.tool import ToolInfo


class CallerDetails:
    """The caller's name, phone number and e-mail address, as far as tools were given them."""

    def __init__(self) -> None:
        self._known: dict[str, Any] = {}

    def note(self, tool: ToolInfo, arguments: Mapping[str, Any]) -> None:
        """Remember what a tool that has ended well was told of the caller."""
        told = {detail: arguments.get(name) for detail, name in tool.caller.items()}
        self._known |= {detail: value for detail, value in told.items() if value}

    def complete(self, tool: ToolInfo, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Return the arguments with who the caller is, if they do not say it at all.

        One that names somebody names them alone: the number of another person is not theirs.
        """
        if any(arguments.get(name) for name in tool.caller.values()):
            return dict(arguments)
        known = {
            name: self._known[detail]
            for detail, name in tool.caller.items()
            if detail in self._known
        }
        return {**arguments, **known}
