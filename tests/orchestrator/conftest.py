"""What needs more than one process: the embedded speech and hearing, once for all tests."""

import sys
from collections.abc import AsyncGenerator

import httpx2
import pytest
import pytest_asyncio

from orchestrator.engines.ports import free_port
from orchestrator.engines.process import Program, running
from orchestrator.models.parts import Options
from orchestrator.models.weights import WeightsError
from tests.conftest import held


@pytest_asyncio.fixture(scope="session")
async def models_url(tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[str]:
    """Where the embedded speech and hearing are served, without the language model."""
    try:
        Options(llm=False).require_installed()
    except WeightsError as error:
        pytest.skip(str(error))
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    program = Program(
        name="models",
        command=[sys.executable, "-m", "orchestrator.models", "--no-llm", "--port", str(port)],
        log=tmp_path_factory.mktemp("models") / "models.log",
        deadline=120,
    )
    async with httpx2.AsyncClient(trust_env=False) as client:

        async def ready(_: object) -> bool:
            try:
                return (await client.get(f"{url}/health")).is_success
            except httpx2.HTTPError:
                return False

        async with held(running(program, ready)):
            yield f"{url}/v1"
