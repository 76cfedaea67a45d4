"""Runs LiveKit's server, which listens on 127.0.0.1 only."""

import secrets
import signal
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote, urlsplit

import httpx2
import yaml

from orchestrator.engines.files import write_private_file
from orchestrator.engines.livekit_binary import ensure_livekit_server
from orchestrator.engines.ports import Port
from orchestrator.engines.process import Process, Program, Progress, Restarts, run_program

_NO_IDLE_CONNECTIONS = httpx2.Limits(max_keepalive_connections=0)


@dataclass(frozen=True)
class LiveKit:
    """The URL and API key of a running LiveKit server, and its process."""

    url: str
    api_key: str
    api_secret: str = field(repr=False)
    process: Process

    def endpoints(self) -> dict[str, str]:
        """Return the fields of `Endpoints` that this engine provides."""
        return {
            "livekit_url": self.url,
            "livekit_api_key": self.api_key,
            "livekit_api_secret": self.api_secret,
        }


@asynccontextmanager
async def run_livekit(
    folder: Path,
    cache: Path,
    port: Port,
    media_port: Port,
    progress: Progress,
    *,
    redis_url: str = "",
    restarts: Restarts | None = None,
) -> AsyncGenerator[LiveKit]:
    """Run `livekit-server`, after finding or building it; its log is written to `folder`.

    With `redis_url` it also stores SIP trunks and dispatch rules.
    """
    binary = await ensure_livekit_server(cache, progress)
    number = port.tcp()
    key, secret = f"API{secrets.token_hex(6)}", secrets.token_urlsafe(32)
    settings = {
        "port": number,
        "bind_addresses": ["127.0.0.1"],
        "keys": {key: secret},
        "logging": {"level": "info"},
        "rtc": _media(media_port.udp()),
        **({"redis": _redis(redis_url)} if redis_url else {}),
    }
    config = write_private_file(folder / "livekit.yaml", yaml.safe_dump(settings))
    program = Program(
        name="LiveKit",
        command=[binary, "--config", config],
        log=folder / "livekit.log",
        death_signal=signal.SIGKILL,  # on SIGTERM it waits until its rooms are empty
        grace=1,
    )
    async with (
        httpx2.AsyncClient(trust_env=False, limits=_NO_IDLE_CONNECTIONS) as client,
        run_program(program, lambda _process: _answers(client, number), restarts) as process,
    ):
        progress(f"LiveKit: ready on port {number}")
        yield LiveKit(f"ws://127.0.0.1:{number}", key, secret, process)


def _media(port: int) -> dict[str, object]:
    return {
        "udp_port": port,
        "tcp_port": 0,  # else it listens on all addresses
        "node_ip": "127.0.0.1",
        "use_external_ip": False,
        "enable_loopback_candidate": True,
        "interfaces": {"includes": ["lo", "lo0"]},
        "ips": {"includes": ["127.0.0.0/8"]},
        # Nothing listens there: without an entry, clients are sent to public STUN servers.
        "stun_servers": ["127.0.0.1:9"],
    }


def _redis(url: str) -> dict[str, object]:
    parts = urlsplit(url)
    return {
        "address": f"{parts.hostname}:{parts.port or 6379}",
        "username": unquote(parts.username or ""),
        "password": unquote(parts.password or ""),
        "db": int(parts.path.strip("/") or 0),
    }


async def _answers(client: httpx2.AsyncClient, port: int) -> bool:
    try:
        response = await client.get(f"http://127.0.0.1:{port}/")
    except httpx2.TransportError:
        return False
    return response.is_success
