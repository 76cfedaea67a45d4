"""A call takes what is changed of its bot's servers while it runs; what else changed, waits."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlsplit
from uuid import UUID, uuid4

import pytest
import pytest_asyncio
from livekit.agents import llm
from redis.asyncio import Redis

from config import external_servers
from config.bots import CHANGES_CHANNEL, Bot, announce_change, load_bot
from config.cache import connect
from config.database import Database
from config.declarations.apply import apply
from config.declarations.schema import read_declaration
from config.declarations.section import sections
from config.security.tokens import Signer
from config.settings import Settings
from config.slow_work import SlowWork, run_transaction
from orchestrator.admin.declarations import find_business_id
from orchestrator.agent.bot_updates import RECONNECT_SECONDS, watch_bot
from orchestrator.agent.client_events import discard_event
from orchestrator.agent.fillers import Fillers
from orchestrator.agent.job import Process
from orchestrator.agent.timing import TurnClock
from orchestrator.agent.tool_runner import ToolRunner
from orchestrator.agent.tool_updates import ToolUpdates
from orchestrator.agent.toolset import RawTool, Toolset
from orchestrator.engines.valkey import Valkey
from orchestrator.mcp_client.external.directory import Directory
from orchestrator.mcp_client.external.registration import (
    McpServersSection,
    RegistrationContext,
    accept_tools,
)
from orchestrator.mcp_client.router import Identity, Router
from orchestrator.mcp_client.tool_cache import ToolCache, visible_tools
from orchestrator.runtime.background_tasks import BackgroundTasks
from tests.support.external_servers import ExternalServerDouble, serve_external
from tests.support.processes import in_one_task
from tests.support.servers import KEYRING
from tests.support.tcp_proxy import tcp_proxy

TIMEOUT = 10.0  # seconds for what must come
FILE = """\
business: {{slug: {slug}, name: Corner Books}}
mcp_servers: [{{name: erp, url: "{url}"}}]
bots:
  - name: clerk
    system_prompt: You answer the phone.
    first_message_inbound: Hello.
    servers:
      erp: {{tools: [find]}}
"""


def find(name: str) -> str:
    return name


@dataclass
class RunningCall:
    """A call that runs, without its sound: what its model could use, one after the other."""

    background: BackgroundTasks = field(default_factory=BackgroundTasks)
    seen: list[list[str]] = field(default_factory=list[list[str]])
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    async def update(self, tools: list[llm.Tool | llm.Toolset]) -> None:
        """Take note of the tools, as an agent would take them."""
        self.seen.append([cast(RawTool, tool).info.name for tool in tools])
        self._changed.set()

    async def until(self, wanted: Callable[[list[str]], bool]) -> list[str]:
        """Wait until the model's tools are so."""
        async with asyncio.timeout(TIMEOUT):
            while not wanted(self.seen[-1]):
                self._changed.clear()
                await self._changed.wait()
        return self.seen[-1]


@dataclass
class Office:
    """A business, its declaration, and calls of its bot."""

    database: Database
    cache: Redis
    router: Router
    path: Path
    server: ExternalServerDouble
    slug: str = field(default_factory=lambda: f"s{uuid4().hex[:12]}")
    running: list[RunningCall] = field(default_factory=list[RunningCall])

    @property
    def text(self) -> str:
        return FILE.format(slug=self.slug, url=self.server.url)

    async def apply(self, before: str = "", after: str = "") -> None:
        """Apply the declaration, with something else in it."""
        self.path.write_text(self.text.replace(before, after) if before else self.text, "utf-8")
        owners = sections() | {"mcp_servers": McpServersSection(allow_private=lambda: True)}
        declared = read_declaration(self.path, owners)
        await apply(self.database, self.cache, declared, owners, keyring=KEYRING)

    async def bot(self) -> Bot:
        """Return the bot as a call gets it."""
        business_id = await find_business_id(self.database, self.slug)
        assert business_id is not None
        async with self.database.tenant(business_id) as session:
            (bot_id,) = [bot_id for bot_id, _ in await external_servers.bots_using(session, "erp")]
        return await load_bot(self.database, self.cache, business_id, bot_id)

    async def call(
        self,
        cache: Redis | None = None,
        meanwhile: str | None = None,
        reconnect_seconds: float = RECONNECT_SECONDS,
    ) -> RunningCall:
        """Begin a call; before it listens for changes, the bot's tools become `meanwhile`."""
        used = cache or self.cache
        bot = await self.bot()
        identity = Identity(f"bot:{bot.id}", bot.business_id, bot, uuid4())
        tool_cache = ToolCache(self.router, used)
        process = Process(Settings(), self.database, self.router, tool_cache, used)
        runner = ToolRunner(
            bot,
            identity,
            self.router,
            discard_event,
            TurnClock(discard_event),
            Fillers(-1),
            small_model=False,
        )
        toolset = Toolset(bot, runner, lambda: None)
        listed = await tool_cache.get_cached(identity)
        running = RunningCall()
        await running.update([*toolset.function_tools(visible_tools(bot, listed))])
        updates = ToolUpdates(
            process,
            bot,
            identity,
            toolset,
            running.background,
            update=running.update,
            listed=listed,
        )
        await updates.connect_servers()
        if meanwhile is not None:
            await self.apply("[find]", meanwhile)
        running.background.start(updates.follow_changes(reconnect_seconds=reconnect_seconds))
        self.running.append(running)
        return running

    async def all_listening(self) -> None:
        """Wait until every call listens."""
        listening = 0
        async with asyncio.timeout(TIMEOUT):
            while listening < len(self.running):
                await asyncio.sleep(0.01)
                listening = dict(await self.cache.pubsub_numsub(CHANGES_CHANNEL))[CHANGES_CHANNEL]


