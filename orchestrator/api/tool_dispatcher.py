"""Lists and calls tools for callers of the API, under their effective access."""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from typing import Annotated, Any

from fastapi import Depends
from starlette.requests import Request

from config.bot_settings import ToolPolicy
from config.constellation import constellation
from config.protocol import call_budget
from config.security.tokens import Claims
from orchestrator.api.access import EffectiveAccess
from orchestrator.api.dependencies import Dependencies
from orchestrator.mcp_client.tool import (
    Outcome,
    ServerUnreachableError,
    ToolInfo,
    model_name,
    rate_limited_outcome,
    unknown_tool_outcome,
)
from orchestrator.mcp_client.tool_cache import ToolCache, granted_tools
from orchestrator.mcp_client.write_limit import ClientWrite, WriteLimit
from orchestrator.runtime.background_tasks import BackgroundTasks

_LIST_TIMEOUT = 2.0  # seconds that a list waits for a server


class ToolDispatcher:
    """The tools of every caller, over the connections and the cached lists of the agent."""

    def __init__(self, dependencies: Dependencies) -> None:
        self._dependencies = dependencies
        self._router = dependencies.router
        self._cache = ToolCache(
            dependencies.router,
            dependencies.cache,
            complete=True,
            fresh_for=dependencies.tool_lists_fresh_for,
        )
        self._background = BackgroundTasks()

    async def list_tools(self, access: EffectiveAccess) -> tuple[list[ToolInfo], bool]:
        """Return the tools that may be called, and whether every server has listed its own."""
        arrived: dict[str, tuple[ToolInfo, ...]] = {}
        known, pending = await self._cache.get_and_refresh(
            access.identity_for(*access.servers), arrived.__setitem__
        )
        for task in pending:
            self._background.add(task)
        if pending:
            await asyncio.wait(pending, timeout=_LIST_TIMEOUT)
        lists = known | arrived
        tools = [
            tool
            for server in access.servers
            for tool in granted_tools(access.claims(server).grant, lists.get(server, ()))
        ]
        return tools, lists.keys() >= set(access.servers)

    async def call_tool(
        self,
        access: EffectiveAccess,
        name: str,
        arguments: Mapping[str, Any],
        *,
        idempotency_key: str | None,
    ) -> Outcome:
        """Call a tool by the name that it has for this caller.

        A write that is repeated with the same `idempotency_key` is done once, and counted once
        among those of a minute. Long because a call is found, counted and sent here.
        """
        server, tool = access.split_name(name)
        if server not in access.servers:
            return unknown_tool_outcome()
        info = await self._find_tool(access, server, tool)
        tool = info.tool if info else tool
        claims = access.claims(server)
        if info is not None and not info.is_granted(claims.grant):
            return unknown_tool_outcome()
        bot = access.identity.bot
        policy = bot.policy(server, tool) if bot else ToolPolicy()
        reads = info is not None and info.reads
        repeatable = info is not None and info.repeatable
        write: ClientWrite | None = None
        if idempotency_key is not None and not repeatable:
            write = ClientWrite(claims, f"{server}/{tool}", idempotency_key)
        limit = WriteLimit(self._dependencies.cache, claims.business_id)
        if not reads:
            changes = info.count_changes(arguments) if info else 1
            wait = await limit.take(changes, self._write_limits(claims), write)
            if wait is not None:
                return rate_limited_outcome(wait)
        outcome = await self._router.call(
            server,
            tool,
            arguments,
            claims,
            budget=policy.timeout or call_budget(reads=reads),
            retry=repeatable,
            reads=reads,
            key=idempotency_key,
        )
        if write is not None and outcome.error not in (None, "outcome_unknown"):
            await limit.forget(write)
        return outcome

    def _write_limits(self, claims: Claims) -> dict[str, int]:
        """Return the most changes in a minute, of this key and of all keys of its business."""
        return {
            claims.sub: self._dependencies.writes_per_minute,
            "api": self._dependencies.business_writes_per_minute,
        }

    async def _find_tool(self, access: EffectiveAccess, server: str, tool: str) -> ToolInfo | None:
        info = await self._tool_info(access, server, tool)
        if info is None and server not in constellation().servers:
            await self.list_tools(access)  # an external tool may be known by a mapped name
            info = await self._tool_info(access, server, tool)
        return info

    async def _tool_info(self, access: EffectiveAccess, server: str, tool: str) -> ToolInfo | None:
        """Return a tool by its own name, or by the one that models know it by.

        A server whose list is not cached is asked for it: what reads is not counted as a write.
        """
        identity = access.identity_for(server)
        tools = (await self._cache.get_cached(identity)).get(server)
        if tools is None:
            with suppress(ServerUnreachableError):
                tools = await self._cache.refresh(identity, server)
        wanted = model_name(server, tool)
        return next((info for info in tools or () if info.name == wanted), None)


async def get_dispatcher(request: Request) -> ToolDispatcher:
    """Return the dispatcher of the running API."""
    dispatcher: ToolDispatcher = request.app.state.tool_dispatcher
    return dispatcher


Dispatcher = Annotated[ToolDispatcher, Depends(get_dispatcher)]
