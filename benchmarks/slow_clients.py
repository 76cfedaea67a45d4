"""Holds sockets open with half-sent requests, and asks beside them: is anybody shut out?

A third of the sockets send half of their headers, a third headers without the body, a third one
byte of a header a second; as soon as one is closed, it is opened anew. They come from one address,
then from many. Meanwhile the API is asked by one client, on a new connection for each request.

Run: `python -m benchmarks.slow_clients [SOCKETS] [SECONDS]`
"""

import asyncio
import resource
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from urllib.parse import urlsplit

import httpx2

from benchmarks.figures import heading, percentile
from config.settings import Settings
from orchestrator.local.deployment import Plan, run_deployment

_HALF = b"POST /api/sessions/start HTTP/1.1\r\nHost: 127.0.0.1\r\n"
_NO_BODY = _HALF + b"Content-Type: application/json\r\nContent-Length: 100\r\n\r\n"
_KINDS = (_HALF, _NO_BODY, b"")
_ADDRESSES = 200  # 127.0.0.2 and on
_PAUSE = 0.1  # seconds between two requests of the client that is to be let in
_TIMEOUT = 5.0


async def main(sockets: int, seconds: float) -> None:
    """Hold sockets open from one address and from many, and print how the client fares."""
    _allow_files(sockets + 200)
    async with run_deployment(Settings(), Plan(None, worker=False), print) as deployment:
        port = urlsplit(deployment.api_url).port or 80
        for label, addresses in (("one address", 1), ("many addresses", _ADDRESSES)):
            print(f"{sockets} slow sockets of {label}, {seconds:g} s; {heading()}")
            opened: list[int] = []
            slow = [
                asyncio.create_task(_hold(port, _KINDS[number % 3], number % addresses, opened))
                for number in range(sockets)
            ]
            await asyncio.sleep(2)  # they are open
            times, failed = await _ask(deployment.api_url, seconds)
            for task in slow:
                task.cancel()
            await asyncio.gather(*slow, return_exceptions=True)
            print(f"  sockets opened: {len(opened)}; answers: {len(times)}; shut out: {failed}")
            print(f"  ms to an answer: {_figures(times)}")
    print(f"at the end: {heading()}")


async def _hold(port: int, data: bytes, address: int, opened: list[int]) -> None:
    """Keep one slow connection open, and open it again whenever it is closed."""
    source = f"127.0.{1 + address // 250}.{1 + address % 250}" if address else "127.0.0.1"
    while True:
        with suppress(OSError):
            reader, writer = await asyncio.open_connection(
                "127.0.0.1", port, local_addr=(source, 0)
            )
            opened.append(address)
            try:
                writer.write(data or b"G")
                closed = asyncio.ensure_future(_until_closed(reader))
                while not closed.done():
                    await asyncio.wait({closed}, timeout=1)
                    if not data and not closed.done():
                        writer.write(b"E")
            finally:
                writer.close()
        await asyncio.sleep(0.2)


async def _until_closed(reader: asyncio.StreamReader) -> None:
    with suppress(OSError):
        await reader.read()


async def _ask(url: str, seconds: float) -> tuple[list[float], int]:
    """Ask again and again, each time on a new connection; return milliseconds and failures."""
    times: list[float] = []
    failed = 0
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        started = time.perf_counter()
        try:
            async with httpx2.AsyncClient(timeout=_TIMEOUT, trust_env=False) as http:
                (await http.get(f"{url}/healthz")).raise_for_status()
            times.append((time.perf_counter() - started) * 1000)
        except httpx2.HTTPError:
            failed += 1
        await asyncio.sleep(_PAUSE)
    return times, failed


def _figures(times: Sequence[float]) -> str:
    if not times:
        return "no answers"
    return ", ".join(f"p{each} {percentile(times, each):.0f}" for each in (50, 95, 100))


def _allow_files(wanted: int) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(wanted, hard), hard))


if __name__ == "__main__":
    arguments = [int(each) for each in sys.argv[1:]]
    asyncio.run(main(*(arguments + [1100, 30][len(arguments) :])))
