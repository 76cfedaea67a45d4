"""The tools `search` and `query`: what they find, and what they return."""

import json
from typing import Any

from crm.matching import kinds_to_search, matching_records, to_search_query
from crm.provider import Kind, Record
from crm.sentences import describe_matches
from tests.support.servers import Answer, Caller

PEOPLE: tuple[dict[str, Any], ...] = (
    {"name": "Tom Hill", "company": "Hill and Sons", "phone": "+49 30 555 0142"},
    {"name": "Tomas Hiller", "phone": "040 777 1234", "email": "tomas@example.com"},
    {"name": "Ann Dubois", "email": "ann.dubois@example.com"},
    {"name": "René Müller", "notes": "Has a blue boat in the harbour."},
    {"name": "Katherine Brandt"},
)


async def create_people(caller: Caller) -> list[str]:
    made = [await caller.call("create_lead", **each) for each in PEOPLE]
    return [each.data["id"] for each in made]


def titles(answer: Answer) -> list[str]:
    assert answer.error is None, answer
    return [each["title"] for each in answer.data["found"]]


SEARCHES: tuple[tuple[str, list[str]], ...] = (
    ("Tom Hill", ["Tom Hill"]),
    ("tom  HILL!", ["Tom Hill"]),
    ("Thom Hill", ["Tom Hill"]),
    ("Tom Hall", ["Tom Hill"]),
    ("hill and sons", ["Tom Hill"]),
    ("Tom Hill of Hill and Sons", ["Tom Hill"]),
    ("Rene Muller", ["René Müller"]),
    ("Renee Mueller", ["René Müller"]),
    ("Dubois", ["Ann Dubois"]),
    ("Anne Duboy", ["Ann Dubois"]),
    ("Catherine", ["Katherine Brandt"]),
    ("ann dot dubois at example dot com", ["Ann Dubois"]),
    ("blue boat", ["René Müller"]),
    ("Zoe Quist", []),
    ("zero three zero, double five five, oh one four two", ["Tom Hill"]),
    ("0049305550142", ["Tom Hill"]),
    ("(030) 555-0142", ["Tom Hill"]),
    ("5550142", ["Tom Hill"]),
    ("+49 40 7771234", ["Tomas Hiller"]),
    ("+49 40 7771235", []),
    ("0142", []),
    ("ANN.DUBOIS@example.com", ["Ann Dubois"]),
    ("dubois@example.com", []),
    ("' or 1=1 --", []),
    ("%", []),
    ("!!! & | :* <->", []),
    ("a\u0000b", []),
)


async def test_people_are_found_as_callers_say_who_they_are(caller: Caller) -> None:
    await create_people(caller)
    for text, found in SEARCHES:
        assert titles(await caller.call("search", text=text)) == found, text


async def test_what_was_found_can_be_spoken(caller: Caller) -> None:
    await create_people(caller)
    one = await caller.call("search", text="Tom Hill")
    assert one.data["say"] == "I found Tom Hill of Hill and Sons, a lead."
    (row,) = one.data["found"]
    assert {key: row[key] for key in ("kind", "title", "company", "phone")} == {
        "kind": "lead",
        "title": "Tom Hill",
        "company": "Hill and Sons",
        "phone": "+49305550142",
    }
    assert one.data["more"] is False

    await caller.call("create_contact", name="Tom Hill")
    two = await caller.call("search", text="tom hill")
    assert two.data["say"] == (
        "I found two: Tom Hill, a contact or Tom Hill of Hill and Sons, a lead. Which one?"
    )
    assert titles(await caller.call("search", text="Tom Hill", kind="contact")) == ["Tom Hill"]
    assert titles(await caller.call("search", text="Tom Hill", kind="case")) == []

    for number in range(4):
        await caller.call("create_account", name=f"Harbour {number}")
    many = await caller.call("search", text="Harbour")
    assert len(many.data["found"]) == 3
    assert many.data["more"] is True
    assert many.data["say"].startswith("I found several, among them Harbour")
    assert many.data["say"].endswith(". Can you tell me more?")

    none = await caller.call("search", text="Zoe Quist")
    assert none.data == {"say": "I can't find Zoe Quist.", "found": [], "more": False}
    unknown_number = await caller.call("search", text="+49 89 1234567")
    assert unknown_number.data["say"] == "I can't find anyone with that number."
    unknown_address = await caller.call("search", text="zoe@example.com")
    assert unknown_address.data["say"] == "I can't find anyone with that e-mail address."


