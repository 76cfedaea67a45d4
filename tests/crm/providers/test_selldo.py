"""The Sell.do provider: the contract, for the few requests that are known."""

from collections.abc import Mapping
from typing import Any, ClassVar
from urllib.parse import parse_qsl

import httpx2

from crm.provider import Kind
from crm.providers import selldo
from tests.crm.contract import CANARY, CrmContract, CrmHarness, FakeCrm

KEY = f"key-{CANARY}"
CAMPAIGN = "5f0c1a"


class FakeSellDo(FakeCrm):
    """A fake of Sell.do, which can only create and change leads."""

    base = "https://app.sell.do"

    def __init__(self) -> None:
        super().__init__()
        self.leads: dict[str, dict[str, Any]] = {}

    def records(self, kind: Kind) -> list[dict[str, Any]]:
        assert kind == "lead"
        return list(self.leads.values())

    def answer(self, request: httpx2.Request) -> httpx2.Response:
        assert (request.method, request.url.raw_path) == ("POST", b"/api/leads/create.json")
        assert request.headers["content-type"] == "application/x-www-form-urlencoded"
        form = dict(parse_qsl(request.content.decode(), strict_parsing=True))
        assert form.pop("api_key") == KEY
        assert form.pop("sell_do[campaign][srd]") == CAMPAIGN
        lead_id = form.pop("sell_do[form][lead][lead_id]", None) or str(len(self.leads) + 41)
        lead = self.leads.setdefault(lead_id, {"id": lead_id, "fields": {}})
        for word in ("name", "phone", "email"):
            if value := form.pop(f"sell_do[form][lead][{word}]", None):
                lead[word] = value
        if note := form.pop("sell_do[form][note][content]", None):
            lead["notes"] = note
        for name in [*form]:
            prefix, _, custom = name.removesuffix("]").rpartition("[")
            assert prefix == "sell_do[form][custom]"
            lead["fields"][custom] = form.pop(name)
        return httpx2.Response(200, json={"sell_do_lead_id": int(lead_id)})


class TestSellDo(CrmContract):
    provider = "selldo"
    secrets: ClassVar[dict[str, str]] = {"api_key": KEY}
    settings: ClassVar[dict[str, Any]] = {"campaign_srd": CAMPAIGN}
    unsupported = frozenset(selldo.SellDo.unsupported)
    cannot_find_lost = frozenset[Kind]({"lead"})
    create_with: ClassVar[Mapping[Kind, Mapping[str, Any]]] = {
        "lead": dict.fromkeys(("company", "title", "status", "source"))
    }
    update_with: ClassVar[Mapping[Kind, Mapping[str, Any]]] = {"lead": {"status": None}}

    def new_vendor(self) -> FakeSellDo:
        return FakeSellDo()

    async def test_an_account_is_tried_with_one_harmless_request(self, harness: CrmHarness) -> None:
        """Not at all: every request that there is creates or changes a lead."""
        async with self.open_provider(harness) as provider:
            await provider.check()
        assert harness.vendor.requests == []

    async def test_what_a_lead_has_no_field_for_becomes_a_note(self, harness: CrmHarness) -> None:
        async with harness.caller() as caller:
            lead = {"name": "Tom Hill", "company": "Hill Tools", "notes": "Wants a quote."}
            await harness.call_ok(caller, "create_lead", **lead)
        assert harness.only_record("lead")["notes"] == "Wants a quote.\nCompany: Hill Tools"

    async def test_it_creates_and_changes_leads_and_nothing_else(self, harness: CrmHarness) -> None:
        async with harness.caller() as caller:
            assert set(await caller.tools()) == {"create_lead", "update_lead"}
