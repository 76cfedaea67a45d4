"""A business that adds servers of others, as its calls reach them."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from redis.asyncio import Redis
from sqlalchemy import select
from sqlmodel import col

from config import external_servers
from config.bots import Bot, read_bot
from config.database import Database
from config.security.tokens import Claims, Signer
from config.slow_work import SlowWork, run_transaction
from config.tables import Audit, McpConnection, McpServer
from orchestrator.mcp_client.external.directory import Directory
from orchestrator.mcp_client.external.registration import (
    NewServer,
    RegistrationContext,
    accept_tools,
    register_server,
)
from orchestrator.mcp_client.router import Identity, Router
from orchestrator.mcp_client.tool import ToolInfo
from tests.conftest import Tenant, new_tenant
from tests.support.external_servers import ExternalServerDouble
from tests.support.servers import KEYRING

TERMS = RegistrationContext(KEYRING, allow_private=True)


@dataclass
class RegisteringBusiness:
    """A business of its own, with one bot."""

    tenant: Tenant
    database: Database
    constellation: Router
    identities: dict[str, Identity] = field(default_factory=dict[str, Identity])

    @property
    def business_id(self) -> UUID:
        return self.tenant.business_id

    async def add(self, name: str, server: ExternalServerDouble, **headers: str) -> None:
        """Add a server, and accept what it lists."""
        new = NewServer(name, server.url, headers)

        async def attempt(slow_work: SlowWork) -> None:
            async with self.database.tenant(self.business_id) as session:
                await register_server(session, self.business_id, new, TERMS, slow_work)

        await run_transaction(attempt)
        self.constellation.forget(self.business_id)

    async def accept(self, name: str, *tools: str) -> None:
        """Accept tools as they are now."""

        async def attempt(slow_work: SlowWork) -> None:
            async with self.database.tenant(self.business_id) as session:
                row = await external_servers.find(session, name)
                assert row is not None
                await accept_tools(session, row, tools, TERMS, slow_work, "a person")

        await run_transaction(attempt)
        self.constellation.forget(self.business_id)

    async def use(self, name: str, **use: Any) -> None:
        """Have the bot use a server."""
        mine: dict[str, Any] = {
            "business_id": self.business_id,
            "agent_config_id": self.tenant.bot_id,
        }
        async with self.database.tenant(self.business_id) as session:
            session.add(McpConnection(**mine, server=name, **use))

    async def bot(self) -> Bot:
        """Return the bot as it is stored."""
        async with self.database.tenant(self.business_id) as session:
            return await read_bot(session, self.tenant.bot_id)

    async def claims(self, name: str) -> Claims:
        """Return what the bot may do on a server."""
        return Identity("bot:1", self.business_id, await self.bot()).claims(name)

    async def tools(self, name: str) -> dict[str, ToolInfo]:
        """List what the bot has of a server."""
        cards = await self.constellation.list_tools(name, await self.claims(name))
        return {card.tool: card for card in cards}

    async def row(self, name: str) -> McpServer:
        """Return a server as it is stored."""
        async with self.database.tenant(self.business_id) as session:
            row = await external_servers.find(session, name)
        assert row is not None
        return row

    async def audit(self, outcome: str) -> list[Audit]:
        """Return what was written down of this outcome, oldest first."""
        query = select(Audit).where(col(Audit.outcome) == outcome).order_by(col(Audit.created_at))
        async with self.database.tenant(self.business_id) as session:
            return list(await session.scalars(query))


@asynccontextmanager
async def shop(
    signer: Signer, database: Database, cache: Redis
) -> AsyncGenerator[RegisteringBusiness]:
    """Open a business's way to its servers; nothing listens where ours should be."""
    registry = Directory(database, KEYRING, cache, allow_private=True)
    constellation = Router(signer, lambda name: f"http://127.0.0.1:9/{name}/mcp", registry)
    yield RegisteringBusiness(await new_tenant(database), database, constellation)
    await constellation.aclose()
