"""`antiphon keys`, as a person at a terminal meets it."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import pytest_asyncio
from typer.testing import CliRunner, Result

from config.database import Database
from config.security.api_keys import Rights, find_key
from config.settings import Settings
from config.tables import McpServer
from orchestrator.cli import keys
from orchestrator.cli.app import app
from orchestrator.engines.postgres import Postgres
from orchestrator.engines.valkey import Valkey
from tests.conftest import Tenant, new_tenant

Keys = Callable[..., Awaitable[Result]]


@pytest_asyncio.fixture(scope="module")
async def tenant(database: Database) -> Tenant:
    """A business of its own, which has added a server of somebody else's."""
    tenant = await new_tenant(database)
    added = McpServer(
        business_id=tenant.business_id,
        name="tracker",
        url="https://tracker.example/mcp",
        tools={"search-issues": "digest"},
    )
    async with database.tenant(tenant.business_id) as session:
        session.add(added)
    return tenant


@pytest.fixture
def run(
    tenant: Tenant,
    postgres_server: Postgres,
    valkey_server: Valkey,
    monkeypatch: pytest.MonkeyPatch,
) -> Keys:
    """Run `antiphon keys` for the business."""
    stores: dict[str, Any] = {
        "database_url": postgres_server.database_url,
        "redis_url": valkey_server.redis_url,
    }
    monkeypatch.setattr(keys, "running_settings", lambda: Settings(**stores))
    slug = f"b{tenant.business_id.hex[:12]}"

    async def command(name: str, *arguments: str, business: str = slug) -> Result:
        words = ["keys", name, "--business", business, *arguments]
        runner = CliRunner(env={"COLUMNS": "250"})
        # It has an event loop of its own.
        return await asyncio.to_thread(runner.invoke, app, words)

    return command


async def test_a_key_may_do_what_was_asked_for(
    run: Keys, tenant: Tenant, database: Database
) -> None:
    made = await run(
        *("create", "--name", "desk", "--bot", "bot", "--read-only"),
        *("--server", "scheduling", "--server", "tracker"),
        *("--tool", "scheduling_get_booking", "--tool", "tracker_search-issues"),
    )
    assert made.exit_code == 0, made.output
    found = await find_key(database, made.stdout.strip())
    assert found is not None
    assert found.business_id == tenant.business_id
    assert found.rights == Rights(
        bots=(tenant.bot_id,),
        servers=("scheduling", "tracker"),
        tools=("scheduling_get_booking", "tracker_search-issues"),
        read_only=True,
    )


async def test_a_key_has_no_limits_unless_asked_for(run: Keys, database: Database) -> None:
    found = await find_key(database, (await run("create")).stdout.strip())
    assert found is not None
    assert found.rights == Rights()
    assert not found.rights.is_limited


@pytest.mark.parametrize(
    ("limit", "says"),
    [
        (("--bot", "nobody"), "there is no bot 'nobody'; there are bot"),
        (
            ("--server", "schedulin"),
            "there is no server 'schedulin'; there are crm, tickets, servicenow, scheduling",
        ),
        (("--tool", "erp_get_lead"), "there is no server 'erp'; there are crm"),
        (("--tool", "scheduling_bok"), "there is no tool 'scheduling_bok'; there are scheduling_"),
        (("--tool", "tracker_x"), "there is no tool 'tracker_x'; there are tracker_search-issues"),
        (
            ("--server", "knowledge", "--tool", "scheduling_get_booking"),
            "there is no server 'scheduling'; there are knowledge",
        ),
        (
            ("--tool", "scheduling_get_booking") * 50,
            "too many tools of scheduling; try --server scheduling",
        ),
    ],
)
async def test_what_there_is_not_is_said_with_what_there_is(
    run: Keys, limit: tuple[str, ...], says: str
) -> None:
    refused = await run("create", *limit)
    assert refused.exit_code == 1
    assert says in " ".join(refused.stderr.split())
    assert "ak_" not in refused.output


async def test_a_business_that_does_not_exist_has_no_keys(run: Keys) -> None:
    for command in (("create",), ("list",), ("revoke", "kiosk")):
        refused = await run(*command, business="nobody")
        assert refused.exit_code == 1
        assert "antiphon apply" in refused.stderr


async def test_a_key_is_listed_and_revoked(run: Keys, database: Database) -> None:
    key = (await run("create", "--name", "kiosk", "--bot", "bot", "--read-only")).stdout.strip()
    listed = await run("list")
    (line,) = [line for line in listed.stdout.splitlines() if "kiosk" in line]
    assert "bots bot; reading only" in line
    assert key not in listed.stdout
    revoked = await run("revoke", "kiosk")
    assert revoked.exit_code == 0, revoked.output
    assert "is revoked" in revoked.stderr
    assert await find_key(database, key) is None
    again = await run("revoke", "kiosk")
    assert (again.exit_code, "no key 'kiosk'" in again.stderr) == (1, True)


async def test_of_two_keys_with_one_name_the_id_tells_which(run: Keys, database: Database) -> None:
    first, second = [(await run("create", "--name", "twin")).stdout.strip() for _ in range(2)]
    refused = await run("revoke", "twin")
    assert refused.exit_code == 1
    found = await find_key(database, first)
    assert found is not None
    assert str(found.api_key_id) in "".join(refused.stderr.split())
    assert (await run("revoke", str(found.api_key_id))).exit_code == 0
    assert await find_key(database, second) is not None
