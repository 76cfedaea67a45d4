"""What HubSpot's refusals mean: https://developers.hubspot.com/docs/api-reference/error-handling."""

from uuid import uuid4

import httpx2
import pytest

from tests.crm.harness import CrmHarness
from tests.crm.providers.hubspot.objects import error
from tests.crm.providers.hubspot.test_provider import fake
from tests.support.vendors import BODY_CANARY


@pytest.mark.parametrize(
    ("status", "category", "code", "expected"),
    [
        (400, "VALIDATION_ERROR", None, "rejected"),
        (400, "VALIDATION_ERROR", "CONFLICTING_UNIQUE_VALUE", "conflict"),
        (400, "VALIDATION_ERROR", "PROPERTY_DOESNT_EXIST", "rejected"),
        (400, "OBJECT_NOT_FOUND", None, "not_found"),
        (409, "CONFLICT", None, "conflict"),
        (403, "MISSING_SCOPES", None, "forbidden"),
        (400, "MISSING_SCOPES", None, "forbidden"),
        (403, "RATE_LIMITS", None, "rate_limited"),
        (503, "RATE_LIMITS", None, "rate_limited"),
        (429, "RATE_LIMITS", None, "rate_limited"),
        (423, "LOCKED", None, "unavailable"),
        (423, "", None, "unavailable"),
        (477, "MIGRATION_IN_PROGRESS", None, "unavailable"),
        (500, "VALIDATION_ERROR", None, "rejected"),
        (500, "INTERNAL_ERROR", None, "outcome_unknown"),
        (400, "OF_ANOTHER_DAY", None, "rejected"),
    ],
)
async def test_a_refusal_is_told_by_its_category(
    hub: CrmHarness, status: int, category: str, code: str | None, expected: str
) -> None:
    contact = fake(hub).add("contacts", lastname="Berg")
    async with hub.caller() as caller:
        fake(hub).fail(lambda _: error(status, category, code), writes=True)
        answer = await caller.call("update_contact", contact=contact, title="Buyer")
    assert answer.error == expected
    assert BODY_CANARY not in answer.text


async def test_an_address_of_somebody_else_is_a_duplicate(hub: CrmHarness) -> None:
    fake(hub).add("contacts", lastname="Berg", email="ann@example.com")
    other = fake(hub).add("contacts", lastname="Hill")
    async with hub.caller() as caller:
        for answer in (
            await caller.call("update_contact", contact=other, email="ann@example.com"),
            await caller.call("create_contact", name="Ann Berg", email="ann@example.com"),
        ):
            assert answer.error == "conflict"
            assert "We seem to have that already." in answer.text


async def test_a_property_that_there_is_not_is_said(hub: CrmHarness) -> None:
    async with hub.caller() as caller:
        answer = await caller.call("create_contact", name="Ann Berg", fields={"shoe_size": 40})
    assert answer.error == "rejected"
    assert "no such property" in answer.text


async def test_a_refusal_leaves_the_vendor_open(hub: CrmHarness) -> None:
    hub.breakers.disabled = False
    contact = fake(hub).add("contacts", lastname="Berg")
    fake(hub).fail(lambda _: error(503, "RATE_LIMITS"), times=10)
    async with hub.caller() as caller:
        for _ in range(10):
            answer = await caller.call("get_contact", contact=contact, key=str(uuid4()))
            assert answer.error == "rate_limited"
        await hub.call_ok(caller, "get_contact", contact=contact)


async def test_a_body_that_is_no_refusal_leaves_it_at_the_status(hub: CrmHarness) -> None:
    contact = fake(hub).add("contacts", lastname="Berg")
    async with hub.caller() as caller:
        for body in (b"", b"<html>", b"[]", b'{"category": 5, "errors": 5}', b'{"errors": [5]}'):

            def answered(_: httpx2.Request, body: bytes = body) -> httpx2.Response:
                return httpx2.Response(400, content=body)

            fake(hub).fail(answered)
            answer = await caller.call("get_contact", contact=contact)
            assert answer.error == "rejected", body
