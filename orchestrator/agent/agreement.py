"""What the caller was asked to confirm, and whether they have agreed since.

The model never sees the code of the confirmation: it is added here, and only after a new turn of
the caller's that is not a refusal.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ConfigDict

from orchestrator.mcp_client.tool import Outcome, ToolInfo

CODE = "confirmation_code"
LAPSED = ""  # the code of what was asked too long ago for its own
_REFUSAL = re.compile(
    r"\b(no|nope|nah|not|cannot|\w+n't|never|wait|hold on|stop|wrong|instead|rather|cancel that)\b",
    re.IGNORECASE,
)
_NO_REFUSAL = re.compile(
    r"\b(no problem|no worries|why not|not a problem|no objections?)\b", re.IGNORECASE
)


class Waiting(BaseModel):
    """An action that was read back and may be agreed to days later, by whom is asked in writing."""

    model_config = ConfigDict(frozen=True)

    tool: str  # as the model calls it
    arguments: Mapping[str, Any]


@dataclass(frozen=True)
class Pending:
    """A call that was read back and waits for the caller."""

    card: ToolInfo
    arguments: Mapping[str, Any]
    code: str
    asked_in_turn: int


class Agreement:
    """The one action that waits, if any."""

    def __init__(self) -> None:
        self._pending: Pending | None = None
        self._turn = 0

    @property
    def pending(self) -> Pending | None:
        """Return what waits and may be agreed to in this turn."""
        if self._pending is None or self._turn <= self._pending.asked_in_turn:
            return None
        return self._pending

    @property
    def waiting(self) -> bool:
        """Say whether something was read back and not answered yet."""
        return self._pending is not None

    @property
    def waits_for(self) -> Waiting | None:
        """Return what waits, to be taken up in a later conversation."""
        if self._pending is None:
            return None
        return Waiting(tool=self._pending.card.name, arguments=self._pending.arguments)

    def resume(self, waiting: Waiting, cards: Sequence[ToolInfo]) -> None:
        """Take up what waited, if there still is such a tool; its code is another by now."""
        for card in cards:
            if card.name == waiting.tool:
                self._pending = Pending(card, waiting.arguments, LAPSED, self._turn)

    def caller_said(self, text: str) -> None:
        """Begin a new turn of the caller's; after a refusal the action has to be asked again."""
        self._turn += 1
        if refuses(text):
            self.settle()

    def asked(self, card: ToolInfo, arguments: Mapping[str, Any], outcome: Outcome) -> bool:
        """Keep the code of an answer that asks for confirmation, and say whether it was one."""
        code = outcome.data.get(CODE)
        if outcome.data.get("status") != "needs_confirmation" or not isinstance(code, str):
            return False
        self._pending = Pending(card, dict(arguments), code, self._turn)
        return True

    def code_for(self, card: ToolInfo, arguments: Mapping[str, Any]) -> str | None:
        """Return the code, if exactly this call was read back and agreed to since."""
        pending = self.pending
        if pending is None or pending.card.name != card.name:
            return None
        return pending.code if dict(arguments) == pending.arguments else None

    def settle(self) -> None:
        """Forget what waited: it was done, refused, or something else was done."""
        self._pending = None


def refuses(text: str) -> bool:
    """Say whether the caller's words contain a refusal: then nothing is taken as agreed."""
    plain = text.replace("\u2019", "'")
    return _REFUSAL.search(_NO_REFUSAL.sub("", plain)) is not None