def record(kind: Kind, record_id: str, **values: str) -> Record:
    fields = {"MobilePhone": values.pop("mobile")} if "mobile" in values else {}
    return Record(kind=kind, id=record_id, values=values, fields=fields)


def test_a_vendors_candidates_are_ranked_by_ear() -> None:
    """The candidates may be too many, duplicates, and in any order."""
    ann, anna = record("lead", "1", name="Ann Berg"), record("contact", "2", name="Anna Bergmann")
    tom, case = record("lead", "3", name="Tom Hill"), record("case", "4", subject="A noisy press")
    everyone = [case, tom, anna, ann, ann]
    assert matching_records(to_search_query("Ann Berk"), everyone)[0] == ann
    assert matching_records(to_search_query("ann berg"), everyone) == [ann]
    assert matching_records(to_search_query("noisy press"), everyone) == [case]
    assert (
        matching_records(
            to_search_query("noise"), [record("case", "5", subject="x", notes="so noisy")]
        )
        != []
    )
    assert matching_records(to_search_query("Zoe Quist"), everyone) == []


def test_any_number_that_a_vendor_has_of_a_person_is_theirs() -> None:
    tom = record("lead", "1", name="Tom", phone="030 1234567", mobile="+49 151 5550142")
    assert matching_records(to_search_query("0151 555 0142"), [tom]) == [tom]
    assert matching_records(to_search_query("0151 555 0143"), [tom]) == []


def test_people_are_looked_for_by_number_and_everything_by_name() -> None:
    assert kinds_to_search(to_search_query("555 0142"), None) == ("lead", "contact", "account")
    assert kinds_to_search(to_search_query("tom@example.com"), None) == (
        "lead",
        "contact",
        "account",
    )
    assert set(kinds_to_search(to_search_query("Tom"), None)) >= {
        "lead",
        "contact",
        "account",
        "case",
    }
    assert kinds_to_search(to_search_query("555 0142"), "task") == ("task",)


def test_what_is_long_is_not_echoed() -> None:
    assert describe_matches(to_search_query("x" * 61), []) == "I can't find that."


async def create_sales(caller: Caller) -> None:
    for number in range(12):
        answer = await caller.call(
            "create_opportunity",
            name=f"Sale {number:02}",
            amount=number * 1000.5,
            stage="Open" if number % 2 else "Won",
            close=f"2030-01-{number + 1:02}",
            notes="long " * 100,
            fields={"region": "north" if number < 3 else "south", "score": number * 11},
        )
        assert answer.error is None


QUERIES: tuple[tuple[dict[str, Any], list[int]], ...] = (
    ({}, [11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0]),
    ({"limit": 2}, [11, 10]),
    ({"filters": [{"field": "name", "value": "sale 03"}]}, [3]),
    ({"filters": [{"field": "name", "op": "contains", "value": "LE 1"}]}, [11, 10]),
    ({"filters": [{"field": "name", "op": "contains", "value": "%"}]}, []),
    ({"filters": [{"field": "name", "op": "contains", "value": "_"}]}, []),
    ({"filters": [{"field": "name", "op": "starts_with", "value": "Sale 1"}]}, [11, 10]),
    ({"filters": [{"field": "name", "op": "starts_with", "value": "ale"}]}, []),
    (
        {"filters": [{"field": "name", "op": "one_of", "value": ["Sale 01", "x", "Sale 02"]}]},
        [2, 1],
    ),
    ({"filters": [{"field": "name", "op": "one_of", "value": []}]}, []),
    ({"filters": [{"field": "amount", "op": "above", "value": 9004.5}]}, [11, 10]),
    ({"filters": [{"field": "amount", "op": "below", "value": "2,001.5"}]}, [2, 1, 0]),
    ({"filters": [{"field": "amount", "value": 1000.5}]}, [1]),
    ({"filters": [{"field": "close_date", "op": "above", "value": "2030-01-10"}]}, [11, 10]),
    ({"filters": [{"field": "close_date", "op": "below", "value": "2030-01-02"}]}, [0]),
    ({"filters": [{"field": "region", "value": "NORTH"}]}, [2, 1, 0]),
    ({"filters": [{"field": "score", "op": "above", "value": 99}]}, [11, 10]),
    ({"filters": [{"field": "score", "op": "is", "value": 99}]}, [9]),
    ({"filters": [{"field": "score", "op": "is_not", "value": 99}], "limit": 3}, [11, 10, 8]),
    ({"filters": [{"field": "missing", "op": "is_not", "value": "x"}], "limit": 1}, [11]),
    ({"filters": [{"field": "missing", "value": "x"}]}, []),
    ({"filters": [{"field": "region", "op": "above", "value": 5}]}, []),
    (
        {
            "filters": [
                {"field": "stage", "value": "won"},
                {"field": "region", "value": "north"},
            ]
        },
        [2, 0],
    ),
    ({"order_by": "amount", "limit": 3}, [0, 1, 2]),
    ({"order_by": "amount", "descending": True, "limit": 3}, [11, 10, 9]),
    ({"order_by": "score", "descending": True, "limit": 3}, [11, 10, 9]),
    ({"order_by": "close_date", "limit": 2}, [0, 1]),
    ({"order_by": "stage", "limit": 2}, [11, 9]),
)


