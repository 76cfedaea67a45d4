"""Zapier, over its catch hooks."""

import json
from collections.abc import Collection, Mapping
from typing import Any, ClassVar

import pytest
from sqlalchemy import text

from config.automations import is_hook
from tests.automation.contract import CANARY, AutomationContract
from tests.automation.harness import AutomationHarness, answering
from tests.automation.zapier_double import HOOK, SILENT_HOOK, Zapier
from tests.conftest import fetch
from tests.support.servers import Answer
from tests.support.vendors import BODY_CANARY
from toolkit.tenancy import UntriedAccountError


class TestZapier(AutomationContract):
    """Zaps with a hook."""

    provider = "zapier"
    secrets: ClassVar[dict[str, str]] = {}
    unsupported = frozenset({"make_run_scenario"})
    tool = "zapier_trigger"
    argument = "automation"
    target: ClassVar[dict[str, Any]] = {"hook": HOOK}

    def new_vendor(self) -> Zapier:
        return Zapier()

    def received(self, harness: AutomationHarness[Any]) -> list[Mapping[str, Any]]:
        caught: list[Mapping[str, Any]] = harness.vendor.caught[HOOK]
        return caught

    def expected_errors(self, tool: str, fault: str) -> Collection[str | None]:
        """Return what a fault means: a list asks nothing, and a hook that is not there is gone."""
        if tool in self.reads:
            return (None,)
        if fault == "404":
            return ("disconnected",)
        return super().expected_errors(tool, fault)

    def check_success(self, tool: str, fault: str, answer: Answer) -> None:
        assert [each["name"] for each in answer.data["automations"]] == ["notify"]

    async def any_call(self, harness: AutomationHarness[Any]) -> tuple[str, Mapping[str, Any]]:
        return self.tool, (await self.arguments(harness))[self.tool]

    async def test_an_account_is_tried_with_one_harmless_request(
        self, harness: AutomationHarness[Any]
    ) -> None:
        """There is none: whatever a hook is sent starts its Zap."""
        async with self.open_provider(harness) as provider:
            with pytest.raises(UntriedAccountError):
                await provider.check()
        assert harness.vendor.requests == []

    @pytest.mark.parametrize("hook", [HOOK, SILENT_HOOK])
    async def test_it_is_handed_over_and_never_called_done(
        self, harness: AutomationHarness[Any], hook: str
    ) -> None:
        await self.declare_notify(harness, hook=hook)
        started = await self.start(harness, message="Late.")
        assert started.answer.data == {
            "say": "I have passed that on. Notify goes on by itself from here.",
            "automation": "notify",
            "status": "handed_over",
        }
        (request,) = harness.vendor.requests
        assert str(request.url) == hook
        assert json.loads(request.content) == {"message": "Late."}

    @pytest.mark.parametrize(
        "body", [b'{"status": "error"}', b"[]", b'"ok"', b"null", b"Accepted", b"{"]
    )
    async def test_an_answer_that_is_no_receipt_is_no_success(
        self, harness: AutomationHarness[Any], body: bytes
    ) -> None:
        await self.declare_notify(harness)
        harness.vendor.fail(answering(body))
        assert (await self.start(harness, message="")).answer.error == "outcome_unknown"

    async def test_a_hook_that_is_gone_has_to_be_declared_anew(
        self, harness: AutomationHarness[Any]
    ) -> None:
        await self.declare_notify(harness)
        harness.vendor.forget(HOOK)
        async with harness.caller() as caller:
            answer = await caller.call(self.tool, automation="notify", values={"message": ""})
        assert answer.error == "disconnected"
        assert "declared anew" in answer.text

    async def test_a_zap_that_takes_nothing_is_sent_nothing(
        self, harness: AutomationHarness[Any]
    ) -> None:
        await self.declare_notify(harness, takes=None)
        async with harness.caller() as caller:
            full = await caller.call(self.tool, automation="notify", values={"message": "x"})
            empty = await caller.call(self.tool, automation="notify")
        assert (full.error, empty.error) == ("invalid", None)
        assert self.received(harness) == [{}]

    async def test_the_url_is_sealed_and_shown_nowhere(
        self, harness: AutomationHarness[Any]
    ) -> None:
        await self.declare_notify(harness)
        rows = await fetch(harness.database, harness.tenant, "select * from automation")
        assert len(rows) == 1
        assert CANARY not in str(rows)
        async with harness.caller() as caller:
            listed = await caller.call("list_automations")
            tools = await caller.tools()
        assert not any(word in f"{listed}{tools}" for word in (CANARY, "hooks.zapier.com", "k1"))

    async def test_a_hook_that_was_copied_from_another_row_does_not_open(
        self, harness: AutomationHarness[Any]
    ) -> None:
        await self.declare_notify(harness)
        await harness.declare("other", "zapier", hook=SILENT_HOOK)
        copy = text("update automation set hook = (select hook from automation where name='other')")
        async with harness.database.tenant(harness.tenant.business_id) as session:
            await session.execute(copy)
        started = await self.start(harness, message="")
        assert started.answer.error == "disconnected"
        assert harness.vendor.requests == []

    async def test_nothing_that_a_vendor_answers_is_shown(
        self, harness: AutomationHarness[Any]
    ) -> None:
        await self.declare_notify(harness)
        body = {"status": "success", "id": BODY_CANARY}
        harness.vendor.fail(answering(json.dumps(body).encode()))
        assert BODY_CANARY not in str((await self.start(harness, message="")).answer)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "hooks.zapier.com/hooks/catch/1/a/",
        "http://hooks.zapier.com/hooks/catch/1/a/",
        "https://hooks.zapier.com.evil.example/hooks/catch/1/a/",
        "https://evil.example/hooks/catch/1/a/",
        "https://hooks.zapier.com@evil.example/hooks/catch/1/a/",
        "https://user@hooks.zapier.com/hooks/catch/1/a/",
        "https://hooks.zapier.com:8443/hooks/catch/1/a/",
        "https://hooks.zapier.com:443/hooks/catch/1/a/",
        "https://HOOKS.zapier.com/hooks/catch/1/a/",
        "https://hooks.zapier.com/hooks/catch/",
        "https://hooks.zapier.com/hooks/catch/1/../../../a",
        "https://hooks.zapier.com/hooks/catch//1/a",
        "https://hooks.zapier.com/hooks/catch/1/a/?to=https://evil.example",
        "https://hooks.zapier.com/hooks/catch/1/a/#x",
        "https://hooks.zapier.com/hooks/catch/1/a b/",
        "https://hooks.zapier.com/hooks/catch/1/a\n/",
        "https://hooks.zapier.com/hooks/catch/1/ä/",
        "https://hooks.zapier.com\\@evil.example/hooks/catch/1/a/",
        "https://[::1]/hooks/catch/1/a/",
        "https://[/hooks/catch/1/a/",
        "https://hooks.zapier.com/hooks/catch/" + "a" * 500,
        "file:///hooks/catch/1/a/",
    ],
)
def test_only_a_catch_hook_of_zapier_is_one(url: str) -> None:
    assert not is_hook(url)


def test_hooks_with_and_without_an_account_are_hooks() -> None:
    assert is_hook("https://hooks.zapier.com/hooks/catch/1234567/abc123/")
    assert is_hook("https://hooks.zapier.com/hooks/catch/abc123")
