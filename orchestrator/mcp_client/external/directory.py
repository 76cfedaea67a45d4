"""Which servers of others a business has, as one process remembers them for a moment."""

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
from orchestrator.mcp_client.external.pinning import Withheld
from orchestrator.mcp_client.tool import ServerUnreachableError

logger = logging.getLogger("antiphon.registry")

SUBJECT = "registry"
WITHHELD = "withheld"
_REMEMBERED = 5.0  # seconds, in which another process still sees what has been changed
_MOST_REMEMBERED = 10_000
_ALONE = text("select pg_advisory_xact_lock(hashtextextended(:what, 0))")


class Directory:
    """The servers that businesses have added. Headers stay sealed until a request needs them."""

    def __init__(
        self,
        database: Database,
        keys: Keyring | None,
        cache: Redis,
        *,
        allow_private: bool = False,
    ) -> None:
        self._database = database
        self._keyring = keys
        self.cache = cache
        self.allow_private = allow_private
        self._trail = AuditTrail(database)
        self._known: dict[UUID, tuple[float, Mapping[str, McpServer]]] = {}
        self._noted: set[tuple[UUID, str, str]] = set()

    @classmethod
    def of(cls, settings: Settings, database: Database, cache: Redis) -> Self:
        """Return the registry that these settings open.

        Raises:
            KeyringError: VAULT_KEYS is not what it should be.
        """
        private = settings.allow_private_hosts
        return cls(database, keyring(settings), cache, allow_private=private)

    async def find(self, business_id: UUID, name: str) -> McpServer | None:
        """Return a business's server; it must not be changed.

        Raises:
            ServerUnreachableError: the database does not answer, and nothing is remembered.
        """
        until, rows = self._known.get(business_id, (0.0, None))
        if rows is None or until < monotonic():
            try:
                async with self._database.tenant(business_id) as session:
                    rows = {row.name: row for row in await external_servers.list_all(session)}
            except UNREACHABLE:
                if rows is None:
                    raise ServerUnreachableError(f"{name} is not available.") from None
            if len(self._known) >= _MOST_REMEMBERED:
                self._known.clear()
            self._known[business_id] = monotonic() + _REMEMBERED, rows
        return rows.get(name)

    async def names(self, business_id: UUID) -> list[str]:
        """Return how a business's servers are called.

        Raises:
            ServerUnreachableError: the database does not answer, and nothing is remembered.
        """
        await self.find(business_id, "")
        return sorted(self._known[business_id][1])

    async def write_audit(self, business_id: UUID, row: Row) -> None:
        """Append a call of somebody else's tool to the audit trail, as ours are."""
        try:
            await self._trail.append(business_id, row)
        except SQLAlchemyError:
            logger.exception("a tool call could not be written down", extra={"tool": row["tool"]})

    async def aclose(self) -> None:
        """Let the connection of the trail go."""
        await self._trail.aclose()

    def forget(self, business_id: UUID) -> None:
        """Read a business's servers anew the next time: they have been changed."""
        self._known.pop(business_id, None)

    def headers(self, server: McpServer) -> Mapping[str, str]:
        """Return what a request to this server carries.

        Raises:
            SealError: they do not open with the keys of this process.
        """
        return external_servers.unseal(server, self._keyring)

    async def note(self, server: McpServer, withheld: Sequence[Withheld]) -> None:
        """Log and write down which tools are withheld, once for whatever they have become."""
        news = [each for each in withheld if (server.id, each.tool, each.digest) not in self._noted]
        if not news:
            return
        if len(self._noted) >= _MOST_REMEMBERED:
            self._noted.clear()
        try:
            async with self._database.tenant(server.business_id) as session:
                for each in news:
                    await _note(session, server, each)
        except UNREACHABLE:
            logger.warning("what is withheld could not be written down")
            return
        self._noted |= {(server.id, each.tool, each.digest) for each in news}


async def _note(session: AsyncSession, server: McpServer, each: Withheld) -> None:
    # Every call is a process of its own, and many may see the change at the same time.
    await session.execute(_ALONE, {"what": f"{server.id}|{each.tool}|{each.digest}"})
    query = (
        select(col(Audit.id))
        .where(col(Audit.subject) == SUBJECT, col(Audit.outcome) == WITHHELD)
        .where(col(Audit.server) == server.name, col(Audit.tool) == each.tool)
        .where(col(Audit.argument_digest) == each.digest)
        .limit(1)
    )
    if await session.scalar(query) is not None:
        return
    details = {"server": server.name, "tool": each.tool, "reason": each.reason}
    logger.warning("a tool is withheld", extra=details)
    session.add(
        Audit(
            business_id=server.business_id,
            subject=SUBJECT,
            server=server.name,
            tool=each.tool,
            argument_digest=each.digest,
            outcome=WITHHELD,
            ms=0,
        )
    )
