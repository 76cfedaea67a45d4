"""Injection into encoded queries: what a caller says stays one value, or is refused."""

from collections.abc import Callable
from functools import partial

import pytest

from servicenow.provider import SearchQuery
from servicenow.providers.servicenow import search
from tests.servicenow.double import CASES
from tests.servicenow.harness import ServiceNowHarness
from tests.servicenow.providers.servicenow.encoded_query import Condition, parse
from toolkit.errors import Rejected

# ServiceNow describes no way to quote a caret, and runs what begins with `javascript:`.
UNQUOTABLE = [
    *("^", "^^", "a^b", "a^^b", "x ^ y", "x\n^NQ", "x\u200b^y", "^ORsys_idISNOTEMPTY"),
    *("x^NQactive=true", "x^ORactive=true", "x^ORDERBYname", "x^EQ", "x^NQanyfieldANYTHING"),
    *("x^RLQUERYincident.caller_id,>=1^ENDRLQUERY", "x^JOINincident.caller_id"),
    *("tom^ORuser_name=admin", "javascript:gs.getUserID()", "JavaScript:gs.log(1)"),
    *(" javascript:1", "\tjavascript:1", "\u00a0javascript:1", "\x00javascript:1"),
    *("java\u200bscript:1", "javascript :1", "javascript\n:1", "javascript:'x'+1"),
    *("x javascript:gs.getUserID()", "", " ", "\n", "\u200b", "\x00\x01"),
]
LITERAL = [
    *("plain", "two words", "O'Brien", 'say "hello"', "two\nlines", "a\tb", "a\u2028b", "x" * 500),
    *("50%", "%", "_", "*", "*x", "%x", "!*x", "!=x", "=x", "==", ">=1", "<1", ">1", "-5", "\\"),
    *("LIKEx", "x LIKE y", "INx", "x,y", "a@b", "x@y@z", "STARTSWITHx", "SAMEASname", "ISEMPTY"),
    *("xISNOTEMPTY", "ANYTHING", "xANYTHING", "NQactive=true", "ORactive=true", "ORDERBYname"),
    *("RLQUERY", "DYNAMIC54635e965f510100a9ad2572f2b4774c", "123TEXTQUERY321=x", "active=true"),
    *("active=true&sysparm_limit=9", "x&sysparm_query=y", "?x#y", "../../sys_user", "${x}"),
    *("' OR 1=1 --", "x'; drop table task", "<b>x</b>", "{{x}}", "null", "undefined", "a:b"),
    *("javascript", "java script:", "script:1", "gs.getUserID()", "%5E", "%5ENQ", "&#94;"),
    *("\uff3e", "\u02c6", "\u2038", "ünïcode", "日本語", "😀"),
]


def _plain(value: str) -> str:
    return " ".join(value.split())


def _query_builders(value: str) -> list[Callable[[], str]]:
    """Return a function for every place of a query that a caller's words get into."""
    return [
        partial(search.condition, "name", "=", value),
        partial(search.condition, "name", "LIKE", value),
        partial(search.one_of, "number", [value]),
        partial(search.users_query, email=None, phone=None, name=value),
        partial(search.groups_query, [value]),
        partial(search.records_query, SearchQuery(kind="incident", words=(value,)), {}),
        partial(search.records_query, SearchQuery(kind="incident"), {"caller_id": value}),
    ]


def test_there_are_enough_of_them() -> None:
    assert len({*UNQUOTABLE}) >= 25
    assert len({*LITERAL}) >= 60


def test_what_cannot_be_quoted_is_refused() -> None:
    for value in UNQUOTABLE:
        for query in _query_builders(value):
            with pytest.raises(Rejected, match="ServiceNow cannot look for that"):
                query()


def test_everything_else_stays_one_value() -> None:
    active = [Condition("active", "=", "true")]
    for value in LITERAL:
        plain = _plain(value)
        for operator in search.OPERATORS:
            named = search.condition("name", operator, value)
            query = parse(search.join_conditions("active=true", named, "ORDERBYname"))
            assert query.groups == [active, [Condition("name", operator, plain)]], value
            assert query.order == "name"
        ((one_of,),) = parse(search.one_of("number", [value, "INC0010001"])).groups
        assert one_of.value.split(",") == [plain.replace(",", " "), "INC0010001"]
        people = parse(search.users_query(email=None, phone=None, name=value)).groups
        assert (people[0], people[1][0]) == (active, Condition("user_name", "=", plain))
        assert all((each.field, each.operator) == ("name", "LIKE") for each in people[1][1:])
        groups = parse(search.groups_query([value])).groups
        assert groups == [active, [Condition("name", "LIKE", plain)]]
        wanted = parse(search.records_query(SearchQuery(kind="incident", words=(value,)), {}))
        fields = ("short_description", "description")
        assert wanted.groups == [[Condition(field, "LIKE", plain) for field in fields]]


HOSTILE = [
    *("INC0010001^ORnumberISNOTEMPTY", "javascript:gs.getUserID()", "' OR 1=1 --", ".."),
    *("../me?a#b%2e", "0" * 32),
]
ARGUMENTS: list[tuple[str, str]] = [
    *(("get_incident", "incident"), ("get_case", "case"), ("get_tasks", "task")),
    *(
        ("get_user", "user"),
        ("get_knowledge_article", "article"),
        ("get_assignment_groups", "name"),
    ),
    *(("search_knowledge", "question"), ("query_incidents", "text"), ("query_cases", "text")),
    *(("query_incidents", "caller"), ("search_user_by_email", "email"), ("get_tasks", "about")),
]


async def test_no_tool_asks_for_more_than_was_said(harness: ServiceNowHarness) -> None:
    """The fake instance refuses a query with anything but conditions on what was said."""
    harness.vendor.add("incident", short_description="No VPN")
    harness.vendor.add(CASES, short_description="Pump leaks")
    async with harness.caller() as caller:
        for tool, argument in ARGUMENTS:
            for said in HOSTILE:
                answer = await caller.call(tool, **{argument: said})
                assert answer.error in (None, "not_found", "rejected"), (tool, said, answer)
                assert answer.data.get("records", []) == [], (tool, said)
                lists = tool.startswith(("search", "query", "get_assignment"))
                assert lists or answer.error, (tool, said)
    paths = {request.url.path for request in harness.vendor.requests}
    assert all(".." not in path for path in paths)
    assert harness.vendor.written() == []


async def test_a_condition_that_is_ignored_shows_nobody_else_s_records(
    harness: ServiceNowHarness,
) -> None:
    """ServiceNow ignores conditions on fields that its user may not read, and finds too much."""
    harness.vendor.add("incident", short_description="No VPN")
    harness.vendor.unreadable = frozenset({"caller_id", "email"})
    async with harness.caller() as caller:
        found = await caller.call("query_incidents", caller="tom.hill")
        assert found.data["records"] == []
        found = await caller.call("search_user_by_email", email="tom@acme.example")
        assert found.data["users"] == []
