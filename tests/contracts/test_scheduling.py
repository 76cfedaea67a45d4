"""Scheduling providers against the vendors' own specifications: requests and responses."""

from pathlib import Path
from typing import Any, ClassVar, cast

import httpx2
import pytest
from redis.asyncio import Redis

from config.columns import now
from config.database import Database
from config.security.tokens import Signer
from config.security.vault import Account, DatabaseVault
from scheduling.provider import Attendee, SchedulingProvider
from scheduling.registry import PROVIDERS
from scheduling.server import SERVER
from tests.conftest import Tenant, new_tenant
from tests.contracts.specifications import Specifications
from tests.scheduling.contract import ANN, SchedulingContract, SchedulingHarness
from tests.scheduling.providers.calcom.test_provider import TestCalCom as CalComContract
from tests.scheduling.providers.housecallpro.test_provider import (
    TestHousecallPro as HousecallProContract,
)
from tests.support.accounts import connect
from tests.support.processes import in_one_task
from tests.support.servers import serve
from tests.support.vendors import Vendor, specification
from toolkit.tenancy import Attempt, Runtime, ToolCall

SPECIFIED: list[type[SchedulingContract]] = [CalComContract, HousecallProContract]
TOOLS: list[str] = SERVER.catalogue()["tools"]


@pytest.mark.parametrize("contract", SPECIFIED, ids=lambda each: each.provider)
async def test_every_tool_asks_what_the_specification_allows(
    contract: type[SchedulingContract],
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
    await connect(
        database, tenant, "scheduling", contract.provider, contract.secrets, contract.settings
    )
    asked: dict[str, int] = {}
    async with in_one_task(
        serve([SERVER], signer, database, cache, vendors=vendor.transport())
    ) as servers:
        harness = SchedulingHarness(servers, tenant, vendor, database)
        async with harness.caller() as caller:

            async def call(tool: str, **arguments: Any) -> dict[str, Any]:
                before = len(vendor.requests)
                answer = await caller.call(tool, **arguments)
                assert answer.error is None, answer
                asked[tool] = len(vendor.requests) - before
                return answer.data

            offer = await call("get_available_slots", service="piano lesson", when="tomorrow")
            first, *_, last = [each["handle"] for each in offer["offered"]]
            booked = await call("create_booking", slot=first, notes="please ring twice", **ANN)
            await call("get_booking", booking=booked["id"])
            await call("list_bookings", phone=ANN["phone"])
            moved = await call("reschedule_booking", booking=booked["id"], slot=last)
            await call("cancel_booking", booking=moved["id"], reason="ill")
    assert set(asked) == set(TOOLS) - contract.unsupported
    assert all(asked.values()), asked


class ExampleVendor(Vendor):
    """Answers each request with the specification's own example."""

    def __init__(self, contract: type[SchedulingContract], specifications: Specifications) -> None:
        super().__init__()
        vendor = contract().new_vendor()
        assert vendor.specification is not None
        self._api = specifications.http(vendor.specification)
        self._base = vendor.base

    base: ClassVar[str] = ""

    def answer(self, request: httpx2.Request) -> httpx2.Response:
        path = str(request.url).removeprefix(self._base)
        status, body = self._api.example(request.method, path)
        return httpx2.Response(status, json=_complete(body))


# Values for fields without an example, or with a placeholder such as "string".
_DEFAULTS: dict[str, Any] = {
    "time_zone": "America/Denver",
    "timeZone": "America/Denver",
    "start_time": "2050-09-05T09:00:00Z",
    "scheduled_start": "2050-09-05T09:00:00Z",
    "scheduled_end": "2050-09-05T10:00:00Z",
    "hidden": False,
}
_PLACEHOLDERS = ("text", "string", True)


def _complete(body: Any) -> Any:
    """Return an example with values in the place of its placeholders."""
    match body:
        case dict():
            items = cast("dict[str, Any]", body).items()
            named = {"id": "cus_1"} if "mobile_number" in body else {}
            return named | {
                name: _DEFAULTS[name]
                if name in _DEFAULTS and value in _PLACEHOLDERS
                else _complete(value)
                for name, value in items
            }
        case [*entries]:
            return [_complete(each) for each in cast("list[object]", entries)]
        case _:
            return body


@pytest.mark.parametrize("contract", SPECIFIED, ids=lambda each: each.provider)
async def test_the_vendor_s_own_examples_are_understood(
    contract: type[SchedulingContract],
    specifications: Specifications,
    database: Database,
    tenant: Tenant,
) -> None:
    vendor = ExampleVendor(contract, specifications)
    async with httpx2.AsyncClient(transport=vendor.transport()) as client:
        runtime = Runtime(client, DatabaseVault(database, None), database)
        call = ToolCall(tenant.claims(), runtime, Attempt("key", is_retry=True))
        account = Account(contract.provider, None, contract.secrets, contract.settings)
        calendar: SchedulingProvider = PROVIDERS[contract.provider](account, call)
        await calendar.check()
        info = await calendar.calendar_info()
        assert info.time_zone
        assert info.services
        service, start = info.services[0], now()
        ann = Attendee(**ANN)
        await calendar.find_slots(service, start, start)
        await calendar.find_bookings("Ann One", ANN["phone"])
        await calendar.find_lost_booking(service, start, ann)
        found = await calendar.booking("1")
        assert found is not None
        await calendar.move(found, found.starts_at)
        await calendar.cancel(found.model_copy(update={"status": "booked"}), "ill")
    assert {request.method for request in vendor.requests} > {"GET"}
