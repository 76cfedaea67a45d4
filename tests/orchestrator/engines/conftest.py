"""All three engines, really running, once per session; and fake build tools."""

import os
from collections.abc import AsyncGenerator, Callable
from pathlib import Path

import pytest
import pytest_asyncio

from orchestrator.engines.engines import Endpoints, Engines, start_engines


@pytest.fixture(scope="session")
def user_cache() -> Path:
    """The cache folder in which a built livekit-server stays between runs."""
    return Path(os.environ.get("ANTIPHON_CACHE", Path.home() / ".cache" / "antiphon"))


@pytest_asyncio.fixture(scope="session")
async def engines(user_cache: Path) -> AsyncGenerator[Engines]:
    """The three engines, as `antiphon up` starts them."""
    async with start_engines(Endpoints(), folder=None, cache=user_cache, progress=print) as running:
        yield running


@pytest.fixture
def fake_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], Path]:
    """Return a function that adds a shell script to a PATH that contains nothing else."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.delenv("UV", raising=False)

    def add(name: str, body: str) -> Path:
        script = folder / name
        script.write_text(f"#!/bin/sh\n{body}\n")
        script.chmod(0o755)
        return script

    return add


@pytest.fixture
def calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], list[str]]:
    """Return a function that reads the calls of fake programs, which they append to $LOG."""
    log = tmp_path / "calls"
    monkeypatch.setenv("LOG", str(log))
    return lambda: log.read_text().splitlines() if log.exists() else []
