"""A tenant who may use every tool of every server, with vendors that can do everything."""

from config.constellation import constellation, load_object
from config.database import Database
from config.security.tokens import Claims
from config.tables import BusinessIntegration
from tests.conftest import Tenant, new_tenant
from toolkit.server.build import ServerSpec


async def able_tenant(database: Database) -> Tenant:
    """Store a tenant with an account wherever the builtin provider cannot do everything."""
    tenant = await new_tenant(database)
    rows = [
        BusinessIntegration(
            business_id=tenant.business_id,
            name=server,
            server=server,
            integration_type=provider,
            credentials={},
        )
        for server, dotted in constellation().servers.items()
        if (provider := _able(load_object(dotted))) is not None
    ]
    async with database.tenant(tenant.business_id) as session:
        session.add_all(rows)
    return tenant


def every_tool(tenant: Tenant, server: str) -> Claims:
    """Return claims that name every tool of a server."""
    spec: ServerSpec = load_object(constellation().servers[server])
    return tenant.claims(tools=tuple(spec.catalogue()["tools"]))


def _able(spec: ServerSpec) -> str | None:
    """Return a provider that can do everything; None where the builtin one can."""
    able = [name for name, each in spec.providers.items() if not each.unsupported]
    return None if not spec.providers or "builtin" in able else able[0]
