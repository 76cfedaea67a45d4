"""Jira's query language with values that callers dictate, and its document format."""

from typing import Any

import pytest

from tests.tickets.providers.jira import jql as reader
from tests.tickets.providers.jira import memory
from tickets.providers.jira import adf
from tickets.providers.jira.search import contains, equals, jql_query

HOSTILE = [
    *('"', "'", "\\", '\\"', '"\\', "\\\\", '\\\\"', '"" OR ""=""', "' OR 1=1 --", '" OR "a" = "a'),
    *('x" OR project = "SECRET', 'x" ORDER BY key ASC', '") OR (project = "SECRET', "x\\"),
    *('x\\" OR project = SECRET --', '\\u0022 OR project = "A"', "\\x22", "%22 OR 1", "&quot; OR"),
    *("oven AND scale", "oven OR scale", "NOT oven", "oven && scale", "oven || scale", "!oven"),
    *("+oven -scale", "-oven", "o*n", "*ven", "?ven", "ov?n", "oven~", "oven~0.8", "oven^4"),
    *(
        "(oven)",
        "((oven",
        "oven)",
        "[a TO z]",
        "{a TO z}",
        "[oven",
        "summary:oven",
        "a:b:c",
        "/o.n/",
    ),
    *(
        "oven\n OR project = A",
        "oven\r\nscale",
        "oven\tscale",
        "a\x00b",
        "a\x1bb",
        "a\x7fb",
        "a\u2028b",
    ),
    *("currentUser()", "EMPTY", "null", "text ~ oven", "project in (A, B)", "ORDER BY key", "-1d"),
    *("ann@example.com", "C++ & C#", "don't", "half-done", "a/b", "50%", "$(id)", "`id`", "${x}"),
    *("<script>alert(1)</script>", "{{7*7}}", "; drop table issue", "--", "/* */", "é\u0301", "ß"),
    *(
        "नमस्ते दुनिया",
        "“quoted”",
        "„unten“",
        "¿qué?",
        "日本語",
        "oven\u200b",
        "\u202eneвo",
        "🔥 oven",
        "İ",
    ),
]


def _indexed(text: str) -> list[str]:
    """Return the words of a text in Jira's index, which has no unprintable characters."""
    seen = "".join(char if char.isprintable() or char.isspace() else "" for char in text)
    return [*reader.words(seen)]


def test_there_are_enough_of_them() -> None:
    assert len({*HOSTILE}) >= 60


@pytest.mark.parametrize("value", HOSTILE)
def test_what_is_searched_for_stays_one_literal(value: str) -> None:
    clause = contains(value)
    if clause is None:
        assert _indexed(value) == []
        return
    query = reader.query(jql_query(equals("project", "SUP"), clause))
    assert [(each.field, each.operator) for each in query.clauses] == [
        ("project", "="),
        ("text", "~"),
    ]
    assert query.order == ("updated", "DESC")
    literal = query.clauses[1].value
    assert literal.kind == "literal"
    terms = reader.terms(literal.text)
    assert [word for term in terms for word in term.words] == _indexed(value)


@pytest.mark.parametrize("value", HOSTILE)
def test_a_value_is_the_same_on_the_other_side(value: str) -> None:
    query = reader.query(jql_query(equals("status", value)))
    assert query.clauses[0].value.kind == "literal"
    expected = "".join(char for char in " ".join(value.split()) if char.isprintable())
    assert query.clauses[0].value.text == expected


@pytest.mark.parametrize(
    "text", ['a "b', "a AND b", "a*", '"a" OR "b"', "x:y", "\\", "(a)", '"a"b', "a NOT b"]
)
def test_the_reader_knows_operators(text: str) -> None:
    with pytest.raises(ValueError, match=r"operator|phrase"):
        reader.terms(text)


@pytest.mark.parametrize(
    "text",
    [
        'a = "b" OR c = "d" ORDER BY e DESC',
        'a = "b"',
        'a = "b ORDER BY e DESC',
        'a = "b\\x" ORDER BY e DESC',
        'a = "b\n" ORDER BY e DESC',
        'a = "b" c ORDER BY e DESC',
        "(a = b) ORDER BY e DESC",
    ],
)
def test_the_reader_knows_what_is_no_query_of_ours(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        reader.query(text)


def test_words_are_looked_for_in_any_order_and_signs_as_they_stand() -> None:
    assert contains("The oven, is COLD!") == 'text ~ "the oven is cold"'
    assert contains("ann@example.com oven") == 'text ~ "\\"ann@example.com\\" oven"'
    assert contains(" ".join(["oven"] * 50)) == f'text ~ "{" ".join(["oven"] * 20)}"'


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("One.\nTwo.\n\nThree.", "One.\nTwo.\n\nThree."),
        ("\n\n One \r\n\r\n\r\nTwo\n", " One \n\nTwo"),
        ("", ""),
        ("\n \n", ""),
        ("a\n\n \n\nb", "a\n\nb"),
    ],
)
def test_a_text_becomes_a_document_that_jira_takes(text: str, expected: str) -> None:
    document = adf.to_adf(text)
    assert memory.to_text(document) == expected
    assert adf.to_text(document) == expected.strip()


