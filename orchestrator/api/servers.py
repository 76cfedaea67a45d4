"""The servers that a business's bots may use: the built-in ones, and external ones it has added."""

import asyncio
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import Annotated
from urllib.parse import urlsplit, urlunsplit
from uuid import UUID

from fastapi import Body
from redis.exceptions import RedisError
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from config import external_servers
from config.bots import announce_change
from config.constellation import constellation
from config.errors import UserError
from config.security.egress import ForbiddenUrlError
from config.slow_work import SlowWork, run_transaction
from config.tables import McpServer
from orchestrator.api.credentials import Caller, KeyCaller
from orchestrator.api.dependencies import ApiDependencies, Dependencies
from orchestrator.api.errors import ApiError, invalid, not_found
from orchestrator.api.requests import LARGE_BODY_SIZE
from orchestrator.api.routing import ApiRouter
from orchestrator.api.schemas import (
    AcceptTools,
    AddServer,
    Removed,
    ServerEntries,
    ServerEntry,
    ServerTool,
    WithheldTool,
)
from orchestrator.mcp_client.external import registration
from orchestrator.mcp_client.external.pinning import PinnedTools
from orchestrator.mcp_client.external.registration import (
    NewServer,
    RegistrationContext,
    RegistrationError,
)
from orchestrator.mcp_client.router import Identity
from orchestrator.mcp_client.tool import ServerUnreachableError, ToolInfo

router = ApiRouter()


@router.get("/api/servers")
async def get_servers(caller: KeyCaller, dependencies: ApiDependencies) -> ServerEntries:
    """List the servers that bots may use, with their tools as they are now."""
    async with dependencies.database.tenant(caller.business_id) as session:
        rows = await external_servers.list_all(session)
    builtin = [_ask_builtin(dependencies, caller, name) for name in constellation().servers]
    external = [_ask_external(row, dependencies.registration) for row in rows]
    return ServerEntries(servers=list(await asyncio.gather(*builtin, *external)))


@router.post("/api/servers", max_body_size=LARGE_BODY_SIZE)
async def add_server(
    body: AddServer, caller: KeyCaller, dependencies: ApiDependencies
) -> ServerEntry:
    """Add a server, or change its address and headers; at a new address its tools are accepted."""
    context = dependencies.registration
    headers = {name: value.get_secret_value() for name, value in body.headers.items()}
    new = NewServer(body.name, body.url, headers)

    async def attempt(slow_work: SlowWork) -> McpServer | None:
        async with changing_servers(dependencies, caller.business_id) as (session, changed_bots):
            if await registration.register_server(
                session, caller.business_id, new, context, slow_work
            ):
                changed_bots += await external_servers.bump_bot_versions(session, body.name)
            return await external_servers.find(session, body.name)

    with _refusals():
        row = await run_transaction(attempt)
    return await _ask_external(_existing(row), context)


@router.post("/api/servers/{name}/accept", max_body_size=LARGE_BODY_SIZE)
async def accept_tools(
    name: str,
    body: Annotated[AcceptTools, Body(default_factory=AcceptTools)],
    caller: KeyCaller,
    dependencies: ApiDependencies,
) -> ServerEntry:
    """Accept tools of a server as they are now."""

    async def attempt(slow_work: SlowWork) -> ServerEntry:
        async with changing_servers(dependencies, caller.business_id) as (session, changed_bots):
            row = _existing(await external_servers.find(session, name))
            pinned = await registration.accept_tools(
                session, row, body.tools, dependencies.registration, slow_work, caller.subject
            )
            changed_bots += await external_servers.bump_bot_versions(session, name)
            return _external_entry(row, pinned)

    with _refusals():
        return await run_transaction(attempt)


@router.delete("/api/servers/{name}")
async def remove_server(name: str, caller: KeyCaller, dependencies: ApiDependencies) -> Removed:
    """Remove a server that no bot names."""
    async with changing_servers(dependencies, caller.business_id) as (session, _):
        await registration.remove_server(
            session, _existing(await external_servers.find(session, name))
        )
    return Removed(removed=name)


@asynccontextmanager
async def changing_servers(
    dependencies: Dependencies, business_id: UUID
) -> AsyncGenerator[tuple[AsyncSession, list[UUID]]]:
    """Open a transaction that changes servers, or how bots use them.

    Yields its session and a list: bots whose ids are added to it are announced as changed after
    the commit.

    Raises:
        ApiError: the change is not possible.
    """
    changed_bots: list[UUID] = []
    with _refusals():
        async with dependencies.database.tenant(business_id) as session:
            yield session, changed_bots
    dependencies.router.forget(business_id)
    with suppress(RedisError):
        for bot_id in dict.fromkeys(changed_bots):
            await announce_change(dependencies.cache, business_id, bot_id)


@contextmanager
def _refusals() -> Generator[None]:
    """Answer with what makes a change impossible.

    Raises:
        ApiError: the change is not possible.
    """
    try:
        yield
    except ForbiddenUrlError as error:
        raise invalid(str(error)) from None
    except RegistrationError as error:
        raise ApiError(409, "rejected", str(error)) from None
    except IntegrityError:
        message = "Somebody else has changed this at the same time."
        raise ApiError(409, "conflict", message) from None
    except UserError as error:
        raise ApiError(503, "unavailable", str(error)) from None


async def _ask_builtin(dependencies: Dependencies, caller: Caller, name: str) -> ServerEntry:
    claims = Identity(caller.subject, caller.business_id).claims(name, every_tool=True)
    try:
        tools = await dependencies.router.list_tools(name, claims)
    except ServerUnreachableError:
        return ServerEntry(name=name, kind="builtin", answers=False)
    return ServerEntry(name=name, kind="builtin", tools=[_to_tool(tool) for tool in tools])


async def _ask_external(row: McpServer, context: RegistrationContext) -> ServerEntry:
    try:
        return _external_entry(row, await registration.inspect_server(row, context))
    except UserError:
        url = _without_query(row.url)
        return ServerEntry(name=row.name, kind="external", url=url, answers=False)


def _external_entry(row: McpServer, pinned: PinnedTools) -> ServerEntry:
    return ServerEntry(
        name=row.name,
        kind="external",
        url=_without_query(row.url),
        tools=[_to_tool(tool) for tool in pinned.available.values()],
        withheld=[
            WithheldTool(name=each.tool, reason=each.reason, description=each.description)
            for each in pinned.withheld
        ],
    )


def _to_tool(tool: ToolInfo) -> ServerTool:
    return ServerTool(name=tool.tool, description=tool.description, reads=tool.reads)


def _existing(row: McpServer | None) -> McpServer:
    if row is None:
        raise not_found("server")
    return row


def _without_query(url: str) -> str:
    return urlunsplit(urlsplit(url)._replace(query="", fragment=""))
