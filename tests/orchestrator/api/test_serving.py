"""The API as a process of its own."""

import asyncio
import os
import signal
import socket
import sys
from pathlib import Path
from urllib.parse import urlsplit

import httpx2
import pytest

from config.constellation import constellation
from config.security.tokens import Signer
from config.settings import MissingSettingError, Settings
from orchestrator.api.dependencies import open_dependencies
from orchestrator.engines.postgres import Postgres
from orchestrator.engines.valkey import Valkey

SERVE = "import asyncio; from config.settings import Settings; " + (
    "from orchestrator.api.serving import serve; asyncio.run(serve(Settings()))"
)


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


async def test_it_serves_until_it_is_asked_to_stop(
    postgres_server: Postgres,
    valkey_server: Valkey,
    signer: Signer,
    repository: Path,
    tmp_path: Path,
) -> None:
    """Long because one process is followed from its start to its end."""
    port = free_port()
    environment = os.environ | {
        "DATABASE_URL": postgres_server.database_url,
        # Not the cache that workers of other tests report to.
        "REDIS_URL": urlsplit(valkey_server.redis_url)._replace(path="/9").geturl(),
        "LIVEKIT_URL": "ws://127.0.0.1:9",
        "LIVEKIT_API_KEY": "APIkey",
        "LIVEKIT_API_SECRET": "a-secret-of-at-least-thirty-two-bytes",
        "SERVICE_TOKEN_PRIVATE_KEY": signer.private_key,
        "API_PORT": str(port),
        "PYTHONPATH": os.pathsep.join([str(repository), str(repository / "mcp")]),
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        SERVE,
        env=environment,
        cwd=tmp_path,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    assert process.stdout is not None
    log = await process.stdout.readuntil(b"running on")
    async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}") as http:
        assert (await http.get("/healthz")).json() == {"status": "ok"}
        page = {"Origin": f"http://localhost:{port}", "Authorization": "Bearer ak_canary"}
        refused = await http.get("/api/conversations?canary=1", headers=page)
        ready = await http.get("/readyz")
    assert refused.status_code == 401
    assert "server" not in refused.headers
    assert f"livekit, worker, {', '.join(constellation().servers)}" in ready.json()["message"]
    process.send_signal(signal.SIGTERM)
    log += await process.stdout.read()
    assert await process.wait() == -signal.SIGTERM
    assert b"Finished server process" in log
    assert b"canary" not in log


async def test_what_is_not_set_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)  # away from anybody's .env
    monkeypatch.delenv("SERVICE_TOKEN_PRIVATE_KEY", raising=False)
    with pytest.raises(MissingSettingError, match="SERVICE_TOKEN_PRIVATE_KEY"):
        async with open_dependencies(Settings()):
            pass
