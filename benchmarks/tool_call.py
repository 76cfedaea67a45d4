"""Measures the cost of a tool call, over the same request made to the vendor directly.

Ours: the orchestrator's client, a server process as in production, PostgreSQL, Valkey. Compared in
the same run, round by round: the request alone, and the same tool on a bare fastmcp server, called
by the same client.
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
from benchmarks.peers import POOL, VENDOR_DELAY, Peers, peers
from benchmarks.processor import Meter
from config.database import Database
from config.migrate import migrate
from config.protocol import READ_BUDGET
from config.security.encryption import Keyring
from config.security.tokens import Claims, Signer
from config.security.vault import seal_credentials
from config.settings import Settings
from config.tables import Business, BusinessIntegration
from orchestrator.engines.engines import Endpoints, Engines, start_engines
from orchestrator.engines.ports import free_port
from orchestrator.mcp_client.router import Router

_ANY_NUMBER_OF_CALLS = 1_000_000_000  # a minute: a business's usual limit is 1200
_NUMBER = "P-4711"

MakeCall = Callable[[], Awaitable[str | None]]  # returns a message if the call failed


@dataclass(frozen=True)
class Setup:
    """How a call is made on each side, and the processes whose time is measured."""

    calls: Mapping[str, MakeCall]
    pids: Mapping[str, int]


async def main(rounds: int, *, as_json: bool) -> None:
    """Measure all sides in turn, round by round."""
    began = heading()
    figures = Figures()
    async with _setup() as (setup, check):
        await _round(setup, Figures(), 0)  # warms up connections, caches and late imports
        for number in range(rounds):
            await _round(setup, figures, number)
        await check()
    vendor_ms = VENDOR_DELAY * 1000
    run = Run(rounds, vendor_ms, _ANY_NUMBER_OF_CALLS, began, heading())
    if as_json:
        print(json.dumps(data(figures, run), indent=2))
    else:
        report(figures, run)


async def _round(setup: Setup, figures: Figures, number: int) -> None:
    for at_once, calls in CALLS.items():
        first = number % len(SIDES)
        for side in (*SIDES[first:], *SIDES[:first]):
            block = await _block(setup.calls[side], calls, at_once, Meter(setup.pids))
            figures.blocks.setdefault((side, at_once), []).append(block)


async def _block(call: MakeCall, calls: int, at_once: int, meter: Meter) -> Block:
    remaining = iter(range(calls))
    durations: list[float] = []
    failures: list[str] = []

    async def caller() -> None:
        for _ in remaining:
            started = time.perf_counter()
            failure = await call()
            durations.append((time.perf_counter() - started) * 1000)
            if failure is not None:
                failures.append(failure)

    started = time.perf_counter()
    await asyncio.gather(*(caller() for _ in range(at_once)))
    seconds = time.perf_counter() - started
    return Block(tuple(durations), seconds, tuple(failures), meter.used())


@asynccontextmanager
async def _setup() -> AsyncGenerator[tuple[Setup, Callable[[], Awaitable[None]]]]:
    """Start everything; yields the setup, and a check that every call did what it should."""
    async with AsyncExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="antiphon-")))
        # With a folder, PostgreSQL syncs its commits to the disk, as it does in production.
        endpoints = Endpoints(livekit_url="ws://livekit.invalid")
        engines = await stack.enter_async_context(
            start_engines(
                endpoints, folder=home / "engines", cache=Settings().cache_dir, progress=_quiet
            )
        )
        urls = engines.endpoints
        await asyncio.to_thread(migrate, urls.migration_database_url, urls.database_url)
        signer, keys, port = Signer.generate(), Keyring.new_key("k1"), free_port()
        vendor = f"http://127.0.0.1:{port}"
        database = Database(urls.database_url, pool_size=1)
        stack.push_async_callback(database.aclose)
        claims = await _tenant(database, Keyring.parse(keys), vendor)
        environment = _environment(urls, signer, keys, vendor)
        processes = await stack.enter_async_context(peers(environment, home, port))
        server_urls = {NAME: processes.ours.url.format(server=NAME), "bare": processes.bare.url}
        router = Router(signer, server_urls.__getitem__)
        stack.push_async_callback(router.aclose)
        http = await stack.enter_async_context(httpx2.AsyncClient(limits=POOL, trust_env=False))
        calls = {
            "http": _directly(http, f"{vendor}/v1/parcels/{_NUMBER}"),
            "fastmcp": _over_mcp(router, "bare", claims),
            "ours": _over_mcp(router, NAME, claims),
        }
        counts = {side: 0 for side in SIDES}

        async def check() -> None:
            audited = await _audited(database, claims)
            assert audited == counts["ours"], f"{counts['ours']} calls, {audited} rows of audit"
            total, requests = sum(counts.values()), await processes.vendor_requests()
            assert requests == total, f"{total} calls, {requests} requests"

        counted = {side: _counted(calls[side], counts, side) for side in SIDES}
        yield Setup(counted, _pids(engines, processes)), check


def _environment(urls: Endpoints, signer: Signer, keys: str, vendor: str) -> dict[str, str]:
    return {
        **urls.to_environment(),
        "SERVICE_TOKEN_PUBLIC_KEY": signer.public_key(),
        "VAULT_KEYS": keys,
        "ALLOW_PRIVATE_HOSTS": "true",
        "MCP_CALLS_PER_MINUTE": str(_ANY_NUMBER_OF_CALLS),
        "VENDOR_URL": vendor,
    }


def _quiet(_: str) -> None:
    pass


def _pids(engines: Engines, processes: Peers) -> dict[str, int]:
    ours = {
        "ours": processes.ours.process.pid,
        "fastmcp": processes.bare.process.pid,
        "vendor": processes.stub.process.pid,
    }
    return ours | {process.name: process.pid for process in engines.processes}


def _counted(call: MakeCall, counts: dict[str, int], side: str) -> MakeCall:
    async def counted() -> str | None:
        counts[side] += 1
        return await call()

    return counted


def _directly(http: httpx2.AsyncClient, url: str) -> MakeCall:
    async def call() -> str | None:
        response = await http.get(url, headers={"Authorization": "Bearer key"})
        parcel = CourierParcel.model_validate_json(response.content)
        return None if parcel.number == _NUMBER else "another parcel"

    return call


def _over_mcp(router: Router, server: str, claims: Claims) -> MakeCall:
    async def call() -> str | None:
        outcome = await router.call(server, TOOL, {"number": _NUMBER}, claims, budget=READ_BUDGET)
        if outcome.error is None and outcome.data.get("number") != _NUMBER:
            return "another parcel"
        return outcome.error and f"{outcome.error}: {outcome.text}"

    return call


async def _tenant(database: Database, keyring: Keyring, vendor: str) -> Claims:
    """Store a business with a sealed account at the vendor, and return claims for its calls."""
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
    row.credentials = seal_credentials(row, keyring, secrets, secrets)
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


def _arguments(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.tool_call",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--rounds", type=int, default=10, help="rounds of all sides (10)")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    options = _arguments()
    asyncio.run(main(options.rounds, as_json=options.json))
