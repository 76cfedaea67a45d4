"""The servers that a business's bots may use: ours, and those of others that it has added."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit, urlunsplit
from uuid import UUID

from pydantic import Field, SecretStr
from redis.exceptions import RedisError
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from config import external_servers
from config.bots import announce
from config.constellation import constellation
from config.errors import UserError
from config.security.egress import ForbiddenUrlError
from config.tables import McpServer
from orchestrator.api.errors import ApiError, invalid, not_found
from orchestrator.api.models import Answer, Short
from orchestrator.api.operations import Ask, Given, Nothing, Operation
from orchestrator.mcp_client.external.pinning import PinnedTools, Reason
from orchestrator.mcp_client.external.registration import (
    HeaderName,
    NewName,
    NewServer,
    RegistrationContext,
    RegistryError,
    Url,
    accept,
    inspect,
    remove,
    store,
)
from orchestrator.mcp_client.router import Identity
from orchestrator.mcp_client.tool import ServerUnreachableError, ToolInfo


class AddServer(Given):
    """An MCP server that somebody else runs. The headers' values are stored sealed."""

    name: NewName
    url: Url
    headers: Annotated[dict[HeaderName, SecretStr], Field(max_length=20)] = Field(
        default_factory=dict
    )


class AcceptTools(Given):
    """Which tools are accepted as they are now; all, if none is named."""

    tools: Annotated[list[Short], Field(max_length=500)] = Field(default_factory=list)


class ServerTool(Answer):
    """A tool that bots may be offered."""

    name: str
    description: str
    reads: bool


class WithheldTool(Answer):
    """A tool that no bot is offered, and what it says of itself now."""

    name: str
    reason: Reason
    description: str


class ServerEntry(Answer):
    """A server. One that does not answer shows no tools; `url` is without its query."""

    name: str
    kind: Literal["builtin", "external"]
    url: str | None = None
    answers: bool = True
    tools: list[ServerTool] = Field(default_factory=list[ServerTool])
    withheld: list[WithheldTool] = Field(default_factory=list[WithheldTool])


class ServerEntries(Answer):
    """The servers that the bots of a business may use."""

    servers: list[ServerEntry]


class Removed(Answer):
    """What is gone."""

    removed: str


async def get_servers(ask: Ask[Nothing]) -> ServerEntries:
    """List the servers that bots may use, with their tools as they are now."""
    async with ask.dependencies.database.tenant(ask.known.business_id) as session:
        rows = await external_servers.list_all(session)
    builtin = [_builtin(ask, name) for name in constellation().servers]
    external = [_external(row, ask.dependencies.terms) for row in rows]
    return ServerEntries(servers=list(await asyncio.gather(*builtin, *external)))


async def add_server(ask: Ask[AddServer]) -> ServerEntry:
    """Add a server, or change its address and headers; at a new address its tools are accepted."""
    given, terms = ask.given, ask.dependencies.terms
    headers = {name: value.get_secret_value() for name, value in given.headers.items()}
    new = NewServer(given.name, given.url, headers)
    async with changing(ask) as (session, bots):
        if await store(session, ask.known.business_id, new, terms):
            bots += await external_servers.renew_bots(session, given.name)
        row = await external_servers.find(session, given.name)
    return await _external(_found(row), terms)


async def accept_tools(ask: Ask[AcceptTools]) -> ServerEntry:
    """Accept tools of a server as they are now."""
    name = str(ask.request.path_params["name"])
    async with changing(ask) as (session, bots):
        row = _found(await external_servers.find(session, name))
        terms, subject = ask.dependencies.terms, ask.known.subject
        listing = await accept(session, row, ask.given.tools, terms, subject)
        bots += await external_servers.renew_bots(session, name)
    return _entry(row, listing)


async def remove_server(ask: Ask[Nothing]) -> Removed:
    """Remove a server that no bot names."""
    name = str(ask.request.path_params["name"])
    async with changing(ask) as (session, _):
        await remove(session, _found(await external_servers.find(session, name)))
    return Removed(removed=name)


@asynccontextmanager
async def changing(ask: Ask[Any]) -> AsyncGenerator[tuple[AsyncSession, list[UUID]]]:
    """Open a transaction; the bots that are put into the list are announced after it.

    Raises:
        ApiError: what was asked is not possible.
    """
    dependencies, business_id = ask.dependencies, ask.known.business_id
    bots: list[UUID] = []
    try:
        async with dependencies.database.tenant(business_id) as session:
            yield session, bots
    except ForbiddenUrlError as error:
        raise invalid(str(error)) from None
    except RegistryError as error:
        raise ApiError(409, "rejected", str(error)) from None
    except IntegrityError:
        message = "Somebody else has changed this at the same time."
        raise ApiError(409, "conflict", message) from None
    except UserError as error:
        raise ApiError(503, "unavailable", str(error)) from None
    dependencies.constellation.forget(business_id)
    with suppress(RedisError):
        for bot_id in dict.fromkeys(bots):
            await announce(dependencies.cache, business_id, bot_id)


async def _builtin(ask: Ask[Nothing], name: str) -> ServerEntry:
    identity = Identity(ask.known.subject, ask.known.business_id)
    claims = identity.claims(name, every_tool=True)
    try:
        cards = await ask.dependencies.constellation.list_tools(name, claims)
    except ServerUnreachableError:
        return ServerEntry(name=name, kind="builtin", answers=False)
    return ServerEntry(name=name, kind="builtin", tools=[_tool(card) for card in cards])


async def _external(row: McpServer, terms: RegistrationContext) -> ServerEntry:
    try:
        return _entry(row, await inspect(row, terms))
    except UserError:
        return ServerEntry(name=row.name, kind="external", url=_shown(row.url), answers=False)


def _entry(row: McpServer, listing: PinnedTools) -> ServerEntry:
    return ServerEntry(
        name=row.name,
        kind="external",
        url=_shown(row.url),
        tools=[_tool(card) for card in listing.cards.values()],
        withheld=[
            WithheldTool(name=each.tool, reason=each.reason, description=each.description)
            for each in listing.withheld
        ],
    )


def _tool(card: ToolInfo) -> ServerTool:
    return ServerTool(name=card.tool, description=card.description, reads=card.reads)


def _found(row: McpServer | None) -> McpServer:
    if row is None:
        raise not_found("server")
    return row


def _shown(url: str) -> str:
    return urlunsplit(urlsplit(url)._replace(query="", fragment=""))


OPERATIONS = (
    Operation("GET", "/api/servers", get_servers, Nothing, ServerEntries),
    Operation("POST", "/api/servers", add_server, AddServer, ServerEntry),
    Operation("POST", "/api/servers/{name}/accept", accept_tools, AcceptTools, ServerEntry),
    Operation("DELETE", "/api/servers/{name}", remove_server, Nothing, Removed),
)
