"""A call takes what is changed of its bot's servers while it runs; what else changed, waits."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlsplit
from uuid import uuid4

import pytest
import pytest_asyncio
from redis.asyncio import Redis

from config import external_servers
from config.bots import CHANGES, Bot, announce, load
from config.cache import connect
from config.constellation import sections
from config.database import Database
from config.declarations.apply import apply
from config.declarations.schema import read
from config.security.tokens import Signer
from config.settings import Settings
from orchestrator.admin.declarations import business_called
from orchestrator.agent.background_tasks import Background
from orchestrator.agent.bot_updates import watch
from orchestrator.agent.job import Process
from orchestrator.agent.timing import TurnClock
from orchestrator.agent.tool_updates import LiveTools, Seen
from orchestrator.agent.toolset import CallTools, Raw
from orchestrator.engines.valkey import Valkey
from orchestrator.mcp_client.external.directory import Directory
from orchestrator.mcp_client.external.registration import (
    McpServersSection,
    RegistrationContext,
    accept,
)
from orchestrator.mcp_client.router import Identity, Router
from orchestrator.mcp_client.tool_cache import ToolCache
from tests.support.external_servers import Stranger, stranger
from tests.support.processes import held
from tests.support.servers import KEYRING
from tests.support.tcp_proxy import line

PATIENCE = 10.0  # seconds for what must come
FILE = """\
business: {{slug: {slug}, name: Corner Books}}
mcp_servers: [{{name: erp, url: "{url}"}}]
bots:
  - name: desk
    system_prompt: You answer the phone.
    first_message_inbound: Hello.
    servers:
      erp: {{tools: [find]}}
"""


def find(name: str) -> str:
    return name


@dataclass
class Running:
    """A call that runs, without its sound: what its model could use, one after the other."""

    background: Background = field(default_factory=Background)
    seen: list[list[str]] = field(default_factory=list[list[str]])
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    async def update(self, tools: list[Raw]) -> None:
        """Take note of the tools, as an agent would take them."""
        self.seen.append([tool.info.name for tool in tools])
        self._changed.set()

    async def until(self, wanted: Callable[[list[str]], bool]) -> list[str]:
        """Wait until the model's tools are so."""
        async with asyncio.timeout(PATIENCE):
            while not wanted(self.seen[-1]):
                self._changed.clear()
                await self._changed.wait()
        return self.seen[-1]


@dataclass
class Office:
    """A business, its declaration, and calls of its bot."""

    database: Database
    cache: Redis
    constellation: Router
    path: Path
    server: Stranger
    slug: str = field(default_factory=lambda: f"s{uuid4().hex[:12]}")
    running: list[Running] = field(default_factory=list[Running])

    @property
    def text(self) -> str:
        return FILE.format(slug=self.slug, url=self.server.url)

    async def apply(self, before: str = "", after: str = "") -> None:
        """Apply the declaration, with something else in it."""
        self.path.write_text(self.text.replace(before, after) if before else self.text, "utf-8")
        owners = sections() | {"mcp_servers": McpServersSection(allow_private=lambda: True)}
        declared = read(self.path, owners)
        await apply(self.database, self.cache, declared, owners, keyring=KEYRING)

    async def bot(self) -> Bot:
        """Return the bot as a call gets it."""
        business_id = await business_called(self.database, self.slug)
        assert business_id is not None
        async with self.database.tenant(business_id) as session:
            (bot_id,) = [bot_id for bot_id, _ in await external_servers.bots_with(session, "erp")]
        return await load(self.database, self.cache, business_id, bot_id)

    async def call(self, cache: Redis | None = None, meanwhile: str | None = None) -> Running:
        """Begin a call; before it listens for changes, the bot's tools become `meanwhile`."""
        used = cache or self.cache
        bot = await self.bot()
        identity = Identity(f"bot:{bot.id}", bot.business_id, bot, uuid4())
        catalogue = ToolCache(self.constellation, used)
        process = Process(Settings(), self.database, self.constellation, catalogue, used)
        tools = CallTools(
            bot,
            identity,
            self.constellation,
            lambda _, __: None,
            TurnClock(),
            small_model=False,
            hang_up=lambda: None,
        )
        running = Running()
        live = LiveTools(process, bot, identity, Seen(tools, running.update), running.background)
        await running.update(await live.known())
        await live.meet()
        if meanwhile is not None:
            await self.apply("[find]", meanwhile)
        running.background.start(live.follow())
        self.running.append(running)
        return running

    async def heard(self) -> None:
        """Wait until every call listens."""
        listening = 0
        async with asyncio.timeout(PATIENCE):
            while listening < len(self.running):
                await asyncio.sleep(0.01)
                listening = dict(await self.cache.pubsub_numsub(CHANGES))[CHANGES]