@pytest_asyncio.fixture
async def office(
    signer: Signer, database: Database, cache: Redis, tmp_path: Path
) -> AsyncGenerator[Office]:
    """A business whose bot uses an external server."""
    directory = Directory(database, KEYRING, cache, allow_private=True)
    router = Router(signer, lambda _: "http://127.0.0.1:9/mcp", directory)
    async with in_one_task(serve_external()) as server:
        for name in ("find", "add", "drop"):
            server.offer(find, f"To {name}.", name=name)
        office = Office(database, cache, router, tmp_path / "office.yaml", server)
        await office.apply()
        yield office
        for running in office.running:
            await running.background.aclose()
        await router.aclose()


async def test_a_call_gets_the_tools_that_its_bot_is_given_meanwhile(office: Office) -> None:
    call = await office.call()
    await call.until(lambda names: "erp_find" in names)
    await office.all_listening()
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
    await office.all_listening()
    await office.apply("[find]", "[add], policy: {add: {confirm: true}}")
    names = await call.until(lambda names: "confirm" in names)
    assert names == ["erp_add", "confirm", "end_conversation"]


async def test_what_else_was_changed_waits_for_the_next_call(office: Office) -> None:
    call = await office.call()
    await office.all_listening()
    await office.apply("[find]}", "[add]}\n    system_tools: []\n    default_language: de")
    names = await call.until(lambda names: "erp_add" in names)
    assert "end_conversation" in names
    assert (await office.bot()).system_tools == ()


async def test_every_call_of_the_bot_takes_it(office: Office) -> None:
    calls = [await office.call() for _ in range(3)]
    await office.all_listening()
    await office.apply("[find]", "[add]")
    for call in calls:
        await call.until(lambda names: "erp_add" in names)


async def test_an_accepted_tool_comes_back_into_the_call(office: Office) -> None:
    office.server.offer(find, "To find and to tell.", name="find")
    call = await office.call()
    await office.all_listening()
    assert "erp_find" not in call.seen[-1]
    bot = await office.bot()
    context = RegistrationContext(KEYRING, allow_private=True)

    async def attempt(slow_work: SlowWork) -> list[UUID]:
        async with office.database.tenant(bot.business_id) as session:
            row = await external_servers.find(session, "erp")
            assert row is not None
            await accept_tools(session, row, ["find"], context, slow_work, "a person")
            return await external_servers.bump_bot_versions(session, "erp")

    assert await run_transaction(attempt) == [bot.id]
    await announce_change(office.cache, bot.business_id, bot.id)
    await call.until(lambda names: "erp_find" in names)


async def test_what_was_changed_before_it_listens_is_not_missed(office: Office) -> None:
    call = await office.call(meanwhile="[add]")
    await call.until(lambda names: "erp_add" in names)


async def test_without_a_cache_the_call_goes_on_with_what_it_has(
    office: Office, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    nowhere, tries = connect("redis://127.0.0.1:1"), asyncio.Semaphore(0)
    pubsub = cast(Any, nowhere.pubsub)

    def counted(**options: Any) -> Any:
        tries.release()
        return pubsub(**options)

    monkeypatch.setattr(nowhere, "pubsub", counted)
    call = await office.call(nowhere, reconnect_seconds=0.01)
    await call.until(lambda names: "erp_find" in names)
    async with asyncio.timeout(TIMEOUT):
        for _ in range(3):
            await tries.acquire()
    messages = [each.getMessage() for each in caplog.records if each.name.startswith("antiphon.")]
    assert messages.count("changes of bots are not heard for now") == 1
    assert "a background task failed" not in messages
    await call.background.aclose()
    await nowhere.aclose()


async def test_a_connection_that_breaks_is_opened_anew(valkey_server: Valkey, cache: Redis) -> None:
    port = urlsplit(valkey_server.redis_url).port
    assert port is not None
    business_id, bot_id = uuid4(), uuid4()
    changed: asyncio.Queue[None] = asyncio.Queue()

    async def take() -> None:
        changed.put_nowait(None)

    async with in_one_task(tcp_proxy(port)) as proxy, asyncio.timeout(TIMEOUT):
        proxy_port = urlsplit(proxy.url).port
        client = connect(valkey_server.redis_url.replace(f":{port}/", f":{proxy_port}/"))
        watching = asyncio.create_task(
            watch_bot(client, business_id, bot_id, take, reconnect_seconds=0.01)
        )
        for _ in range(2):
            await changed.get()  # it listens
            await announce_change(cache, business_id, uuid4())  # another bot's
            await announce_change(cache, business_id, bot_id)
            await changed.get()
            assert changed.empty()
            await proxy.aclose()
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
        await client.aclose()
