"""What hostile requests cost whoever else is served: status, time of other answers, longest block.

First some connections, by default four, send requests that follow from a seed to every operation of
the API, while a well-behaved client asks for its conversations twenty times a second. No request
may be answered with an error of ours (but `/readyz`, which says what is missing), or close its
connection. Then the bodies that cost most are sent one after another to the API, with and without a
key, and to an MCP server, with and without a token, while the same process is asked for `/healthz`
without a pause: its slowest answer is the longest time for which the event loop served nobody.

Run: `python -m benchmarks.hostile_requests [REQUESTS] [SEED] [CONNECTIONS]`
"""

import asyncio
import json
import multiprocessing
import sys
import time
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from uuid import uuid4

import httpx2

from benchmarks.figures import heading, percentile
from benchmarks.hostile_values import HostileRequest, RequestGenerator
from benchmarks.raw_http import RawConnection, RawResponse, connect
from config.security.tokens import Claims, Grant, Signer, server_audience
from config.settings import Settings, required
from orchestrator.admin.api_keys import create_api_key
from orchestrator.admin.declarations import apply_file
from orchestrator.local.deployment import Deployment, Plan, run_deployment

_DECLARATION = Path(__file__).with_name("museum.yaml")
_BUSINESS, _BOT = "harbour-museum", "answering"
_SERVER, _TOOL = "knowledge", "search_knowledge"
_MCP_HEADERS = {
    "Content-Type": "application/json",
    "Accept": "application/json, text/event-stream",
    "MCP-Protocol-Version": "2026-07-28",
    "Mcp-Method": "tools/call",
}
_PAUSE = 0.05  # seconds between two requests of the client that behaves
_REPEATS = 5  # of each costly body
_PROBES_AROUND = 5  # answers of `/healthz` that have to come before and after each body
_READY = "ready"
_MAY_BE_UNAVAILABLE = "/readyz"


@dataclass
class Findings:
    """How the hostile requests were answered, and what the other client saw; in milliseconds."""

    statuses: Counter[int] = field(default_factory=Counter[int])
    faults: list[str] = field(default_factory=list[str])
    closed: int = 0
    others: list[float] = field(default_factory=list[float])
    blocks: dict[str, float] = field(default_factory=dict[str, float])


async def main(requests: int, seed: int, connections: int) -> None:
    """Run both parts, and print what was found."""
    began, findings = heading(), Findings()
    with TemporaryDirectory(prefix="antiphon-") as folder:
        plan = Plan(Path(folder), worker=False)
        async with run_deployment(Settings(), plan, lambda _: None) as deployment:
            await apply_file(deployment.settings, _DECLARATION)
            key = await create_api_key(deployment.settings, _BUSINESS, "benchmark")
            async with _other_client(deployment.api_url, key, findings):
                await _send_generated(deployment, key, requests, seed, connections, findings)
            for name, request in _costly_requests(key).items():
                findings.blocks[name] = await _longest_block(deployment.api_url, request)
            settings = deployment.settings
            server_url = settings.mcp_server_url(_SERVER)
            for name, request in _costly_server_requests(_token(settings)).items():
                findings.blocks[name] = await _longest_block(server_url, request)
    print(began, heading(), sep="\n")
    _report(findings)


async def _send_generated(
    deployment: Deployment,
    key: str,
    requests: int,
    seed: int,
    connections: int,
    findings: Findings,
) -> None:
    url, authorized = deployment.api_url, {"Authorization": f"Bearer {key}"}
    async with httpx2.AsyncClient(base_url=url, headers=authorized, trust_env=False) as http:
        document = (await http.get("/openapi.json")).json()
        started = await http.post("/api/sessions/start", json={"bot": _BOT})
        conversation_id = started.json()["conversation_id"]
    known = {
        "conversation_id": [conversation_id],
        "before": [conversation_id],
        "bot": [_BOT],
        "name": [_BOT],
        "business": [_BUSINESS],
        "server": ["scheduling", _SERVER],
        "tool_key": ["scheduling_list_bookings", f"{_SERVER}_{_TOOL}"],
    }
    generator = RequestGenerator(document, [authorized["Authorization"]], known, seed)
    remaining = iter([generator.next() for _ in range(requests)])

    async def send_all() -> None:
        for request in remaining:
            async with connect(url) as connection:
                await _send_until_closed(connection, request, remaining, findings)

    await asyncio.gather(*(send_all() for _ in range(connections)))


