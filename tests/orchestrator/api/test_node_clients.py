"""The clients that most people have: MCP's Inspector, and the SDK for TypeScript."""

import asyncio
import json
from asyncio.subprocess import PIPE
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from tests.conftest import Tenant
from tests.orchestrator.api.mcp_clients import Deployment
from tests.support.node_tools import NodeTools

AUTHENTICATION_FAILED = 3  # the Inspector's exit code
TOOL = "scheduling_tell_whose"


async def inspect(node_tools: NodeTools, url: str, key: str, *arguments: str) -> tuple[int, Any]:
    """Run the Inspector's command line; returns its exit code, and what it printed as JSON."""
    header = ("--header", f"Authorization: Bearer {key}")
    options = ("--cli", url, "--transport", "http", *header, "--format", "json", *arguments)
    program = node_tools.program("mcp-inspector", *options)
    child = await asyncio.create_subprocess_exec(*program, stdout=PIPE, stderr=PIPE)
    printed, _ = await child.communicate()
    assert child.returncode is not None
    return child.returncode, json.loads(printed)["result"] if child.returncode == 0 else None


@pytest.mark.parametrize("era", ["legacy", "modern"])
async def test_the_inspector_lists_and_calls(
    deployment: Deployment, node_tools: NodeTools, key: str, tenant: Tenant, era: str
) -> None:
    asked = ("--protocol-era", era, "--method")
    call = (*asked, "tools/call", "--tool-name", TOOL)
    (listing, listed), (calling, called) = await asyncio.gather(
        inspect(node_tools, deployment.url, key, *asked, "tools/list", "--strict"),
        inspect(node_tools, deployment.url, key, *call),
    )
    assert (listing, calling) == (0, 0)
    assert TOOL in [tool["name"] for tool in listed["tools"]]
    assert called["structuredContent"]["business_id"] == str(tenant.business_id)


async def test_the_inspector_says_that_a_key_is_wrong(
    deployment: Deployment, node_tools: NodeTools
) -> None:
    code, _ = await inspect(node_tools, deployment.url, "ak_wrong", "--method", "tools/list")
    assert code == AUTHENTICATION_FAILED


@asynccontextmanager
async def typescript(
    node_tools: NodeTools, deployment: Deployment, key: str, mode: str
) -> AsyncGenerator[asyncio.subprocess.Process]:
    """Run one client of the SDK for TypeScript, which asks again for each line that it gets."""
    script = node_tools.script("client.mjs", deployment.url, key, TOOL, "{}", mode)
    child = await asyncio.create_subprocess_exec(
        *script, stdin=PIPE, stdout=PIPE, cwd=node_tools.folder
    )
    yield child
    if child.stdin is not None:
        child.stdin.close()
    assert await child.wait() == 0


@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_a_typescript_client_goes_on_after_a_restart(
    deployment: Deployment, node_tools: NodeTools, key: str, tenant: Tenant, mode: str
) -> None:
    async with typescript(node_tools, deployment, key, mode) as client:
        assert client.stdin is not None
        assert client.stdout is not None
        for restarted in (False, True):
            if restarted:
                await deployment.restart()
                client.stdin.write(b"again\n")
            seen = json.loads(await client.stdout.readline())
            assert TOOL in seen["tools"]
            answer = seen["result"]["structuredContent"]
            assert answer["business_id"] == str(tenant.business_id)
