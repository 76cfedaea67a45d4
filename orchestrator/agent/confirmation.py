"""The tool call that was read back to the caller, and whether the caller has agreed to it since.

The model never sees the code of the confirmation: it is added here, and only in a turn of the
caller's that agrees. Whatever else the caller says, the question stands and may be asked again,
unless it is a refusal.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ConfigDict

from config.protocol import CONFIRMATION_CODE, NEEDS_CONFIRMATION
from orchestrator.agent.consent import is_agreement, is_refusal
from orchestrator.mcp_client.tool import Outcome, ToolInfo

EXPIRED_CODE = ""  # of a confirmation that was asked for in an earlier conversation


class SavedConfirmation(BaseModel):
    """A tool call that waits for a yes across conversations: in writing it may come days later."""

    model_config = ConfigDict(frozen=True)

    tool: str  # as the model calls it
    arguments: Mapping[str, Any]


@dataclass(frozen=True)
class PendingConfirmation:
    """A tool call that was read back and waits for the caller."""

    tool: ToolInfo
    arguments: Mapping[str, Any]
    code: str
    turn: int  # of the caller's, in which it was read back


class Confirmation:
    """The one tool call that waits for the caller's yes, if any."""

    def __init__(self) -> None:
        self._pending: PendingConfirmation | None = None
        self._turn = 0
        self._agreed = False  # in the caller's last turn

    @property
    def is_pending(self) -> bool:
        """Return whether a tool call was read back and not answered yet."""
        return self._pending is not None

    @property
    def confirmable(self) -> PendingConfirmation | None:
        """Return the tool call that the caller agrees to in this turn; none without a yes."""
        if self._pending is None or self._turn <= self._pending.turn or not self._agreed:
            return None
        return self._pending

    def save(self) -> SavedConfirmation | None:
        """Return what waits, for a later conversation."""
        if self._pending is None:
            return None
        return SavedConfirmation(tool=self._pending.tool.name, arguments=self._pending.arguments)

    def restore(self, saved: SavedConfirmation, tools: Sequence[ToolInfo]) -> None:
        """Take up what an earlier conversation has saved, if there still is such a tool."""
        for tool in tools:
            if tool.name == saved.tool:
                self._pending = PendingConfirmation(tool, saved.arguments, EXPIRED_CODE, self._turn)

    def add_caller_turn(self, text: str) -> None:
        """Begin a new turn of the caller's; after a refusal, the call must be read back again."""
        self._turn += 1
        self._agreed = is_agreement(text)
        if is_refusal(text):
            self.clear()

    def add_request(self, tool: ToolInfo, arguments: Mapping[str, Any], outcome: Outcome) -> bool:
        """Take the code of an outcome that asks for confirmation; return whether it does."""
        code = outcome.data.get(CONFIRMATION_CODE)
        if outcome.data.get("status") != NEEDS_CONFIRMATION or not isinstance(code, str):
            return False
        self._pending = PendingConfirmation(tool, dict(arguments), code, self._turn)
        return True

    def code_for(self, tool: ToolInfo, arguments: Mapping[str, Any]) -> str | None:
        """Return the code, if exactly this tool call was read back and agreed to since."""
        pending = self.confirmable
        if pending is None or pending.tool.name != tool.name:
            return None
        return pending.code if dict(arguments) == pending.arguments else None

    def clear(self) -> None:
        """Forget what waits: it was done, refused, or something else was done."""
        self._pending = None
