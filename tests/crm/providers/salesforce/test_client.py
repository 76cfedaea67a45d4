"""The Salesforce provider's requests and responses: addresses, errors and malformed bodies."""

import asyncio
from typing import Any

import httpx2
import pytest
from pydantic import ValidationError

from config.security.vault import Account
from crm.provider import Query, SearchQuery
from crm.providers.salesforce.provider import Salesforce
from tests.conftest import Tenant
from tests.crm.contract import CANARY
from tests.crm.providers.salesforce.double import DATA, HOST, KEY, error
from tests.crm.providers.salesforce.org import (
    SECRETS,
    UNKNOWN_ID,
    open_account,
    open_org,
    salesforce_responding,
)
from toolkit.errors import (
    Conflict,
    Forbidden,
    NotFound,
    OutcomeUnknown,
    RateLimited,
    Rejected,
    ToolFailure,
    Unavailable,
)
from toolkit.server.stdio import SingleAccountVault
from toolkit.tenancy import Runtime, ToolCall


async def test_a_token_is_renewed_once_for_all_who_need_it() -> None:
    async with open_org() as org:
        lead = await org.create("lead", name="Tom Hill")
        org.vendor.token = f"fresh-{CANARY}"
        found = await asyncio.gather(*(org.provider().get("lead", lead) for _ in range(3)))
        assert [each.title for each in found if each] == ["Tom Hill"] * 3
        assert org.vendor.token_requests == 1


@pytest.mark.parametrize(
    ("settings", "token_host"),
    [
        ({}, "https://login.salesforce.com"),
        ({"login_url": "https://test.salesforce.com/"}, "https://test.salesforce.com"),
        ({"base_url": "http://127.0.0.1:8080/proxy/"}, "http://127.0.0.1:8080/proxy"),
    ],
)
async def test_requests_go_to_the_account_s_own_address(
    settings: dict[str, str], token_host: str
) -> None:
    requests: list[tuple[str, str]] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        requests.append((request.method, str(request.url.copy_with(query=None))))
        assert request.headers["Host"] == request.url.netloc.decode()
        if request.method == "POST":
            return httpx2.Response(200, json={"access_token": "new"})
        has_new_token = request.headers["Authorization"] == "Bearer new"
        return httpx2.Response(200, json={"records": []}) if has_new_token else httpx2.Response(401)

    async with open_account(httpx2.MockTransport(answer), settings) as (account, runtime):
        await Salesforce(account, ToolCall(Tenant().claims(), runtime)).check()
    address = settings.get("base_url", HOST).rstrip("/")
    query = ("GET", f"{address}{DATA}/query")
    assert requests == [query, ("POST", f"{token_host}/services/oauth2/token"), query]


@pytest.mark.parametrize("url", ["org.my.salesforce.com", "ftp://x", "https://x/y", "", "https://"])
async def test_an_address_that_is_none_is_no_account(url: str) -> None:
    account = Account("salesforce", None, {**SECRETS, "instance_url": url})
    async with httpx2.AsyncClient() as client:
        call = ToolCall(Tenant().claims(), Runtime(client, SingleAccountVault(account)))
        with pytest.raises(ValidationError) as raised:
            Salesforce(account, call)
    assert CANARY not in str(raised.value)


async def test_a_field_of_another_record_is_read_by_a_query() -> None:
    row = {
        "attributes": {"type": "Lead"},
        "Id": UNKNOWN_ID,
        "Name": "Tom",
        "Owner": {"attributes": {"type": "User"}, "Name": "Ann", "Manager": None},
        "Vip__c": False,
        "Address": {"city": "Bonn"},
    }
    answer = httpx2.Response(200, json={"records": [row]})
    async with salesforce_responding(answer) as crm:
        names = ["owner.name", "Owner.Manager.Name", "vip__C", "Address"]
        found = await crm.get("lead", UNKNOWN_ID, names)
        assert found is not None
        assert found.fields == {"owner.name": "Ann", "vip__C": False}


async def test_what_is_too_loose_for_salesforce_leaves_what_was_found() -> None:
    row = {"attributes": {"type": "Lead"}, "Id": UNKNOWN_ID, "Name": "Hillary Toms"}

    def answer(request: httpx2.Request) -> httpx2.Response:
        if " AND " in request.url.params["q"]:
            return error(400, "MALFORMED_SEARCH")
        return httpx2.Response(200, json={"searchRecords": [row, {**row, "attributes": {}}]})

    async with open_account(httpx2.MockTransport(answer), {}) as (account, runtime):
        crm = Salesforce(account, ToolCall(Tenant().claims(), runtime))
        found = await crm.search(SearchQuery(text="Tam Hall"), ("lead",), 5)
    assert [(each.kind, each.title) for each in found] == [("lead", "Hillary Toms")]


@pytest.mark.parametrize("statuses", [[200, 503], [400, 503], [200], []])
async def test_half_an_answer_is_not_taken_for_all(statuses: list[int]) -> None:
    responses: list[Any] = [
        {"httpStatusCode": status, "body": {"records": []}} for status in statuses
    ]
    async with salesforce_responding(
        httpx2.Response(200, json={"compositeResponse": responses})
    ) as crm:
        with pytest.raises(Unavailable):
            await crm.search(SearchQuery(text="x", phone="5550142"), ("lead", "contact"), 5)


