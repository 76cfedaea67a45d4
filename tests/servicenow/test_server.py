"""The ServiceNow tools as a client sees them, with a fake instance."""

import json

from fastmcp.tools import FunctionTool

from servicenow.server import SERVER
from tests.servicenow.double import ANN, CASES, GEORGE, NETWORK, TOM
from tests.servicenow.harness import ServiceNowHarness

VOICE = {
    *("create_incident", "get_incident", "search_knowledge", "search_user_by_phone"),
    "create_case",
}


def test_the_tools_for_a_call_are_tagged() -> None:
    tools = [FunctionTool.from_function(tool) for tool in SERVER.tools]
    assert {tool.name for tool in tools if "voice" in tool.tags} == VOICE
    assert SERVER.catalogue()["providers"] == ["servicenow"]


async def test_an_incident_from_the_call_to_its_end(harness: ServiceNowHarness) -> None:
    async with harness.caller() as caller:
        made = await caller.call(
            "create_incident",
            summary="No VPN",
            details="Since this morning.",
            caller="Tom at acme dot example",
            urgency="high",
            impact="normal",
            group="the network group",
        )
        assert made.error is None, made
        (row,) = harness.vendor.tables["incident"]
        wanted = {"caller_id": TOM, "assignment_group": NETWORK, "urgency": "1", "impact": "2"}
        assert wanted.items() <= row.items()
        assert (row["short_description"], row["description"]) == ("No VPN", "Since this morning.")
        number = made.data["number"]
        assert made.data["say"] == (
            f"Done, your incident is INC {int(number[3:])}. Is there anything else?"
        )
        shown = await caller.call("get_incident", incident=number)
        assert shown.data["caller"] == "Tom Hill"
        assert shown.data["group"] == "Network"
        assert shown.data["details"] == "Since this morning."
        assert "Its state is new, with Network." in shown.data["say"]

        noted = await caller.call("update_incident", incident=number, note="It rings, too.")
        assert noted.error is None, noted
        assert harness.vendor.journal[row["sys_id"]] == ["It rings, too."]
        pending = await caller.call("update_incident", incident=number, state="pending")
        assert (pending.data["state"], row["state"], row["hold_reason"]) == ("pending", "3", "1")
        solved = await caller.call("update_incident", incident=number, state="solved")
        assert (solved.data["state"], row["state"]) == ("solved", "6")
        assert row["close_code"] == "Solution provided"
        closed = await caller.call("update_incident", incident=number, state="closed")
        assert (closed.data["state"], row["state"]) == ("closed", "7")
        nothing = await caller.call("update_incident", incident=number)
        assert nothing.error == "rejected"


async def test_an_incident_goes_by_its_number_however_it_is_said(
    harness: ServiceNowHarness,
) -> None:
    row = harness.vendor.add("incident", short_description="No VPN")
    assert row["number"] == "INC0010001"
    said = (
        *("INC0010001", "inc 0010001", "I N C ten thousand one", "incident 10001", "#10001"),
        *("the number is INC 10001", "i n c double oh one oh oh oh one", row["sys_id"].upper()),
    )
    async with harness.caller() as caller:
        for number in said:
            shown = await caller.call("get_incident", incident=number)
            assert shown.data.get("number") == "INC0010001", number
        short = harness.vendor.add("incident", number="INC123")
        shown = await caller.call("get_incident", incident="inc 123")
    assert shown.data["number"] == short["number"]


async def test_incidents_are_found_by_words_state_caller_and_group(
    harness: ServiceNowHarness,
) -> None:
    add = harness.vendor.add
    add("incident", short_description="VPN is slow", caller_id=TOM, state="2")
    add("incident", short_description="Printer", description="vpn, too", state="6", caller_id=ANN)
    add("incident", short_description="No light", state="7", active="false", caller_id=TOM)
    add("incident", short_description="No heat", assignment_group=NETWORK, state="3")
    add("incident", short_description="No water", state="8")
    async with harness.caller() as caller:

        async def find(**query: str) -> list[str]:
            answer = await caller.call("query_incidents", **query)
            assert answer.error is None, answer
            return [each["summary"] for each in answer.data["records"]]

        assert await find(text="The VPN is slow.") == ["VPN is slow"]
        assert await find(text="vpn") == ["Printer", "VPN is slow"]
        assert await find(state="open", caller="tom.hill") == ["VPN is slow"]
        assert await find(state="closed") == ["No light"]
        assert await find(group="network") == ["No heat"]
        assert await find(caller="Tom Hill") == ["No light", "VPN is slow"]
        everything = await caller.call("query_incidents")
        assert len(everything.data["records"]) == 3
        assert everything.data["more"] is True
        assert everything.data["records"][0]["state"] == "assess"  # a state of the tenant's own
        assert everything.data["say"].startswith("Among others, there is incident INC 10005, No ")
        full = await caller.call("query_incidents", detail="full")
        assert (len(full.data["records"]), full.data["more"]) == (5, False)


