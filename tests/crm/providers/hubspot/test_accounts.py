"""The credentials, settings and permissions of a HubSpot account."""

import json
import time
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import httpx2
import pytest
from redis.asyncio import Redis

from config.database import Database
from config.security.tokens import Signer
from config.security.vault import Account, DatabaseVault
from crm.registry import PROVIDERS
from crm.server import SERVER
from tests.conftest import Tenant, new_tenant
from tests.crm.contract import CANARY, CrmHarness
from tests.crm.providers.hubspot.double import FakeHubSpot
from tests.support.accounts import connect
from tests.support.faults import SwitchableBreakers
from tests.support.processes import in_one_task
from tests.support.servers import KEYRING, serve
from tests.support.vendors import refused
from toolkit.errors import Disconnected
from toolkit.tenancy import Runtime, ToolCall

PRIVATE_APP = {"access_token": f"pat-{CANARY}"}
PUBLIC_APP = {
    "client_id": "app",
    "client_secret": f"secret-{CANARY}",
    "refresh_token": f"refresh-{CANARY}",
    "access_token": f"stale-{CANARY}",
}


@asynccontextmanager
async def connect_harness(
    vendor: FakeHubSpot,
    signer: Signer,
    database: Database,
    cache: Redis,
    secrets: Mapping[str, str] = PRIVATE_APP,
    settings: Mapping[str, Any] | None = None,
) -> AsyncGenerator[CrmHarness]:
    """Serve a tenant that is connected to the vendor."""
    tenant = await new_tenant(database)
    await connect(database, tenant, "crm", "hubspot", secrets, settings)
    transport = vendor.transport()
    async with in_one_task(serve([SERVER], signer, database, cache, vendors=transport)) as servers:
        yield CrmHarness(servers, tenant, vendor, database, SwitchableBreakers())


async def test_an_expired_token_is_renewed_and_kept(
    signer: Signer, database: Database, cache: Redis
) -> None:
    vendor = FakeHubSpot()
    vendor.token = f"new-{CANARY}"
    renewed = {"access_token": vendor.token, "refresh_token": "r2", "expires_in": 1800}
    vendor.tokens = [httpx2.Response(200, json=renewed)]
    contact = vendor.add("contacts", firstname="Ann")
    async with (
        connect_harness(vendor, signer, database, cache, PUBLIC_APP) as harness,
        harness.caller() as caller,
    ):
        shown = await harness.call_ok(caller, "get_contact", contact=contact)
        assert shown.data["name"] == "Ann"
        claims = harness.tenant.claims()
    secrets = (await DatabaseVault(database, KEYRING).account("crm", claims)).secrets
    assert secrets["access_token"] == vendor.token
    assert secrets["refresh_token"] == "r2"
    assert float(secrets["expires_at"]) > time.time() + 1500


@pytest.mark.parametrize("secrets", [{}, {**PUBLIC_APP, "client_secret": ""}, {"client_id": "app"}])
async def test_what_is_not_enough_is_not_tried(
    signer: Signer, database: Database, cache: Redis, secrets: dict[str, str]
) -> None:
    vendor = FakeHubSpot()
    async with (
        connect_harness(vendor, signer, database, cache, secrets) as harness,
        harness.caller() as caller,
    ):
        answer = await caller.call("search", text="Tom Hill")
    assert (answer.error, vendor.requests) == ("disconnected", [])
    assert CANARY not in answer.text


async def test_a_grant_that_is_no_more_is_said(
    signer: Signer, database: Database, cache: Redis
) -> None:
    """HubSpot's response is not that of the OAuth standard."""
    vendor = FakeHubSpot()
    error = {"status": "BAD_REFRESH_TOKEN", "message": "missing or invalid refresh token"}
    vendor.tokens = [httpx2.Response(400, json=error)] * 2
    async with (
        connect_harness(vendor, signer, database, cache, PUBLIC_APP) as harness,
        harness.caller() as caller,
    ):
        answer = await caller.call("get_contact", contact="1")
    assert answer.error == "disconnected"
    assert "must be reconnected" in answer.text
    assert "refresh token" not in answer.text


async def test_an_account_that_may_not_read_its_lists_passes_on_what_is_said(
    signer: Signer, database: Database, cache: Redis
) -> None:
    vendor = FakeHubSpot()
    async with (
        connect_harness(vendor, signer, database, cache) as harness,
        harness.caller() as caller,
    ):
        vendor.fail(refused(403), writes=False)
        lead = await harness.call_ok(caller, "create_lead", name="Ann Berg", status="WORKING")
        shown = await harness.call_ok(caller, "get_lead", lead=lead.data["id"])
        assert shown.data["status"] == "WORKING"


async def test_a_source_needs_a_property(signer: Signer, database: Database, cache: Redis) -> None:
    vendor = FakeHubSpot()
    async with (
        connect_harness(vendor, signer, database, cache) as harness,
        harness.caller() as caller,
    ):
        answer = await caller.call("create_lead", name="Ann Berg", source="Radio")
    assert answer.error == "rejected"
    assert "in notes" in answer.text
    assert vendor.written() == []


async def test_a_tenant_may_name_the_stages_of_its_cases(
    signer: Signer, database: Database, cache: Redis
) -> None:
    vendor = FakeHubSpot()
    settings = {"case_statuses": {"open": "Waiting on contact", "new": "nothing"}}
    async with (
        connect_harness(vendor, signer, database, cache, settings=settings) as harness,
        harness.caller() as caller,
    ):
        for status, stage in (("open", "2"), ("new", "1"), ("closed", "4")):
            await harness.call_ok(caller, "create_case", subject=f"Noise {status}", status=status)
            sent = json.loads(vendor.written()[-1].content)
            assert sent["properties"]["hs_pipeline_stage"] == stage
            filters = [{"field": "status", "value": status}]
            page = await harness.call_ok(caller, "query", kind="case", filters=filters)
            assert [row["title"] for row in page.data["rows"]] == [f"Noise {status}"]


async def test_an_account_is_tried_where_it_is(database: Database, tenant: Tenant) -> None:
    """The check uses the account's `base_url`."""
    vendor = Elsewhere()
    async with httpx2.AsyncClient(transport=vendor.transport()) as client:
        runtime = Runtime(client, DatabaseVault(database, KEYRING), database)
        account = Account("hubspot", None, PRIVATE_APP, {"base_url": f"{vendor.base}/"})
        crm = PROVIDERS["hubspot"](account, ToolCall(tenant.claims(), runtime))
        await crm.check()
        vendor.token = "another"
        with pytest.raises(Disconnected):
            await crm.check()
    assert {each.url.path for each in vendor.requests} == {"/crm/v3/objects/contacts/search"}


class Elsewhere(FakeHubSpot):
    base = "http://127.0.0.1:8900"
