"""ServiceNow against its documentation's own samples, and against a specification."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from redis.asyncio import Redis

from config.database import Database
from config.security.tokens import Signer
from config.security.vault import Account, DatabaseVault
from servicenow.provider import NewRecord, Record, RecordChange, RecordKey, SearchQuery
from servicenow.providers.servicenow.mapping import TaskRow
from servicenow.providers.servicenow.provider import ServiceNow as Provider
from servicenow.server import SERVER
from tests.conftest import Tenant, new_tenant
from tests.servicenow.double import CASES, ServiceNow
from tests.servicenow.harness import APPLICATION
from tests.servicenow.instance_contract import READS, WRITES
from tests.support.accounts import connect
from tests.support.processes import in_one_task
from tests.support.servers import KEYRING, serve
from tests.support.vendors import Vendor, specification
from toolkit.errors import RateLimited
from toolkit.tenancy import Runtime, ToolCall

PAGES = ("c_TableAPI", "case-api", "knowledge-api", "inbound-REST-API-rate-limiting")
INCIDENT = Record(
    kind="incident", id="ef43c6d40a0a0b5700c77f9bf387afe3", number="INC1", summary="", state="new"
)
CASE = INCIDENT.model_copy(update={"kind": "case", "number": "CS1"})


async def test_every_tool_asks_what_the_specification_allows(
    contracts: Path, signer: Signer, database: Database, cache: Redis
) -> None:
    """The transport that all tests of this vendor share checks each request against it."""
    assert contracts.name
    vendor, tenant = ServiceNow(), await new_tenant(database)
    assert vendor.specification is not None
    assert specification(vendor.specification) is not None
    await connect(database, tenant, "servicenow", "servicenow", APPLICATION)
    vendor.add("incident", short_description="No VPN")
    vendor.add(CASES, short_description="Pump leaks")
    vendor.add("task", short_description="Call back")
    vendor.articles.append(
        {"sys_id": "1", "number": "KB0000011", "short_description": "Spam", "content": "Spam"}
    )
    server = serve([SERVER], signer, database, cache, vendors=vendor.transport())
    asked: dict[str, int] = {}
    async with (
        in_one_task(server) as servers,
        servers.connect("servicenow", tenant.claims()) as caller,
    ):
        for tool, arguments in {**READS, **WRITES}.items():
            before = len(vendor.requests)
            answer = await caller.call(tool, **arguments)
            assert answer.error is None, (tool, answer)
            asked[tool] = len(vendor.requests) - before
    assert set(asked) == set(SERVER.catalogue()["tools"])
    assert all(asked.values()), asked


def _samples(pages: Path) -> Iterator[tuple[str, Any]]:
    """Yield each request and the sample response that the vendor's pages show for it."""
    for page in PAGES:
        text = (pages / f"{page}.md").read_text(encoding="utf-8")
        for section in re.split(r"^## ", text, flags=re.MULTILINE)[1:]:
            title = section.partition("\n")[0].replace("\\", "").rpartition(" - ")[2]
            for block in re.findall(r"^```\n(\{.*?)^```", section, re.MULTILINE | re.DOTALL):
                try:
                    yield title, json.loads(block)
                except json.JSONDecodeError:  # whoever wrote the page has cut one off
                    assert title == "GET /knowledge/articles/{id}"


@pytest.fixture(scope="module")
def samples(contracts: Path) -> dict[str, Any]:
    """The sample responses of the vendor's pages, by request."""
    return dict(_samples(contracts / "servicenow" / "docs-official"))


class SampleVendor(Vendor):
    """Answers each request with the sample response of the vendor's documentation."""

    base = ServiceNow.base

    def __init__(self, samples: dict[str, Any]) -> None:
        super().__init__()
        self._samples = samples

    def answer(self, request: httpx2.Request) -> httpx2.Response:
        path = request.url.path.removeprefix("/api").replace("/sn_km_api", "")
        for name, sample in self._samples.items():
            method, _, template = name.partition(" ")
            pattern = re.sub(r"\{\w+\}", "[^/]+", template)
            if method == request.method and re.fullmatch(pattern, path):
                return httpx2.Response(200, json=sample)
        raise AssertionError(request.url)


