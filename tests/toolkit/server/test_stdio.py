"""A server over stdio, as a desktop client starts it."""

import os
import subprocess
import sys
import threading
from collections.abc import Generator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from fastmcp import Client
from fastmcp.client.transports import StdioTransport

from scheduling.server import SERVER
from toolkit.server.stdio import account_from_environment

CANARY = "canary-7f3a9"


class FakeCalCom(BaseHTTPRequestHandler):
    """Enough of Cal.com for a client to find a free day."""

    def do_GET(self) -> None:
        assert self.headers["Authorization"] == f"Bearer {CANARY}"
        path = self.path.partition("?")[0]
        data = {
            "/v2/me": '{"timeZone": "Europe/Berlin"}',
            "/v2/event-types": '[{"id": 7, "title": "Piano lesson", "lengthInMinutes": 45}]',
            "/v2/slots": "{}",
        }[path]
        body = f'{{"status": "success", "data": {data}}}'.encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def calcom() -> Generator[str]:
    """Where the vendor listens."""
    with HTTPServer(("127.0.0.1", 0), FakeCalCom) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


async def test_it_serves_the_tools_of_the_account_that_the_environment_describes(
    calcom: str,
) -> None:
    environment = {
        **os.environ,
        "SCHEDULING_PROVIDER": "calcom",
        "CALCOM_API_KEY": CANARY,
        "CALCOM_SETTING_BASE_URL": calcom,
        "ALLOW_PRIVATE_HOSTS": "1",
    }
    for name in ("DATABASE_URL", "REDIS_URL", "SERVICE_TOKEN_PUBLIC_KEY"):
        environment.pop(name, None)
    command = StdioTransport(sys.executable, ["-m", "scheduling", "--stdio"], env=environment)
    async with Client(command) as client:
        names = [tool.name for tool in await client.list_tools()]
        assert names == SERVER.catalogue()["tools"]
        wish = {"service": "piano", "when": "tomorrow"}
        answer = await client.call_tool("get_available_slots", wish, raise_on_error=False)
        assert answer.is_error is False
        assert "nothing free" in str(answer.structured_content)


@pytest.mark.parametrize(
    ("environment", "missing"),
    [
        ({}, "SCHEDULING_PROVIDER is not set"),
        ({"SCHEDULING_PROVIDER": "builtin"}, "SCHEDULING_PROVIDER is not set"),
        ({"SCHEDULING_PROVIDER": "calcom"}, "CALCOM_API_KEY is not set"),
    ],
)
def test_it_says_which_variable_is_missing(environment: dict[str, str], missing: str) -> None:
    base = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    ended = subprocess.run(
        [sys.executable, "-m", "scheduling", "--stdio"],
        env=base | environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == 1
    assert ended.stderr.startswith(missing)
    assert "calcom: CALCOM_API_KEY" in ended.stderr


def test_the_account_is_read_and_not_shown() -> None:
    account = account_from_environment(
        SERVER, {"SCHEDULING_PROVIDER": "calcom", "CALCOM_API_KEY": CANARY}
    )
    assert account.secrets == {"api_key": CANARY}
    assert CANARY not in repr(account)
