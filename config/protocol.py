"""What the agent and the MCP servers have to agree on: meta keys, error kinds, time budgets.

The orchestrator may not import `toolkit`, so both sides take these values from here.
"""

from typing import Literal, cast, get_args

# Keys of `_meta`. The first is used on results (`error`, `say`) and on tools (`profile`,
# `examples`, `handles`); the others on requests.
META_KEY = "antiphon"
DETAILS_KEY = "antiphon/details"  # tools/list: return the tools' own metadata, too
IDEMPOTENCY_KEY = "antiphon/idempotency_key"  # tools/call: the name of a write
LANGUAGE_KEY = "antiphon/language"  # tools/call: what the caller speaks, a BCP 47 tag

# Of one request to an MCP server: bytes, and values of its JSON. A server takes larger bodies than
# the API does, because a request that the API passes on may be longer as it is encoded again.
MAX_CALL_SIZE = 1024 * 1024
MAX_CALL_VALUES = 4000  # `record_usage` has the most: 100 rows of up to 34

# Seconds that one tool call may take, with everything that it asks of a vendor.
READ_BUDGET = 8.0
WRITE_BUDGET = 15.0
CONNECT_BUDGET = 1.0

# Whoever waits gives up so many seconds after what it waits for, or the outcome would be lost on
# its way: the vendor's request ends before the tool, and the tool before its client.
ANSWER_MARGIN = 0.5


def call_budget(*, reads: bool) -> float:
    """Return how many seconds a client waits for a tool, with connecting and the answer."""
    return (READ_BUDGET if reads else WRITE_BUDGET) + CONNECT_BUDGET + ANSWER_MARGIN


# `error` in a failed result. `toolkit.errors` says what each one means.
ErrorKind = Literal[
    "conflict",
    "disconnected",
    "fault",
    "forbidden",
    "invalid",
    "not_found",
    "outcome_unknown",
    "rate_limited",
    "rejected",
    "timeout",
    "unavailable",
    "unknown_tool",
]

# How a tool call ended, in the log of a conversation's tool calls.
CallOutcome = Literal["ok", "needs_confirmation"] | ErrorKind


def to_call_outcome(text: str) -> CallOutcome:
    """Return `text` if it is one of the outcomes, else `fault`: servers of others have others."""
    known = ("ok", NEEDS_CONFIRMATION, *get_args(ErrorKind))
    return cast("CallOutcome", text) if text in known else "fault"


# What chose a tool: the model, or the search for what the caller says.
ChosenBy = Literal["model", "retrieval"]

# `status` of a result that asks for agreement, the field and argument with its code, and how many
# seconds that code can be used. `config.confirmation` issues and redeems the codes.
NEEDS_CONFIRMATION = "needs_confirmation"
CONFIRMATION_CODE = "confirmation_code"
CONFIRMATION_LIFETIME = 120

# How the subject of a token begins that a caller holds: it reads one conversation.
CALLER_SUBJECT = "conversation:"

# `reason` of `end_conversation`, and why a conversation ended wherever it is shown.
EndReason = Literal[
    "abandoned",  # nothing was heard of it for hours
    "agent_ended",  # the agent said goodbye
    "agent_lost",  # its process died, and no other one took it over
    "caller_left",
    "ended_by_api",
    "max_duration",
    "room_closed",  # by an operator, or over LiveKit's API
    "other",
]


def to_end_reason(text: str) -> EndReason:
    """Return `text` if it is one of the reasons, else `other`: journals may have any text."""
    return cast("EndReason", text) if text in get_args(EndReason) else "other"
