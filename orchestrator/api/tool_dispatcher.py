"""Lists and calls tools for callers of the API, under their effective access."""

import asyncio
from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import Depends
from starlette.requests import Request

from config.bot_settings import ToolPolicy
from config.constellation import constellation
from config.protocol import call_budget
from orchestrator.api.access import EffectiveAccess
from orchestrator.api.dependencies import Dependencies
from orchestrator.mcp_client.tool import Outcome, ToolInfo, model_name, unknown_tool_outcome
from orchestrator.mcp_client.tool_cache import ToolCache, granted_tools
from orchestrator.runtime.background_tasks import BackgroundTasks

_LIST_TIMEOUT = 2.0  # seconds that a list waits for a server


class ToolDispatcher:
    """The tools of every caller, over the connections and the cached lists of the agent."""

    def __init__(self, dependencies: Dependencies) -> None:
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

        A write that is repeated with the same `idempotency_key` is done once.
        """
        server, tool = access.split_name(name)
        if server not in access.servers:
            return unknown_tool_outcome()
        info = await self._tool_info(access, server, tool)
        if info is None and server not in constellation().servers:
            await self.list_tools(access)  # an external tool may be known by a mapped name
            info = await self._tool_info(access, server, tool)
        tool = info.tool if info else tool
        bot = access.identity.bot
        policy = bot.policy(server, tool) if bot else ToolPolicy()
        reads = info is not None and info.reads
        return await self._router.call(
            server,
            tool,
            arguments,
            access.claims(server),
            budget=policy.timeout or call_budget(reads=reads),
            retry=info is not None and info.repeatable,
            reads=reads,
            key=idempotency_key,
        )

    async def _tool_info(self, access: EffectiveAccess, server: str, tool: str) -> ToolInfo | None:
        """Return a tool by its own name, or by the one that models know it by."""
        tools = (await self._cache.get_cached(access.identity_for(server))).get(server, ())
        wanted = model_name(server, tool)
        return next((info for info in tools if info.name == wanted), None)


async def get_dispatcher(request: Request) -> ToolDispatcher:
    """Return the dispatcher of the running API."""
    dispatcher: ToolDispatcher = request.app.state.tool_dispatcher
    return dispatcher


Dispatcher = Annotated[ToolDispatcher, Depends(get_dispatcher)]
