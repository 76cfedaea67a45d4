"""Tool lists come from the cache; servers are asked behind the call's back."""

import asyncio
from typing import Any
from uuid import uuid4

import pytest
from redis.asyncio import Redis

from config.bots import Bot
from config.cache import connect
from config.declarations.schema import ServerUse
from config.security.tokens import Claims
from orchestrator.mcp_client.router import Identity, Router
from orchestrator.mcp_client.tool import ServerUnreachableError, ToolInfo
from orchestrator.mcp_client.tool_cache import ToolCache, offered
from tests.support.speech_bots import bot

USES = {"ovens": ServerUse(), "shop": ServerUse(), "garage": ServerUse(enabled=False)}
Listed = dict[str, tuple[ToolInfo, ...]]


def card(server: str, tool: str, *, voice: bool = True) -> ToolInfo:
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
        return [card(server, tool) for tool in self.tools[server]]


@pytest.fixture
def baker() -> Bot:
    """A bot with two servers, and one that is switched off."""
    return bot().model_copy(update={"servers": USES})


def identity(of: Bot) -> Identity:
    """Return for whom the tools are listed."""
    return Identity("bot:1", of.business_id, of, uuid4())


async def tools(servers: Servers, cache: Redis, of: Bot) -> tuple[Listed, Listed]:
    """Return what is known at once, and what arrives once every server was asked."""
    arrived: Listed = {}
    known, asked = await ToolCache(servers, cache).tools(identity(of), arrived.__setitem__)
    await asyncio.gather(*asked)
    return known, arrived


async def test_what_one_call_has_learnt_the_next_one_knows(cache: Redis, baker: Bot) -> None:
    servers = Servers(ovens=["heat"], shop=["sell"])
    lists: Listed = {"ovens": (card("ovens", "heat"),), "shop": (card("shop", "sell"),)}
    assert await tools(servers, cache, baker) == ({}, lists)
    assert sorted(servers.asked) == ["ovens", "shop"]
    others = Servers()
    assert await tools(others, cache, baker) == (lists, {})
    assert others.asked == []


async def test_another_version_of_the_bot_asks_anew(cache: Redis, baker: Bot) -> None:
    await tools(Servers(ovens=["heat"], shop=[]), cache, baker)
    changed = baker.model_copy(update={"version": 2})
    known, arrived = await tools(Servers(ovens=["cool"], shop=[]), cache, changed)
    assert known == {}
    assert arrived["ovens"] == (card("ovens", "cool"),)


async def test_a_server_that_does_not_answer_costs_its_own_tools(cache: Redis, baker: Bot) -> None:
    assert await tools(Servers(shop=["sell"]), cache, baker) == (
        {},
        {"shop": (card("shop", "sell"),)},
    )


async def test_an_old_list_is_used_and_read_again(
    cache: Redis, baker: Bot, monkeypatch: pytest.MonkeyPatch
) -> None:
    await tools(Servers(ovens=["heat"], shop=["sell"]), cache, baker)
    monkeypatch.setattr("orchestrator.mcp_client.tool_cache._FRESH", -1.0)
    servers = Servers(ovens=["heat"], shop=["sell", "wrap"])
    known, arrived = await tools(servers, cache, baker)
    assert known["shop"] == (card("shop", "sell"),)
    assert arrived == {"shop": (card("shop", "sell"), card("shop", "wrap"))}


async def test_what_another_version_of_ours_has_cached_is_asked_anew(
    cache: Redis, baker: Bot
) -> None:
    servers = Servers(ovens=["heat"], shop=["sell"])
    await tools(servers, cache, baker)
    keys: list[Any] = await cache.keys(f"tools:{baker.business_id}:*")
    assert len(keys) == 2
    await cache.mset(dict.fromkeys(keys, '{"cards": "many"}'))
    known, arrived = await tools(servers, cache, baker)
    assert known == {}
    assert set(arrived) == {"ovens", "shop"}


async def test_without_a_cache_the_servers_are_asked(baker: Bot) -> None:
    nowhere = connect("redis://127.0.0.1:1")
    known, arrived = await tools(Servers(ovens=["heat"], shop=[]), nowhere, baker)
    assert (known, set(arrived)) == ({}, {"ovens", "shop"})
    await nowhere.aclose()


def test_the_model_sees_what_the_bot_names_else_the_voice_profile(baker: Bot) -> None:
    uses = USES | {"shop": ServerUse(tools=("wrap", "sell", "gone"))}
    named = baker.model_copy(update={"servers": uses})
    listed: Listed = {
        "ovens": (card("ovens", "heat"), card("ovens", "clean", voice=False)),
        "shop": (card("shop", "sell"), card("shop", "wrap"), card("shop", "weigh")),
        "garage": (card("garage", "drive"),),
    }
    seen = [each.name for each in offered(named, listed)]
    assert seen == ["ovens_heat", "shop_wrap", "shop_sell"]
