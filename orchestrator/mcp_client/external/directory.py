"""The external servers of each business, read from the database and cached for five seconds."""

import logging
from collections.abc import Mapping, Sequence
from time import monotonic
from typing import Self
from uuid import UUID

from redis.asyncio import Redis
from sqlalchemy import select, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from config import external_servers
from config.database import UNREACHABLE, Database
from config.security.audit import AuditTrail, Row
from config.security.encryption import Keyring
from config.security.vault import keyring
from config.settings import Settings
from config.tables import Audit, McpServer
from orchestrator.mcp_client.external.pinning import WithheldTool
from orchestrator.mcp_client.tool import ServerUnreachableError

logger = logging.getLogger("antiphon.registry")

SUBJECT = "registry"
WITHHELD = "withheld"
_TTL = 5.0  # seconds in which another process may still see the state before a change
_MAX_CACHED = 10_000
_LOCK = text("select pg_advisory_xact_lock(hashtextextended(:key, 0))")


class Directory:
    """Looks up the external servers of businesses; headers are decrypted for each request."""

    def __init__(
        self,
        database: Database,
        keys: Keyring | None,
        cache: Redis,
        *,
        allow_private: bool = False,
    ) -> None:
        self.database = database
        self._keyring = keys
        self.cache = cache
        self.allow_private = allow_private
        self._trail = AuditTrail(database)
        self._servers: dict[UUID, tuple[float, Mapping[str, McpServer]]] = {}
        self._recorded: set[tuple[UUID, str, str]] = set()

    @classmethod
    def from_settings(cls, settings: Settings, database: Database, cache: Redis) -> Self:
        """Return a directory with the keys and the rule for private hosts of these settings.

        Raises:
            KeyringError: VAULT_KEYS is malformed.
        """
        allow_private = settings.allow_private_hosts
        return cls(database, keyring(settings), cache, allow_private=allow_private)

    async def find(self, business_id: UUID, name: str) -> McpServer | None:
        """Return a business's server, or None; the row is shared and must not be changed.

        Raises:
            ServerUnreachableError: the database does not answer, and nothing is cached.
        """
        until, rows = self._servers.get(business_id, (0.0, None))
        if rows is None or until < monotonic():
            try:
                async with self.database.tenant(business_id) as session:
                    rows = {row.name: row for row in await external_servers.list_all(session)}
            except UNREACHABLE:
                if rows is None:
                    raise ServerUnreachableError(f"{name} is not available.") from None
            if len(self._servers) >= _MAX_CACHED:
                self._servers.clear()
            self._servers[business_id] = monotonic() + _TTL, rows
        return rows.get(name)

    async def server_names(self, business_id: UUID) -> list[str]:
        """Return the names of a business's servers, sorted.

        Raises:
            ServerUnreachableError: the database does not answer, and nothing is cached.
        """
        await self.find(business_id, "")
        return sorted(self._servers[business_id][1])

    async def write_audit(self, business_id: UUID, row: Row) -> None:
        """Append a tool call to the audit trail; a failure to do so is logged."""
        try:
            await self._trail.append(business_id, row)
        except SQLAlchemyError:
            logger.exception("a tool call could not be written down", extra={"tool": row["tool"]})

    async def aclose(self) -> None:
        """Close the connection of the audit trail."""
        await self._trail.aclose()

    def forget(self, business_id: UUID) -> None:
        """Drop the cached servers of a business: they have been changed."""
        self._servers.pop(business_id, None)

    def headers(self, server: McpServer) -> Mapping[str, str]:
        """Return the decrypted headers for requests to a server.

        Raises:
            SealError: they cannot be decrypted with the keys of this process.
        """
        return external_servers.open_headers(server, self._keyring)

    async def record_withheld(self, server: McpServer, withheld: Sequence[WithheldTool]) -> None:
        """Log and audit withheld tools, once per tool and digest."""
        new = [
            each for each in withheld if (server.id, each.tool, each.digest) not in self._recorded
        ]
        if not new:
            return
        if len(self._recorded) >= _MAX_CACHED:
            self._recorded.clear()
        try:
            async with self.database.tenant(server.business_id) as session:
                for tool in new:
                    await _record_withheld(session, server, tool)
        except UNREACHABLE:
            logger.warning("what is withheld could not be written down")
            return
        self._recorded |= {(server.id, each.tool, each.digest) for each in new}


async def _record_withheld(session: AsyncSession, server: McpServer, tool: WithheldTool) -> None:
    # Each call runs in its own process, and several may see the change at the same time.
    await session.execute(_LOCK, {"key": f"{server.id}|{tool.tool}|{tool.digest}"})
    query = (
        select(col(Audit.id))
        .where(col(Audit.subject) == SUBJECT, col(Audit.outcome) == WITHHELD)
        .where(col(Audit.server) == server.name, col(Audit.tool) == tool.tool)
        .where(col(Audit.argument_digest) == tool.digest)
        .limit(1)
    )
    if await session.scalar(query) is not None:
        return
    details = {"server": server.name, "tool": tool.tool, "reason": tool.reason}
    logger.warning("a tool is withheld", extra=details)
    session.add(
        Audit(
            business_id=server.business_id,
            subject=SUBJECT,
            server=server.name,
            tool=tool.tool,
            argument_digest=tool.digest,
            outcome=WITHHELD,
            ms=0,
        )
    )