async def test_a_case_from_the_call_to_its_end(harness: ServiceNowHarness) -> None:
    async with harness.caller() as caller:
        made = await caller.call(
            "create_case", summary="Pump leaks", contact="george@boxes.example", priority="high"
        )
        assert made.error is None, made
        (row,) = harness.vendor.tables[CASES]
        assert (row["contact"], row["priority"]) == (GEORGE, "2")
        number = made.data["number"]
        shown = await caller.call("get_case", case=f"case {int(number[2:])}")
        assert (shown.data["number"], shown.data["caller"]) == (number, "George Warren")
        assert (shown.data["state"], shown.data["priority"]) == ("new", "high")
        found = await caller.call("query_cases", contact="George", text="pump", state="open")
        assert [each["number"] for each in found.data["records"]] == [number]
        for state, written in (("open", "10"), ("pending", "18"), ("solved", "6"), ("closed", "3")):
            changed = await caller.call("update_case", case=number, state=state, note="Thanks.")
            assert (changed.data["state"], row["state"]) == (state, written)
        assert harness.vendor.journal[row["sys_id"]] == ["Thanks."] * 4
        other = await caller.call("create_case", summary="Pump", contact="tom@acme.example")
        assert other.error == "not_found"


async def test_a_task_from_the_call_to_its_end(harness: ServiceNowHarness) -> None:
    incident = harness.vendor.add("incident", short_description="No VPN")
    async with harness.caller() as caller:
        made = await caller.call(
            "create_task",
            summary="Call back",
            about="INC 10001",
            due="2026-12-24",
            assignee="ann.one",
            group="servis desk",
            priority="low",
        )
        assert made.error is None, made
        (row,) = harness.vendor.tables["task"]
        assert (row["parent"], row["assigned_to"]) == (incident["sys_id"], ANN)
        assert (row["due_date"], row["priority"]) == ("2026-12-24 22:59:00", "4")  # Berlin's day
        number = made.data["number"]
        for wanted in ({"assignee": "ann.one"}, {"about": "INC 10001"}, {"state": "open"}):
            found = await caller.call("get_tasks", **wanted)
            assert [each["number"] for each in found.data["records"]] == [number], wanted
        one = await caller.call("get_tasks", task=number.lower())
        assert one.data["records"][0]["assignee"] == "Ann One"
        moved = await caller.call("update_task", task=number, due="2026-12-23T15:00")
        assert (moved.error, row["due_date"]) == (None, "2026-12-23 14:00:00")
        for state, written in (("open", "2"), ("pending", "-5"), ("closed", "3")):
            changed = await caller.call("update_task", task=number, state=state)
            assert (changed.data["state"], row["state"]) == (state, written)
        other = await caller.call("update_task", task="INC0010001", state="closed")
        assert other.error == "not_found"
        assert incident["state"] == "1"


async def test_a_task_with_states_of_its_own_keeps_them(harness: ServiceNowHarness) -> None:
    row = harness.vendor.add(
        "task", sys_class_name="change_request", state="-4", number="CHG0030001"
    )
    async with harness.caller() as caller:
        shown = await caller.call("get_tasks", task="chg 30001")
        assert shown.data["records"][0]["state"] == "assess"
        changed = await caller.call("update_task", task="CHG0030001", state="closed")
        assert changed.error == "rejected"
        noted = await caller.call("update_task", task="CHG0030001", note="Please hurry.")
        assert noted.error is None, noted
    assert row["state"] == "-4"


