"""Signing in to an instance: with a user's password, or as an application with tokens."""

import re
from base64 import b64encode

import httpx2
import pytest
from pydantic import ValidationError

from config.database import Database
from config.security.vault import Account, DatabaseVault
from servicenow.providers.servicenow.client import ServiceNowCredentials
from servicenow.providers.servicenow.provider import ServiceNow as Provider
from servicenow.server import SERVER
from tests.conftest import Tenant, fetch, new_tenant
from tests.servicenow.double import ServiceNow
from tests.servicenow.harness import APPLICATION, ServiceNowHarness
from tests.support.accounts import connect
from tests.support.servers import KEYRING, Servers
from tests.support.vendor_contract import CANARY
from tests.support.vendors import Exchange
from toolkit.errors import Disconnected
from toolkit.server.stdio import account_from_environment
from toolkit.tenancy import Runtime, ToolCall, open_provider

PASSWORD = {"instance": "dev00000", "username": "bot", "password": f"pw-{CANARY}"}


class PasswordServiceNow(ServiceNow):
    """A fake instance that a user signs in to."""

    # Its specification knows bearers only; facts/vendors.md, ServiceNow: Basic, or OAuth.
    uncovered = re.compile(".*")


async def test_a_token_that_has_expired_is_renewed_and_kept(harness: ServiceNowHarness) -> None:
    harness.vendor.add("incident", short_description="No VPN")
    harness.vendor.authorization = "Bearer nobody's"
    async with harness.caller() as caller:
        for _ in range(2):
            shown = await caller.call("get_incident", incident="INC0010001")
            assert shown.error is None, shown
    asked = [request.url.path for request in harness.vendor.requests]
    assert asked.count("/oauth_token.do") == 1
    rows = await fetch(harness.database, harness.tenant, "select * from business_integration")
    assert CANARY not in str(rows)


async def test_a_user_s_password_will_do(
    exchange: Exchange, vendor_servers: Servers, database: Database
) -> None:
    exchange.vendor = vendor = PasswordServiceNow()
    tenant = await new_tenant(database)
    credentials = b64encode(f"bot:pw-{CANARY}".encode()).decode()
    vendor.authorization = f"Basic {credentials}"
    await connect(database, tenant, "servicenow", "servicenow", PASSWORD)
    async with vendor_servers.connect("servicenow", tenant.claims()) as caller:
        shown = await caller.call("get_user", user="tom.hill")
    assert shown.error is None, shown


async def test_the_tools_are_there_for_who_is_connected_only(
    harness: ServiceNowHarness, other_tenant: Tenant
) -> None:
    async with harness.caller() as caller:
        assert list(await caller.tools()) == SERVER.catalogue()["tools"]
    async with harness.servers.connect("servicenow", other_tenant.claims()) as caller:
        assert await caller.tools() == {}
        answer = await caller.call("get_incident", incident="INC0010001")
    assert answer.error == "unknown_tool"
    assert harness.vendor.requests == []


async def test_another_tenant_s_instance_is_never_asked(
    harness: ServiceNowHarness, database: Database
) -> None:
    """Each tenant has an account of its own, and reaches only its own instance."""
    other = await new_tenant(database)
    secrets = {**PASSWORD, "instance": "other"}
    await connect(database, other, "servicenow", "servicenow", secrets)
    harness.vendor.add("incident", short_description="No VPN")
    async with harness.servers.connect("servicenow", other.claims()) as caller:
        answer = await caller.call("get_incident", incident="INC0010001")
    assert answer.error == "fault"  # the fake instance refuses any other address


@pytest.mark.parametrize(
    "secrets",
    [
        {"instance": "acme", "username": "bot"},
        {"instance": "acme", "password": CANARY},
        {"instance": "acme", "client_id": "x", "client_secret": CANARY},
        {"instance": "acme", "access_token": CANARY},
        {"instance": f"evil.example/{CANARY}", "username": "bot", "password": CANARY},
        {"username": "bot", "password": CANARY},
    ],
)
def test_half_of_what_is_needed_is_refused_and_not_shown(secrets: dict[str, str]) -> None:
    with pytest.raises(ValidationError) as refused:
        ServiceNowCredentials.model_validate(secrets)
    assert CANARY not in str(refused.value) + repr(refused.value)


@pytest.mark.parametrize(
    "instance", ["acme", "ACME", "acme.service-now.com", "https://acme.service-now.com/"]
)
def test_an_instance_goes_by_its_name_or_its_address(instance: str) -> None:
    credentials = ServiceNowCredentials.model_validate({**PASSWORD, "instance": instance})
    assert credentials.instance == "acme"
    assert CANARY not in repr(credentials) + str(credentials)


async def test_an_account_is_tried_by_one_harmless_request(
    database: Database, tenant: Tenant
) -> None:
    vendor = ServiceNow()
    async with httpx2.AsyncClient(transport=vendor.transport()) as client:
        runtime = Runtime(client, DatabaseVault(database, KEYRING), database)
        call = ToolCall(tenant.claims(), runtime)
        await open_provider(Provider, Account("servicenow", None, APPLICATION), call).check()
        assert [request.method for request in vendor.requests] == ["GET"]
        with pytest.raises(Disconnected):
            open_provider(Provider, Account("servicenow", None, {"instance": "acme"}), call)


def test_it_can_be_described_by_the_environment() -> None:
    secrets = {f"SERVICENOW_{name}".upper(): value for name, value in PASSWORD.items()}
    environment = {
        **secrets,
        "SERVICENOW_PROVIDER": "servicenow",
        "SERVICENOW_SETTING_TASK_TABLE": "sc_task",
    }
    found = account_from_environment(SERVER, environment)
    assert (found.secrets, found.settings) == (PASSWORD, {"task_table": "sc_task"})
    with pytest.raises(KeyError, match="SERVICENOW_INSTANCE"):
        account_from_environment(SERVER, {"SERVICENOW_PROVIDER": "servicenow"})
