"""Applying a declaration twice changes nothing, and what it changes reaches running calls."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any, cast
from uuid import UUID, uuid4

import pytest
from redis.asyncio import Redis
from redis.asyncio.client import PubSub
from sqlalchemy import text

from config.bots import CHANGES_CHANNEL, Bot, cache_key, load_bot
from config.cache import connect
from config.database import Database
from config.declarations.apply import apply
from config.declarations.schema import DeclarationError, read_declaration
from config.declarations.section import Change, sections
from tests.config.conftest import Write
from tests.conftest import Tenant

SHOP = """\
business: {{slug: {slug}, name: Corner Books, time_zone: Europe/Berlin}}
calendars:
  - name: main
    services: [{{id: reading, name: reading, minutes: 60}}]
    hours: {{mon-fri: "09:00-18:00"}}
bots:
  - name: reception
    system_prompt: You answer the phone.
    first_message_inbound: Hello.
    llm: [openai/gpt-4.1-mini, auto]
    voice: {{speed: 1.1}}
    servers:
      scheduling: {{integration: main, policy: {{create_booking: {{confirm: true}}}}}}
      knowledge: {{}}
  - name: evening
    system_prompt: You answer after hours.
    first_message_inbound: Good evening.
"""


@pytest.fixture
def shop() -> str:
    """A declaration of a business that is not stored yet."""
    return SHOP.format(slug=f"s{uuid4().hex[:12]}")


def _slug(declaration: str) -> str:
    return declaration.split("slug: ")[1].split(",")[0]


async def _ids(database: Database, declaration: str, bot: str = "reception") -> tuple[UUID, UUID]:
    query = text("select business_id, bot_id from find_bot(:slug, :bot)")
    async with database.unscoped() as session:
        row = (await session.execute(query, {"slug": _slug(declaration), "bot": bot})).one()
    return row.business_id, row.bot_id


async def _stored(
    database: Database, cache: Redis, declaration: str, name: str = "reception"
) -> Bot:
    return await load_bot(database, cache, *await _ids(database, declaration, name))


async def _next_message(channel: PubSub) -> str:
    while True:
        message = cast(Any, await channel.get_message(ignore_subscribe_messages=True, timeout=5))
        if message is not None:
            return str(message["data"])


@asynccontextmanager
async def _announcements(cache: Redis) -> AsyncGenerator[list[str]]:
    """Collect what is announced meanwhile."""
    heard: list[str] = []
    end = uuid4().hex
    async with cache.pubsub() as channel:
        await channel.subscribe(CHANGES_CHANNEL)
        yield heard
        await cache.publish(CHANGES_CHANNEL, end)
        while (message := await _next_message(channel)) != end:
            heard.append(message)


def _said(changes: list[Change]) -> list[str]:
    return [f"{each.action} {each.what}: {each.detail}".removesuffix(": ") for each in changes]


async def test_the_first_time_adds_and_the_second_changes_nothing(
    database: Database, cache: Redis, shop: str, write: Write
) -> None:
    declaration = read_declaration(write(shop), sections())
    added = _said(await apply(database, cache, declaration, sections()))
    assert added[0] == f"add business {_slug(shop)}"
    assert added[-2:] == ["add bot reception", "add bot evening"]
    assert await apply(database, cache, declaration, sections()) == []


async def test_what_is_declared_is_what_a_call_gets(
    database: Database, cache: Redis, shop: str, write: Write
) -> None:
    await apply(database, cache, read_declaration(write(shop), sections()), sections())
    bot = await _stored(database, cache, shop)
    assert (bot.business_name, bot.time_zone) == ("Corner Books", "Europe/Berlin")
    assert bot.llm == ("openai/gpt-4.1-mini", "auto")
    assert bot.voice.speed == 1.1
    assert bot.version == 1
    assert bot.policy("scheduling", "create_booking").confirm
    assert not bot.policy("scheduling", "cancel_booking").confirm
    assert bot.servers["scheduling"].integration == "main"
    assert list(bot.servers) == ["knowledge", "scheduling"]


@pytest.mark.parametrize(
    ("before", "after", "detail"),
    [
        ("You answer the phone.", "You answer politely.", "system_prompt"),
        ("[openai/gpt-4.1-mini, auto]", "[auto]", "llm"),
        ("{speed: 1.1}", "{speed: 0.9}", "voice"),
        ("{confirm: true}", "{confirm: false}", "servers"),
        ("      knowledge: {}\n", "", "servers"),
        ("    voice: {speed: 1.1}\n", "    system_tools: []\n", "voice, system_tools"),
    ],
)
async def test_a_change_is_named_counted_and_heard(
    database: Database,
    cache: Redis,
    shop: str,
    write: Write,
    before: str,
    after: str,
    detail: str,
) -> None:
    await apply(database, cache, read_declaration(write(shop), sections()), sections())
    first = await _stored(database, cache, shop)
    changed = read_declaration(write(shop.replace(before, after)), sections())
    async with _announcements(cache) as heard:
        changes = await apply(database, cache, changed, sections())
    assert _said(changes) == [f"change bot reception: {detail}"]
    assert heard == [f"{first.business_id}/{first.id}"]
    second = await _stored(database, cache, shop)
    assert second.version == 2
    assert second != first.model_copy(update={"version": 2})
    assert (await _stored(database, cache, shop, "evening")).version == 1


async def test_a_server_that_nobody_knows_is_refused_with_its_line(
    database: Database, cache: Redis, shop: str, write: Write
) -> None:
    path = write(shop.replace("      knowledge: {}", "      planning: {}"))
    with pytest.raises(DeclarationError, match="there are crm, tickets") as refused:
        await apply(database, cache, read_declaration(path, sections()), sections())
    assert str(refused.value).startswith(f"{path}:14: bots.0.servers.planning: is not a server")
    async with database.unscoped() as session:
        query = text("select find_business(:slug)")
        assert await session.scalar(query, {"slug": _slug(shop)}) is None


async def test_denied_tools_and_policies_are_stored(
    database: Database, cache: Redis, shop: str, write: Write
) -> None:
    use = "{denied_tools: [get_document], policy: {list_documents: {duplicates: reject}}}"
    path = write(shop.replace("      knowledge: {}", f"      knowledge: {use}"))
    await apply(database, cache, read_declaration(path, sections()), sections())
    bot = await _stored(database, cache, shop)
    assert bot.servers["knowledge"].denied_tools == ("get_document",)
    assert bot.policy("knowledge", "list_documents").duplicates == "reject"
    assert bot.policy("knowledge", "anything").duplicates == "replay"


async def test_the_time_zone_of_the_business_reaches_its_bots(
    database: Database, cache: Redis, shop: str, write: Write
) -> None:
    await apply(database, cache, read_declaration(write(shop), sections()), sections())
    assert (await _stored(database, cache, shop)).time_zone == "Europe/Berlin"
    moved = read_declaration(write(shop.replace("Europe/Berlin", "Europe/Paris")), sections())
    changes = await apply(database, cache, moved, sections())
    assert _said(changes)[0] == f"change business {_slug(shop)}: time_zone"
    assert (await _stored(database, cache, shop)).time_zone == "Europe/Paris"


async def test_a_dry_run_says_the_same_and_changes_nothing(
    database: Database, cache: Redis, shop: str, write: Write
) -> None:
    declaration = read_declaration(write(shop), sections())
    would = await apply(database, cache, declaration, sections(), dry_run=True)
    query = text("select find_business(:slug)")
    async with database.unscoped() as session:
        assert await session.scalar(query, {"slug": _slug(shop)}) is None
    assert await apply(database, cache, declaration, sections()) == would

    before = await _stored(database, cache, shop)
    changed = read_declaration(write(shop.replace("the phone", "politely")), sections())
    async with _announcements(cache) as heard:
        would = await apply(database, cache, changed, sections(), dry_run=True)
    assert _said(would) == ["change bot reception: system_prompt"]
    assert heard == []
    await cache.delete(cache_key(before.business_id, before.id))
    assert await _stored(database, cache, shop) == before


async def test_a_file_is_applied_whole_or_not_at_all(
    database: Database, cache: Redis, shop: str, write: Write
) -> None:
    path = write(f"{shop}    knowledge_base: nowhere\n")
    with pytest.raises(DeclarationError, match="neither stored nor declared") as refused:
        await apply(database, cache, read_declaration(path, sections()), sections())
    assert str(refused.value).startswith(f"{path}: bot evening names")
    async with database.unscoped() as session:
        query = text("select find_business(:slug)")
        assert await session.scalar(query, {"slug": _slug(shop)}) is None


async def test_the_difference_never_shows_a_value(
    database: Database, cache: Redis, shop: str, write: Write
) -> None:
    await apply(database, cache, read_declaration(write(shop), sections()), sections())
    changed = shop.replace("the phone", "sk_live_canary").replace("Corner", "sk_live_canary")
    changes = await apply(database, cache, read_declaration(write(changed), sections()), sections())
    assert len(changes) == 2
    assert "canary" not in str(changes)


async def test_a_bot_keeps_its_id_and_what_is_not_declared_stays(
    database: Database, cache: Redis, shop: str, write: Write
) -> None:
    await apply(database, cache, read_declaration(write(shop), sections()), sections())
    ids = await _ids(database, shop, "evening")
    without = shop.split("  - name: evening")[0]
    unchanged = read_declaration(write(without), sections())
    assert await apply(database, cache, unchanged, sections()) == []
    assert await _ids(database, shop, "evening") == ids


async def test_one_tenants_declaration_does_not_touch_another(
    database: Database, cache: Redis, tenant: Tenant, shop: str, write: Write
) -> None:
    before = await load_bot(database, cache, tenant.business_id, tenant.bot_id)
    same_name = shop.replace("name: reception", f"name: {before.name}")
    await apply(database, cache, read_declaration(write(same_name), sections()), sections())
    await cache.delete(cache_key(tenant.business_id, tenant.bot_id))
    assert await load_bot(database, cache, tenant.business_id, tenant.bot_id) == before


async def test_two_who_apply_at_once_end_with_one_of_each(
    database: Database, cache: Redis, shop: str, write: Write
) -> None:
    declaration = read_declaration(write(shop), sections())
    await apply(database, cache, declaration, sections())
    changed = read_declaration(write(shop.replace("the phone", "politely")), sections())
    await asyncio.gather(*(apply(database, cache, changed, sections()) for _ in range(4)))
    business_id, bot_id = await _ids(database, shop)
    async with database.tenant(business_id) as session:
        count = "select count(*) from {} where agent_config_id = :bot"
        for table, expected in (("mcp_connection", 2), ("agent_voice_config", 1)):
            found = await session.scalar(text(count.format(table)), {"bot": bot_id})
            assert found == expected, table


async def test_without_a_cache_it_is_stored_all_the_same(
    database: Database, cache: Redis, shop: str, write: Write
) -> None:
    await apply(database, None, read_declaration(write(shop), sections()), sections())
    assert (await _stored(database, cache, shop)).name == "reception"


async def test_a_cache_that_is_down_does_not_undo_it(
    database: Database, cache: Redis, shop: str, write: Write
) -> None:
    down = connect("redis://127.0.0.1:1/0")
    said: list[str] = []
    declaration = read_declaration(write(shop), sections())
    changes = await apply(database, down, declaration, sections(), progress=said.append)
    await down.aclose()
    assert _said(changes)[-1] == "add bot evening"
    assert said[-1].startswith("The cache does not answer")
    assert (await _stored(database, cache, shop)).name == "reception"
