"""Tables of businesses, bots, their servers and accounts, API keys, usage, and the audit trail."""

from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import Column, ForeignKeyConstraint, Index, LargeBinary, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field

from config.columns import Row, TenantRow, json, optional_json, optional_timestamp, timestamp


class Business(Row, table=True):
    """One client business, which is the tenant."""

    id: UUID = Field(default_factory=uuid4, primary_key=True)
    slug: str = Field(unique=True)
    name: str
    time_zone: str
    created_at: datetime = timestamp()
    updated_at: datetime = timestamp()


class Session(TenantRow, table=True):
    """A caller: anonymous, or with the identifier that the business has for them."""

    identifier: str
    language_preference: str | None = None
    updated_at: datetime = timestamp()


class AgentConfig(TenantRow, table=True):
    """One bot."""

    __table_args__ = (
        UniqueConstraint("business_id", "name"),
        UniqueConstraint("business_id", "id"),
    )
    name: str
    system_prompt: str
    stt_provider: str
    tts_provider: str
    llm_provider: str
    llm_model: str
    llm_fallbacks: list[str] = json([])
    default_language: str
    knowledge_base_id: UUID | None = None
    first_message_inbound: str
    first_message_outbound: str | None = None
    eagerness: str
    soft_timeout_seconds: float
    llm_cascade_timeout_seconds: float
    max_turn_seconds: float
    max_turn_writes: int
    max_call_writes: int
    max_minute_writes: int
    max_conversation_duration_seconds: int
    allow_anonymous: bool
    allowed_origins: list[str] = json([])
    client_events: list[str] = json([])
    version: int = 1
    updated_at: datetime = timestamp()


class AgentVoiceConfig(TenantRow, table=True):
    """The voice of a bot."""

    __table_args__ = (
        ForeignKeyConstraint(
            ["business_id", "agent_config_id"],
            ["agent_config.business_id", "agent_config.id"],
            ondelete="CASCADE",
        ),
    )
    agent_config_id: UUID = Field(unique=True)
    voice_id: str | None = None
    tts_provider: str
    tts_model_family: str | None = None
    similarity: float | None = None
    speed: float | None = None
    stability: float | None = None


class AgentSystemTools(TenantRow, table=True):
    """A system tool of the agent, switched on or off for a bot."""

    __table_args__ = (
        UniqueConstraint("agent_config_id", "tool_key"),
        ForeignKeyConstraint(
            ["business_id", "agent_config_id"],
            ["agent_config.business_id", "agent_config.id"],
            ondelete="CASCADE",
        ),
    )
    agent_config_id: UUID
    tool_key: str
    enabled: bool = True


class McpConnection(TenantRow, table=True):
    """An MCP server that a bot may use, with its settings there."""

    __table_args__ = (
        UniqueConstraint("agent_config_id", "server"),
        ForeignKeyConstraint(
            ["business_id", "agent_config_id"],
            ["agent_config.business_id", "agent_config.id"],
            ondelete="CASCADE",
        ),
    )
    agent_config_id: UUID
    server: str
    enabled: bool = True
    tools: list[str] = json([])
    denied_tools: list[str] = json([])
    policy: dict[str, Any] = json({})
    integration: str | None = None


class BusinessIntegration(TenantRow, table=True):
    """An account of a business at a vendor. `integration_type` is the provider.

    `credentials` are sealed; `status` is `connected`, or `revoked` once the vendor refuses it.
    """

    __table_args__ = (
        UniqueConstraint("business_id", "name"),
        UniqueConstraint("business_id", "id"),
    )
    name: str
    server: str
    integration_type: str
    credentials: dict[str, Any] = Field(sa_type=JSONB)
    settings: dict[str, Any] = json({})
    enabled: bool = True
    status: str = "connected"
    scoped_to_bot_ids: list[str] | None = optional_json()
    updated_at: datetime = timestamp()

    @property
    def associated_data(self) -> str:
        """Return what the sealed credentials are bound to."""
        return f"{self.business_id}|{self.integration_type}|{self.id}"


class Automation(TenantRow, table=True):
    """An automation at a vendor, which goes with the account that it is at.

    `takes` is a JSON Schema. `hook` is the sealed URL of a Zap, `scenario` an id at Make.
    """

    __table_args__ = (
        UniqueConstraint("business_id", "name"),
        ForeignKeyConstraint(
            ["business_id", "integration_id"],
            ["business_integration.business_id", "business_integration.id"],
            ondelete="CASCADE",
        ),
    )
    name: str
    description: str
    integration_id: UUID
    takes: dict[str, Any] | None = optional_json()
    answers: bool = False
    scenario: int | None = None
    hook: dict[str, Any] | None = optional_json()
    updated_at: datetime = timestamp()

    @property
    def associated_data(self) -> str:
        """Return what the sealed hook is bound to."""
        return f"{self.business_id}|automation|{self.id}"


class McpServer(TenantRow, table=True):
    """An external MCP server. `auth` are the headers of its requests, sealed.

    `tools` has the digest of each tool as it was accepted; a tool that has changed is withheld.
    """

    __table_args__ = (UniqueConstraint("business_id", "name"),)
    name: str
    url: str
    transport: str = "streamable_http"
    kind: str = "external"
    auth: dict[str, Any] | None = optional_json()
    tools: dict[str, str] = json({})
    updated_at: datetime = timestamp()

    @property
    def associated_data(self) -> str:
        """Return what the sealed headers are bound to."""
        return f"{self.business_id}|mcp_server|{self.id}"


class ApiKey(TenantRow, table=True):
    """An API key of a business; only its hash is stored. A null list stands for no limit."""

    name: str
    key_hash: bytes = Field(sa_type=LargeBinary, unique=True)
    bots: list[str] | None = optional_json()
    servers: list[str] | None = optional_json()
    tools: list[str] | None = optional_json()
    read_only: bool = False
    revoked_at: datetime | None = optional_timestamp()


class Audit(TenantRow, table=True):
    """One tool call, with a digest of its arguments. The application may only append rows."""

    subject: str
    bot_id: UUID | None = None
    conversation_id: UUID | None = None
    server: str
    tool: str
    argument_digest: str
    outcome: str
    ms: float


class IdempotentCall(Row, table=True):
    """A write and its result, which is replayed for a repeat; without a result it is at work."""

    business_id: UUID = Field(primary_key=True)
    key: str = Field(primary_key=True)
    result: dict[str, Any] | None = Field(default=None, sa_type=JSONB)
    created_at: datetime = timestamp()


class WebhookEvent(Row, table=True):
    """A webhook event; `event` is the vendor's id of it, the same for every delivery."""

    __table_args__ = (Index("ix_webhook_event_created_at", "business_id", "created_at"),)
    business_id: UUID = Field(primary_key=True)
    integration_id: UUID = Field(primary_key=True)
    event: str = Field(primary_key=True)
    created_at: datetime = timestamp()


class ApiUsage(TenantRow, table=True):
    """One request to a provider, which will be billed. `details` is the column `metadata`.

    The agent has its own requests stored by `transcripts`; other servers store theirs.
    """

    __table_args__ = (
        UniqueConstraint("business_id", "request_id"),
        ForeignKeyConstraint(
            ["business_id", "conversation_id"],
            ["conversation.business_id", "conversation.id"],
            ondelete="CASCADE",
        ),
    )
    conversation_id: UUID | None = None
    provider: str
    operation: str
    request_id: str
    details: dict[str, Any] = Field(
        default_factory=dict,
        sa_column=Column("metadata", JSONB, nullable=False, server_default=text("'{}'")),
    )
