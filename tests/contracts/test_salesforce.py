"""The Salesforce provider with recorded responses, and with Salesforce's own object metadata."""

import json
from collections.abc import AsyncGenerator, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import httpx2
import pytest
import yaml

from config.columns import now
from config.security.vault import Account
from crm.provider import InputValue, Kind, SearchQuery, StandardField
from crm.providers.salesforce.mapping import to_new_record
from crm.providers.salesforce.objects import SOBJECTS
from crm.providers.salesforce.provider import Salesforce
from crm.providers.salesforce.responses import (
    CompositeResponse,
    CompositeSubresponse,
    QueryResponse,
    RawQueryResponse,
    subresponse_failure,
)
from tests.conftest import Tenant
from toolkit.errors import NotFound, Rejected, Unavailable
from toolkit.server.stdio import SingleAccountVault
from toolkit.tenancy import Runtime, ToolCall

HOST = "https://orgname.my.salesforce.com"
SECRETS = {
    "client_id": "x",
    "client_secret": "x",
    "refresh_token": "x",
    "access_token": "x",
    "instance_url": HOST,
}
DESCRIBED: list[Kind] = ["lead", "contact", "account", "opportunity", "event", "case"]
TYPES = {
    "text": {"string", "phone", "email", "picklist", "combobox", "url"},
    "long": {"textarea"},
    "number": {"currency", "double", "int"},
    "date": {"date"},
    "moment": {"datetime"},
    "id": {"reference"},
}
VALUES: dict[StandardField, InputValue] = {
    "name": "Tom Hill",
    "company": "Acme",
    "title": "Owner",
    "phone": "5550142",
    "email": "t@example.com",
    "status": "open",
    "source": "Web",
    "notes": "x",
    "website": "x.example",
    "industry": "Banking",
    "stage": "Prospecting",
    "amount": 5.0,
    "close_date": now().date(),
    "account": "0015g00000000a1AAA",
    "contact": "0035g00000000a1AAA",
    "about": "0035g00000000a1AAA",
    "subject": "Noise",
    "priority": "normal",
    "starts_at": now(),
    "ends_at": now(),
    "location": "here",
}


@dataclass(frozen=True)
class RecordedResponse:
    """One recorded response, and the request that it belongs to."""

    method: str
    path: str
    status: int
    body: str

    def response(self) -> httpx2.Response:
        return httpx2.Response(self.status, text=self.body)


@pytest.fixture(scope="module")
def recordings(contracts: Path) -> list[RecordedResponse]:
    """Every recorded response of Salesforce, once."""
    folder = contracts / "salesforce" / "cassettes-cumulusci"
    # The describe responses are slow to parse, and are tested below.
    files = [each for each in sorted(folder.glob("*.yaml")) if "describe" not in each.name]
    documents = [yaml.safe_load(each.read_text()) for each in files]
    return list(dict.fromkeys(_recorded(documents)))


def _recorded(node: object) -> Iterator[RecordedResponse]:
    if isinstance(node, list):
        for each in cast("list[object]", node):
            yield from _recorded(each)
    if not isinstance(node, Mapping):
        return
    entry = cast("Mapping[str, Any]", node)
    if "request" not in entry or "response" not in entry:
        yield from _recorded(list(entry.values()))
        return
    request, response = entry["request"], entry["response"]
    uri = str(request["uri"])
    if uri.startswith(f"{HOST}/services/data/v"):
        path = uri.removeprefix(f"{HOST}/services/data/").partition("?")[0].strip("/")
        resource = path.partition("/")[2]
        body = str(response["body"]["string"])
        yield RecordedResponse(
            str(request["method"]), resource, int(response["status"]["code"]), body
        )


def responses_to(
    recordings: list[RecordedResponse], method: str, *paths: str
) -> list[RecordedResponse]:
    """Return the responses to one method and some paths."""
    found = [each for each in recordings if each.method == method and each.path in paths]
    assert found, paths
    return found


@asynccontextmanager
async def salesforce(answer: RecordedResponse) -> AsyncGenerator[Salesforce]:
    account = Account("salesforce", None, SECRETS)
    transport = httpx2.MockTransport(lambda _: answer.response())
    async with httpx2.AsyncClient(transport=transport) as client:
        runtime = Runtime(client, SingleAccountVault(account))
        yield Salesforce(account, ToolCall(Tenant().claims(), runtime))
        runtime.threads.close()


async def test_recorded_queries_are_understood(recordings: list[RecordedResponse]) -> None:
    answers = responses_to(recordings, "GET", "query")
    assert len(answers) >= 15
    for answer in answers:
        async with salesforce(answer) as crm:
            rows = await crm.raw_query("SELECT Id FROM Account", 2000)
        recorded = json.loads(answer.body)
        assert len(rows) == len(recorded["records"])
        for row, record in zip(rows, recorded["records"], strict=True):
            assert row.keys() == record.keys() - {"attributes"}
            assert "attributes" not in json.dumps(row)
        if all("Id" in record for record in recorded["records"]):
            QueryResponse.model_validate(recorded)