async def test_raw_rows_are_bare() -> None:
    child = {"attributes": {"type": "Contact"}, "Name": "Ann"}
    row = {
        "attributes": {"type": "Account", "url": "/x"},
        "Name": "Berg",
        "Contacts": {"totalSize": 3, "done": True, "records": [child] * 3},
        "Owner": {"attributes": {"type": "User"}, "Name": "Ben"},
    }
    answer = httpx2.Response(200, json={"totalSize": 3, "done": True, "records": [row] * 3})
    async with salesforce_responding(answer) as crm:
        rows = await crm.raw_query("SELECT Name, (SELECT Name FROM Contacts) FROM Account", 2)
    expected = {"Name": "Berg", "Contacts": [{"Name": "Ann"}] * 2, "Owner": {"Name": "Ben"}}
    assert rows == [expected] * 2


async def test_a_count_is_a_row() -> None:
    answer = httpx2.Response(200, json={"totalSize": 17, "done": True, "records": []})
    async with salesforce_responding(answer) as crm:
        assert await crm.raw_query("SELECT COUNT() FROM Lead", 5) == [{"count": 17}]


@pytest.mark.parametrize("objects", [["User"], "Order__c, User"])
async def test_a_tenant_may_allow_other_objects(objects: object) -> None:
    answer = httpx2.Response(200, json={"records": []})
    async with salesforce_responding(answer, raw_query_objects=objects) as crm:
        assert await crm.raw_query("SELECT Id FROM user", 5) == []
        with pytest.raises(Rejected, match="User"):
            await crm.raw_query("SELECT Id FROM Profile", 5)


@pytest.mark.parametrize(
    ("status", "code", "failure"),
    [
        (403, "REQUEST_LIMIT_EXCEEDED", RateLimited),
        (403, "INSUFFICIENT_ACCESS", Forbidden),
        (400, "DUPLICATES_DETECTED", Conflict),
        (400, "DUPLICATE_VALUE", Conflict),
        (400, "UNABLE_TO_LOCK_ROW", Unavailable),
        (400, "MALFORMED_ID", NotFound),
        (404, "ENTITY_IS_DELETED", NotFound),
        (400, "FIELD_CUSTOM_VALIDATION_EXCEPTION", Rejected),
        (503, "SERVER_UNAVAILABLE", Unavailable),
    ],
)
async def test_a_refusal_is_told_by_its_code(
    status: int, code: str, failure: type[ToolFailure]
) -> None:
    async with salesforce_responding(error(status, code)) as crm:
        with pytest.raises(failure) as raised:
            await crm.create("lead", {"name": "Tom"}, {})
        assert type(raised.value) is failure
        with pytest.raises(failure):
            await crm.query(Query(kind="lead"))
        with pytest.raises(failure):
            await crm.search(SearchQuery(text="x", phone="5550142"), ("lead",), 5)


@pytest.mark.parametrize(
    "body", [b"", b"null", b"5", b'"x"', b"[]", b"{}", b'{"records": [{}]}', b'{"id": 5}']
)
@pytest.mark.parametrize("status", [200, 201, 204])
async def test_an_answer_that_is_none_is_not_believed(status: int, body: bytes) -> None:
    answer = httpx2.Response(status, content=body)
    async with salesforce_responding(answer) as crm:
        # A list whose records cannot be read is a list.
        has_list = body == b'{"records": [{}]}'
        for reading in (
            *(() if has_list else (crm.check(), crm.query(Query(kind="lead")))),
            crm.get("lead", UNKNOWN_ID),
            crm.search(SearchQuery(text="Tom"), ("lead",), 5),
            crm.search(SearchQuery(text="x", phone="5550142"), ("lead",), 5),
        ):
            with pytest.raises(Unavailable):
                await reading
        with pytest.raises(OutcomeUnknown):
            await crm.create("lead", {"name": "Tom"}, {})
    async with salesforce_responding(answer, key_field=KEY) as crm:
        with pytest.raises((OutcomeUnknown, Unavailable)):
            await crm.create("lead", {"name": "Tom"}, {})


async def test_an_id_that_is_none_asks_nobody() -> None:
    async with open_org() as org:
        for text in (
            "nowhere",
            "00Q",
            "0035g00000ZZZZZAAZ",
            "00Q5g00000ZZZZZ\n",
            "\uff10\uff10Q" * 5,
        ):
            assert await org.provider().get("lead", text) is None
            with pytest.raises(NotFound):
                await org.provider().update("lead", text, {"name": "x"}, {})
        assert org.vendor.requests == []
        assert await org.provider().get("lead", UNKNOWN_ID) is None
        assert await org.provider().get("lead", UNKNOWN_ID, ["Owner.Name"]) is None
        with pytest.raises(NotFound):
            await org.provider().update("lead", UNKNOWN_ID, {"name": "x"}, {})