def _node(kind: str, *content: Any, **attrs: Any) -> dict[str, Any]:
    inside = [{"type": "text", "text": each} if isinstance(each, str) else each for each in content]
    return {"type": kind, "content": inside, **({"attrs": attrs} if attrs else {})}


def test_a_document_is_read_as_people_see_it() -> None:
    document = _node(
        "doc",
        _node("heading", "Oven", level=1),
        _node(
            "paragraph",
            *("Hello ", _node("mention", id="1", text="@Ann"), ", see "),
            *(_node("inlineCard", url="https://example.com/1"), _node("hardBreak"), "by "),
            *(_node("date", timestamp="1700000000000"), " ", _node("emoji", shortName=":fire:")),
        ),
        _node(
            "bulletList",
            _node("listItem", _node("paragraph", "one")),
            _node("listItem", _node("paragraph", "two")),
        ),
        _node("table", _node("tableRow", _node("tableCell", "a"), _node("tableCell", "b"))),
        _node("codeBlock", "x = 1"),
        _node("expand", _node("paragraph", "inside"), title="More"),
        _node("rule"),
        _node("somethingNew", _node("paragraph", "still read")),
    )
    assert adf.to_text(document) == (
        "Oven\n\nHello @Ann, see https://example.com/1\nby 2023-11-14 :fire:\n\n- one\n- two\n\n"
        "a\tb\n\nx = 1\n\nMore\ninside\n\nstill read"
    )


@pytest.mark.parametrize(
    "strange",
    [
        *(None, 7, [], {}, {"content": 7}, {"type": "doc", "content": [7, None, {"type": 8}]}),
        {"type": "doc", "content": [{"type": "date", "attrs": {"timestamp": None}}]},
    ],
)
def test_what_is_no_document_says_nothing(strange: object) -> None:
    assert adf.to_text(strange) == ""


def test_a_document_may_be_deep() -> None:
    document: dict[str, Any] = _node("paragraph", "deep")
    for _ in range(150):
        document = _node("blockquote", document)
    assert adf.to_text(_node("doc", document)) == "deep"