async def test_recorded_creates_are_understood(recordings: list[RecordedResponse]) -> None:
    for answer in responses_to(recordings, "POST", "sobjects/Account"):
        assert answer.status == 201
        async with salesforce(answer) as crm:
            made = await crm.create("account", {"name": "Smith Corp."}, {})
        assert made == json.loads(answer.body)["id"]


async def test_a_recorded_record_is_understood(recordings: list[RecordedResponse]) -> None:
    answers = [each for each in recordings if each.path.startswith("sobjects/Organization/")]
    assert answers
    for answer in answers:
        recorded = json.loads(answer.body)
        async with salesforce(answer) as crm:
            names = ["Name", "IsSandbox", "NumKnowledgeService", "Division", "SystemModstamp"]
            found = await crm.get("account", "0015g00000000a1AAA", names)
        assert found is not None
        assert found.id == recorded["Id"]
        assert found.values == {"name": recorded["Name"]}
        assert found.fields == {
            name: recorded[name] for name in names if recorded[name] is not None
        }


async def test_recorded_composites_are_understood(recordings: list[RecordedResponse]) -> None:
    failures: set[type[Exception]] = set()
    for answer in responses_to(recordings, "POST", "composite"):
        if answer.status != 200:
            async with salesforce(answer) as crm:
                with pytest.raises(Unavailable):
                    await crm.search(SearchQuery(text="x", phone="5550142"), ("lead",), 5)
            failures.add(Unavailable)
            continue
        for each in CompositeResponse.model_validate_json(answer.body).compositeResponse:
            if each.httpStatusCode == 200:
                RawQueryResponse.model_validate(each.body)
            elif each.httpStatusCode >= 400:
                failures.add(type(subresponse_failure(each)))
    assert failures == {Rejected, Unavailable}


async def test_recorded_refusals_are_told_by_their_status(
    recordings: list[RecordedResponse],
) -> None:
    """They were recorded within composites; here each is a response of its own."""
    refusals: list[CompositeSubresponse] = []
    for answer in responses_to(recordings, "POST", "composite"):
        responses: list[CompositeSubresponse] = []
        if answer.status == 200:
            responses = CompositeResponse.model_validate_json(answer.body).compositeResponse
        refusals += [each for each in responses if each.httpStatusCode >= 400]
    expected = {404: NotFound, 400: Rejected}
    assert {each.httpStatusCode for each in refusals} == expected.keys()
    for each in refusals:
        alone = RecordedResponse("GET", "query", each.httpStatusCode, json.dumps(each.body))
        async with salesforce(alone) as crm:
            with pytest.raises(expected[each.httpStatusCode]) as raised:
                await crm.raw_query("SELECT Id FROM Account", 5)
        assert each.body[0]["message"] not in str(raised.value)


@pytest.mark.parametrize("kind", DESCRIBED)
def test_each_object_has_the_fields_that_are_used(kind: Kind, contracts: Path) -> None:
    sobject = SOBJECTS[kind]
    folder = contracts / "salesforce" / "cassettes-cumulusci"
    # JSON within YAML: PyYAML would take seconds to read it all.
    file = folder / f"GET_sobjects_{sobject.name}_describe.yaml"
    described = json.loads(
        yaml.load(file.read_text(), yaml.CSafeLoader)["response"]["body"]["string"]
    )
    fields = {each["name"]: each for each in described["fields"]}

    assert described["keyPrefix"] == sobject.prefix
    for name in sobject.field_names():
        assert name in fields
    for field, column in sobject.columns.items():
        for name in column.names:
            assert fields[name]["type"] in TYPES[column.type], (field, name)
            assert fields[name]["filterable"] == (column.type != "long")
            assert fields[name]["sortable"] == (column.type != "long")
        values = {each["value"] for each in fields[column.name].get("picklistValues", [])}
        assert values >= {*sobject.picklists.get(field, {}).values()}
    for name in (*sobject.phone_fields, *sobject.email_fields):
        assert fields[name]["filterable"]

    body = to_new_record(kind, {field: VALUES[field] for field in sobject.columns}, {})
    assert all(fields[name]["createable"] for name in body)
    assert all(fields[name]["updateable"] for name in body)
    bare = to_new_record(
        kind, {word: VALUES[word] for word in ("name", "starts_at") if word in sobject.columns}, {}
    )
    required = {
        name
        for name, each in fields.items()
        if each["createable"] and not each["nillable"] and not each["defaultedOnCreate"]
    }
    assert required <= bare.keys()
    for name in ("StageName", "Origin"):
        if name in bare:
            assert bare[name] in {each["value"] for each in fields[name]["picklistValues"]}
