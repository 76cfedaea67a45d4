"""Tool lists come from the cache; servers are asked in the background."""

import asyncio
from typing import Any
from uuid import uuid4

import pytest
from redis.asyncio import Redis

from config.bot_settings import ServerUse
from config.bots import Bot
from config.cache import connect
from config.security.tokens import Claims
from orchestrator.mcp_client.router import Identity, Router
from orchestrator.mcp_client.tool import ServerUnreachableError, ToolInfo
from orchestrator.mcp_client.tool_cache import ToolCache, visible_tools
from tests.support.speech_bots import bot

USES = {"ovens": ServerUse(), "shop": ServerUse(), "garage": ServerUse(enabled=False)}
ToolsByServer = dict[str, tuple[ToolInfo, ...]]


def tool_info(server: str, tool: str, *, voice: bool = True) -> ToolInfo:
    """Return a tool."""
    return ToolInfo(
        server=server,
        tool=tool,
        description="",
        parameters={},
        reads=True,
        repeatable=True,
        voice=voice,
    )


class Servers(Router):
    """Servers that list their tools, or do not answer."""

    def __init__(self, **tools: list[str]) -> None:
        self.tools = tools
        self.asked: list[str] = []

    async def list_tools(self, server: str, claims: Claims) -> list[ToolInfo]:
        """List the tools of a server."""
        self.asked.append(server)
        if server not in self.tools:
            raise ServerUnreachableError(f"{server} is not available.")
        return [tool_info(server, tool) for tool in self.tools[server]]


@pytest.fixture
def baker() -> Bot:
    """A bot with two servers, and one that is switched off."""
    return bot().model_copy(update={"servers": USES})


def identity(bot: Bot) -> Identity:
    """Return the identity for which tools are listed."""
    return Identity("bot:1", bot.business_id, bot, uuid4())


async def load_tools(
    servers: Servers, cache: Redis, bot: Bot, *, fresh_for: float = 60.0
) -> tuple[ToolsByServer, ToolsByServer]:
    """Return the cached lists, and the updates that the refreshes bring."""
    updates: ToolsByServer = {}
    tool_cache = ToolCache(servers, cache, fresh_for=fresh_for)
    cached, refreshes = await tool_cache.get_and_refresh(identity(bot), updates.__setitem__)
    await asyncio.gather(*refreshes)
    return cached, updates


async def test_what_one_call_has_learnt_the_next_one_knows(cache: Redis, baker: Bot) -> None:
    servers = Servers(ovens=["heat"], shop=["sell"])
    lists: ToolsByServer = {
        "ovens": (tool_info("ovens", "heat"),),
        "shop": (tool_info("shop", "sell"),),
    }
    assert await load_tools(servers, cache, baker) == ({}, lists)
    assert sorted(servers.asked) == ["ovens", "shop"]
    unasked = Servers()
    assert await load_tools(unasked, cache, baker) == (lists, {})
    assert unasked.asked == []


async def test_another_version_of_the_bot_asks_anew(cache: Redis, baker: Bot) -> None:
    await load_tools(Servers(ovens=["heat"], shop=[]), cache, baker)
    changed = baker.model_copy(update={"version": 2})
    cached, updates = await load_tools(Servers(ovens=["cool"], shop=[]), cache, changed)
    assert cached == {}
    assert updates["ovens"] == (tool_info("ovens", "cool"),)


async def test_another_grant_of_the_same_bot_has_lists_of_its_own(cache: Redis, baker: Bot) -> None:
    servers = Servers(ovens=["heat"], shop=["sell", "wrap"])
    restricted = {**USES, "shop": ServerUse(denied_tools=("wrap",))}
    await load_tools(servers, cache, baker.model_copy(update={"servers": restricted}))
    cached, updates = await load_tools(servers, cache, baker)
    assert set(cached) == {"ovens"}
    assert updates["shop"] == (tool_info("shop", "sell"), tool_info("shop", "wrap"))


async def test_a_server_that_comes_back_is_listed_in_the_same_call(
    cache: Redis, baker: Bot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("orchestrator.mcp_client.tool_cache._CALL_WAITS", (0.0, 0.0))

    class Restarting(Servers):
        async def list_tools(self, server: str, claims: Claims) -> list[ToolInfo]:
            if self.asked.count("ovens"):
                self.tools["ovens"] = ["heat"]
            return await super().list_tools(server, claims)

    _, updates = await load_tools(Restarting(shop=["sell"]), cache, baker)
    assert updates["ovens"] == (tool_info("ovens", "heat"),)


async def test_a_server_that_does_not_answer_costs_its_own_tools(
    cache: Redis, baker: Bot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("orchestrator.mcp_client.tool_cache._CALL_WAITS", (0.0,))
    assert await load_tools(Servers(shop=["sell"]), cache, baker) == (
        {},
        {"shop": (tool_info("shop", "sell"),)},
    )


async def test_an_old_list_is_used_and_read_again(cache: Redis, baker: Bot) -> None:
    await load_tools(Servers(ovens=["heat"], shop=["sell"]), cache, baker)
    servers = Servers(ovens=["heat"], shop=["sell", "wrap"])
    cached, updates = await load_tools(servers, cache, baker, fresh_for=-1.0)
    assert cached["shop"] == (tool_info("shop", "sell"),)
    assert updates == {"shop": (tool_info("shop", "sell"), tool_info("shop", "wrap"))}


async def test_what_another_version_of_ours_has_cached_is_asked_anew(
    cache: Redis, baker: Bot
) -> None:
    servers = Servers(ovens=["heat"], shop=["sell"])
    await load_tools(servers, cache, baker)
    keys: list[Any] = await cache.keys(f"tools:{baker.business_id}:*")
    assert len(keys) == 2
    await cache.mset(dict.fromkeys(keys, '{"tools": "many"}'))
    cached, updates = await load_tools(servers, cache, baker)
    assert cached == {}
    assert set(updates) == {"ovens", "shop"}


async def test_without_a_cache_the_servers_are_asked(baker: Bot) -> None:
    nowhere = connect("redis://127.0.0.1:1")
    cached, updates = await load_tools(Servers(ovens=["heat"], shop=[]), nowhere, baker)
    assert (cached, set(updates)) == ({}, {"ovens", "shop"})
    await nowhere.aclose()


def test_the_model_sees_what_the_bot_names_else_the_voice_profile(baker: Bot) -> None:
    uses = USES | {"shop": ServerUse(tools=("wrap", "sell", "gone"))}
    named = baker.model_copy(update={"servers": uses})
    by_server: ToolsByServer = {
        "ovens": (tool_info("ovens", "heat"), tool_info("ovens", "clean", voice=False)),
        "shop": (tool_info("shop", "sell"), tool_info("shop", "wrap"), tool_info("shop", "weigh")),
        "garage": (tool_info("garage", "drive"),),
    }
    seen = [each.name for each in visible_tools(named, by_server)]
    assert seen == ["ovens_heat", "shop_wrap", "shop_sell"]
