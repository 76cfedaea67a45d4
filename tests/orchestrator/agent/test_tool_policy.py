"""How a bot uses a server: what it is denied, and what happens when it asks for the same again."""

import asyncio
from collections.abc import AsyncGenerator, Generator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, cast
from uuid import UUID, uuid4

import pytest
import pytest_asyncio
from fastmcp.tools import FunctionTool, tool
from livekit.agents.llm import ToolError
from redis.asyncio import Redis

from config.bot_settings import ServerUse, ToolPolicy
from config.bots import Bot
from config.database import Database
from config.security.tokens import Signer
from orchestrator.agent.client_events import discard_event
from orchestrator.agent.fillers import Fillers
from orchestrator.agent.timing import TurnClock
from orchestrator.agent.tool_runner import ToolRunner
from orchestrator.mcp_client.router import Identity, Router
from orchestrator.mcp_client.tool import Outcome, ToolInfo
from orchestrator.mcp_client.tool_cache import visible_tools
from tests.conftest import Tenant
from tests.support.asgi import serve_app
from tests.support.external_servers import ExternalServerDouble, serve_external
from tests.support.processes import in_one_task
from tests.support.server_registration import RegisteringBusiness, shop
from tests.support.servers import serve
from tests.support.speech_bots import bot
from toolkit.effects import READS, WRITES
from toolkit.errors import Rejected
from toolkit.middleware.authorization import VOICE
from toolkit.middleware.results import Result
from toolkit.server.build import ServerSpec

written: list[str] = []


@dataclass
class HeldWrite:
    """A write that waits in its server until a test lets it go on."""

    came: asyncio.Event = field(default_factory=asyncio.Event)
    opened: asyncio.Event = field(default_factory=asyncio.Event)


gates: dict[str, HeldWrite] = {}


@contextmanager
def held(what: str) -> Generator[HeldWrite]:
    """Hold the write of this text."""
    gates[what] = HeldWrite()
    try:
        yield gates[what]
    finally:
        gates.pop(what).opened.set()


RecordedCall = tuple[str, str, Mapping[str, Any], Outcome, str]


class Written(Result):
    """What was written."""

    what: str


@tool(title="Write", annotations=WRITES, tags={VOICE})
async def write(what: str) -> Written:
    """Write."""
    written.append(what)
    if gate := gates.get(what):
        gate.came.set()
        await gate.opened.wait()
    if what.startswith("no"):
        raise Rejected("No.")
    return Written(what=what)


@tool(title="Look", annotations=READS, tags={VOICE})
async def look(what: str) -> Written:
    """Look."""
    written.append(what)
    return Written(what=what)


SPEC = ServerSpec("scheduling", "A server that writes.", (write, look))


@dataclass
class ServerClient:
    """A bot's access to a server, over the router."""

    router: Router
    tenant: Tenant
    name: str = "scheduling"
    conversation_id: UUID | None = None  # a new one for each call

    def identity(self, **use: Any) -> Identity:
        """Return the identity of a bot that uses the server with these settings."""
        changes: dict[str, Any] = {
            "servers": {self.name: ServerUse(**use)},
            "soft_timeout_seconds": -1.0,
            "id": self.tenant.bot_id,
            "business_id": self.tenant.business_id,
        }
        changed: Bot = bot().model_copy(update=changes)
        return Identity(
            f"bot:{changed.id}", changed.business_id, changed, self.conversation_id or uuid4()
        )

    async def list_tools(self, identity: Identity) -> dict[str, ToolInfo]:
        """List what the bot has, by name."""
        tools = await self.router.list_tools(self.name, identity.claims(self.name))
        return {tool.tool: tool for tool in tools}

    async def start_call(self, duplicates: str, **use: Any) -> "PhoneCall":
        """Start a call of a bot with this policy."""
        policy = {"write": ToolPolicy.model_validate({"duplicates": duplicates})}
        identity = self.identity(policy=policy, **use)
        assert identity.bot is not None
        recorded: list[RecordedCall] = []

        def record(*call: *RecordedCall) -> None:
            recorded.append(call)

        runner = ToolRunner(
            identity.bot,
            identity,
            self.router,
            discard_event,
            TurnClock(discard_event),
            Fillers(-1),
            small_model=False,
            record=record,
        )
        return PhoneCall(runner, await self.list_tools(identity), recorded)


@dataclass
class PhoneCall:
    """The model's side of a phone call."""

    runner: ToolRunner
    tools: dict[str, ToolInfo]
    recorded: list[RecordedCall]

    async def run(self, name: str, what: str) -> str:
        """Call a tool as the model does."""
        context = SimpleNamespace(function_call=SimpleNamespace(call_id=uuid4().hex))
        return await self.runner.run(self.tools[name], {"what": what}, cast(Any, context))


@pytest_asyncio.fixture
async def server(
    signer: Signer, database: Database, cache: Redis, tenant: Tenant
) -> AsyncGenerator[ServerClient]:
    """A server of ours."""
    async with (
        in_one_task(serve([SPEC], signer, database, cache)) as servers,
        in_one_task(serve_app(servers.app)) as url,
    ):
        router = Router(signer, lambda name: f"{url}/{name}/mcp")
        yield ServerClient(router, tenant)
        await router.aclose()


