"""The models that the tools return."""

from datetime import UTC, datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict

from config.protocol import CallOutcome, ChosenBy, EndReason, to_end_reason
from toolkit.middleware.results import Result
from transcripts.tables import Conversation

Direction = Literal["inbound", "outbound"]
Status = Literal["active", "ended"]
Role = Literal["user", "agent"]
Format = Literal["json", "csv", "text"]


def _to_utc(time: datetime) -> datetime:
    return time.astimezone(UTC)


UtcDatetime = Annotated[datetime, AfterValidator(_to_utc)]


class ConversationResult(Result):
    """A conversation; a list shows only its first five fields unless asked for more."""

    conversation_id: UUID
    status: Status
    direction: Direction
    started_at: UtcDatetime
    ended_at: UtcDatetime | None = None
    bot_id: UUID | None = None
    session_id: UUID | None = None
    room_name: str | None = None
    room_sid: str | None = None
    agent_job_id: str | None = None
    language: str | None = None
    detected_language: str | None = None
    end_reason: EndReason | None = None
    metadata: dict[str, str | int | float | bool] | None = None


class ConversationListResult(Result):
    """Conversations, newest first; `next_before` is the `before` of the next page."""

    conversations: list[ConversationResult]
    next_before: UUID | None = None


class AppendResult(Result):
    """A turn that is stored."""

    conversation_id: UUID
    order_index: int


class UsageResult(Result):
    """How many rows were new."""

    new: int


class Entry(BaseModel):
    """One thing that was said."""

    model_config = ConfigDict(frozen=True)

    role: Role
    text: str
    language: str | None = None
    created_at: UtcDatetime
    order_index: int
    interrupted: Literal[True] | None = None


class CallEntry(BaseModel):
    """One tool call; the caller of the conversation sees its first six fields only.

    `order_index` is its place among the tool calls of the conversation, from 0.
    """

    model_config = ConfigDict(frozen=True)

    server: str
    tool: str
    outcome: CallOutcome
    ms: float
    user_turn_index: int | None = None
    called_at: UtcDatetime
    order_index: int | None = None
    chosen_by: ChosenBy | None = None
    arguments: dict[str, Any] | None = None
    said: str | None = None

    def for_caller(self) -> "CallEntry":
        """Return what the caller of the conversation may see."""
        hidden = {"order_index": None, "chosen_by": None, "arguments": None, "said": None}
        return self.model_copy(update=hidden)


class Turn(BaseModel):
    """What the caller said and what was answered to it.

    A greeting answers nobody: it is a turn without a user.
    """

    model_config = ConfigDict(frozen=True)

    order_index: int
    user: Entry | None = None
    responses: list[Entry]


class TranscriptResult(Result):
    """A conversation as entries in order, or as turns."""

    conversation_id: UUID
    entries: list[Entry] | None = None
    turns: list[Turn] | None = None


class CallListResult(Result):
    """The tool calls of a conversation, in order."""

    conversation_id: UUID
    tool_calls: list[CallEntry]


class CallResult(Result):
    """A tool call that is stored."""

    conversation_id: UUID
    call_id: UUID


class Match(BaseModel):
    """A passage that was found, and where."""

    model_config = ConfigDict(frozen=True)

    conversation_id: UUID
    order_index: int
    role: Role
    created_at: UtcDatetime
    snippet: str


class SearchResult(Result):
    """Passages, newest first."""

    matches: list[Match]


class ExportResult(Result):
    """A transcript as a file."""

    format: Format
    content: str
    mime_type: str
    filename: str


def to_short_result(conversation: Conversation) -> ConversationResult:
    """Return a conversation with the five fields that a list shows."""
    return ConversationResult.model_validate(
        {
            "conversation_id": conversation.id,
            "status": conversation.status,
            "direction": conversation.direction,
            "started_at": conversation.started_at,
            "ended_at": conversation.ended_at,
        }
    )


def to_full_result(conversation: Conversation) -> ConversationResult:
    """Return a conversation with all its fields."""
    return to_short_result(conversation).model_copy(
        update={
            "bot_id": conversation.agent_config_id,
            "session_id": conversation.session_id,
            "room_name": conversation.room_name,
            "room_sid": conversation.room_sid,
            "agent_job_id": conversation.agent_job_id,
            "language": conversation.language,
            "detected_language": conversation.detected_language,
            "end_reason": conversation.end_reason and to_end_reason(conversation.end_reason),
            "metadata": conversation.details or None,
        }
    )
