"""What is asked of HubSpot, beside what HubSpot's own SDK asks: the recordings are not copied."""

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
from tests.crm.contract import Line
from tests.crm.providers.hubspot.test_provider import TestHubSpot as HubSpotContract
from tests.support.accounts import connect
from tests.support.faults import Patient
from tests.support.processes import held
from tests.support.servers import serve

RECORDED = "hubspot/golden-requests-from-sdk.json"
ACTS = {
    ("POST", 1): "basic.create",
    ("GET", 2): "basic.get_by_id",
    ("PATCH", 2): "basic.update",
    ("POST", 2): "search.do_search",
}
# What the SDK sends though it is empty.
_MAY_LACK = {"query"}


async def test_every_request_is_formed_as_hubspot_s_own_sdk_forms_it(
    specifications: Specifications, signer: Signer, database: Database, cache: Redis
) -> None:
    golden = specifications.recorded(RECORDED)
    contract, tenant = HubSpotContract(), await new_tenant(database)
    vendor = contract.new_vendor()
    await connect(database, tenant, "crm", "hubspot", contract.secrets, contract.settings)
    async with held(
        serve([SERVER], signer, database, cache, vendors=vendor.transport())
    ) as servers:
        line = Line(servers, tenant, vendor, database, Patient())
        await contract.test_every_tool_does_what_it_says(line)
    compared = [name for each in vendor.requests if (name := _compare(each, golden))]
    assert {*compared} == {*golden}


def _compare(request: httpx2.Request, golden: Json) -> str | None:
    """Hold a request against the recorded one, if there is one; return the name of that."""
    match request.url.path.strip("/").split("/"):
        case ["crm", "v3", "objects", name, *rest]:
            recorded = f"{name}.{ACTS[request.method, 1 + len(rest)]}"
        case _:
            return None
    if recorded not in golden:
        return None
    wanted = golden[recorded]
    path, _, query = wanted["path"].partition("?")
    assert request.method == wanted["method"]
    assert [*map(_kind, request.url.path.split("/"))] == [*map(_kind, path.split("/"))]
    assert {*request.url.params} <= {*httpx2.QueryParams(query)}
    for header in ("accept", "authorization"):
        assert header in request.headers
    scheme = request.headers["authorization"].partition(" ")[0]
    assert scheme == wanted["headers"]["authorization"].partition(" ")[0]
    if wanted["body"]:
        assert request.headers["content-type"] == wanted["headers"]["content-type"]
        mine, theirs = _shape(request.content), _shape(wanted["body"])
        assert {*theirs} - {*mine} <= _MAY_LACK, recorded
        assert {name: theirs[name] for name in mine} == mine, recorded
    return recorded


def _kind(segment: str) -> str:
    return "an id" if segment.isdecimal() else segment


def _shape(body: bytes | str) -> dict[str, Any]:
    """Return of which type each value is."""
    return {name: type(value).__name__ for name, value in json.loads(body).items()}


@pytest.mark.parametrize("name", ["contacts.basic.create", "contacts.search.do_search"])
async def test_another_form_is_noticed(specifications: Specifications, name: str) -> None:
    golden = specifications.recorded(RECORDED)
    wanted = golden[name]
    body = json.dumps({**json.loads(wanted["body"]), "more": 1})
    request = httpx2.Request(
        "POST",
        f"https://api.hubapi.com{wanted['path']}",
        content=body,
        headers={**wanted["headers"], "content-type": "application/json"},
    )
    with pytest.raises(KeyError):
        _compare(request, golden)
