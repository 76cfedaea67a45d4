"""How a bot uses a server: what it is denied, and what happens when it asks for the same again."""

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, cast
from uuid import uuid4

import pytest
import pytest_asyncio
from fastmcp.tools import tool
from livekit.agents.llm import ToolError
from redis.asyncio import Redis

from config.bots import Bot
from config.database import Database
from config.declarations.schema import ServerUse, ToolPolicy
from config.security.tokens import Signer
from orchestrator.agent.timing import TurnClock
from orchestrator.agent.toolset import CallTools
from orchestrator.mcp_client.router import Identity, Router
from orchestrator.mcp_client.tool import ToolInfo
from orchestrator.mcp_client.tool_cache import offered
from tests.conftest import Tenant
from tests.support.asgi import listening
from tests.support.external_servers import Stranger, stranger
from tests.support.processes import held
from tests.support.server_registration import Shop, shop
from tests.support.servers import serve
from tests.support.speech_bots import bot
from toolkit.effects import READS, WRITES
from toolkit.errors import Rejected
from toolkit.middleware.results import Result
from toolkit.server.build import ServerSpec

written: list[str] = []


class Written(Result):
    """What was written."""

    what: str


@tool(title="Write", annotations=WRITES)
async def write(what: str) -> Written:
    """Write."""
    written.append(what)
    if what.startswith("no"):
        raise Rejected("No.")
    return Written(what=what)


@tool(title="Look", annotations=READS)
async def look(what: str) -> Written:
    """Look."""
    written.append(what)
    return Written(what=what)


DESK = ServerSpec("scheduling", "A desk.", (write, look))


@dataclass
class Desk:
    """A call's way to a server."""

    constellation: Router
    tenant: Tenant
    name: str = "scheduling"

    def identity(self, **use: Any) -> Identity:
        """Return for whom a bot that uses the server in this way asks."""
        given = {"servers": {self.name: ServerUse(**use)}, "soft_timeout_seconds": -1.0}
        mine: dict[str, Any] = {"id": self.tenant.bot_id, "business_id": self.tenant.business_id}
        of: Bot = bot().model_copy(update={**given, **mine})
        return Identity(f"bot:{of.id}", of.business_id, of, uuid4())

    async def cards(self, identity: Identity) -> dict[str, ToolInfo]:
        """List what the bot has."""
        cards = await self.constellation.list_tools(self.name, identity.claims(self.name))
        return {card.tool: card for card in cards}

    async def call(self, duplicates: str, **use: Any) -> "Call":
        """Begin a call of a bot with this policy."""
        policy = {"write": ToolPolicy.model_validate({"duplicates": duplicates})}
        identity = self.identity(policy=policy, **use)
        assert identity.bot is not None
        tools = CallTools(
            identity.bot,
            identity,
            self.constellation,
            lambda _, __: None,
            TurnClock(),
            small_model=False,
            hang_up=lambda: None,
        )
        return Call(tools, await self.cards(identity))


@dataclass
class Call:
    """The model's side of a call."""

    tools: CallTools
    cards: dict[str, ToolInfo]

    async def ask(self, name: str, what: str) -> str:
        """Call a tool as the model does."""
        context = SimpleNamespace(function_call=SimpleNamespace(call_id=uuid4().hex))
        return await self.tools.run(self.cards[name], {"what": what}, cast(Any, context))


@pytest_asyncio.fixture
async def desk(
    signer: Signer, database: Database, cache: Redis, tenant: Tenant
) -> AsyncGenerator[Desk]:
    """A server of ours."""
    async with (
        held(serve([DESK], signer, database, cache)) as servers,
        held(listening(servers.app)) as url,
    ):
        constellation = Router(signer, lambda name: f"{url}/{name}/mcp")
        yield Desk(constellation, tenant)
        await constellation.aclose()


@pytest_asyncio.fixture
async def strange(
    signer: Signer, database: Database, cache: Redis
) -> AsyncGenerator[tuple[Stranger, Shop]]:
    """A server of somebody else's with the same tools."""

    async def write(what: str) -> str:
        written.append(what)
        return what

    async with held(stranger()) as server, held(shop(signer, database, cache)) as mine:
        server.offer(write, "Write.", reads=False)
        await mine.add("erp", server)
        yield server, mine


async def test_a_repeat_is_answered_from_the_first_one(desk: Desk) -> None:
    call, what = await desk.call("replay"), uuid4().hex
    first = await call.ask("write", what)
    assert await call.ask("write", what) == first
    assert written.count(what) == 1


async def test_a_repeat_is_refused(desk: Desk) -> None:
    call, what = await desk.call("reject"), uuid4().hex
    await call.ask("write", what)
    with pytest.raises(ToolError, match=r"^You have already done that in this call\.$"):
        await call.ask("write", what)
    await call.ask("write", f"{what} and more")
    await (await desk.call("reject")).ask("write", what)  # another conversation
    assert written.count(what) == 2


async def test_a_repeat_is_done_again(desk: Desk) -> None:
    call, what = await desk.call("allow"), uuid4().hex
    for _ in range(3):
        await call.ask("write", what)
    assert written.count(what) == 3


@pytest.mark.parametrize("mode", ["replay", "reject", "allow"])
async def test_what_failed_was_not_done(desk: Desk, mode: str) -> None:
    call, what = await desk.call(mode), f"no {uuid4().hex}"
    for _ in range(2):
        with pytest.raises(ToolError, match=r"^No\."):
            await call.ask("write", what)
    assert written.count(what) == 2


async def test_reading_is_never_a_repeat(desk: Desk) -> None:
    call, what = await desk.call("reject"), uuid4().hex
    for _ in range(2):
        await call.ask("look", what)
    assert written.count(what) == 2


@pytest.mark.parametrize(("mode", "times"), [("replay", 1), ("allow", 2)])
async def test_it_is_alike_for_a_server_that_remembers_nothing(
    strange: tuple[Stranger, Shop], mode: str, times: int
) -> None:
    _, mine = strange
    call = await Desk(mine.constellation, mine.tenant, "erp").call(mode)
    what = uuid4().hex
    assert [await call.ask("write", what) for _ in range(2)] == [what, what]
    assert written.count(what) == times


@pytest.mark.parametrize("use", [{"denied_tools": ("write",)}, {"tools": ("look", "write")}])
async def test_what_is_denied_is_hidden_and_refused_by_the_server(
    desk: Desk, use: dict[str, Any]
) -> None:
    identity = desk.identity(**{"denied_tools": ("write",), **use})
    grant = identity.claims("scheduling").grant
    assert (grant.tools, grant.denied) in [(None, ("write",)), (("look",), ())]
    assert list(await desk.cards(identity)) == ["look"]
    claims = identity.claims("scheduling")
    what = uuid4().hex
    outcome = await desk.constellation.call("scheduling", "write", {"what": what}, claims)
    assert outcome.error == "unknown_tool"
    assert what not in written


async def test_what_is_denied_is_not_shown_even_where_it_was_listed(desk: Desk) -> None:
    listed = await desk.cards(desk.identity())
    denying = desk.identity(denied_tools=("write",)).bot
    naming = desk.identity(tools=("write", "look"), denied_tools=("write",)).bot
    cards = tuple(card.model_copy(update={"voice": True}) for card in listed.values())
    for each in (denying, naming):
        assert each is not None
        assert [card.tool for card in offered(each, {"scheduling": cards})] == ["look"]
