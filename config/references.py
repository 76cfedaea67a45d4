"""Finds names that stand for nothing: of servers, their tools, and the accounts that bots name."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from config import external_servers
from config.bot_settings import ServerUse
from config.constellation import constellation, load_object
from config.security.vault import BUILTIN
from config.tables import AgentConfig, BusinessIntegration, McpConnection
from config.text import suggest


@dataclass(frozen=True)
class UnknownName:
    """A name in a bot's use of a server that stands for nothing; `at` is its path in there."""

    at: tuple[str | int, ...]
    message: str


async def find_unknown_tool(server: str, use: ServerUse) -> UnknownName | None:
    """Return the first tool that one of our own servers has not got; of others, return None.

    It reads no records, and loads all that `find_unknown_name` needs for the same use.
    """
    if server not in constellation().servers or not (_named_tools(use) or use.integration):
        return None
    return _unknown_tool(server, use, (await _load_server(server)).catalogue()["tools"])


async def find_unknown_name(
    session: AsyncSession, server: str, use: ServerUse, *, dry_run: bool = False
) -> UnknownName | None:
    """Return the first name in `use` of what is stored that does not exist.

    This is the integration, and the tools of an external server. In a dry run, such a server may
    not have been asked for its tools.
    """
    if server in constellation().servers:
        return await _unknown_integration(session, server, use)
    if use.integration is not None:
        return UnknownName(("integration",), f"{server} has no accounts of its own to name")
    row = await external_servers.find(session, server)
    if row is None or (dry_run and not row.tools):
        return None
    return _unknown_tool(server, use, list(row.tools))


async def find_unknown_provider(server: str, provider: str) -> str | None:
    """Return what is wrong with the server or the provider of an account, None if both exist."""
    known = constellation().servers
    if server not in known:
        return f"{server!r} is not a server; {suggest(server, known)}"
    providers = [each for each in (await _load_server(server)).providers if each != BUILTIN]
    if provider not in providers:
        return f"{provider!r} is not a provider of {server}; {suggest(provider, providers)}"
    return None


async def bots_naming(session: AsyncSession, server: str, integration: str) -> Sequence[str]:
    """Return the names of the bots that name this account of a server."""
    query = (
        select(col(AgentConfig.name))
        .join(McpConnection, col(McpConnection.agent_config_id) == col(AgentConfig.id))
        .where(col(McpConnection.server) == server, col(McpConnection.integration) == integration)
        .order_by(col(AgentConfig.name))
    )
    return (await session.scalars(query)).all()


async def _load_server(name: str) -> Any:
    """Return the specification of one of our own servers; its import would block for a second."""
    return await asyncio.to_thread(load_object, constellation().servers[name])


def _named_tools(use: ServerUse) -> Mapping[tuple[str | int, ...], str]:
    """Return the tools that a bot names, by their paths."""
    return {
        **{("tools", index): name for index, name in enumerate(use.tools)},
        **{("denied_tools", index): name for index, name in enumerate(use.denied_tools)},
        **{("policy", name): name for name in use.policy},
    }


def _unknown_tool(server: str, use: ServerUse, tools: Sequence[str]) -> UnknownName | None:
    for at, name in _named_tools(use).items():
        if name not in tools:
            return UnknownName(at, f"{name!r} is not a tool of {server}; {suggest(name, tools)}")
    return None


async def _unknown_integration(
    session: AsyncSession, server: str, use: ServerUse
) -> UnknownName | None:
    if use.integration is None:
        return None
    query = select(col(BusinessIntegration.name)).where(col(BusinessIntegration.server) == server)
    # Locked, so that it is not removed before this use of it is stored.
    named = query.where(col(BusinessIntegration.name) == use.integration)
    if await session.scalar(named.with_for_update(read=True)) is not None:
        return None
    names: list[str] = [*await session.scalars(query)]
    named_records = (await _load_server(server)).named_records
    if named_records is not None:
        names += await named_records(session)
    if use.integration in names:
        return None
    message = f"{use.integration!r} is not an integration of {server}"
    return UnknownName(("integration",), f"{message}; {suggest(use.integration, names)}")