# The kinds of nodes of Atlassian's schema (json-schema/v1/full.json of @atlaskit/adf-schema), each
# with the words of a document with such a node, in their order. Attributes that the schema does not
# require are left out in some; "panelType", "state", "localId" and the like are no words.
NODES: list[tuple[dict[str, Any], str]] = [
    (_node("paragraph", "one ", "two"), "one two"),
    (_node("heading", "one", level=6), "one"),
    (_node("heading", "one"), "one"),
    (_node("paragraph", {"type": "text", "text": "one", "marks": [{"type": "link"}]}), "one"),
    (_node("paragraph", "one", {"type": "hardBreak"}, "two"), "one two"),
    (_node("paragraph", "one", {"type": "hardBreak", "attrs": {"text": "\n"}}, "two"), "one two"),
    (_node("paragraph", {"type": "mention", "attrs": {"id": "5b10", "text": "@Ann"}}), "@Ann"),
    (_node("paragraph", "to ", {"type": "mention", "attrs": {"id": "5b10"}}), "to @5b10"),
    (_node("paragraph", {"type": "mention", "attrs": {"id": "5b10", "text": ""}}), "@5b10"),
    (_node("paragraph", {"type": "emoji", "attrs": {"shortName": ":x:", "text": "✗"}}), "✗"),
    (_node("paragraph", {"type": "emoji", "attrs": {"shortName": ":x:"}}), ":x:"),
    (_node("paragraph", {"type": "date", "attrs": {"timestamp": "1764547200000"}}), "2025-12-01"),
    (_node("paragraph", {"type": "date", "attrs": {"timestamp": 1764547200000}}), "2025-12-01"),
    (_node("paragraph", {"type": "date", "attrs": {"timestamp": "-86400000"}}), "1969-12-31"),
    (_node("paragraph", {"type": "date", "attrs": {"timestamp": "someday"}}), "someday"),
    (
        _node("paragraph", {"type": "date", "attrs": {"timestamp": "-99999999999999"}}),
        "-9" + "9" * 13,
    ),
    (_node("paragraph", {"type": "status", "attrs": {"text": "DONE", "color": "green"}}), "DONE"),
    (_node("paragraph", {"type": "inlineCard", "attrs": {"url": "https://a.b"}}), "https://a.b"),
    (
        _node("paragraph", {"type": "inlineCard", "attrs": {"data": {"name": "one", "url": "u"}}}),
        "one u",
    ),
    (_node("paragraph", {"type": "placeholder", "attrs": {"text": "one"}}), "one"),
    (_node("paragraph", "one", {"type": "mediaInline", "attrs": {"alt": "two"}}), "onetwo"),
    (_node("paragraph", {"type": "inlineExtension", "attrs": {"text": "one"}}), "one"),
    ({"type": "blockCard", "attrs": {"url": "https://a.b"}}, "https://a.b"),
    ({"type": "blockCard", "attrs": {"data": {"name": "one"}}}, "one"),
    ({"type": "embedCard", "attrs": {"url": "https://a.b", "layout": "center"}}, "https://a.b"),
    (_node("blockquote", _node("paragraph", "one")), "one"),
    (_node("panel", _node("paragraph", "one"), panelType="info"), "one"),
    (_node("expand", _node("paragraph", "two"), title="one"), "one two"),
    (_node("expand", _node("paragraph", "one")), "one"),
    (_node("nestedExpand", _node("paragraph", "two"), title="one"), "one two"),
    (_node("codeBlock", "one = 1", language="python"), "one = 1"),
    (_node("bulletList", _node("listItem", _node("paragraph", "one"))), "- one"),
    (_node("orderedList", _node("listItem", _node("paragraph", "one")), order=3), "- one"),
    (
        _node("taskList", _node("taskItem", "one", state="DONE"), _node("taskItem", "two")),
        "- one - two",
    ),
    (_node("taskList", _node("blockTaskItem", _node("paragraph", "one"))), "- one"),
    (_node("decisionList", _node("decisionItem", "one ", "two", state="DECIDED")), "- one two"),
    (
        _node(
            "table",
            _node("tableRow", _node("tableHeader", _node("paragraph", "one"))),
            _node("tableRow", _node("tableCell", _node("paragraph", "two"), colspan=1)),
        ),
        "one two",
    ),
    (
        _node(
            "mediaSingle",
            {"type": "media", "attrs": {"type": "file", "id": "6", "collection": "", "alt": "one"}},
            _node("caption", "two ", {"type": "emoji", "attrs": {"shortName": ":x:"}}),
        ),
        "one two :x:",
    ),
    (_node("mediaGroup", {"type": "media", "attrs": {"type": "external", "url": "u"}}), "u"),
    (
        _node("mediaSingle", {"type": "media", "attrs": {"url": "https://a.b", "alt": "one"}}),
        "one https://a.b",
    ),
    (
        _node("layoutSection", _node("layoutColumn", _node("paragraph", "one"), width=50)),
        "one",
    ),
    ({"type": "extension", "attrs": {"extensionKey": "k", "text": "one"}}, "one"),
    ({"type": "extension", "attrs": {"parameters": {"extensionTitle": "one"}}}, "one"),
    (_node("bodiedExtension", _node("paragraph", "two"), text="one"), "one two"),
    (
        _node("multiBodiedExtension", _node("extensionFrame", _node("paragraph", "one"))),
        "one",
    ),
    (_node("bodiedSyncBlock", _node("paragraph", "one"), resourceId="r"), "one"),
    ({"type": "syncBlock", "attrs": {"resourceId": "r", "localId": "l"}}, ""),
    ({"type": "rule"}, ""),
    (
        {"type": "unsupportedBlock", "attrs": {"originalValue": _node("paragraph", "one")}},
        "one",
    ),
    (_node("paragraph", {"type": "confluenceJiraIssue", "attrs": {"issueKey": "SUP-1"}}), "SUP-1"),
    # What no schema has yet.
    (_node("paragraph", "one ", {"type": "future", "text": "two"}, " three"), "one two three"),
    (_node("paragraph", "one ", {"type": "future", "attrs": {"text": "two"}}), "one two"),
    (_node("paragraph", "one ", _node("future", "two"), " three"), "one two three"),
    (_node("future", _node("future", _node("paragraph", "two")), title="one"), "one two"),
    (_node("future", "two", alt="one"), "one two"),
    (_node("paragraph", _node("mention", "two", text="@Ann")), "@Ann two"),
    ({"type": "future", "text": "one", "attrs": 7}, "one"),
    ({"type": "future", "content": {"type": "text", "text": "one"}}, "one"),
    ({"content": [{"type": "text", "text": "one"}]}, "one"),
]


@pytest.mark.parametrize(("node", "words"), NODES)
def test_no_word_of_any_node_is_lost(node: dict[str, Any], words: str) -> None:
    around = [_node("paragraph", "before"), node, _node("paragraph", "after")]
    read = adf.to_text({"type": "doc", "version": 1, "content": around})
    assert read.split() == ["before", *words.split(), "after"]
    assert read.startswith("before\n\n")
