"""Tenants' accounts at vendors, and the time that passes for them."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import text

from config.database import Database
from config.security.vault import seal_credentials
from config.tables import BusinessIntegration
from tests.conftest import Tenant
from tests.support.servers import KEYRING


async def connect(
    database: Database,
    tenant: Tenant,
    server: str,
    provider: str,
    secrets: Mapping[str, str],
    settings: Mapping[str, Any] | None = None,
    **columns: Any,
) -> BusinessIntegration:
    """Store a tenant's account at a vendor, for a server."""
    row = BusinessIntegration(
        business_id=tenant.business_id,
        name=columns.pop("name", provider),
        server=server,
        integration_type=provider,
        credentials={},
        settings=dict(settings or {}),
        **columns,
    )
    row.credentials = seal_credentials(row, KEYRING, dict(secrets), dict(secrets))
    async with database.tenant(tenant.business_id) as session:
        session.add(row)
    return row


async def let_time_pass(database: Database, tenant: Tenant) -> None:
    """Let the time pass in which an earlier try of a call might still be at work."""
    query = text("update idempotent_call set created_at = created_at - interval '20 seconds'")
    async with database.tenant(tenant.business_id) as session:
        await session.execute(query)