async def test_a_query_is_answered_by_conditions(caller: Caller) -> None:
    await create_sales(caller)
    for arguments, numbers in QUERIES:
        every: dict[str, Any] = {"limit": 20, "detail": "full", **arguments}
        answer = await caller.call("query", kind="opportunity", **every)
        assert answer.error is None, (arguments, answer)
        found = [row["title"] for row in answer.data["rows"]]
        assert found == [f"Sale {number:02}" for number in numbers], arguments
        assert answer.data["more"] is (len(numbers) == arguments.get("limit")), arguments


async def test_a_brief_answer_is_brief(caller: Caller) -> None:
    await create_sales(caller)
    brief = await caller.call("query", kind="opportunity", fields=["amount", "region"], limit=20)
    assert brief.data["say"] == (
        "I found twelve opportunities, among them Sale 11, Sale 10 and Sale 09."
    )
    assert brief.data["rows"][0]["values"] == {"amount": 11005.5, "region": "south"}
    assert len(json.dumps(brief.data)) <= 1500
    named = await caller.call(
        "query", kind="opportunity", filters=[{"field": "stage", "value": "Won"}], limit=1
    )
    assert named.data["rows"][0]["values"] == {"stage": "Won"}
    assert named.data["say"] == "I found more than one opportunity, among them Sale 10."
    wide = await caller.call("query", kind="opportunity", fields=["notes"], limit=20)
    assert len(json.dumps(wide.data)) <= 1500
    assert wide.data["more"] is True
    full = await caller.call("query", kind="opportunity", limit=1, detail="full")
    assert len(full.data["rows"][0]["values"]["notes"]) > 300

    sale = {"opportunity": full.data["rows"][0]["id"]}
    shown = await caller.call("get_opportunity", **sale)
    assert shown.data["notes"].endswith("…")
    assert len(json.dumps(shown.data)) <= 1500
    whole = await caller.call("get_opportunity", **sale, detail="full")
    assert len(whole.data["notes"]) == 499


async def test_conditions_take_times_and_records_as_they_are_said(caller: Caller) -> None:
    account = (await caller.call("create_account", name="Hill Ltd")).data["id"]
    contact = await caller.call(
        "create_contact", name="Ann", phone="+49 30 5550142", account=account
    )
    await caller.call("create_contact", name="Ben")
    await caller.call("create_task", subject="Call", due="tomorrow", about=contact.data["id"])
    await caller.call("create_event", subject="Visit", when="tomorrow at ten", about=account)

    async def rows(kind: str, field: str, op: str, value: str) -> list[str]:
        filters = [{"field": field, "op": op, "value": value}]
        answer = await caller.call("query", kind=kind, filters=filters)
        assert answer.error is None, answer
        return [row["title"] for row in answer.data["rows"]]

    assert await rows("task", "due_date", "is", "tomorrow") == ["Call"]
    assert await rows("task", "due_date", "below", "tomorrow") == []
    assert await rows("task", "status", "is_not", "Done") == ["Call"]
    assert await rows("event", "starts_at", "above", "tomorrow") == ["Visit"]
    assert await rows("event", "starts_at", "above", "tomorrow at noon") == []
    assert await rows("event", "starts_at", "is", "tomorrow at ten") == ["Visit"]
    assert await rows("contact", "account", "is", account) == ["Ann"]
    assert await rows("contact", "account", "is_not", account) == ["Ben"]
    assert await rows("contact", "account", "is", "' or 1=1") == []
    assert await rows("contact", "account", "is", "") == []
    assert await rows("contact", "phone", "is", "030 555 0142") == ["Ann"]
    assert await rows("contact", "phone", "is", "none") == []