async def _send_until_closed(
    connection: RawConnection,
    first: HostileRequest,
    others: Any,
    findings: Findings,
) -> None:
    request: HostileRequest | None = first
    while request is not None:
        try:
            response = await connection.send(request)
        except (ConnectionError, asyncio.IncompleteReadError):
            findings.closed += 1
            findings.faults.append(f"closed: {request.method} {request.target[:200]}")
            return
        _note(request, response, findings)
        request = next(others, None)


def _note(request: HostileRequest, response: RawResponse, findings: Findings) -> None:
    findings.statuses[response.status] += 1
    if response.status >= 500 and not request.target.startswith(_MAY_BE_UNAVAILABLE):
        findings.faults.append(f"{response.status}: {request.method} {request.target[:200]}")


@asynccontextmanager
async def _other_client(url: str, key: str, findings: Findings) -> AsyncGenerator[None]:
    """Have a client ask for conversations meanwhile, and note how long each answer takes.

    It has a process of its own: in this one, it would wait for the hostile requests to be written.
    """
    processes = multiprocessing.get_context("spawn")
    answers, sender = processes.Pipe()
    process = processes.Process(target=_ask_until_told, args=(url, key, sender), daemon=True)
    process.start()
    try:
        assert await asyncio.to_thread(answers.recv) == _READY
        yield
        answers.send(None)
        findings.others += await asyncio.to_thread(answers.recv)
    finally:
        process.kill()
        process.join()


def _ask_until_told(url: str, key: str, told: Connection) -> None:
    """Ask again and again until something is sent over `told`; send how long each answer took."""

    async def ask() -> list[float]:
        times: list[float] = []
        headers = {"Authorization": f"Bearer {key}"}
        async with httpx2.AsyncClient(base_url=url, headers=headers, trust_env=False) as http:
            await http.get("/api/conversations")  # opens connections and fills caches
            told.send(_READY)
            while not told.poll():
                times.append(await _milliseconds(lambda: http.get("/api/conversations")))
                await asyncio.sleep(_PAUSE)
        return times

    told.send(asyncio.run(ask()))


def _costly_requests(key: str) -> dict[str, HostileRequest]:
    """Return the requests whose refusal costs most: as large as is read, full of what is wrong."""
    wide = b'{"bot":"b","business":"b","metadata":{%b}}'
    values = b",".join(b'"k%d":[]' % number for number in range(209_000))
    many = b",".join(b'"k%d":[]' % number for number in range(990))
    nested = b"[" + b"[]," * 80_000 + b"[]]"
    json_type = {"Content-Type": "application/json"}
    authorized = json_type | {"Authorization": f"Bearer {key}"}
    mcp = _MCP_HEADERS | authorized | {"Mcp-Name": f"{_SERVER}_{_TOOL}"}
    return {
        "2 MB of wrong values, no key": _post("/api/sessions/start", json_type, wide % values),
        "as many as are read, no key": _post("/api/sessions/start", json_type, wide % many),
        "2 MB of wrong values, a key": _post("/api/tools/execute", authorized, wide % values),
        "256 kB of lists, a key": _post("/api/tools/execute", authorized, nested),
        "256 kB of one text, a key": _post(
            "/api/tools/execute", authorized, b'{"tool_key":"' + b"," * 260_000 + b'"}'
        ),
        "a query of 20,000 names": HostileRequest(
            "GET", "/api/conversations?" + "&".join(f"k{n}" for n in range(9_000)), authorized
        ),
        "2 MB over MCP": _post("/mcp", mcp, wide % values),
        "256 kB of lists over MCP": _post("/mcp", mcp, nested),
        "a tool call with 3,900 wrong arguments": _post(
            "/mcp", mcp, _tool_call(f"{_SERVER}_{_TOOL}")
        ),
    }


