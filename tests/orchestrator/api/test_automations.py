"""Automations over REST: stored, listed and removed; the URL of a hook is never shown."""

import logging
from typing import Any
from uuid import uuid4

import pytest
import pytest_asyncio

from automation.server import SERVER
from config.database import Database
from orchestrator.api.dependencies import Dependencies
from orchestrator.mcp_client.external.registration import RegistrationContext
from tests.conftest import Tenant, fetch
from tests.orchestrator.api.conftest import ClientFactory, client_factory, with_changes
from tests.support.accounts import connect
from tests.support.servers import KEYRING

CANARY = "canary-4711"
HOOK = f"https://hooks.zapier.com/hooks/catch/1234567/{CANARY}/"
TAKES = {
    "type": "object",
    "properties": {"message": {"type": "string", "maxLength": 500}},
    "required": ["message"],
    "additionalProperties": False,
}
Json = dict[str, Any]


@pytest.fixture
def client(dependencies: Dependencies) -> ClientFactory:
    """Open a client of an API that can seal secrets."""
    return client_factory(with_changes(dependencies, registration=RegistrationContext(KEYRING)))


@pytest_asyncio.fixture
async def account(database: Database, tenant: Tenant) -> str:
    """The name of an account at Zapier."""
    name = f"zaps-{uuid4().hex[:12]}"
    await connect(database, tenant, SERVER.name, "zapier", {}, name=name)
    return name


def zap(account: str, **changes: Any) -> Json:
    """Return an automation as it is posted."""
    body: Json = {
        "name": f"notify_{account}",
        "integration": account,
        "description": "Tells the team.",
        "takes": TAKES,
        "hook": HOOK,
    }
    return {key: value for key, value in {**body, **changes}.items() if value is not None}


async def test_an_automation_is_stored_replaced_listed_and_removed(
    client: ClientFactory, key: str, account: str
) -> None:
    body = zap(account)
    async with client(key) as http:
        stored = await http.post("/api/automations", json=body)
        replaced = await http.post(
            "/api/automations", json=zap(account, description="Tells all.", takes=None)
        )
        listed = (await http.get("/api/automations")).json()["automations"]
        removed = await http.delete(f"/api/automations/{body['name']}")
        gone = await http.delete(f"/api/automations/{body['name']}")
    assert (stored.status_code, stored.json()) == (
        200,
        {
            "name": body["name"],
            "integration": account,
            "provider": "zapier",
            "description": "Tells the team.",
            "takes": TAKES,
            "answers": False,
            "scenario": None,
        },
    )
    (mine,) = (each for each in listed if each["name"] == body["name"])
    assert mine == replaced.json() == {**stored.json(), "description": "Tells all.", "takes": None}
    assert removed.json() == {"removed": body["name"]}
    assert (gone.status_code, gone.json()["error"]) == (404, "not_found")


@pytest.mark.parametrize(
    ("changes", "status", "says"),
    [
        ({"hook": f"https://evil.example/hooks/catch/1/{CANARY}"}, 409, "must be a catch hook"),
        ({"integration": "not-there"}, 409, "'not-there', which is not stored"),
        ({"hook": None, "scenario": 925}, 409, "is at zapier, where it has a hook"),
        ({"hook": None}, 422, "either a hook, at Zapier, or a scenario"),
        ({"answers": True}, 422, "never answers"),
        ({"name": "Not A Name"}, 422, "name"),
        ({"takes": {"type": "string"}}, 422, "object"),
        ({"takes": {**TAKES, "$ref": "https://evil.example"}}, 422, "takes"),
        ({"takes": {"type": "object", "properties": {"a": {"pattern": CANARY}}}}, 422, "takes"),
        ({"url": HOOK}, 422, "not known here"),
    ],
)
async def test_what_cannot_be_stored_is_refused(
    client: ClientFactory, key: str, account: str, changes: Json, status: int, says: str
) -> None:
    async with client(key) as http:
        answer = await http.post("/api/automations", json=zap(account, **changes))
        listed = await http.get("/api/automations")
    assert (answer.status_code, says in answer.text) == (status, True), answer.text
    assert CANARY not in answer.text
    assert f"notify_{account}" not in listed.text


async def test_another_business_s_automation_is_as_if_it_did_not_exist(
    client: ClientFactory, key: str, other_key: str, account: str
) -> None:
    name = zap(account)["name"]
    async with client(key) as owner, client(other_key) as stranger:
        await owner.post("/api/automations", json=zap(account))
        theirs = await stranger.delete(f"/api/automations/{name}")
        unknown = await stranger.delete("/api/automations/nothing")
        assert (theirs.status_code, theirs.text) == (404, unknown.text)
        assert name not in (await stranger.get("/api/automations")).text
        # Nor may the account be named.
        taken = await stranger.post("/api/automations", json=zap(account))
        assert (taken.status_code, "is not stored" in taken.text) == (409, True)
        assert name in (await owner.get("/api/automations")).text


async def test_the_url_is_stored_sealed_and_shown_nowhere(
    client: ClientFactory,
    key: str,
    account: str,
    database: Database,
    tenant: Tenant,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    async with client(key) as http:
        answers = [
            await http.post("/api/automations", json=zap(account)),
            await http.get("/api/automations"),
        ]
    rows = await fetch(database, tenant, "select * from automation")
    assert rows
    logged = [f"{record.getMessage()} {record.__dict__}" for record in caplog.records]
    for place in ([answer.text for answer in answers], rows, logged):
        assert CANARY not in str(place)


async def test_without_a_key_of_the_vault_nothing_is_stored(
    dependencies: Dependencies, key: str, account: str
) -> None:
    plain = client_factory(with_changes(dependencies, registration=RegistrationContext()))
    async with plain(key) as http:
        answer = await http.post("/api/automations", json=zap(account))
    assert (answer.status_code, answer.json()["error"]) == (503, "unavailable")
    assert CANARY not in answer.text