@asynccontextmanager
async def serve_external_writes(
    signer: Signer, database: Database, cache: Redis
) -> AsyncGenerator[tuple[ExternalServerDouble, RegisteringBusiness]]:
    """Serve an external server with the same tools."""

    async def write(what: str) -> str:
        written.append(what)
        if gate := gates.get(what):
            gate.came.set()
            await gate.opened.wait()
        written.append(f"done {what}")
        return what

    async def look(what: str) -> str:
        written.append(what)
        return what

    async with (
        in_one_task(serve_external()) as server,
        in_one_task(shop(signer, database, cache)) as mine,
    ):
        server.offer(write, "Write.", reads=False)
        server.offer(look, "Look.")
        server.mcp.add_tool(FunctionTool.from_function(write, name="do", description="Do."))
        await mine.add("erp", server)
        yield server, mine


@pytest_asyncio.fixture
async def external(
    signer: Signer, database: Database, cache: Redis
) -> AsyncGenerator[tuple[ExternalServerDouble, RegisteringBusiness]]:
    """An external server with the same tools."""
    async with serve_external_writes(signer, database, cache) as external:
        yield external


async def test_a_repeat_is_answered_from_the_first_one(server: ServerClient) -> None:
    call, what = await server.start_call("replay"), uuid4().hex
    first = await call.run("write", what)
    assert await call.run("write", what) == first
    assert written.count(what) == 1


async def test_a_repeat_is_one_after_other_writes_too(server: ServerClient) -> None:
    call, what, other = await server.start_call("replay"), uuid4().hex, uuid4().hex
    first = await call.run("write", what)
    await call.run("write", other)
    assert await call.run("write", what) == first
    assert (written.count(what), written.count(other)) == (1, 1)


@pytest.mark.parametrize("between", ["write", "look"])
async def test_an_external_server_is_asked_again_once_anything_else_was(
    external: tuple[ExternalServerDouble, RegisteringBusiness], between: str
) -> None:
    """On, off and on again is three writes, of which only the server knows the order."""
    _, mine = external
    call = await ServerClient(mine.constellation, mine.tenant, "erp").start_call("replay")
    what, other = uuid4().hex, uuid4().hex
    await call.run("write", what)
    await call.run(between, other)
    assert await call.run("write", what) == what
    assert (written.count(what), written.count(other)) == (2, 1)


@pytest.mark.parametrize("tool", ["write", "do"])
async def test_a_write_that_the_caller_interrupts_is_done_once_and_its_repeat_waits(
    external: tuple[ExternalServerDouble, RegisteringBusiness], tool: str
) -> None:
    """Also of a tool that does not say what it does."""
    _, mine = external
    call = await ServerClient(mine.constellation, mine.tenant, "erp").start_call("replay")
    what = uuid4().hex
    with held(what) as gate:
        first = asyncio.create_task(call.run(tool, what))
        await gate.came.wait()
        first.cancel()
        await asyncio.wait({first})
        again = asyncio.create_task(call.run(tool, what))
        await asyncio.sleep(0)
        gate.opened.set()
        assert await again == what
    assert written.count(what) == 1
    assert len(call.recorded) == 1


async def test_a_write_of_a_later_turn_overtakes_one_whose_answer_was_not_read(
    external: tuple[ExternalServerDouble, RegisteringBusiness],
) -> None:
    """On, off and on again, each interrupted: the last one has to be sent."""
    _, mine = external
    call = await ServerClient(mine.constellation, mine.tenant, "erp").start_call("replay")
    on, off = uuid4().hex, uuid4().hex
    for what in (on, off, on):
        call.runner.add_caller_turn("Please.")
        writing = asyncio.create_task(call.run("write", what))
        await asyncio.sleep(0)
        writing.cancel()
        await call.runner.writes.settle(10)
    assert [each for each in written if each in (on, off)] == [on, off, on]


async def test_an_interrupted_write_of_ours_is_done_once(server: ServerClient) -> None:
    call, what = await server.start_call("replay"), uuid4().hex
    with held(what) as gate:
        first = asyncio.create_task(call.run("write", what))
        await gate.came.wait()
        first.cancel()
        await asyncio.wait({first})
        again = asyncio.create_task(call.run("write", what))
        await asyncio.sleep(0)
        gate.opened.set()
        assert "what" in await again
    assert written.count(what) == 1


async def test_a_tool_that_does_not_say_what_it_does_is_asked_again_once_it_was_heard(
    external: tuple[ExternalServerDouble, RegisteringBusiness],
) -> None:
    _, mine = external
    call = await ServerClient(mine.constellation, mine.tenant, "erp").start_call("replay")
    what = uuid4().hex
    assert [await call.run("do", what) for _ in range(2)] == [what, what]
    assert written.count(what) == 2


