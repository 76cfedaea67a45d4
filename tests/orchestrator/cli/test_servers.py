"""`antiphon servers`, as a person at a terminal meets it."""

from collections.abc import AsyncGenerator
from dataclasses import dataclass

import pytest_asyncio

from config.database import Database
from config.security.encryption import Keyring
from orchestrator.engines.postgres import Postgres
from orchestrator.engines.valkey import Valkey
from tests.conftest import fetch, new_tenant
from tests.support.external_servers import ExternalServerDouble, serve_external
from tests.support.processes import in_one_task
from tests.support.terminal import Ended, antiphon_here

CANARY = "Bearer canary-4711"


def find(name: str) -> str:
    return name


@dataclass(frozen=True)
class Terminal:
    """A terminal of the people who run a business."""

    environment: dict[str, str]
    business: str

    async def servers(self, *arguments: str) -> Ended:
        """Run a command."""
        command, *rest = arguments
        words = ("servers", command, "--business", self.business, *rest)
        answer = await antiphon_here(self.environment, *words)
        assert "Traceback" not in answer.stderr
        assert "canary" not in answer.stdout + answer.stderr
        return answer


@pytest_asyncio.fixture
async def erp() -> AsyncGenerator[ExternalServerDouble]:
    """A server that wants its header."""
    async with in_one_task(serve_external(header=("authorization", CANARY))) as server:
        server.offer(find, "Find [bold]a customer[/].")
        yield server


async def test_a_server_is_added_shown_accepted_and_removed(
    erp: ExternalServerDouble, database: Database, postgres_server: Postgres, valkey_server: Valkey
) -> None:
    tenant = await new_tenant(database)
    environment = {
        "DATABASE_URL": postgres_server.database_url,
        "REDIS_URL": valkey_server.redis_url,
        "VAULT_KEYS": Keyring.new_key("k1"),
        "ALLOW_PRIVATE_HOSTS": "true",
        "CRM_TOKEN": CANARY,
    }
    terminal = Terminal(environment, f"b{tenant.business_id.hex[:12]}")
    header = ("--header", "Authorization=${CRM_TOKEN}")

    added = await terminal.servers("add", "erp", erp.url, *header)
    assert "erp: added" in added.stderr, added.stderr
    assert "no difference" in (await terminal.servers("add", "erp", erp.url, *header)).stderr
    listed = (await terminal.servers("list")).stdout
    assert "offered" in listed
    assert "Find [bold]a customer[/]." in listed

    erp.offer(find, "Find nobody.")
    listed = (await terminal.servers("list")).stdout
    assert "withheld: changed" in listed
    assert "Find nobody." in listed
    unknown = await terminal.servers("accept", "erp", "nothing")
    assert (unknown.returncode, "no tool 'nothing'" in unknown.stderr) == (1, True)
    assert "1 offered, 0 withheld" in (await terminal.servers("accept", "erp", "find")).stderr
    (row,) = await fetch(database, tenant, "select subject from audit where outcome = 'accepted'")
    assert row.subject == "cli"

    plain = await terminal.servers("add", "erp", erp.url, "--header", "Authorization=${NOTHING}")
    assert (plain.returncode, "NOTHING is not set" in plain.stderr) == (1, True)
    erp.header = ("authorization", "another")
    assert "is not available" in (await terminal.servers("list")).stdout
    assert "erp: removed" in (await terminal.servers("remove", "erp")).stderr
    assert "there is no server" in (await terminal.servers("remove", "erp")).stderr
