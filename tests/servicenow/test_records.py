"""What ServiceNow says of its records: who has left, unreadable rows, and refusals."""

from uuid import uuid4

import httpx2
import pytest

from tests.servicenow.double import NETWORK, TOM
from tests.servicenow.harness import ServiceNowHarness
from tests.support.vendors import BODY_CANARY, Fault


async def test_who_has_left_is_said_to_be_gone_and_gets_nothing(
    harness: ServiceNowHarness,
) -> None:
    """A user who has left is kept, with `active` false, and is read by the id as before."""
    tom = next(each for each in harness.vendor.tables["sys_user"] if each["sys_id"] == TOM)
    tom["active"] = "false"
    harness.vendor.add("task", short_description="Call back")
    async with harness.caller() as caller:
        for tool, arguments in (
            ("get_user", {"user": TOM}),
            ("create_incident", {"summary": "No wifi", "caller": TOM}),
            ("update_task", {"task": "TASK0010001", "assignee": TOM}),
            ("create_task", {"summary": "Call", "assignee": TOM}),
        ):
            answer = await caller.call(tool, key=str(uuid4()), **arguments)
            assert answer.error == "not_found", (tool, answer)
            assert "no longer active" in answer.text, (tool, answer)
        assert (await caller.call("get_user", user="tom.hill")).error == "not_found"
    assert harness.vendor.written() == []


async def test_who_has_left_is_not_found_where_a_condition_is_ignored(
    harness: ServiceNowHarness,
) -> None:
    """ServiceNow ignores conditions on some fields and finds too much: the rows are compared."""
    for table in ("sys_user", "sys_user_group"):
        for row in harness.vendor.tables[table]:
            row["active"] = "false" if row["sys_id"] in (TOM, NETWORK) else "true"
    harness.vendor.ignored = frozenset({"active"})
    async with harness.caller() as caller:
        people = await caller.call("search_user_by_email", email="tom@acme.example")
        groups = await caller.call("get_assignment_groups", detail="full")
    assert people.data["users"] == []
    assert [each["name"] for each in groups.data["groups"]] == ["Service Desk"]


async def test_one_unreadable_row_hides_no_other(harness: ServiceNowHarness) -> None:
    vendor = harness.vendor
    for n in range(5):
        vendor.add("incident", short_description=f"VPN {n}")
    vendor.garbled = frozenset({1})
    for name in ("1", "2"):
        article = {
            "sys_id": name,
            "number": f"KB{name}",
            "short_description": "",
            "content": "spam",
        }
        vendor.articles.append(article)
    vendor.articles[0] |= {"number": BODY_CANARY, "short_description": 7}
    async with harness.caller() as caller:
        found = await caller.call("query_incidents", text="vpn")
        assert [each["summary"] for each in found.data["records"]] == ["VPN 4", "VPN 2", "VPN 1"]
        assert found.data["more"]
        assert (await caller.call("search_user_by_phone", phone="4155557781")).data["users"]
        groups = await caller.call("get_assignment_groups", detail="full")
        assert [each["name"] for each in groups.data["groups"]] == ["Network"]
        articles = await caller.call("search_knowledge", question="spam")
        assert [each["number"] for each in articles.data["articles"]] == ["KB2"]
        vendor.garbled = frozenset({0})
        alone = await caller.call("get_incident", incident="INC0010004")
        assert alone.error == "unavailable", alone


def _refuse(status: int, message: str, detail: str) -> Fault:
    body = {"error": {"message": message, "detail": detail}, "status": "failure"}
    return lambda _: httpx2.Response(status, json=body)


RULE = "Operation against file 'incident' was aborted by Business Rule 'Check^0e5b'. Business Rule"
POLICY = "Data Policy Exception: The following fields are mandatory: Close notes"


@pytest.mark.parametrize(
    ("status", "message", "detail", "error"),
    [
        (404, "No Record found", "Record doesn't exist or ACL restricts it", "not_found"),
        (400, "No Record found", "", "not_found"),
        (403, "Operation Failed", "ACL Exception Update Failed due to security constraints", None),
        (403, "Operation Failed", RULE, "rejected"),
        (500, RULE, "", "rejected"),
        (403, "Operation Failed", POLICY, "rejected"),
        (403, "Operation Failed", "Unique Key violation detected by database (x)", "conflict"),
        (403, BODY_CANARY, BODY_CANARY, None),
        (400, "Invalid table nowhere", "", "rejected"),
    ],
)
async def test_a_refusal_is_what_its_text_says(
    harness: ServiceNowHarness, status: int, message: str, detail: str, error: str | None
) -> None:
    """The texts are the platform's own, as its clients have published them; see refusals.py.

    A rule that does not take the values is no missing right: other values may be taken.
    """
    harness.vendor.add("incident", short_description="No VPN")
    harness.vendor.fail(_refuse(status, message, f"{detail} {BODY_CANARY}"), writes=True, times=8)
    async with harness.caller() as caller:
        for n in range(8):  # the breaker stays closed
            change = {"incident": "INC0010001", "note": f"Note {n}"}
            answer = await caller.call("update_incident", key=str(uuid4()), **change)
            assert answer.error == (error or "forbidden"), answer
            assert BODY_CANARY not in answer.text
        assert (await caller.call("get_incident", incident="INC0010001")).error is None