async def test_writes_of_one_message_are_done_in_their_order_and_reads_beside_them(
    external: tuple[ExternalServerDouble, RegisteringBusiness],
) -> None:
    _, mine = external
    call = await ServerClient(mine.constellation, mine.tenant, "erp").start_call("replay")
    first, second, read = (uuid4().hex for _ in range(3))
    with held(first) as gate:
        writes = [asyncio.create_task(call.run("write", each)) for each in (first, second)]
        await gate.came.wait()
        assert await call.run("look", read) == read
        assert second not in written
        gate.opened.set()
        assert await asyncio.gather(*writes) == [first, second]
    assert written.index(f"done {first}") < written.index(second)


async def test_a_write_without_an_answer_is_not_sent_again(
    external: tuple[ExternalServerDouble, RegisteringBusiness],
) -> None:
    server, mine = external
    call = await ServerClient(mine.constellation, mine.tenant, "erp").start_call("replay")
    what = uuid4().hex
    server.breaking = True
    for _ in range(2):
        with pytest.raises(ToolError, match="It is not known whether it was done"):
            await call.run("write", what)
    server.breaking = False
    await call.run("look", uuid4().hex)
    with pytest.raises(ToolError, match="It is not known whether it was done"):
        await call.run("write", what)
    assert len(server.asked("tools/call")) == 2  # the write, and the look


async def test_a_repeat_is_refused(server: ServerClient) -> None:
    call, what = await server.start_call("reject"), uuid4().hex
    await call.run("write", what)
    with pytest.raises(ToolError, match=r"^You have already done that in this call\.$"):
        await call.run("write", what)
    await call.run("write", f"{what} and more")
    await (await server.start_call("reject")).run("write", what)  # another conversation
    assert written.count(what) == 2


async def test_a_repeat_is_done_again(server: ServerClient) -> None:
    call, what = await server.start_call("allow"), uuid4().hex
    for _ in range(3):
        await call.run("write", what)
    assert written.count(what) == 3


@pytest.mark.parametrize("mode", ["replay", "reject", "allow"])
async def test_what_failed_was_not_done(server: ServerClient, mode: str) -> None:
    call, what = await server.start_call(mode), f"no {uuid4().hex}"
    for _ in range(2):
        with pytest.raises(ToolError, match=r"^No\."):
            await call.run("write", what)
    assert written.count(what) == 2


async def test_reading_is_never_a_repeat(server: ServerClient) -> None:
    call, what = await server.start_call("reject"), uuid4().hex
    for _ in range(2):
        await call.run("look", what)
    assert written.count(what) == 2


@pytest.mark.parametrize(("mode", "times"), [("replay", 1), ("allow", 2)])
async def test_it_is_alike_for_a_server_that_remembers_nothing(
    external: tuple[ExternalServerDouble, RegisteringBusiness], mode: str, times: int
) -> None:
    _, mine = external
    call = await ServerClient(mine.constellation, mine.tenant, "erp").start_call(mode)
    what = uuid4().hex
    assert [await call.run("write", what) for _ in range(2)] == [what, what]
    assert written.count(what) == times


@pytest.mark.parametrize("use", [{"denied_tools": ("write",)}, {"tools": ("look", "write")}])
async def test_what_is_denied_is_hidden_and_refused_by_the_server(
    server: ServerClient, use: dict[str, Any]
) -> None:
    identity = server.identity(**{"denied_tools": ("write",), **use})
    grant = identity.claims("scheduling").grant
    assert (grant.tools, grant.denied) in [(None, ("write",)), (("look",), ())]
    assert list(await server.list_tools(identity)) == ["look"]
    claims = identity.claims("scheduling")
    what = uuid4().hex
    outcome = await server.router.call("scheduling", "write", {"what": what}, claims)
    assert outcome.error == "unknown_tool"
    assert what not in written


async def test_what_is_denied_is_not_shown_even_where_it_was_listed(server: ServerClient) -> None:
    listed = await server.list_tools(server.identity())
    denying = server.identity(denied_tools=("write",)).bot
    naming = server.identity(tools=("write", "look"), denied_tools=("write",)).bot
    tools = tuple(tool.model_copy(update={"voice": True}) for tool in listed.values())
    for each in (denying, naming):
        assert each is not None
        assert [tool.tool for tool in visible_tools(each, {"scheduling": tools})] == ["look"]


async def test_each_call_that_was_sent_is_recorded(server: ServerClient) -> None:
    call, what = await server.start_call("reject"), uuid4().hex
    await call.run("look", what)
    await call.run("write", what)
    for again in (what, f"no {what}"):  # a repeat, which is not sent, and one that is refused
        with pytest.raises(ToolError):
            await call.run("write", again)
    assert [(server, tool, arguments) for server, tool, arguments, *_ in call.recorded] == [
        ("scheduling", "look", {"what": what}),
        ("scheduling", "write", {"what": what}),
        ("scheduling", "write", {"what": f"no {what}"}),
    ]
    assert [outcome.error for *_, outcome, _ in call.recorded] == [None, None, "rejected"]
    assert {chosen_by for *_, chosen_by in call.recorded} == {"model"}
