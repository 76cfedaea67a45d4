"""The real models, each started once: speech and hearing in this process, the LLM in its own."""

import asyncio
import re
import sys
from asyncio.subprocess import PIPE
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import httpx2
import pytest

from orchestrator.models.parts import Options, Parts
from orchestrator.models.weights import WeightsError
from orchestrator.models.wire import create_app

RunModels = Callable[..., AbstractAsyncContextManager[tuple[asyncio.subprocess.Process, str]]]


def _require(options: Options) -> None:
    """Skip, with the reason, where a wanted model's packages are not installed."""
    try:
        options.require_installed()
    except WeightsError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
async def sound() -> AsyncGenerator[httpx2.AsyncClient]:
    """A client of speech and hearing."""
    options = Options(llm=False)
    _require(options)
    app = create_app(Parts(options))
    client = httpx2.AsyncClient(
        transport=httpx2.ASGITransport(app), base_url="http://127.0.0.1", timeout=60
    )
    async with app.router.lifespan_context(app), client:
        ready = await client.get("/health", params={"wait": 60})
        assert ready.status_code == 200, ready.text
        yield client


@asynccontextmanager
async def _running(*arguments: str) -> AsyncGenerator[tuple[asyncio.subprocess.Process, str]]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "orchestrator.models", "--port", "0", *arguments, stderr=PIPE
    )
    assert process.stderr
    try:
        log = ""
        async for line in process.stderr:
            log += line.decode()
            if found := re.search(r"running on (http://\S+)", log):
                yield process, found[1]
                break
        else:
            pytest.fail(f"the models did not start: {log}")
    finally:
        if process.returncode is None:
            process.terminate()
        await process.communicate()


@pytest.fixture(scope="session")
def run_models() -> RunModels:
    """A function that runs `python -m orchestrator.models` on a free port."""
    return _running


@pytest.fixture(scope="session")
async def llm() -> AsyncGenerator[httpx2.AsyncClient]:
    """A client of the language model."""
    _require(Options(hearing=False, speech=False))
    async with (
        _running("--no-hearing", "--no-speech") as (_, url),
        httpx2.AsyncClient(base_url=url, timeout=120) as client,
    ):
        ready = await client.get("/health", params={"wait": 120})
        assert ready.status_code == 200, ready.text
        yield client
