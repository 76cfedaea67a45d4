"""The registry: MCP servers of others that a business has added, and the tools it has accepted.

A server's tools are pinned by what they say of themselves. One that says something else later is
withheld from every bot until a person accepts it: else whoever runs the server could talk a bot
into anything, a while after somebody has looked at it.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any
from uuid import UUID

from pydantic import AfterValidator, Field, StringConstraints
from sqlalchemy.ext.asyncio import AsyncSession

from config import external_servers
from config.columns import now
from config.constellation import constellation
from config.declarations.env_refs import Reference, resolve
from config.declarations.schema import ServerName
from config.declarations.section import ApplyContext, Change, DeclarationModel
from config.errors import UserError
from config.security.egress import check_url
from config.security.encryption import Keyring, SealError
from config.settings import running
from config.tables import Audit, McpServer
from orchestrator.mcp_client.external.client import tools_of
from orchestrator.mcp_client.external.pinning import PinnedTools, check_pins

ACCEPTED = "accepted"
_BUDGET = 8.0  # seconds
_LONGEST_VALUE = 8192  # characters
_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,64}")
_TRANSPORTS_OWN = frozenset(
    {
        *("accept", "accept-encoding", "connection", "content-encoding", "content-length"),
        *("content-type", "host", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade"),
    }
)


def _not_ours(name: str) -> str:
    if name in constellation().servers:
        raise ValueError(f"is already what one of our servers is called: {name}")
    return name


def _header_name(name: str) -> str:
    if not _HEADER_NAME.fullmatch(name):
        raise ValueError("is no name that a header can have")
    if name.lower() in _TRANSPORTS_OWN or name.lower().startswith("mcp-"):
        raise ValueError("is a header that the transport sets itself")
    return name


NewName = Annotated[ServerName, AfterValidator(_not_ours)]
Url = Annotated[str, StringConstraints(min_length=1, max_length=2000)]
HeaderName = Annotated[str, AfterValidator(_header_name)]


class RegistryError(UserError):
    """A server cannot be stored, accepted or removed as it was asked."""


class McpServerDeclaration(DeclarationModel):
    """An MCP server that somebody else runs. What it lists when it is added is accepted."""

    name: NewName
    url: Url
    headers: Mapping[HeaderName, Reference] = Field(default_factory=dict)


@dataclass(frozen=True)
class NewServer:
    """A server as it is to be stored."""

    name: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)


@dataclass(frozen=True)
class RegistrationContext:
    """Under which circumstances servers are asked."""

    keyring: Keyring | None = field(default=None, repr=False)
    allow_private: bool = False


@dataclass(frozen=True)
class McpServersSection:
    """The `mcp_servers` of a declaration."""

    allow_private: Callable[[], bool] = lambda: running().allow_private_hosts
    item: type[DeclarationModel] = McpServerDeclaration
    after_bots: bool = False

    async def apply(self, applying: ApplyContext, items: Sequence[Any]) -> list[Change]:
        """Ask and store the servers that are new or differ; one no longer declared is kept."""
        changes: list[Change] = []
        terms = RegistrationContext(applying.keyring, self.allow_private())
        for item in items:
            given = NewServer(
                item.name, item.url, {name: resolve(value) for name, value in item.headers.items()}
            )
            change = await store(
                applying.session,
                applying.business_id,
                given,
                terms,
                progress=None if applying.dry_run else applying.progress,
            )
            if change is not None:
                changes.append(change)
                renewed = await external_servers.renew_bots(applying.session, item.name)
                applying.changed_bots.extend(renewed)
        return changes


MCP_SERVERS = McpServersSection()


async def store(
    session: AsyncSession,
    business_id: UUID,
    given: NewServer,
    terms: RegistrationContext,
    *,
    progress: Callable[[str], None] | None = lambda _: None,
) -> Change | None:
    """Store a server that is new or differs, and return what that changed.

    It is asked for its tools first, unless `progress` is None. At a new address all of them are
    accepted; new headers accept nothing.

    Raises:
        UserError: it cannot be reached, or the headers cannot be sent or sealed.
    """
    given = NewServer(given.name, given.url, _sendable(given.headers))
    row = await external_servers.find(session, given.name)
    what = f"server {given.name}"
    if row is None:
        row = McpServer(business_id=business_id, name=given.name, url=given.url)
        change = Change("add", what)
        differing = ["url"]
    else:
        differing = _differences(row, given, terms.keyring)
        change = Change("change", what, ", ".join(differing))
    if not differing:
        return None
    external_servers.seal(row, given.headers, terms.keyring)
    if progress is not None:
        progress(f"asking {given.name} for its tools")
        listing = await _asked(given, terms, row.tools)
        if "url" in differing:
            row.tools = dict(listing.pins)
    row.url, row.updated_at = given.url, now()
    session.add(row)
    await session.flush()
    return change


async def inspect(row: McpServer, terms: RegistrationContext) -> PinnedTools:
    """Ask a server what it lists now, held against what was accepted.

    Raises:
        UserError: it cannot be reached, or its headers do not open.
    """
    try:
        headers = external_servers.unseal(row, terms.keyring)
    except SealError as error:
        raise RegistryError(f"The headers of {row.name} cannot be used: {error}") from None
    return await _asked(NewServer(row.name, row.url, headers), terms, row.tools)


async def accept(
    session: AsyncSession,
    row: McpServer,
    tools: Sequence[str],
    terms: RegistrationContext,
    subject: str,
) -> PinnedTools:
    """Accept these tools as they are now, or all; returns what is offered and withheld then.

    Raises:
        UserError: the server cannot be reached, or lists no such tool that could be offered.
    """
    found = await inspect(row, terms)
    unknown = [name for name in tools if name not in found.pins]
    if unknown:
        raise RegistryError(f"{row.name} has no tool {unknown[0]!r} that could be offered.")
    before = row.tools
    now_accepted = {name: found.pins[name] for name in tools}
    row.tools = {**before, **now_accepted} if tools else dict(found.pins)
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
    return check_pins(row.name, found.tools, row.tools)


async def remove(session: AsyncSession, row: McpServer) -> None:
    """Remove a server.

    Raises:
        RegistryError: a bot still names it.
    """
    used = [name for _, name in await external_servers.bots_with(session, row.name)]
    if used:
        raise RegistryError(f"{row.name} is used by {', '.join(used)}: take it from there first.")
    await session.delete(row)


async def _asked(
    given: NewServer, terms: RegistrationContext, accepted: Mapping[str, str]
) -> PinnedTools:
    await check_url(given.url, allow_private=terms.allow_private)
    tools = await tools_of(
        given.name, given.url, given.headers, allow_private=terms.allow_private, budget=_BUDGET
    )
    return check_pins(given.name, tools, accepted)


def _sendable(headers: Mapping[str, str]) -> dict[str, str]:
    """Return the headers without space around them; what HTTP refuses, its errors would show."""
    sent = {name: value.strip() for name, value in headers.items()}
    for name, value in sent.items():
        plain = value.isascii() and value.isprintable()
        if not plain or not 0 < len(value) <= _LONGEST_VALUE:
            raise RegistryError(f"The header {name} holds what cannot be sent in a header.")
    return sent


def _differences(row: McpServer, given: NewServer, keyring: Keyring | None) -> list[str]:
    differing = ["url"] if row.url != given.url else []
    try:
        same = external_servers.unseal(row, keyring) == given.headers
    except SealError:
        same = False
    return differing if same else [*differing, "headers"]