def _post(target: str, headers: dict[str, str], body: bytes) -> HostileRequest:
    return HostileRequest("POST", target, headers, body)


def _costly_server_requests(token: str) -> dict[str, HostileRequest]:
    """Return the requests to an MCP server whose refusal costs most."""
    target = f"/{_SERVER}/mcp"
    headers = _MCP_HEADERS | {"Mcp-Name": _TOOL}
    authorized = headers | {"Authorization": f"Bearer {token}"}
    wide = b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{%b}}'
    values = b",".join(b'"k%d":[]' % number for number in range(209_000))
    nested = b"[" + b"[]," * 300_000 + b"[]]"
    return {
        "2 MB to a server, no token": _post(target, headers, wide % values),
        "2 MB to a server, a token": _post(target, authorized, wide % values),
        "900 kB of lists to a server, a token": _post(target, authorized, nested),
        "3,900 wrong arguments to a server": _post(target, authorized, _tool_call(_TOOL)),
    }


def _token(settings: Settings) -> str:
    """Return a token that grants every tool of the server."""
    signer = Signer(required("SERVICE_TOKEN_PRIVATE_KEY", settings.service_token_private_key))
    claims = Claims(sub="key:benchmark", business_id=uuid4(), grant=Grant())
    return signer.mint(server_audience(_SERVER), claims)


def _tool_call(tool: str) -> bytes:
    meta = {
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientInfo": {"name": "benchmark", "version": "1"},
        "io.modelcontextprotocol/clientCapabilities": {},
    }
    arguments: dict[str, Any] = {f"k{number}": number for number in range(3_900)}
    params = {"name": tool, "arguments": arguments, "_meta": meta}
    call = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}
    return json.dumps(call).encode()


async def _longest_block(url: str, request: HostileRequest) -> float:
    """Return the slowest answer of `/healthz` while a request is sent a few times."""
    probes: list[float] = []
    probed, sent = asyncio.Event(), asyncio.Event()
    health = HostileRequest("GET", "/healthz", {})

    async def probe() -> None:
        left = _PROBES_AROUND
        async with connect(url) as connection:
            while left:
                probes.append(await _milliseconds(lambda: connection.send(health)))
                if len(probes) == _PROBES_AROUND:
                    probed.set()
                left -= sent.is_set()

    async def send() -> None:
        await probed.wait()
        for _ in range(_REPEATS):
            async with connect(url) as connection:
                response = await connection.send(request)
                assert response.status < 500, response
        sent.set()

    await asyncio.gather(probe(), send())
    return max(probes)


async def _milliseconds(ask: Callable[[], Awaitable[Any]]) -> float:
    started = time.perf_counter()
    await ask()
    return (time.perf_counter() - started) * 1000


def _report(findings: Findings) -> None:
    total = findings.statuses.total()
    statuses = ", ".join(f"{status}: {n}" for status, n in sorted(findings.statuses.items()))
    print(f"{total} requests ({statuses}), {len(findings.faults)} faults")
    for fault in findings.faults[:20]:
        print(f"  {fault}")
    others: Sequence[float] = findings.others
    print(f"other answers: {len(others)}, p50 {percentile(others, 50):.0f} ms, ", end="")
    print(f"p95 {percentile(others, 95):.0f} ms, longest {max(others):.0f} ms")
    print("longest time without an answer of /healthz:")
    for name, milliseconds in findings.blocks.items():
        print(f"  {name:40} {milliseconds:6.0f} ms")


if __name__ == "__main__":
    numbers = [int(argument) for argument in sys.argv[1:]]
    asyncio.run(main(*(numbers + [10_000, 4711, 4][len(numbers) :])))