async def test_the_vendor_s_own_samples_are_understood(
    samples: dict[str, Any], database: Database, tenant: Tenant
) -> None:
    """Long because the samples build on each other."""
    vendor = SampleVendor(samples)
    async with httpx2.AsyncClient(transport=vendor.transport()) as client:
        runtime = Runtime(client, DatabaseVault(database, KEYRING), database)
        provider = Provider(
            Account("servicenow", None, APPLICATION), ToolCall(tenant.claims(), runtime)
        )
        await provider.check()
        shown = await provider.get_record("incident", RecordKey(id=INCIDENT.id))
        assert shown is not None
        assert (shown.number, shown.state, shown.priority) == ("INC0000046", "new", "normal")
        assert shown.caller is not None
        assert shown.updated_at is not None
        assert shown.updated_at.isoformat() == "2015-11-01T22:37:27+00:00"
        created = await provider.create(NewRecord(kind="incident", summary="No wifi"))
        assert (created.number, created.priority) == ("INC0010002", "normal")
        assert created.summary == "Unable to connect to office wifi"
        changed = await provider.update(INCIDENT, RecordChange(urgency="high"))
        assert (changed.number, changed.state, changed.priority) == ("INC0000050", "open", "urgent")
        case = await provider.get_record("case", RecordKey(numbers=("CS0000871",)))
        assert case is not None
        assert (case.number, case.state, case.priority) == ("CS0000871", "open", "urgent")
        new_case = await provider.create(NewRecord(kind="case", summary="Power outage"))
        assert new_case.number == "CS0001013"
        assert (await provider.update(CASE, RecordChange(state="solved"))).state == "solved"
        found = await provider.query(SearchQuery(kind="task"))
        assert [each.number for each in found.records] == ["PRB0000050"]
        # The page's list is of one record, which is not active: nobody who is here.
        assert await provider.find_users(name="admin") == []
        assert await provider.find_groups() == []
        hits = await provider.search_articles(("Windows",), 2)
        assert [(each.number, each.title) for each in hits] == [
            ("KB0000020", "Windows: Should I upgrade to Windows 8.x?"),
            ("KB0000017", "What is the Windows key?"),
        ]
        assert hits[0].id == "9e528db1474321009db4b5b08b9a71a6"
        assert "<B>" not in hits[0].text
        article = await provider.get_article(RecordKey(numbers=("KB0000020",)))
        assert article is not None
        assert article.text.startswith("Should I upgrade to Windows 8.x?\nWindows 8.x is designed")
    assert {request.method for request in vendor.requests} == {"GET", "POST", "PATCH", "PUT"}


def test_records_that_are_shown_whole_are_understood(samples: dict[str, Any]) -> None:
    rows = samples["GET /sn_customerservice/case"]["result"]
    last = TaskRow.model_validate(rows[-1]).to_record("case")
    assert last.caller is not None
    assert (last.caller.id, last.caller.name) == (
        "ddce70866f9331003b3c498f5d3ee417",
        "George Warren",
    )
    assert last.state == "solved"


async def test_the_vendor_s_own_refusal_is_understood(
    samples: dict[str, Any], database: Database, tenant: Tenant
) -> None:
    (body,) = (sample for sample in samples.values() if "error" in sample)

    def limited(_: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(429, json=body, headers={"Retry-After": "3600"})

    async with httpx2.AsyncClient(transport=httpx2.MockTransport(limited)) as client:
        runtime = Runtime(client, DatabaseVault(database, KEYRING), database)
        call = ToolCall(tenant.claims(), runtime)
        with pytest.raises(RateLimited):
            await Provider(Account("servicenow", None, APPLICATION), call).check()
