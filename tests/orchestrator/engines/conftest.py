"""All three engines, really running, once for this folder; and stand-ins for build tools."""

import os
from collections.abc import AsyncGenerator, Callable
from pathlib import Path

import pytest
import pytest_asyncio

from orchestrator.engines.engines import Endpoints, Engines, start


@pytest.fixture(scope="session")
def user_cache() -> Path:
    """Where a built livekit-server is kept from run to run."""
    return Path(os.environ.get("ANTIPHON_CACHE", Path.home() / ".cache" / "antiphon"))


@pytest_asyncio.fixture(scope="session")
async def engines(user_cache: Path) -> AsyncGenerator[Engines]:
    """Everything that `antiphon up` would start."""
    async with start(Endpoints(), folder=None, cache=user_cache, progress=print) as running:
        yield running


@pytest.fixture
def stand_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], Path]:
    """Return a function that puts a shell script on a PATH that holds nothing else."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.delenv("UV", raising=False)

    def put(name: str, body: str) -> Path:
        script = folder / name
        script.write_text(f"#!/bin/sh\n{body}\n")
        script.chmod(0o755)
        return script

    return put


@pytest.fixture
def calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], list[str]]:
    """Return a function that tells how the stand-ins were called: they write to $LOG."""
    log = tmp_path / "calls"
    monkeypatch.setenv("LOG", str(log))
    return lambda: log.read_text().splitlines() if log.exists() else []
