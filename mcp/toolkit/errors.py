"""The one catalogue of failures that a model can see.

Each says what happened, what to say to the caller, and what to do next. Every message may be read
aloud, so none carries a secret, a vendor's body or what was typed.

* ToolFailure
  x Invalid           the arguments do not fit; other arguments may
  x UnknownTool       there is no such tool for this caller
  x NotFound          the caller named something that does not exist, or is not theirs
  x Rejected          it was understood and refused; other arguments may succeed
  x Conflict          it clashes with what is there, or was changed meanwhile
  x Disconnected      the account's credentials are refused; a person must reconnect it
  x Forbidden         the account may not do that; a person must give it the right
  x RateLimited       too many requests for now
  x Unavailable       it is down, slow or garbled; later may succeed
  x TimedOut          no answer came in time
  x OutcomeUnknown    a write was sent and its outcome is not known
  x Fault             our own mistake
"""

from typing import ClassVar

from fastmcp.exceptions import ToolError
from fastmcp.tools import ToolResult

META = "antiphon"


class ToolFailure(ToolError):
    """A tool did not do what it was asked."""

    kind: ClassVar[str] = "fault"
    say: ClassVar[str] = "Sorry, something went wrong on our side."
    next: ClassVar[str] = "Do not retry. Offer an alternative."

    def __init__(self, happened: str, *, say: str | None = None, next: str | None = None) -> None:
        super().__init__(happened)
        self.happened = happened
        self.spoken = say or self.say
        self.advice = next or self.next

    def result(self) -> ToolResult:
        """Return what the client sees."""
        text = f"{self.happened} Tell the caller: {self.spoken} Next: {self.advice}"
        details = {"error": self.kind, "say": self.spoken}
        return ToolResult(content=text, meta={META: details}, is_error=True)


class Invalid(ToolFailure):
    """The arguments do not fit the tool's schema."""

    kind = "invalid"
    say = "Sorry, I did not get that right. Could you say it again?"
    next = "Call again with the arguments corrected, or ask the caller for what is missing."


class UnknownTool(ToolFailure):
    """The tool does not exist, or is not granted to this caller."""

    kind = "unknown_tool"
    say = "I'm afraid I can't do that."
    next = "Use one of the listed tools."

    def __init__(self) -> None:
        super().__init__("There is no such tool.")


class NotFound(ToolFailure):
    """The thing asked for does not exist, or belongs to somebody else."""

    kind = "not_found"
    say = "I can't find that."
    next = "Ask the caller to check it, then try once more."


class Rejected(ToolFailure):
    """The request was understood and refused."""

    kind = "rejected"
    say = "I'm afraid that is not possible."
    next = "Offer what is possible instead."


class Conflict(ToolFailure):
    """The request clashes with what is stored, or with a change made meanwhile."""

    kind = "conflict"
    say = "That has just changed. Let me look again."
    next = "Read the record again, then decide with the caller."


class Disconnected(ToolFailure):
    """The account's credentials are missing or no longer work."""

    kind = "disconnected"
    say = "I can't reach that system at the moment."
    next = "Do not retry. Someone has to reconnect the account; offer a follow-up."


class Forbidden(ToolFailure):
    """The account is known, and lacks the right to do this."""

    kind = "forbidden"
    say = "I'm not able to do that here."
    next = "Do not retry. Someone has to give the account that right; offer a follow-up."


class RateLimited(ToolFailure):
    """Too many requests were made, by us or by everyone together."""

    kind = "rate_limited"
    say = "That system is very busy right now."
    next = "Do not retry now. Go on with something else, or offer a follow-up."


class Unavailable(ToolFailure):
    """The system behind the tool cannot answer now."""

    kind = "unavailable"
    say = "That system is not answering right now."
    next = "Do not retry now. Offer a follow-up or go on with something else."


class TimedOut(ToolFailure):
    """No answer came within the budget."""

    kind = "timeout"
    say = "That is taking too long."
    next = "Apologise, and offer to follow up."


class OutcomeUnknown(ToolFailure):
    """A write may or may not have happened."""

    kind = "outcome_unknown"
    say = "I can't tell yet whether that went through."
    next = "Do not call it again. Say that someone will check, and go on."


class Fault(ToolFailure):
    """Our own mistake; its details are in the log only."""

    def __init__(self) -> None:
        super().__init__("The tool failed.")
