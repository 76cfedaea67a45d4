"""A job of the worker: what it was dispatched with, and the resources of the process it runs in."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, JsonValue
from redis.asyncio import Redis

from config.cache import connect
from config.database import Database
from config.security.tokens import Signer
from config.settings import Settings, required
from orchestrator.mcp_client.external.directory import Directory
from orchestrator.mcp_client.router import Router
from orchestrator.mcp_client.tool_cache import ToolCache


class Dispatch(BaseModel):
    """The metadata that the API dispatches a job with: which call, and what its caller brought."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    business_id: UUID
    bot_id: UUID
    conversation_id: UUID
    direction: Literal["inbound", "outbound"] = "inbound"
    identifier: str | None = None
    language: str | None = None
    metadata: Mapping[str, JsonValue] = Field(default_factory=dict[str, JsonValue])


@dataclass
class Process:
    """The clients of one job process, which serves one call."""

    settings: Settings
    database: Database
    router: Router
    tool_cache: ToolCache
    cache: Redis

    @classmethod
    def connect(cls, settings: Settings) -> "Process":
        """Build the clients; none of them connects before it is used."""
        cache = connect(required("REDIS_URL", settings.redis_url))
        # One for what a call reads, one that its audit trail keeps, one in reserve.
        database = Database(required("DATABASE_URL", settings.database_url), pool_size=3)
        private_key = required("SERVICE_TOKEN_PRIVATE_KEY", settings.service_token_private_key)
        directory = Directory.from_settings(settings, database, cache)
        router = Router(Signer(private_key), settings.mcp_server_url, directory)
        return cls(settings, database, router, ToolCache(router, cache), cache)

    async def aclose(self) -> None:
        """Close every connection."""
        await self.router.aclose()
        await self.database.aclose()
        await self.cache.aclose()
