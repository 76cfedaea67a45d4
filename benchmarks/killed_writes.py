"""Kills a call's process around a write to an external server: is it ever done twice?

A process calls a write and is killed with SIGKILL at a random moment: before it is noted, before
it is sent, while the server works, or after the answer. A second process asks for the same write in
the same conversation. It gets the answer of the first, does what was not sent, or is told that
nobody knows and does not send it; after the caller has agreed anew, a third process does that.

Run: `python -m benchmarks.killed_writes [KILLS]`
"""

import asyncio
import multiprocessing
import os
import random
import sys
from collections import Counter
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerContext
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import UUID, uuid4

from fastmcp import FastMCP
from sqlalchemy import text

from benchmarks.fake_servers import serve
from benchmarks.figures import heading
from config.bots import Bot, load_bot
from config.protocol import CONFIRMATION_CODE
from config.settings import Settings
from orchestrator.admin.declarations import apply_file, open_stores
from orchestrator.agent.job import Process
from orchestrator.agent.worker import PRELOAD
from orchestrator.local.deployment import Plan, run_deployment
from orchestrator.mcp_client.router import Identity

_BUSINESS, _BOT, _SERVER, _TOOL = "corner-books", "desk", "erp", "add_order"
_DECLARATION = """\
business: {{slug: corner-books, name: Corner Books}}
mcp_servers: [{{name: erp, url: "{url}"}}]
bots:
  - name: desk
    system_prompt: You answer the phone.
    first_message_inbound: Hello.
    servers: {{erp: {{}}}}
"""
_WORK = 0.03  # seconds that the server takes for a write
_LATEST = 0.12  # seconds after which a process is killed at the latest
_READY, _DONE = "ready", "done"
_DEADLINE = 60.0  # seconds that a process may take


@dataclass(frozen=True)
class Write:
    """One write of one conversation, and who asks for it; `agreed` is what the caller did anew."""

    settings: Settings
    bot: Bot
    conversation_id: UUID
    order: str
    agreed: bool = False


async def main(kills: int) -> None:
    """Kill as many processes, and count what became of their writes."""
    moments = random.Random(0)
    writes: Counter[str] = Counter()
    async with _external_server(writes) as url:
        plan = Plan(folder=None, worker=False)
        async with run_deployment(Settings(), plan, _quiet) as deployment:
            with _declaration(url) as path:
                await apply_file(deployment.settings, path)
            bot = await _stored_bot(deployment.settings)
            processes = multiprocessing.get_context("forkserver")
            processes.set_forkserver_preload([*PRELOAD, "benchmarks.killed_writes"])
            print(f"killed_writes: {kills} kills; {heading()}")
            outcomes: Counter[str] = Counter()
            for _ in range(kills):
                write = Write(deployment.settings, bot, uuid4(), uuid4().hex)
                seconds = moments.uniform(0, _LATEST)
                outcomes[await _kill_and_repeat(processes, write, seconds, writes)] += 1
    for outcome, count in outcomes.most_common():
        print(f"{count:5} {outcome}")
    assert max(writes.values()) == 1, "a write was done twice"
    print(f"{len(writes)} orders, each done once")


@contextmanager
def _declaration(url: str) -> Generator[Path]:
    with TemporaryDirectory(prefix="antiphon-") as folder:
        path = Path(folder, "books.yaml")
        path.write_text(_DECLARATION.format(url=url), encoding="utf-8")
        yield path


async def _kill_and_repeat(
    processes: ForkServerContext, write: Write, seconds: float, writes: Counter[str]
) -> str:
    """Return what became of one write; it is done exactly once in the end."""
    answered = await asyncio.to_thread(_run, processes, write, seconds)
    before = "answered" if answered else "done" if writes[write.order] else "not done"
    repeat = await asyncio.to_thread(_run, processes, write, None)
    if repeat != "outcome_unknown":
        assert repeat == _DONE, repeat
        if before == "not done":
            return f"{before} at the kill: the repeat was done"
        return f"{before} at the kill: the repeat was given the answer"
    await asyncio.sleep(2 * _WORK)  # what was sent may still be on its way
    done = writes[write.order]
    if not done:
        agreed = Write(write.settings, write.bot, write.conversation_id, write.order, agreed=True)
        assert await asyncio.to_thread(_run, processes, agreed, None) == _DONE
    state = "done" if done else "not done; done once the caller had agreed"
    return f"{before} at the kill: the repeat was told that nobody knows; it was {state}"


def _run(processes: ForkServerContext, write: Write, seconds: float | None) -> str | None:
    """Run a process that calls the write, killed after `seconds`; return its outcome, if any."""
    answers, sender = processes.Pipe(duplex=False)
    process = processes.Process(target=_call, args=(write, sender))
    process.start()
    sender.close()
    try:
        assert answers.poll(_DEADLINE) and answers.recv() == _READY
        if answers.poll(_DEADLINE if seconds is None else seconds):
            outcome: str = answers.recv()
            return outcome
        return None
    finally:
        process.kill()
        process.join()


def _call(write: Write, sender: Connection) -> None:
    asyncio.run(_call_once(write, sender))


async def _call_once(write: Write, sender: Connection) -> None:
    process = Process.connect(write.settings)
    identity = Identity("bot:1", write.bot.business_id, write.bot, write.conversation_id)
    claims = identity.claims(_SERVER)
    if write.agreed:
        grant = claims.grant.model_copy(update={"confirm": (_TOOL,)})
        claims = claims.model_copy(update={"grant": grant})
    await process.router.list_tools(_SERVER, claims)
    sender.send(_READY)
    arguments = {"order": write.order}
    outcome = await process.router.call(_SERVER, _TOOL, arguments, claims)
    if write.agreed:
        code = {CONFIRMATION_CODE: outcome.data[CONFIRMATION_CODE]}
        outcome = await process.router.call(_SERVER, _TOOL, arguments | code, claims)
    sender.send(outcome.error or _DONE)
    await process.aclose()


@asynccontextmanager
async def _external_server(writes: Counter[str]) -> AsyncGenerator[str]:
    """Serve a server of somebody else's that counts each order."""
    mcp: FastMCP[None] = FastMCP("erp")

    @mcp.tool
    async def add_order(order: str) -> str:
        """Add an order."""
        await asyncio.sleep(_WORK / 2)
        writes[order] += 1
        await asyncio.sleep(_WORK / 2)
        return "It was added."

    async with serve(mcp.http_app(path="/mcp", stateless_http=True)) as url:
        yield f"{url}/mcp"


async def _stored_bot(settings: Settings) -> Bot:
    async with open_stores(settings) as (database, cache):
        async with database.unscoped() as session:
            query = text("select business_id, bot_id from find_bot(:business, :bot)")
            row = (await session.execute(query, {"business": _BUSINESS, "bot": _BOT})).one()
        return await load_bot(database, cache, row.business_id, row.bot_id)


def _quiet(_: str) -> None:
    pass


if __name__ == "__main__":
    os.environ["ALLOW_PRIVATE_HOSTS"] = "true"  # the external server is on this machine
    asyncio.run(main(int(sys.argv[1]) if sys.argv[1:] else 200))