async def test_people_are_found_by_what_they_say(harness: ServiceNowHarness) -> None:
    async with harness.caller() as caller:
        for phone in (
            *("5557781", "415 555 7781", "four one five five five five double seven eight one"),
            *("+14155557781", "001 415 555-7781"),
        ):
            found = await caller.call("search_user_by_phone", phone=phone)
            assert [each["name"] for each in found.data["users"]] == ["Tom Hill"], phone
        pairs = await caller.call("search_user_by_phone", phone="+49 30 555014")
        assert [each["name"] for each in pairs.data["users"]] == ["Ann One"]
        none = await caller.call("search_user_by_phone", phone="415 444 7781")
        assert none.data["users"] == []
        assert none.data["say"] == "I can't find anyone with that number."
        for email in ("ann@acme.example", "Ann@Acme.example", "Ann at Acme dot example."):
            found = await caller.call("search_user_by_email", email=email)
            assert [each["id"] for each in found.data["users"]] == [ANN], email
        for user in (TOM, "tom.hill", "tom@acme.example", "Tom Hil"):
            shown = await caller.call("get_user", user=user)
            assert (shown.data["id"], shown.data["department"]) == (TOM, "Sales"), user
        assert (await caller.call("search_user_by_email", email="ann")).error == "rejected"
        assert (await caller.call("search_user_by_phone", phone="none")).error == "rejected"


async def test_who_could_be_several_is_asked_for(harness: ServiceNowHarness) -> None:
    people = harness.vendor.tables["sys_user"]
    people.append({**people[0], "sys_id": f"{0xB9:032x}", "user_name": "tom.h2"})
    async with harness.caller() as caller:
        answer = await caller.call("create_incident", summary="No VPN", caller="Tom Hill")
        assert answer.error == "rejected"
        assert "Several may be meant: Tom Hill or Tom Hill." in answer.text
        group = await caller.call("create_incident", summary="No VPN", group="Plumbers")
        assert group.error == "not_found"
    assert harness.vendor.tables["incident"] == []


async def test_assignment_groups_are_found_by_loose_names(harness: ServiceNowHarness) -> None:
    async with harness.caller() as caller:
        all_of_them = await caller.call("get_assignment_groups")
        assert all_of_them.data["say"] == "There is Network and Service Desk."
        assert all_of_them.data["groups"][0] == {
            "id": NETWORK,
            "name": "Network",
            "description": "Cables",
        }
        for name in ("net work", "network", NETWORK):
            found = await caller.call("get_assignment_groups", name=name)
            assert [each["id"] for each in found.data["groups"]] == [NETWORK], name
        asked = len(harness.vendor.requests)
        await caller.call("get_assignment_groups")
    assert len(harness.vendor.requests) == asked  # the list of groups is cached


async def test_a_write_is_read_back_before_it_is_done(harness: ServiceNowHarness) -> None:
    harness.vendor.add("incident", short_description="No VPN")
    tools = frozenset({"create_incident", "update_incident"})
    async with harness.caller(confirm=tools) as caller:
        asked = await caller.call("create_incident", summary="No light", caller="tom.hill")
        assert asked.data["status"] == "needs_confirmation"
        assert asked.data["say"] == ("An incident about No light, for Tom Hill. Shall I open it?")
        change = {"incident": "inc 10001", "state": "solved", "note": "It works."}
        asked = await caller.call("update_incident", **change)
        assert asked.data["say"] == (
            "Incident INC 10001, No VPN: state solved; with the note It works. Shall I change it?"
        )
        assert harness.vendor.written() == []
        code = asked.data["confirmation_code"]
        agreed = await caller.call("update_incident", **change, confirmation_code=code)
    assert agreed.data["state"] == "solved"
    assert len(harness.vendor.written()) == 1


async def test_no_result_is_long(harness: ServiceNowHarness) -> None:
    long = "A very long story, told twice. " * 90
    for _ in range(30):
        harness.vendor.add("incident", short_description=long, description=long, caller_id=TOM)
    async with harness.caller() as caller:
        for tool, arguments in (
            ("query_incidents", {}),
            ("get_incident", {"incident": "INC0010001"}),
            ("get_assignment_groups", {}),
        ):
            answer = await caller.call(tool, **arguments)
            assert answer.error is None, answer
            assert len(json.dumps(answer.data)) <= 1500, tool
        full = await caller.call("query_incidents", detail="full")
    assert (len(full.data["records"]), full.data["more"]) == (20, True)
