"""The real models, each started once per session, in their own processes."""

import asyncio
import re
import sys
from asyncio.subprocess import PIPE
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import httpx2
import pytest

from orchestrator.embedded.llm_engine import look
from orchestrator.embedded.loader import LoadOptions
from orchestrator.embedded.weights import WeightsError

RunModels = Callable[..., AbstractAsyncContextManager[tuple[asyncio.subprocess.Process, str]]]


def _require(options: LoadOptions) -> None:
    """Skip the test, with the reason, if a model's packages are not installed."""
    try:
        options.require_installed()
    except WeightsError as error:
        pytest.skip(str(error))


@asynccontextmanager
async def _run_models(*arguments: str) -> AsyncGenerator[tuple[asyncio.subprocess.Process, str]]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "orchestrator", "models", "--port", "0", *arguments, stderr=PIPE
    )
    assert process.stderr
    try:
        log = ""
        async for line in process.stderr:
            log += line.decode()
            if address := re.search(r"running on (http://\S+)", log):
                yield process, address[1]
                break
        else:
            pytest.fail(f"the models did not start: {log}")
    finally:
        if process.returncode is None:
            process.terminate()
        await process.communicate()


@pytest.fixture(scope="session")
def run_models() -> RunModels:
    """A function that runs `antiphon models` on a free port."""
    return _run_models


@pytest.fixture(scope="session")
async def speech() -> AsyncGenerator[httpx2.AsyncClient]:
    """A client of Piper and Whisper."""
    _require(LoadOptions(llm=False))
    async with _loaded_models("--no-llm") as client:
        yield client


@pytest.fixture(scope="session", params=["llama.cpp", "openvino"])
async def llm(request: pytest.FixtureRequest) -> AsyncGenerator[httpx2.AsyncClient]:
    """A client of the language model, on each engine."""
    _require(LoadOptions(hearing=False, speech=False))
    if request.param == "openvino" and not look().made:
        pytest.skip("OpenVINO's model is not made here: antiphon models prepare")
    options = ("--no-hearing", "--no-speech", "--engine", str(request.param))
    async with _loaded_models(*options) as client:
        yield client


@asynccontextmanager
async def _loaded_models(*arguments: str) -> AsyncGenerator[httpx2.AsyncClient]:
    async with (
        _run_models(*arguments) as (_, url),
        httpx2.AsyncClient(base_url=url, timeout=120, trust_env=False) as client,
    ):
        ready = await client.get("/health", params={"wait": 120})
        assert ready.status_code == 200, ready.text
        yield client
