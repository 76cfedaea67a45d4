"""How a container tells whether it answers."""

import asyncio
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from orchestrator.engines.ports import free_port


@asynccontextmanager
async def answering(status: str) -> AsyncGenerator[int]:
    """Answer every request with one status; yields the port."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(f"HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n".encode())
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


async def asked(repository: Path, port: int) -> int:
    """Return the exit code of the check."""
    script = repository / "deploy" / "healthy.py"
    process = await asyncio.create_subprocess_exec(sys.executable, script, str(port), "/healthz")
    return await process.wait()


@pytest.mark.parametrize(("status", "code"), [("200 OK", 0), ("503 Service Unavailable", 1)])
async def test_it_is_healthy_when_it_answers_well(repository: Path, status: str, code: int) -> None:
    async with answering(status) as port:
        assert await asked(repository, port) == code


async def test_it_is_not_healthy_when_nothing_answers(repository: Path) -> None:
    assert await asked(repository, free_port()) == 1
