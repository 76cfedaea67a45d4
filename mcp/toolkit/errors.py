"""The exceptions of tools: every failure that a model can see is one of these.

Each one says what happened, what to say to the caller, and what the model should do next. Every
message may be read aloud, so it must not contain a secret, a vendor's response or user input.

* ToolFailure
  x Invalid           the arguments do not fit the schema; other arguments may
  x UnknownTool       the tool does not exist for this caller
  x NotFound          the record does not exist, or belongs to another caller
  x Rejected          the request was understood and refused; other arguments may succeed
  x Conflict          the request clashes with what is stored, or with a concurrent change
  x Disconnected      the account's credentials were refused; a person must reconnect it
  x Forbidden         the account lacks a permission; a person must grant it
  x RateLimited       there were too many requests
  x Unavailable       the system is down, slow or sends garbage; a later call may succeed
  x TimedOut          no response came in time
  x OutcomeUnknown    a write was sent, and whether it was done is not known
  x Fault             a bug of ours
"""

import math
from typing import Any, ClassVar

from fastmcp.exceptions import ToolError
from fastmcp.tools import ToolResult

from config.language.catalogue import Catalogue
from config.protocol import META_KEY, ErrorKind

_say = Catalogue("toolkit")


class ToolFailure(ToolError):
    """Base of the failures below.

    `happened` is for the model; `say` is for the caller; `next` tells the model what to do. Each
    kind has defaults for the last two.
    """

    kind: ClassVar[ErrorKind] = "fault"
    next: ClassVar[str] = "Do not retry. Offer an alternative."
    retry_after: float | None = None

    def __init__(self, happened: str, *, say: str | None = None, next: str | None = None) -> None:
        super().__init__(happened)
        self.happened = happened
        self.spoken = say or _say(self.kind)
        self.advice = next or self.next

    def to_result(self) -> ToolResult:
        """Return the failed result that the MCP client gets."""
        text = f"{self.happened} Tell the caller: {self.spoken} Next: {self.advice}"
        details: dict[str, Any] = {"error": self.kind, "say": self.spoken}
        if self.retry_after is not None:
            details["retry_after"] = math.ceil(self.retry_after)
        return ToolResult(content=text, meta={META_KEY: details}, is_error=True)


class Invalid(ToolFailure):
    """The arguments do not fit the tool's schema."""

    kind = "invalid"
    next = "Call again with the arguments corrected, or ask the caller for what is missing."


class UnknownTool(ToolFailure):
    """The tool does not exist, or is not granted to this caller."""

    kind = "unknown_tool"
    next = "Use one of the listed tools."

    def __init__(self) -> None:
        super().__init__("There is no such tool.")


class NotFound(ToolFailure):
    """The record does not exist, or belongs to somebody else."""

    kind = "not_found"
    next = "Ask the caller to check it, then try once more."


class Rejected(ToolFailure):
    """The request was understood and refused."""

    kind = "rejected"
    next = "Offer what is possible instead."


class Conflict(ToolFailure):
    """The request clashes with what is stored, or with a concurrent change."""

    kind = "conflict"
    next = "Read the record again, then decide with the caller."


class Disconnected(ToolFailure):
    """The account's credentials are missing or no longer work."""

    kind = "disconnected"
    next = "Do not retry. Someone has to reconnect the account; offer a follow-up."


class Forbidden(ToolFailure):
    """The account lacks the permission for this."""

    kind = "forbidden"
    next = "Do not retry. Someone has to give the account that right; offer a follow-up."


class RateLimited(ToolFailure):
    """There were too many requests, from this business or to the vendor."""

    kind = "rate_limited"
    next = "Do not retry now. Go on with something else, or offer a follow-up."

    def __init__(
        self,
        happened: str,
        *,
        say: str | None = None,
        next: str | None = None,
        retry_after: float | None = None,
    ) -> None:
        """Take the seconds after which it may be tried again, where they are known."""
        super().__init__(happened, say=say, next=next)
        self.retry_after = retry_after


class Unavailable(ToolFailure):
    """The system behind the tool cannot respond now."""

    kind = "unavailable"
    next = "Do not retry now. Offer a follow-up or go on with something else."


class TimedOut(ToolFailure):
    """No response came within the time budget."""

    kind = "timeout"
    next = "Apologise, and offer to follow up."


class OutcomeUnknown(ToolFailure):
    """A write may or may not have been done."""

    kind = "outcome_unknown"
    next = "Do not call it again. Say that someone will check, and go on."


class Fault(ToolFailure):
    """A bug of ours; only the log has the details."""

    def __init__(self) -> None:
        super().__init__("The tool failed.")
