"""The tables of conversations, their turns and their tool calls."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Column, ForeignKeyConstraint, Index, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field

from config.columns import TenantRow, json, now, optional_timestamp, timestamp
from config.protocol import EndReason


def _of_conversation() -> ForeignKeyConstraint:
    return ForeignKeyConstraint(
        ["business_id", "conversation_id"],
        ["conversation.business_id", "conversation.id"],
        ondelete="CASCADE",
    )


class Conversation(TenantRow, table=True):
    """A phone call or a chat. `updated_at` is the time of the last write while it is active.

    `details`, the column `metadata`, and `language` are what it was started with.
    """

    __table_args__ = (
        UniqueConstraint("business_id", "id"),
        Index(
            "ix_conversation_active",
            "business_id",
            "updated_at",
            postgresql_where=text("status = 'active'"),
        ),
    )
    session_id: UUID | None = None
    agent_config_id: UUID
    room_name: str
    room_sid: str | None = None
    status: str
    direction: str
    language: str | None = None
    detected_language: str | None = None
    agent_job_id: str | None = None
    started_at: datetime = timestamp()
    ended_at: datetime | None = optional_timestamp()
    end_reason: str | None = None
    updated_at: datetime = timestamp()
    details: dict[str, Any] = Field(
        default_factory=dict,
        sa_column=Column("metadata", JSONB, nullable=False, server_default=text("'{}'")),
    )

    def end(self, at: datetime, reason: EndReason | None) -> None:
        """End the conversation; a second call changes nothing."""
        if self.ended_at is not None:
            return
        self.status = "ended"
        self.ended_at = at
        self.updated_at = now()
        self.end_reason = reason


class UserTurn(TenantRow, table=True):
    """What a user said."""

    __table_args__ = (
        UniqueConstraint("conversation_id", "order_index"),
        UniqueConstraint("business_id", "id"),
        _of_conversation(),
    )
    conversation_id: UUID
    order_index: int
    transcribed_text: str
    detected_language: str | None = None
    stt_provider: str
    stt_confidence: float | None = None


class AgentResponse(TenantRow, table=True):
    """What the agent said; a greeting has no user turn."""

    __table_args__ = (
        UniqueConstraint("conversation_id", "order_index"),
        _of_conversation(),
        ForeignKeyConstraint(
            ["business_id", "user_turn_id"], ["user_turn.business_id", "user_turn.id"]
        ),
    )
    conversation_id: UUID
    user_turn_id: UUID | None = None
    order_index: int
    response_text: str
    llm_provider: str | None = None
    tts_provider: str | None = None
    voice_id: str | None = None
    language_used: str | None = None
    interrupted: bool = False


class ToolCall(TenantRow, table=True):
    """A tool call of a conversation's agent; `created_at` is when it was made.

    Who records it makes `call_id`. What a search before the end of a turn finds has no user turn.
    """

    __table_args__ = (
        UniqueConstraint("conversation_id", "call_id"),
        _of_conversation(),
    )
    conversation_id: UUID
    call_id: UUID
    user_turn_index: int | None = None
    server: str
    tool: str
    arguments: dict[str, Any] = json({})
    said: str
    outcome: str
    chosen_by: str
    ms: float
