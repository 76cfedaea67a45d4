"""Search engines against the vendors' own specifications: requests and responses."""

import json
from pathlib import Path
from typing import Any

import httpx2
import pytest
from redis.asyncio import Redis

from config.database import Database
from config.security.tokens import Signer
from config.security.vault import Account, DatabaseVault
from tests.conftest import Tenant, new_tenant
from tests.contracts.specifications import Specifications
from tests.support.accounts import connect
from tests.support.processes import in_one_task
from tests.support.servers import serve
from tests.support.vendor_contract import vendor_contracts
from tests.support.vendors import specification
from tests.websearch.contract import WebsearchContract
from toolkit.tenancy import Runtime, ToolCall
from websearch.prices import prices, search_cost
from websearch.provider import SearchQuery, SearchUsage
from websearch.registry import PROVIDERS
from websearch.server import SERVER

CONTRACTS = vendor_contracts(WebsearchContract)
SEARCHES: tuple[dict[str, Any], ...] = (
    {"query": "boats"},
    {"query": "boats", "num_results": 10, "recency": "day"},
    {"query": "boats", "include_domains": ["example.org"], "recency": "year"},
    {"query": "boats", "exclude_domains": ["example.org", "www.harbour.example"]},
    {"query": "boats", "include_domains": ["example.org"], "exclude_domains": ["a.example.org"]},
)


@pytest.mark.parametrize("contract", CONTRACTS, ids=lambda each: each.provider)
async def test_every_search_asks_what_the_specification_allows(
    contract: type[WebsearchContract],
    contracts: Path,
    signer: Signer,
    database: Database,
    cache: Redis,
) -> None:
    """The transport that all tests of a vendor share checks each request against it."""
    assert contracts.name
    vendor, tenant = contract().new_vendor(), await new_tenant(database)
    assert vendor.specification is not None
    assert specification(vendor.specification) is not None
    await connect(database, tenant, "websearch", contract.provider, contract.secrets)
    serving = serve([SERVER], signer, database, cache, vendors=vendor.transport())
    async with (
        in_one_task(serving) as servers,
        servers.connect("websearch", tenant.claims()) as caller,
    ):
        for search in SEARCHES:
            found = await caller.call("search_web", **search)
            assert found.error is None, found
    assert len(vendor.searches()) == len(SEARCHES)


@pytest.mark.parametrize("contract", CONTRACTS, ids=lambda each: each.provider)
async def test_the_vendor_s_own_example_is_understood(
    contract: type[WebsearchContract],
    specifications: Specifications,
    database: Database,
    tenant: Tenant,
) -> None:
    vendor = contract().new_vendor()
    assert vendor.specification is not None
    api = specifications.http(vendor.specification)

    def answer(request: httpx2.Request) -> httpx2.Response:
        status, body = api.example(request.method, str(request.url).removeprefix(vendor.base))
        return httpx2.Response(status, json=body)

    async with httpx2.AsyncClient(transport=httpx2.MockTransport(answer)) as client:
        call = ToolCall(tenant.claims(), Runtime(client, DatabaseVault(database, None), database))
        provider = PROVIDERS[contract.provider](
            Account(contract.provider, None, contract.secrets), call
        )
        found = await provider.search(SearchQuery(text="boats", limit=3))
    (page,) = found.pages
    assert page.link.startswith("https://")
    assert page.title
    assert page.date is not None
    assert page.excerpt
    assert found.usage.request_id


@pytest.mark.parametrize("contract", CONTRACTS, ids=lambda each: each.provider)
async def test_a_search_is_sent_as_the_vendor_s_own_sdk_sends_it(
    contract: type[WebsearchContract],
    specifications: Specifications,
    database: Database,
    tenant: Tenant,
) -> None:
    recorded = specifications.recorded(f"{contract.provider}/golden-requests-from-sdk.json")
    golden, vendor = recorded["search"], contract().new_vendor()
    async with httpx2.AsyncClient(transport=vendor.transport()) as client:
        call = ToolCall(tenant.claims(), Runtime(client, DatabaseVault(database, None), database))
        account = Account(contract.provider, None, contract.secrets)
        await PROVIDERS[contract.provider](account, call).check()
    (request,) = vendor.requests
    assert (request.method, request.url.path) == (golden["method"], golden["path"])
    assert {"x-api-key", "content-type"} <= golden["headers"].keys() & request.headers.keys()
    sent = set(json.loads(request.content))
    # The domains are optional.
    assert set(json.loads(golden["body"])) - {"includeDomains"} <= sent


def test_every_provider_has_a_list_of_prices() -> None:
    assert prices().keys() == PROVIDERS.keys()
    for price in prices().values():
        assert price.source.startswith("https://")
    usage = SearchUsage(provider="exa")
    assert [search_cost(usage, number).dollars for number in (1, 10, 12)] == [0.007, 0.007, 0.009]
    told = SearchUsage(provider="exa", cost=0.0)
    assert (search_cost(told, 10).dollars, search_cost(told, 10).source) == (0.0, "vendor")