@pytest_asyncio.fixture
async def office(
    signer: Signer, database: Database, cache: Redis, tmp_path: Path
) -> AsyncGenerator[Office]:
    """A business whose bot uses a server of somebody else's."""
    registry = Directory(database, KEYRING, cache, allow_private=True)
    constellation = Router(signer, lambda _: "http://127.0.0.1:9/mcp", registry)
    async with held(stranger()) as server:
        for name in ("find", "add", "drop"):
            server.offer(find, f"To {name}.", name=name)
        office = Office(database, cache, constellation, tmp_path / "desk.yaml", server)
        await office.apply()
        yield office
        for running in office.running:
            await running.background.aclose()
        await constellation.aclose()


async def test_a_call_gets_the_tools_that_its_bot_is_given_meanwhile(office: Office) -> None:
    call = await office.call()
    await call.until(lambda names: "erp_find" in names)
    await office.heard()
    await office.apply("[find]", "[find, add]")
    assert await call.until(lambda names: "erp_add" in names) == [
        "erp_find",
        "erp_add",
        "end_conversation",
    ]
    await office.apply("erp: {tools: [find]}", "erp: {denied_tools: [find]}")
    await call.until(lambda names: "erp_drop" in names and "erp_find" not in names)
    await office.apply("servers:\n      erp: {tools: [find]}", "servers: {}")
    await call.until(lambda names: names == ["end_conversation"])


async def test_it_goes_by_the_new_grants_and_policies(office: Office) -> None:
    call = await office.call()
    await call.until(lambda names: "erp_find" in names)
    await office.heard()
    await office.apply("[find]", "[add], policy: {add: {confirm: true}}")
    names = await call.until(lambda names: "confirm" in names)
    assert names == ["erp_add", "confirm", "end_conversation"]


async def test_what_else_was_changed_waits_for_the_next_call(office: Office) -> None:
    call = await office.call()
    await office.heard()
    await office.apply("[find]}", "[add]}\n    system_tools: []\n    default_language: de")
    names = await call.until(lambda names: "erp_add" in names)
    assert "end_conversation" in names
    assert (await office.bot()).system_tools == ()


async def test_every_call_of_the_bot_takes_it(office: Office) -> None:
    calls = [await office.call() for _ in range(3)]
    await office.heard()
    await office.apply("[find]", "[add]")
    for call in calls:
        await call.until(lambda names: "erp_add" in names)


async def test_an_accepted_tool_comes_back_into_the_call(office: Office) -> None:
    office.server.offer(find, "To find and to tell.", name="find")
    call = await office.call()
    await office.heard()
    assert "erp_find" not in call.seen[-1]
    bot = await office.bot()
    async with office.database.tenant(bot.business_id) as session:
        row = await external_servers.find(session, "erp")
        assert row is not None
        await accept(
            session, row, ["find"], RegistrationContext(KEYRING, allow_private=True), "a person"
        )
        changed = await external_servers.renew_bots(session, "erp")
    assert changed == [bot.id]
    await announce(office.cache, bot.business_id, bot.id)
    await call.until(lambda names: "erp_find" in names)


async def test_what_was_changed_before_it_listens_is_not_missed(office: Office) -> None:
    call = await office.call(meanwhile="[add]")
    await call.until(lambda names: "erp_add" in names)


async def test_without_a_cache_the_call_goes_on_with_what_it_has(
    office: Office, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("orchestrator.agent.bot_updates._AGAIN", 0.01)
    nowhere, tries = connect("redis://127.0.0.1:1"), asyncio.Semaphore(0)
    pubsub = cast(Any, nowhere.pubsub)

    def counted(**options: Any) -> Any:
        tries.release()
        return pubsub(**options)

    monkeypatch.setattr(nowhere, "pubsub", counted)
    call = await office.call(nowhere)
    await call.until(lambda names: "erp_find" in names)
    async with asyncio.timeout(PATIENCE):
        for _ in range(3):
            await tries.acquire()
    said = [each.getMessage() for each in caplog.records if each.name.startswith("antiphon.")]
    assert said.count("changes of bots are not heard for now") == 1
    assert "a background task failed" not in said
    await call.background.aclose()
    await nowhere.aclose()


async def test_a_connection_that_breaks_is_opened_anew(
    valkey_server: Valkey, cache: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("orchestrator.agent.bot_updates._AGAIN", 0.01)
    port = urlsplit(valkey_server.redis_url).port
    assert port is not None
    business_id, bot_id = uuid4(), uuid4()
    changed: asyncio.Queue[None] = asyncio.Queue()

    async def take() -> None:
        changed.put_nowait(None)

    async with held(line(port)) as way, asyncio.timeout(PATIENCE):
        there = urlsplit(way.url).port
        client = connect(valkey_server.redis_url.replace(f":{port}/", f":{there}/"))
        watching = asyncio.create_task(watch(client, business_id, bot_id, take))
        for _ in range(2):
            await changed.get()  # it listens
            await announce(cache, business_id, uuid4())  # another bot's
            await announce(cache, business_id, bot_id)
            await changed.get()
            assert changed.empty()
            await way.aclose()
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
        await client.aclose()
