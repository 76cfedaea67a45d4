"""Registers external MCP servers for a business, and accepts their tools.

A tool is pinned by a digest of its texts and schema. If that changes, the tool is withheld from
every bot until a person accepts it: else whoever runs the server could later instruct a bot by a
new description.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any
from uuid import UUID

from mcp_types import Tool
from pydantic import AfterValidator, Field, StringConstraints
from sqlalchemy.ext.asyncio import AsyncSession

from config import external_servers
from config.columns import now
from config.constellation import constellation
from config.declarations.env_refs import Reference, resolve
from config.declarations.schema import ServerName
from config.declarations.section import ApplyContext, Change
from config.errors import UserError
from config.models import DeclarationModel
from config.protocol import READ_BUDGET
from config.security.api_keys import keys_naming
from config.security.egress import check_url
from config.security.encryption import Keyring, SealError
from config.settings import running_settings
from config.slow_work import SlowWork
from config.tables import Audit, McpServer
from orchestrator.mcp_client.external.client import fetch_tools
from orchestrator.mcp_client.external.pinning import PinnedTools, check_pins

ACCEPTED = "accepted"
_MAX_HEADER_VALUE = 8192  # characters
_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,64}")
_TRANSPORT_HEADERS = frozenset(
    {
        *("accept", "accept-encoding", "connection", "content-encoding", "content-length"),
        *("content-type", "host", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade"),
    }
)


def _require_unreserved(name: str) -> str:
    if name in constellation().servers:
        raise ValueError(f"is already what one of our servers is called: {name}")
    return name


def _header_name(name: str) -> str:
    if not _HEADER_NAME.fullmatch(name):
        raise ValueError("is no name that a header can have")
    if name.lower() in _TRANSPORT_HEADERS or name.lower().startswith("mcp-"):
        raise ValueError("is a header that the transport sets itself")
    return name


NewName = Annotated[ServerName, AfterValidator(_require_unreserved)]
Url = Annotated[str, StringConstraints(min_length=1, max_length=2000)]
HeaderName = Annotated[str, AfterValidator(_header_name)]


class RegistrationError(UserError):
    """A server cannot be stored or removed, or a tool not accepted."""


class McpServerDeclaration(DeclarationModel):
    """An external MCP server. The tools that it lists when it is added are accepted."""

    name: NewName
    url: Url
    headers: Mapping[HeaderName, Reference] = Field(default_factory=dict)


@dataclass(frozen=True)
class NewServer:
    """A server to be stored; `headers` are in plain text."""

    name: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)


@dataclass(frozen=True)
class RegistrationContext:
    """The keys that seal headers, and whether servers may have private addresses."""

    keyring: Keyring | None = field(default=None, repr=False)
    allow_private: bool = False


@dataclass(frozen=True)
class McpServersSection:
    """The `mcp_servers` of a declaration."""

    allow_private: Callable[[], bool] = lambda: running_settings().allow_private_hosts
    item: type[DeclarationModel] = McpServerDeclaration
    after_bots: bool = False

    async def apply(self, applying: ApplyContext, items: Sequence[Any]) -> list[Change]:
        """List tools of servers that are new or differ, and store them; none is removed."""
        changes: list[Change] = []
        context = RegistrationContext(applying.keyring, self.allow_private())
        for item in items:
            new = NewServer(
                item.name, item.url, {name: resolve(value) for name, value in item.headers.items()}
            )
            change = await register_server(
                applying.session,
                applying.business_id,
                new,
                context,
                applying.slow_work,
                progress=None if applying.dry_run else applying.progress,
            )
            if change is not None:
                changes.append(change)
                changed_bots = await external_servers.bump_bot_versions(applying.session, item.name)
                applying.changed_bots.extend(changed_bots)
        return changes


MCP_SERVERS = McpServersSection()


async def register_server(
    session: AsyncSession,
    business_id: UUID,
    new: NewServer,
    context: RegistrationContext,
    slow_work: SlowWork,
    *,
    progress: Callable[[str], None] | None = lambda _: None,
) -> Change | None:
    """Store a server that is new or differs, and return the change; None if nothing differs.

    Its tools are listed first, unless `progress` is None, while no transaction is open. At a new
    URL all of them are accepted; with new headers, none is.

    Raises:
        UserError: it cannot be reached, or the headers are invalid or cannot be sealed.
    """
    new = NewServer(new.name, new.url, _validate_headers(new.headers))
    row = await external_servers.find(session, new.name)
    what = f"server {new.name}"
    if row is None:
        row = McpServer(business_id=business_id, name=new.name, url=new.url)
        change = Change("add", what)
        differing = ["url"]
    else:
        differing = _differences(row, new, context.keyring)
        change = Change("change", what, ", ".join(differing))
    if not differing:
        return None
    external_servers.seal_headers(row, new.headers, context.keyring)
    if progress is not None:
        tools = _fetch_in(slow_work, new, context, progress)
        if "url" in differing:
            row.tools = dict(check_pins(new.name, tools, row.tools).digests)
    row.url, row.updated_at = new.url, now()
    session.add(row)
    await session.flush()
    return change


async def inspect_server(row: McpServer, context: RegistrationContext) -> PinnedTools:
    """List a server's tools now, compared with those that were accepted.

    Raises:
        UserError: it cannot be reached, or its headers cannot be decrypted.
    """
    tools = await _fetch_tools(_open_server(row, context), context)
    return check_pins(row.name, tools, row.tools)


async def accept_tools(
    session: AsyncSession,
    row: McpServer,
    tools: Sequence[str],
    context: RegistrationContext,
    slow_work: SlowWork,
    subject: str,
) -> PinnedTools:
    """Accept the named tools as they are now, or all; returns the state after that.

    They are listed while no transaction is open.

    Raises:
        UserError: the server cannot be reached, or one of the tools cannot be accepted.
    """
    listed = _fetch_in(slow_work, _open_server(row, context), context)
    pinned = check_pins(row.name, listed, row.tools)
    unknown = [name for name in tools if name not in pinned.digests]
    if unknown:
        raise RegistrationError(f"{row.name} has no tool {unknown[0]!r} that could be offered.")
    before = row.tools
    now_accepted = {name: pinned.digests[name] for name in tools}
    row.tools = {**before, **now_accepted} if tools else dict(pinned.digests)
    row.updated_at = now()
    session.add_all(
        Audit(
            business_id=row.business_id,
            subject=subject,
            server=row.name,
            tool=name,
            argument_digest=digest,
            outcome=ACCEPTED,
            ms=0,
        )
        for name, digest in row.tools.items()
        if before.get(name) != digest
    )
    await session.flush()
    return check_pins(row.name, pinned.listed, row.tools)


async def remove_server(session: AsyncSession, row: McpServer) -> None:
    """Remove a server.

    Raises:
        RegistrationError: a bot still uses it, or an API key names it: of the next server with
            this name, they would use the tools.
    """
    bots = [name for _, name in await external_servers.bots_using(session, row.name)]
    if bots:
        raise RegistrationError(
            f"{row.name} is used by {', '.join(bots)}: take it from there first."
        )
    if keys := await keys_naming(session, row.name):
        raise RegistrationError(
            f"{row.name} is named by the API keys {', '.join(keys)}: revoke them first."
        )
    await session.delete(row)


def _open_server(row: McpServer, context: RegistrationContext) -> NewServer:
    """Return a stored server, its headers in plain text.

    Raises:
        RegistrationError: its headers cannot be decrypted.
    """
    try:
        headers = external_servers.open_headers(row, context.keyring)
    except SealError as error:
        raise RegistrationError(f"The headers of {row.name} cannot be used: {error}") from None
    return NewServer(row.name, row.url, headers)


def _fetch_in(
    slow_work: SlowWork,
    server: NewServer,
    context: RegistrationContext,
    progress: Callable[[str], None] = lambda _: None,
) -> list[Tool]:
    """Return the tools that a server lists, which are fetched while no transaction is open."""

    async def fetch() -> list[Tool]:
        progress(f"asking {server.name} for its tools")
        return await _fetch_tools(server, context)

    key = ("tools", server.name, server.url, frozenset(server.headers.items()))
    return slow_work.result(key, fetch)


async def _fetch_tools(server: NewServer, context: RegistrationContext) -> list[Tool]:
    await check_url(server.url, allow_private=context.allow_private)
    return await fetch_tools(
        server.name,
        server.url,
        server.headers,
        allow_private=context.allow_private,
        budget=READ_BUDGET,
    )


def _validate_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """Return the headers stripped; an error of the HTTP client would show an invalid value."""
    stripped = {name: value.strip() for name, value in headers.items()}
    for name, value in stripped.items():
        printable = value.isascii() and value.isprintable()
        if not printable or not 0 < len(value) <= _MAX_HEADER_VALUE:
            raise RegistrationError(f"The header {name} holds what cannot be sent in a header.")
    return stripped


def _differences(row: McpServer, new: NewServer, keyring: Keyring | None) -> list[str]:
    differing = ["url"] if row.url != new.url else []
    try:
        same = external_servers.open_headers(row, keyring) == new.headers
    except SealError:
        same = False
    return differing if same else [*differing, "headers"]
