"""How many changes an agent makes unasked, and that it asks the caller before it makes more."""

import asyncio
import json
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, cast
from uuid import uuid4

import pytest_asyncio
from fastmcp.tools import tool
from livekit.agents.llm import ToolError
from redis.asyncio import Redis

from config.bot_settings import ServerUse, ToolPolicy
from config.database import Database
from config.security.tokens import Signer
from orchestrator.agent.client_events import discard_event
from orchestrator.agent.fillers import Fillers
from orchestrator.agent.timing import TurnClock
from orchestrator.agent.tool_runner import ToolRunner
from orchestrator.mcp_client.router import Identity, Router
from orchestrator.mcp_client.tool import ToolInfo
from orchestrator.mcp_client.write_limit import WriteLimit
from tests.conftest import Tenant
from tests.support.asgi import serve_app
from tests.support.processes import in_one_task
from tests.support.servers import serve
from tests.support.speech_bots import bot
from toolkit.effects import READS, WRITES
from toolkit.errors import Rejected
from toolkit.middleware.confirmation import confirm
from toolkit.middleware.results import Result
from toolkit.server.build import ServerSpec

written: list[str] = []


class Written(Result):
    """How many were written."""

    count: int


@tool(title="Open", annotations=WRITES, tags={"voice"})
async def open_ticket(what: str) -> Written:
    """Open a ticket."""
    confirm(f"I would open {what}. Shall I?")
    written.append(what)
    if what.startswith("no"):
        raise Rejected("No.")
    return Written(count=1)


@tool(title="Open many", annotations=WRITES, tags={"voice"})
async def open_many_tickets(tickets: list[str]) -> Written:
    """Open tickets."""
    written.extend(tickets)
    return Written(count=len(tickets))


@tool(title="Look", annotations=READS, tags={"voice"})
async def look(what: str) -> Written:
    """Look."""
    return Written(count=len(what))


SPEC = ServerSpec("tickets", "Tickets.", (open_ticket, open_many_tickets, look))


@dataclass
class PhoneCall:
    """The model's side of a call."""

    runner: ToolRunner
    tools: Mapping[str, ToolInfo]

    async def run(self, name: str, **arguments: Any) -> Any:
        """Call a tool as the model does; return what it reads, or the text of the error."""
        context = SimpleNamespace(function_call=SimpleNamespace(call_id=uuid4().hex))
        try:
            return json.loads(
                await self.runner.run(self.tools[name], arguments, cast("Any", context))
            )
        except ToolError as error:
            return error.message

    async def open(self, what: str) -> str:
        """Open a ticket; return `asked` if the caller is to be asked first, else `sent`."""
        answer = await self.run("open_ticket", what=what)
        asked = isinstance(answer, dict) and "status" in answer
        return "asked" if asked else "sent"


StartCall = Callable[..., Awaitable[PhoneCall]]


@pytest_asyncio.fixture
async def start_call(
    signer: Signer, database: Database, cache: Redis, tenant: Tenant
) -> AsyncGenerator[StartCall]:
    """Starts a call of a bot with these limits."""
    written.clear()
    async with (
        in_one_task(serve([SPEC], signer, database, cache)) as servers,
        in_one_task(serve_app(servers.app)) as url,
    ):
        router = Router(signer, lambda name: f"{url}/{name}/mcp")

        async def start(*, bot_id: Any = None, confirm: bool = False, **limits: int) -> PhoneCall:
            policy = {"open_ticket": ToolPolicy(confirm=confirm)}
            changes = {
                "servers": {"tickets": ServerUse(policy=policy)},
                "id": bot_id or uuid4(),
                "business_id": tenant.business_id,
                **limits,
            }
            own = bot().model_copy(update=changes)
            identity = Identity(f"bot:{own.id}", own.business_id, own, uuid4())
            runner = ToolRunner(
                own,
                identity,
                router,
                discard_event,
                TurnClock(discard_event),
                Fillers(-1),
                small_model=False,
                write_limit=WriteLimit(cache, own.business_id),
            )
            tools = await router.list_tools("tickets", identity.claims("tickets"))
            call = PhoneCall(runner, {tool.tool: tool for tool in tools})
            call.runner.add_caller_turn("Open tickets, please.")
            return call

        yield start
        await router.aclose()


async def test_of_forty_writes_in_one_answer_a_few_are_made_and_the_caller_is_asked(
    start_call: StartCall,
) -> None:
    call = await start_call(max_turn_writes=5)
    names = [str(n) for n in range(40)]
    answers = await asyncio.gather(*(call.run("open_ticket", what=name) for name in names))
    assert written == names[:5]
    assert answers[-1]["status"] == "needs_confirmation"
    assert answers[-1]["say"] == "That would be 6 changes by now. Shall I go on?"
    assert "confirmation_code" not in answers[-1]
    assert await call.run("look", what="x") == {"count": 1}
    call.runner.add_caller_turn("Yes, go on.")
    assert await call.open("39") == "sent"  # it waited for the yes
    assert [await call.open(str(n)) for n in range(5, 11)] == ["sent"] * 4 + ["asked"] * 2
    assert len(written) == 10


async def test_a_tool_for_many_records_counts_each(start_call: StartCall) -> None:
    call = await start_call(max_turn_writes=5)
    tickets = [str(n) for n in range(40)]
    answer = await call.run("open_many_tickets", tickets=tickets)
    assert answer["say"] == "That would be 40 changes by now. Shall I go on?"
    call.runner.add_caller_turn("What for?")
    assert (await call.run("open_many_tickets", tickets=tickets))["status"]
    assert written == []
    call.runner.add_caller_turn("Yes, please.")
    assert await call.run("open_many_tickets", tickets=tickets) == {"count": 40}
    assert written == tickets


async def test_a_call_has_a_limit_that_counts_anew_after_a_yes(start_call: StartCall) -> None:
    call = await start_call(max_call_writes=3)
    for name in ("a", "b", "c"):
        call.runner.add_caller_turn("And another one.")
        assert await call.open(name) == "sent"
    call.runner.add_caller_turn("And another one.")
    assert await call.open("d") == "asked"
    call.runner.add_caller_turn("Yes.")
    assert [await call.open(name) for name in ("d", "e", "f", "g")] == ["sent"] * 3 + ["asked"]


async def test_the_calls_of_a_bot_share_the_limit_of_a_minute(start_call: StartCall) -> None:
    bot_id = uuid4()
    first, second = [
        await start_call(bot_id=bot_id, max_minute_writes=3, max_turn_writes=2) for _ in range(2)
    ]
    other = await start_call(max_minute_writes=3)
    assert [await first.open(name) for name in ("a", "b")] == ["sent", "sent"]
    assert [await second.open(name) for name in ("c", "d")] == ["sent", "asked"]
    assert await other.open("e") == "sent"
    second.runner.add_caller_turn("Yes.")
    assert [await second.open(name) for name in ("d", "f", "g")] == ["sent", "sent", "asked"]


async def test_what_was_sent_counts_also_where_it_failed(start_call: StartCall) -> None:
    call = await start_call(max_turn_writes=2)
    assert [await call.open(name) for name in ("no 1", "no 2", "no 3")] == ["sent", "sent", "asked"]


async def test_what_is_confirmed_in_any_case_is_asked_once(start_call: StartCall) -> None:
    call = await start_call(max_turn_writes=0, confirm=True)
    answer = await call.run("open_ticket", what="a")
    assert answer["say"] == "I would open a. Shall I?"
    call.runner.add_caller_turn("Yes.")
    assert await call.run("open_ticket", what="a") == {"count": 1}
