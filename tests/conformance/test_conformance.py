"""MCP's own conformance suite passes, through all of our servers' middleware."""

import json
import os
import re
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

import pytest
from fastmcp.tools import FunctionTool
from redis.asyncio import Redis
from starlette.types import ASGIApp, Receive, Scope, Send

from config.database import Database
from config.security.tokens import Signer, server_audience
from orchestrator.engines.postgres import Postgres
from orchestrator.engines.process import run_command
from orchestrator.engines.valkey import Valkey
from tests.conformance.server import SERVER
from tests.conftest import fetch, new_tenant
from tests.support.asgi import serve_app
from tests.support.node_tools import NodeTools
from tests.support.servers import serve

REVISION = "2026-07-28"
SCORED = 37
NAMES = {FunctionTool.from_function(function).name for function in SERVER.tools}
# How often the suite gets each tool to answer. test_missing_capability never does.
CALLS = {
    "test_simple_text": 2,
    "test_image_content": 1,
    "test_audio_content": 1,
    "test_embedded_resource": 1,
    "test_multiple_content_types": 1,
    "test_error_handling": 1,
    "test_tool_with_progress": 1,
    "test_logging_tool": 1,
    "test_streaming_elicitation": 1,
    "test_input_required_result_elicitation": 6,
    "test_input_required_result_sampling": 2,
    "test_input_required_result_list_roots": 2,
    "test_input_required_result_request_state": 2,
    "test_input_required_result_multiple_inputs": 2,
    "test_input_required_result_multi_round": 3,
    "test_input_required_result_tampered_state": 1,
    "test_input_required_result_capabilities": 1,
    "test_missing_capability": 1,  # a protocol error, which passes through
}
# Starts what `antiphon mcp` starts, and prints its paths and the modules that it has imported.
PROBE = """
import asyncio, json, sys
from config.settings import Settings
from toolkit.server.build import server_app

async def probe():
    async with server_app([], Settings()) as app:
        print(json.dumps([[route.path for route in app.routes], list(sys.modules)]))

asyncio.run(probe())
"""


class WithToken:
    """Puts a token on each request: the suite has none to send."""

    def __init__(self, app: ASGIApp, token: Callable[[], str]) -> None:
        self._app = app
        self._token = token

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            bearer = (b"authorization", f"Bearer {self._token()}".encode())
            scope = {**scope, "headers": [*scope["headers"], bearer]}
        await self._app(scope, receive, send)


def required_marks(report: str) -> dict[str, str]:
    """Return the mark of each scenario that the revision requires."""
    marks = dict(re.findall(r"^[✓✗] (\S+): (.*)$", report, re.M))
    unscored = re.findall(r"^  [✓✗] (\S+) \(", report, re.M)
    return {name: mark for name, mark in marks.items() if name not in unscored}


# The suite looks at what a tool that logs does, which is deprecated.
@pytest.mark.filterwarnings("ignore:The logging capability is deprecated")
async def test_the_suite_passes(
    signer: Signer, database: Database, cache: Redis, node_tools: NodeTools, tmp_path: Path
) -> None:
    tenant = await new_tenant(database)
    # As on the phone: within a conversation, with every tool to be confirmed that wants to be.
    claims = tenant.claims(conversation_id=uuid4(), confirm=tuple(NAMES))
    async with serve([SERVER], signer, database, cache) as servers:
        app = WithToken(servers.app, lambda: signer.mint(server_audience("conformance"), claims))
        async with serve_app(app) as url:
            options = ("--url", f"{url}/conformance/mcp", "--requirements", REVISION)
            command = node_tools.program("conformance", "server", *options)
            report = await run_command(command, cwd=tmp_path, on_line=print)

    marks = required_marks(report)
    assert len(marks) == SCORED
    assert all(mark.endswith(" 0 failed") for mark in marks.values())

    rows = await fetch(
        database, tenant, "SELECT tool, outcome FROM audit WHERE server = 'conformance'"
    )
    assert Counter(row["tool"] for row in rows if row["tool"] in NAMES) == CALLS
    unexpected = {(row["tool"] in NAMES, row["outcome"]) for row in rows if row["outcome"] != "ok"}
    assert unexpected == {(True, "rejected"), (True, "cut_off"), (False, "unknown_tool")}


async def test_no_deployment_serves_or_imports_it(
    signer: Signer, postgres_server: Postgres, valkey_server: Valkey, tmp_path: Path
) -> None:
    environment = {
        **os.environ,
        "DATABASE_URL": postgres_server.database_url,
        "REDIS_URL": valkey_server.redis_url,
        "SERVICE_TOKEN_PUBLIC_KEY": signer.public_key(),
    }
    output = await run_command([sys.executable, "-c", PROBE], env=environment, cwd=tmp_path)
    paths, modules = json.loads(output.splitlines()[-1])
    assert paths
    assert [path for path in paths if "conformance" in path] == []
    assert [name for name in modules if "conformance" in name] == []
