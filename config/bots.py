"""Bots as calls use them, loaded from the cache or else from PostgreSQL."""

from collections.abc import Mapping
from contextlib import suppress
from typing import Literal, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, ValidationError
from redis.asyncio import Redis
from redis.exceptions import RedisError
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from config.bot_settings import ClientEvent, ServerUse, ToolPolicy, Voice
from config.database import Database
from config.errors import UserError
from config.security.tokens import Grant
from config.tables import (
    AgentConfig,
    AgentSystemTools,
    AgentVoiceConfig,
    Business,
    McpConnection,
)

CHANGES_CHANNEL = "bots"  # of the cache, for announcements of changed bots
_CACHE_SECONDS = 300


class BotNotFoundError(UserError):
    """There is no such bot for this business."""

    def __init__(self) -> None:
        super().__init__("There is no such bot. `antiphon apply FILE` stores what a file declares.")


class Bot(BaseModel):
    """A bot's configuration, which stays the same during a call."""

    model_config = ConfigDict(frozen=True)

    id: UUID
    business_id: UUID
    business_name: str
    time_zone: str
    name: str
    version: int
    system_prompt: str
    first_message_inbound: str
    first_message_outbound: str | None
    default_language: str
    stt: str
    tts: str
    llm: tuple[str, ...]
    voice: Voice
    knowledge_base_id: UUID | None
    servers: Mapping[str, ServerUse]
    system_tools: tuple[str, ...]
    eagerness: Literal["low", "normal", "high"]
    soft_timeout_seconds: float
    llm_cascade_timeout_seconds: float
    max_turn_seconds: float
    max_turn_writes: int
    max_call_writes: int
    max_minute_writes: int
    max_conversation_duration_seconds: int
    allow_anonymous: bool
    allowed_origins: tuple[str, ...]
    client_events: tuple[ClientEvent, ...]

    @property
    def enabled_servers(self) -> list[str]:
        """Return the names of the servers that the bot uses."""
        return [name for name, use in self.servers.items() if use.enabled]

    def grant(self, server: str) -> Grant:
        """Return what the bot may use of a server: those it names, else those for voice."""
        use = self.servers.get(server)
        if use is None or not use.enabled:
            return Grant(tools=())
        grant = Grant(
            profile="voice",
            denied=use.denied_tools,
            integration=use.integration,
            confirm=use.confirmed_tools,
        )
        return grant.limited_to(use.tools) if use.tools else grant

    def policy(self, server: str, tool: str) -> ToolPolicy:
        """Return the bot's policy for a tool."""
        use = self.servers.get(server)
        return (use.policy.get(tool) if use else None) or ToolPolicy()

    @classmethod
    def from_rows(
        cls,
        business: Business,
        config: AgentConfig,
        voice: AgentVoiceConfig | None,
        tools: list[AgentSystemTools],
        connections: list[McpConnection],
    ) -> Self:
        """Return the bot of these rows."""
        voice_settings = voice.model_dump(include=set(Voice.model_fields)) if voice else {}
        return cls(
            **config.model_dump(include=set(cls.model_fields)),
            business_name=business.name,
            time_zone=business.time_zone,
            stt=config.stt_provider,
            tts=config.tts_provider,
            llm=(config.llm_model, *config.llm_fallbacks),
            voice=Voice.model_validate(voice_settings),
            servers={
                row.server: ServerUse.model_validate(
                    row.model_dump(include=set(ServerUse.model_fields))
                )
                for row in connections
            },
            system_tools=tuple(row.tool_key for row in tools if row.enabled),
        )


def cache_key(business_id: UUID, bot_id: UUID) -> str:
    """Return the cache key of a bot."""
    return f"bot:{business_id}:{bot_id}"


async def load_bot(database: Database, cache: Redis, business_id: UUID, bot_id: UUID) -> Bot:
    """Return a bot, from the cache where it is there.

    Raises:
        BotNotFoundError: this business has no such bot.
    """
    key = cache_key(business_id, bot_id)
    # A cache that is down, or filled by another version, costs one query.
    with suppress(RedisError, ValidationError):
        stored = await cache.get(key)
        if stored is not None:
            return Bot.model_validate_json(stored)
    async with database.tenant(business_id) as session:
        bot = await read_bot(session, bot_id)
    with suppress(RedisError):
        await cache.set(key, bot.model_dump_json(), ex=_CACHE_SECONDS)
    return bot


async def read_bot(session: AsyncSession, bot_id: UUID) -> Bot:
    """Return a bot as it is stored, without the cache.

    Raises:
        BotNotFoundError: this business has no such bot.
    """
    config = await session.get(AgentConfig, bot_id)
    if config is None:
        raise BotNotFoundError
    business = await session.get_one(Business, config.business_id)
    voices = await session.scalars(
        select(AgentVoiceConfig).where(col(AgentVoiceConfig.agent_config_id) == bot_id)
    )
    tools = await session.scalars(
        select(AgentSystemTools).where(col(AgentSystemTools.agent_config_id) == bot_id)
    )
    connections = await session.scalars(
        select(McpConnection)
        .where(col(McpConnection.agent_config_id) == bot_id)
        .order_by(col(McpConnection.server))
    )
    return Bot.from_rows(business, config, voices.first(), list(tools), list(connections))


async def announce_change(cache: Redis, business_id: UUID, bot_id: UUID) -> None:
    """Drop a changed bot from the cache, and announce the change to the running calls."""
    await cache.delete(cache_key(business_id, bot_id))
    await cache.publish(CHANGES_CHANNEL, f"{business_id}/{bot_id}")
