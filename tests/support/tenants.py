"""Tenants who may use every tool of every server, with vendors that can do everything."""

from collections.abc import Mapping

from mcp_types import Tool

from config.constellation import constellation, load_object
from config.database import Database
from config.security.tokens import Claims
from config.tables import BusinessIntegration
from tests.conftest import Tenant, new_tenant
from tests.support.servers import Servers
from toolkit.server.build import ServerSpec


async def list_every_tool(servers: Servers, database: Database, server: str) -> Mapping[str, Tool]:
    """List the tools of a server, in its order: where no vendor has all of them, of several."""
    spec: ServerSpec = load_object(constellation().servers[server])
    names: list[str] = spec.catalogue()["tools"]
    listed: dict[str, Tool] = {}
    for provider in _sufficient(spec):
        tenant = await new_tenant(database)
        if provider is not None:
            await _connect(database, tenant, server, provider)
        claims = every_tool(tenant, server)
        async with servers.connect(server, claims) as caller:
            listed |= await caller.tools()
    return {name: listed[name] for name in sorted(listed, key=names.index)}


def every_tool(tenant: Tenant, server: str) -> Claims:
    """Return claims that name every tool of a server."""
    spec: ServerSpec = load_object(constellation().servers[server])
    return tenant.claims(tools=tuple(spec.catalogue()["tools"]))


async def _connect(database: Database, tenant: Tenant, server: str, provider: str) -> None:
    row = BusinessIntegration(
        business_id=tenant.business_id,
        name=server,
        server=server,
        integration_type=provider,
        credentials={},
    )
    async with database.tenant(tenant.business_id) as session:
        session.add(row)


def _sufficient(spec: ServerSpec) -> list[str | None]:
    """Return providers that can do everything together; None stands for the builtin one."""
    able = [name for name, each in spec.providers.items() if not each.unsupported]
    if not spec.providers or "builtin" in able:
        return [None]
    return [*able[:1]] or [*spec.providers]
