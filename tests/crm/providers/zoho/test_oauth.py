"""The OAuth credentials of a Zoho CRM account, and how they are renewed."""

import time
from typing import Any

import httpx2
import pytest
from redis.asyncio import Redis

from config.database import Database
from config.security.tokens import Signer
from config.security.vault import Account, DatabaseVault
from crm.registry import PROVIDERS
from crm.server import SERVER
from tests.conftest import Tenant, fetch, new_tenant
from tests.crm.contract import CANARY
from tests.crm.providers.zoho.double import SECRETS, FakeZoho, respond_with, token_response
from tests.support.accounts import connect
from tests.support.processes import in_one_task
from tests.support.servers import KEYRING, Answer, serve
from toolkit.errors import Forbidden
from toolkit.tenancy import Runtime, ToolCall

# https://www.zoho.com/crm/developer/docs/api/v8/multi-dc.html, and for the last three
# https://www.zoho.com/accounts/protocol/oauth/multi-dc.html and clients of those accounts.
HOSTS = {
    "com": ("accounts.zoho.com", "www.zohoapis.com"),
    "us": ("accounts.zoho.com", "www.zohoapis.com"),
    "eu": ("accounts.zoho.eu", "www.zohoapis.eu"),
    "in": ("accounts.zoho.in", "www.zohoapis.in"),
    "com.au": ("accounts.zoho.com.au", "www.zohoapis.com.au"),
    "au": ("accounts.zoho.com.au", "www.zohoapis.com.au"),
    "com.cn": ("accounts.zoho.com.cn", "www.zohoapis.com.cn"),
    "cn": ("accounts.zoho.com.cn", "www.zohoapis.com.cn"),
    "jp": ("accounts.zoho.jp", "www.zohoapis.jp"),
    "ca": ("accounts.zohocloud.ca", "www.zohoapis.ca"),
    "sa": ("accounts.zoho.sa", "www.zohoapis.sa"),
    "uk": ("accounts.zoho.uk", "www.zohoapis.uk"),
    "ae": ("accounts.zoho.ae", "www.zohoapis.ae"),
}


async def search_as_tenant(
    vendor: FakeZoho,
    signer: Signer,
    database: Database,
    cache: Redis,
    settings: dict[str, Any],
    secrets: dict[str, str],
) -> tuple[Answer, list[dict[str, Any]], dict[str, str]]:
    """Search as a tenant; return the answer, the account's status, and its stored secrets."""
    tenant = await new_tenant(database)
    await connect(database, tenant, "crm", "zoho", secrets, settings)
    transport = vendor.transport()
    async with in_one_task(serve([SERVER], signer, database, cache, vendors=transport)) as servers:
        claims = tenant.claims()
        async with servers.connect("crm", claims) as caller:
            answer = await caller.call("search", text="+49 30 5550142")
    rows = await fetch(database, tenant, "select status from business_integration")
    if rows[0]["status"] != "connected":
        return answer, rows, {}
    return (
        answer,
        rows,
        dict((await DatabaseVault(database, KEYRING).account("crm", claims)).secrets),
    )


@pytest.mark.parametrize("data_center", HOSTS)
async def test_an_expired_token_is_renewed_where_the_account_is_and_kept(
    signer: Signer, database: Database, cache: Redis, data_center: str
) -> None:
    vendor = FakeZoho()
    accounts, api = HOSTS[data_center]
    vendor.base = f"https://{api}"  # type: ignore[misc]  # a class variable
    vendor.accounts = f"https://{accounts}/oauth/v2/token"
    vendor.token = f"1000.new-{CANARY}"
    vendor.tokens = [token_response(vendor.token)]
    lead = vendor.add(
        "lead", First_Name="Ann", Last_Name="Berg", Company="-", Phone="030 / 555 01 42"
    )
    stale = {**SECRETS, "access_token": f"1000.stale-{CANARY}"}
    answer, _, secrets = await search_as_tenant(
        vendor, signer, database, cache, {"data_center": data_center}, stale
    )
    assert [each["id"] for each in answer.data["found"]] == [lead]
    assert vendor.tokens == []
    assert secrets["access_token"] == vendor.token
    assert secrets["refresh_token"] == SECRETS["refresh_token"]
    assert float(secrets["expires_at"]) > time.time() + 3000


@pytest.mark.parametrize(
    ("status", "error"), [(400, "invalid_grant"), (200, "invalid_code"), (200, "invalid_client")]
)
async def test_an_account_that_is_refused_must_be_reconnected(
    signer: Signer, database: Database, cache: Redis, status: int, error: str
) -> None:
    vendor = FakeZoho()
    vendor.token = "1000.other"
    vendor.tokens = [httpx2.Response(status, json={"error": error})] * 3
    answer, rows, _ = await search_as_tenant(vendor, signer, database, cache, {}, SECRETS)
    assert answer.error == "disconnected"
    assert "must be reconnected" in answer.text
    assert rows == [{"status": "revoked"}]
    assert CANARY not in str(answer)


async def test_a_token_that_zoho_does_not_renew_just_now_is_not_revoked(
    signer: Signer, database: Database, cache: Redis
) -> None:
    vendor = FakeZoho()
    vendor.token = "1000.other"
    vendor.tokens = [httpx2.Response(200, json={"error": "Access Denied"})] * 3
    answer, rows, _ = await search_as_tenant(vendor, signer, database, cache, {}, SECRETS)
    assert (answer.error, rows) == ("unavailable", [{"status": "connected"}])


async def test_a_data_center_that_there_is_not_is_said(
    signer: Signer, database: Database, cache: Redis
) -> None:
    settings = {"data_center": "evil.example/"}
    answer, _, _ = await search_as_tenant(FakeZoho(), signer, database, cache, settings, SECRETS)
    assert answer.error == "disconnected"


async def test_an_account_is_tried_as_it_will_be_used(database: Database, tenant: Tenant) -> None:
    vendor = FakeZoho()
    async with httpx2.AsyncClient(transport=vendor.transport()) as client:
        runtime = Runtime(client, DatabaseVault(database, KEYRING), database)
        account = Account("zoho", None, SECRETS)
        crm = PROVIDERS["zoho"](account, ToolCall(tenant.claims(), runtime))
        await crm.check()
        assert [each.url.path for each in vendor.requests] == [
            "/crm/v8/coql",
            "/crm/v8/Leads/search",
        ]
        vendor.fail(respond_with(httpx2.Response(403)), writes=False)
        with pytest.raises(Forbidden):
            await crm.check()
