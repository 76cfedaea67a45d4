"""Make against a specification and the mocks of its own SDK.

Zapier has published neither: what its double is made of stands in `zapier_double.py`.
"""

import json
from pathlib import Path
from typing import Any

import httpx2
import pytest
from redis.asyncio import Redis

from automation.provider import Automation
from automation.providers.make import Make as Provider
from automation.server import SERVER
from config.database import Database
from config.security.tokens import Signer
from config.security.vault import Account, DatabaseVault
from tests.automation.harness import declare
from tests.automation.make_double import QUOTE, Make
from tests.conftest import Tenant, new_tenant
from tests.support.accounts import connect
from tests.support.processes import in_one_task
from tests.support.servers import KEYRING, serve
from tests.support.vendor_contract import CANARY
from tests.support.vendors import Vendor, specification
from toolkit.tenancy import Runtime, ToolCall

ACCOUNT = {"api_key": f"key-{CANARY}"}, {"zone": "eu1.make.com"}
EMAIL = Automation(name="email", description="Sends it.", scenario=QUOTE, answers=True)


async def test_every_tool_asks_what_the_specification_allows(
    contracts: Path, signer: Signer, database: Database, cache: Redis
) -> None:
    """The transport that all tests of this vendor share checks each request against it."""
    assert contracts.name
    vendor, tenant = Make(), await new_tenant(database)
    assert vendor.specification is not None
    assert specification(vendor.specification) is not None
    await connect(database, tenant, SERVER.name, "make", *ACCOUNT)
    await declare(database, tenant, "send_quote", "make", scenario=QUOTE, answers=True)
    server = serve([SERVER], signer, database, cache, vendors=vendor.transport())
    async with (
        in_one_task(server) as servers,
        servers.connect(SERVER.name, tenant.claims()) as caller,
    ):
        values = {"email": "ann@example.com"}
        run = await caller.call("make_run_scenario", scenario="send_quote", values=values)
        listed = await caller.call("list_automations", run=run.data["run"])
        every = await caller.call("list_automations")
    assert (run.error, listed.error, every.error) == (None, None, None)
    asked = [f"{request.method} {request.url.path}" for request in vendor.requests]
    execution = run.data["run"].partition(":")[2]
    assert asked == [
        f"GET /api/v2/scenarios/{QUOTE}/interface",
        f"POST /api/v2/scenarios/{QUOTE}/run",
        *[f"GET /api/v2/scenarios/{QUOTE}/executions/{execution}"] * 2,
    ]


class MockVendor(Vendor):
    """Answers each request with the mock that Make's own SDK has for it."""

    base = Make.base

    def __init__(self, mocks: Path) -> None:
        super().__init__()
        self._mocks = mocks

    def answer(self, request: httpx2.Request) -> httpx2.Response:
        path = request.url.path.removeprefix("/api/v2")
        mock = {
            ("GET", "/users/me/current-authorization"): "users/current-authorization",
            ("GET", f"/scenarios/{QUOTE}"): "scenarios/get",
            ("GET", f"/scenarios/{QUOTE}/interface"): "scenarios/interface",
            ("POST", f"/scenarios/{QUOTE}/run"): "scenarios/run",
        }.get((request.method, path), "executions/get-detail")
        body: Any = json.loads((self._mocks / f"{mock}.json").read_text("utf-8"))
        return httpx2.Response(200, json=body)


async def test_the_mocks_of_make_s_own_sdk_are_understood(
    contracts: Path, database: Database, tenant: Tenant
) -> None:
    vendor = MockVendor(contracts / "make" / "mocks-make-typescript-sdk")
    async with httpx2.AsyncClient(transport=vendor.transport()) as client:
        runtime = Runtime(client, DatabaseVault(database, KEYRING), database)
        call = ToolCall(tenant.claims(), runtime)
        provider = Provider(Account("make", None, *ACCOUNT), call)
        schema = await provider.get_schema(EMAIL)
        run = await provider.run(EMAIL, {"email": "ann@example.com"})
        with pytest.raises(Exception, match="lacks the scope scenarios:run"):
            await provider.check()  # the mock's token reads only
    assert schema == {
        "type": "object",
        "properties": {"email": {"type": "string"}},
        "additionalProperties": False,
    }
    assert (run.id, run.state) == ("9c4874979d974c3ebdef1e8aaa7dc452", "done")
    assert run.outputs == {"output1": "text output", "output2": 123}
