"""Requests to HubSpot compared with recorded ones of HubSpot's own SDK."""

import json
from typing import Any

import httpx2
import pytest
from redis.asyncio import Redis

from config.database import Database
from config.security.tokens import Signer
from crm.server import SERVER
from tests.conftest import new_tenant
from tests.contracts.specifications import Json, Specifications
from tests.crm.contract import CrmHarness
from tests.crm.providers.hubspot.test_provider import TestHubSpot as HubSpotContract
from tests.support.accounts import connect
from tests.support.faults import SwitchableBreakers
from tests.support.processes import in_one_task
from tests.support.servers import serve

RECORDED = "hubspot/golden-requests-from-sdk.json"
SDK_METHODS = {
    ("POST", 1): "basic.create",
    ("GET", 2): "basic.get_by_id",
    ("PATCH", 2): "basic.update",
    ("POST", 2): "search.do_search",
}
# What the SDK sends even if it is empty.
_OPTIONAL = {"query"}


async def test_every_request_is_formed_as_hubspot_s_own_sdk_forms_it(
    specifications: Specifications, signer: Signer, database: Database, cache: Redis
) -> None:
    golden = specifications.recorded(RECORDED)
    contract, tenant = HubSpotContract(), await new_tenant(database)
    vendor = contract.new_vendor()
    await connect(database, tenant, "crm", "hubspot", contract.secrets, contract.settings)
    async with in_one_task(
        serve([SERVER], signer, database, cache, vendors=vendor.transport())
    ) as servers:
        harness = CrmHarness(servers, tenant, vendor, database, SwitchableBreakers())
        await contract.test_every_tool_does_what_it_says(harness)
    compared = [name for each in vendor.requests if (name := _compare(each, golden))]
    assert {*compared} == {*golden}


def _compare(request: httpx2.Request, golden: Json) -> str | None:
    """Compare a request with the recorded one and return its name; None if there is none."""
    match request.url.path.strip("/").split("/"):
        case ["crm", "v3", "objects", name, *rest]:
            recorded = f"{name}.{SDK_METHODS[request.method, 1 + len(rest)]}"
        case _:
            return None
    if recorded not in golden:
        return None
    expected = golden[recorded]
    path, _, query = expected["path"].partition("?")
    assert request.method == expected["method"]
    assert [*map(_kind, request.url.path.split("/"))] == [*map(_kind, path.split("/"))]
    assert {*request.url.params} <= {*httpx2.QueryParams(query)}
    for header in ("accept", "authorization"):
        assert header in request.headers
    scheme = request.headers["authorization"].partition(" ")[0]
    assert scheme == expected["headers"]["authorization"].partition(" ")[0]
    if expected["body"]:
        assert request.headers["content-type"] == expected["headers"]["content-type"]
        ours, theirs = _shape(request.content), _shape(expected["body"])
        assert {*theirs} - {*ours} <= _OPTIONAL, recorded
        assert {name: theirs[name] for name in ours} == ours, recorded
    return recorded


def _kind(segment: str) -> str:
    return "an id" if segment.isdecimal() else segment


def _shape(body: bytes | str) -> dict[str, Any]:
    """Return the type of each value."""
    return {name: type(value).__name__ for name, value in json.loads(body).items()}


@pytest.mark.parametrize("name", ["contacts.basic.create", "contacts.search.do_search"])
async def test_another_form_is_noticed(specifications: Specifications, name: str) -> None:
    golden = specifications.recorded(RECORDED)
    expected = golden[name]
    body = json.dumps({**json.loads(expected["body"]), "more": 1})
    request = httpx2.Request(
        "POST",
        f"https://api.hubapi.com{expected['path']}",
        content=body,
        headers={**expected["headers"], "content-type": "application/json"},
    )
    with pytest.raises(KeyError):
        _compare(request, golden)
