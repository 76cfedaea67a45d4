"""What the automation tools say, in the language of whoever is spoken to."""

from typing import Any

from automation.server import SERVER
from config.database import Database
from tests.automation.harness import MESSAGE, AutomationHarness
from tests.automation.make_double import QUOTE, Make
from tests.automation.providers.test_make import TestMake as _MakeContract
from tests.automation.providers.test_zapier import TestZapier as _ZapierContract
from tests.automation.zapier_double import HOOK
from tests.support.faults import SwitchableBreakers
from tests.support.pseudo_locale import pseudo_locale
from tests.support.servers import Servers
from tests.support.translated import (
    connect_translated,
    literal_sentences,
    unused_sentences,
)
from tests.support.vendor_contract import MANY
from tests.support.vendors import Exchange, refused

DATA = (
    *("notify", "Notify", "send quote", "Send quote", "message", "urgency", "items", "Late"),
    *("amount in euros", "e mail address", "gone", "Gone", "customer"),
)


async def test_a_zap_is_spoken_of_in_the_language_of_the_caller(
    exchange: Exchange, vendor_servers: Servers, database: Database, breakers: SwitchableBreakers
) -> None:
    harness: AutomationHarness[Any] = await _ZapierContract().open_harness(
        exchange, vendor_servers, database, breakers
    )
    claims = harness.claims(confirm=("zapier_trigger",))
    with pseudo_locale():
        async with connect_translated(vendor_servers, SERVER.name, claims, DATA) as caller:
            await caller.call("list_automations")
            await harness.declare("notify", "zapier", hook=HOOK, takes=MESSAGE)
            await caller.call("list_automations")
            zap, refuse = {"automation": "notify"}, caller.refused
            await refuse("not_found", "zapier_trigger", automation="nothing")
            await refuse("invalid", "zapier_trigger", **zap)
            for values in ({"message": 1}, {"message": "x" * 20_000}, {"other": 1, "message": ""}):
                await refuse("invalid", "zapier_trigger", **zap, values=values)
            await caller.call("zapier_trigger", **zap, values={"message": "Late", "items": []})


async def test_a_scenario_is_spoken_of_in_the_language_of_the_caller(
    exchange: Exchange, vendor_servers: Servers, database: Database, breakers: SwitchableBreakers
) -> None:
    harness: AutomationHarness[Any] = await _MakeContract().open_harness(
        exchange, vendor_servers, database, breakers
    )
    vendor = harness.vendor
    assert isinstance(vendor, Make)
    await harness.declare("send_quote", "make", scenario=QUOTE, answers=True)
    run = {"scenario": "send_quote", "values": {"email": "a@b.example"}}
    with pseudo_locale():
        async with connect_translated(
            vendor_servers, SERVER.name, harness.claims(), DATA
        ) as caller:
            await caller.refused("invalid", "make_run_scenario", scenario="send_quote")
            first = await caller.call("make_run_scenario", **run)
            await caller.refused("not_found", "list_automations", run="send_quote:0")
            for vendor.final in ("SUCCESS", "WARNING", "ERROR"):
                await caller.call("list_automations", run=first["run"])
            vendor.polls = MANY
            await caller.call("list_automations", run=first["run"])
            vendor.scenarios[QUOTE]["isActive"] = False
            other = {**run, "values": {"email": "c@d.example"}}
            await caller.refused("rejected", "make_run_scenario", **other)
            vendor.fail(refused(403), writes=False, times=MANY)
            await caller.refused("forbidden", "make_run_scenario", **other)


def test_every_sentence_is_said_and_stands_in_the_catalogue() -> None:
    assert unused_sentences("automation") == []
    assert literal_sentences("automation") == []
