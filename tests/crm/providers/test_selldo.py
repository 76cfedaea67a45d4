"""The Sell.do provider: the contract, for the few requests that are known."""

from collections.abc import Mapping
from typing import Any, ClassVar
from urllib.parse import parse_qsl

import httpx2
import pytest

from crm.provider import Kind
from crm.providers import selldo
from tests.crm.contract import CANARY, CrmContract, CrmHarness, FakeCrm
from tests.support.vendor_contract import MANY
from tests.support.vendors import refused
from toolkit.tenancy import UntriedAccountError

KEY = f"key-{CANARY}"
CAMPAIGN = "5f0c1a"


class FakeSellDo(FakeCrm):
    """A fake of Sell.do, which can only create and change leads, and say whether there is one.

    As several integrators know it: the list `error` beside the id of a lead, and `retrieve_lead`,
    which takes a key with full access, while one with less access may create leads. How it
    refuses a key is our own reading.
    """

    base = "https://app.sell.do"

    def __init__(self) -> None:
        super().__init__()
        self.leads: dict[str, dict[str, Any]] = {}
        self.may_read = True

    def records(self, kind: Kind) -> list[dict[str, Any]]:
        assert kind == "lead"
        return list(self.leads.values())

    def answer(self, request: httpx2.Request) -> httpx2.Response:
        if request.method == "GET":
            return self._retrieve(request)
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
        details = {"lead_already_exists": False, "stage": "incoming"}
        body: dict[str, Any] = {"sell_do_lead_id": int(lead_id), "error": []}
        body["selldo_lead_details"] = details
        return httpx2.Response(200, json=body)

    def _retrieve(self, request: httpx2.Request) -> httpx2.Response:
        assert request.url.path == "/api/leads/email/retrieve_lead"
        params = dict(request.url.params)
        if params.pop("api_key") != KEY:
            return httpx2.Response(401, json={"error": "key"})
        if not self.may_read:
            return httpx2.Response(403, json={"error": "key"})
        found = [each for each in self.leads.values() if each.get("email") == params["value"]]
        return httpx2.Response(200, json={"exists": bool(found)})


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

    @pytest.mark.parametrize("status", [403, 404])
    async def test_an_account_that_may_not_read_is_said_to_be_untried(
        self, harness: CrmHarness, status: int
    ) -> None:
        harness.vendor.fail(refused(status), times=MANY)
        async with self.open_provider(harness) as provider:
            with pytest.raises(UntriedAccountError):
                await provider.check()
        assert harness.vendor.written() == []

    @pytest.mark.parametrize(
        ("body", "expected"),
        [
            ({"sell_do_lead_id": None, "error": ["Phone is invalid"]}, "rejected"),
            ({"error": "Phone is invalid"}, "rejected"),
            ({"sell_do_lead_id": None, "error": []}, "outcome_unknown"),
            ({"sell_do_lead_id": "0"}, "outcome_unknown"),
            ({"sell_do_lead_id": "42", "error": ["The campaign is not known"]}, None),
        ],
    )
    async def test_what_is_wrong_with_a_lead_is_said_with_a_200(
        self, harness: CrmHarness, body: dict[str, Any], expected: str | None
    ) -> None:
        harness.vendor.fail(lambda _: httpx2.Response(200, json=body), writes=True)
        async with harness.caller() as caller:
            made = await caller.call("create_lead", name="Tom Hill", phone="030 5550142")
        assert made.error == expected, made

    async def test_what_a_lead_has_no_field_for_becomes_a_note(self, harness: CrmHarness) -> None:
        async with harness.caller() as caller:
            lead = {"name": "Tom Hill", "company": "Hill Tools", "notes": "Wants a quote."}
            await harness.call_ok(caller, "create_lead", **lead)
        assert harness.only_record("lead")["notes"] == "Wants a quote.\nCompany: Hill Tools"

    async def test_it_creates_and_changes_leads_and_nothing_else(self, harness: CrmHarness) -> None:
        async with harness.caller() as caller:
            assert set(await caller.tools()) == {"create_lead", "update_lead"}
