"""What a tool call through everything costs, over the same request to the vendor made directly.

Ours: the orchestrator's client, a server process with every part of production, PostgreSQL, Valkey.
Peers in the same run, round by round: the request alone, and the same tool on a bare fastmcp server
that the same client asks.
"""

import argparse
import asyncio
import json
import tempfile
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import httpx2
from sqlalchemy import text

from benchmarks.call_figures import CALLS, SIDES, Block, Figures, Run, data, report
from benchmarks.figures import heading
from benchmarks.parcels import NAME, PROVIDER, TOOL, CourierParcel
from benchmarks.peers import POOL, VENDOR_TAKES, Peers, peers
from benchmarks.processor import Meter
from config.database import Database
from config.migrate import migrate
from config.security.encryption import Keyring
from config.security.tokens import Claims, Signer
from config.security.vault import sealed
from config.settings import Settings
from config.tables import Business, BusinessIntegration
from orchestrator.engines.engines import Endpoints, Engines, start
from orchestrator.engines.ports import free_port
from orchestrator.mcp_client.router import READ_BUDGET, Router

_ANY_NUMBER_OF_CALLS = 1_000_000_000  # a minute: a business's usual limit is 1200
_NUMBER = "P-4711"

Ask = Callable[[], Awaitable[str | None]]  # returns what went wrong


@dataclass(frozen=True)
class Line:
    """How each side is asked, and whose processor time counts."""

    asks: Mapping[str, Ask]
    pids: Mapping[str, int]


async def main(rounds: int, *, as_json: bool) -> None:
    """Measure all sides, round by round in turn."""
    began = heading()
    figures = Figures()
    async with _line() as (line, check):
        await _round(line, Figures(), 0)  # connections, caches, and what is imported late
        for number in range(rounds):
            await _round(line, figures, number)
        await check()
    vendor_ms = VENDOR_TAKES * 1000
    run = Run(rounds, vendor_ms, _ANY_NUMBER_OF_CALLS, began, heading())
    if as_json:
        print(json.dumps(data(figures, run), indent=2))
    else:
        report(figures, run)


async def _round(line: Line, figures: Figures, number: int) -> None:
    for at_once, calls in CALLS.items():
        first = number % len(SIDES)
        for side in (*SIDES[first:], *SIDES[:first]):
            block = await _block(line.asks[side], calls, at_once, Meter(line.pids))
            figures.blocks.setdefault((side, at_once), []).append(block)


async def _block(ask: Ask, calls: int, at_once: int, meter: Meter) -> Block:
    waiting = iter(range(calls))
    took: list[float] = []
    failed: list[str] = []

    async def caller() -> None:
        for _ in waiting:
            started = time.perf_counter()
            why = await ask()
            took.append((time.perf_counter() - started) * 1000)
            if why is not None:
                failed.append(why)

    started = time.perf_counter()
    await asyncio.gather(*(caller() for _ in range(at_once)))
    seconds = time.perf_counter() - started
    return Block(tuple(took), seconds, tuple(failed), meter.used())


