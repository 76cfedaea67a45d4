"""A process of a deployment that dies is started again; the others go on."""

import asyncio
import os
import signal

import httpx2
import pytest

from tests.support.deployment import SharedDeployment

pytestmark = pytest.mark.room

DEADLINE = 60.0  # seconds that a test waits for what must come


@pytest.mark.parametrize("name", ["jobs", "mcp"])
async def test_a_process_that_was_killed_is_back(deployment: SharedDeployment, name: str) -> None:
    process = next(each for each in deployment.deployment.processes if each.name == name)
    before = process.pid
    os.kill(before, signal.SIGKILL)
    async with (
        asyncio.timeout(DEADLINE),
        httpx2.AsyncClient(base_url=deployment.api_url, trust_env=False, timeout=10) as client,
    ):
        assert (await client.get("/healthz")).is_success  # the others did not end
        while process.pid == before or not await is_ready(deployment, client, name):  # noqa: ASYNC110 - another process
            await asyncio.sleep(0.1)


async def is_ready(deployment: SharedDeployment, client: httpx2.AsyncClient, name: str) -> bool:
    """Say whether a process takes work."""
    if name == "jobs":
        return await asyncio.to_thread(os.path.exists, deployment.environment["JOBS_READY_FILE"])
    try:
        answer = await client.get(f"http://127.0.0.1:{deployment.environment['MCP_PORT']}/healthz")
    except httpx2.TransportError:
        return False
    return answer.is_success
