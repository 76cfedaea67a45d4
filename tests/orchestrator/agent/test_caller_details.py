from orchestrator.agent.caller_details import CallerDetails
from orchestrator.mcp_client.tool import ToolInfo


def tool(tool_name: str, **caller: str) -> ToolInfo:
    return ToolInfo(
        server="erp",
        tool=tool_name,
        description="",
        parameters={},
        reads=False,
        repeatable=False,
        caller=caller,
    )


BOOK = tool("book", name="name", phone="phone")
COMPLAIN = tool("complain", name="who", phone="number", email="address")
PLAIN = tool("plain")


def test_who_the_caller_is_goes_to_a_tool_that_asks_for_it() -> None:
    details = CallerDetails()
    details.note(BOOK, {"slot": "sat-10", "name": "Ann Lee", "phone": "5550142"})
    complaint = {"text": "It is cold."}
    expected = {"text": "It is cold.", "who": "Ann Lee", "number": "5550142"}
    assert details.complete(COMPLAIN, complaint) == expected
    assert details.complete(PLAIN, complaint) == complaint


def test_what_is_given_stays_alone() -> None:
    details = CallerDetails()
    details.note(BOOK, {"name": "Ann Lee", "phone": "5550142"})
    assert details.complete(COMPLAIN, {"who": "Tom Hill"}) == {"who": "Tom Hill"}
    assert details.complete(COMPLAIN, {"who": None})["who"] == "Ann Lee"


def test_the_last_word_counts_and_what_is_missing_is_not_invented() -> None:
    details = CallerDetails()
    assert details.complete(COMPLAIN, {}) == {}
    details.note(BOOK, {"name": "Ann Lee", "phone": "5550142"})
    details.note(BOOK, {"name": "Anna Lee", "phone": ""})
    assert details.complete(COMPLAIN, {}) == {"who": "Anna Lee", "number": "5550142"}