@asynccontextmanager
async def _line() -> AsyncGenerator[tuple[Line, Callable[[], Awaitable[None]]]]:
    """Start everything; yields how to ask, and a check that every call did what it should."""
    async with AsyncExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="antiphon-")))
        # A folder: with one, PostgreSQL syncs its commits to the disk, as it does in production.
        given = Endpoints(livekit_url="ws://nobody.invalid")
        engines = await stack.enter_async_context(
            start(given, folder=home / "engines", cache=Settings().cache_dir, progress=_quiet)
        )
        urls = engines.endpoints
        await asyncio.to_thread(migrate, urls.migration_database_url, urls.database_url)
        signer, keys, port = Signer.generate(), Keyring.new_key("k1"), free_port()
        vendor = f"http://127.0.0.1:{port}"
        database = Database(urls.database_url, pool_size=1)
        stack.push_async_callback(database.aclose)
        claims = await _tenant(database, Keyring.parse(keys), vendor)
        environment = {
            **urls.environment(),
            "SERVICE_TOKEN_PUBLIC_KEY": signer.public_key(),
            "VAULT_KEYS": keys,
            "ALLOW_PRIVATE_HOSTS": "true",
            "MCP_CALLS_PER_MINUTE": str(_ANY_NUMBER_OF_CALLS),
            "VENDOR_URL": vendor,
        }
        running = await stack.enter_async_context(peers(environment, home, port))
        where = {NAME: running.ours.url.format(server=NAME), "bare": running.bare.url}
        constellation = Router(signer, where.__getitem__)
        stack.push_async_callback(constellation.aclose)
        http = await stack.enter_async_context(httpx2.AsyncClient(limits=POOL, trust_env=False))
        asks = {
            "http": _directly(http, f"{vendor}/v1/parcels/{_NUMBER}"),
            "fastmcp": _over_mcp(constellation, "bare", claims),
            "ours": _over_mcp(constellation, NAME, claims),
        }
        made = {side: 0 for side in SIDES}

        async def check() -> None:
            audited = await _audited(database, claims)
            assert audited == made["ours"], f"{made['ours']} calls, {audited} rows of audit"
            asked = await running.asked()
            assert asked == sum(made.values()), f"{sum(made.values())} calls, {asked} requests"

        yield (
            Line(
                {side: _counted(asks[side], made, side) for side in SIDES}, _pids(engines, running)
            ),
            check,
        )


def _quiet(_: str) -> None:
    pass


def _pids(engines: Engines, running: Peers) -> dict[str, int]:
    ours = {
        "ours": running.ours.process.pid,
        "fastmcp": running.bare.process.pid,
        "vendor": running.stub.process.pid,
    }
    return ours | {process.name: process.pid for process in engines.processes}


def _counted(ask: Ask, made: dict[str, int], side: str) -> Ask:
    async def counted() -> str | None:
        made[side] += 1
        return await ask()

    return counted


def _directly(http: httpx2.AsyncClient, url: str) -> Ask:
    async def ask() -> str | None:
        response = await http.get(url, headers={"Authorization": "Bearer key"})
        found = CourierParcel.model_validate_json(response.content)
        return None if found.number == _NUMBER else "another parcel"

    return ask


def _over_mcp(constellation: Router, server: str, claims: Claims) -> Ask:
    async def ask() -> str | None:
        outcome = await constellation.call(
            server, TOOL, {"number": _NUMBER}, claims, budget=READ_BUDGET
        )
        if outcome.error is None and outcome.data.get("number") != _NUMBER:
            return "another parcel"
        return outcome.error and f"{outcome.error}: {outcome.text}"

    return ask


async def _tenant(database: Database, keyring: Keyring, vendor: str) -> Claims:
    """Store a business with a sealed account at the vendor, and return who calls for it."""
    business_id, bot_id = uuid4(), uuid4()
    row = BusinessIntegration(
        business_id=business_id,
        name=PROVIDER,
        server=NAME,
        integration_type=PROVIDER,
        credentials={},
        settings={"base_url": vendor},
    )
    secrets = {"api_key": "key"}
    row.credentials = sealed(row, keyring, secrets, secrets)
    async with database.tenant(business_id) as session:
        session.add(Business(id=business_id, slug="benchmark", name="B", time_zone="Europe/Berlin"))
        await session.flush()
        session.add(row)
    return Claims(
        sub=f"bot:{bot_id}", business_id=business_id, bot_id=bot_id, conversation_id=uuid4()
    )


async def _audited(database: Database, claims: Claims) -> int:
    async with database.tenant(claims.business_id) as session:
        count: int = (await session.execute(text("select count(*) from audit"))).scalar_one()
        return count


def _arguments(given: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.tool_call",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--rounds", type=int, default=10, help="rounds of all sides (10)")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    return parser.parse_args(given)


if __name__ == "__main__":
    options = _arguments()
    asyncio.run(main(options.rounds, as_json=options.json))
