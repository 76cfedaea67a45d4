"""Converts texts to and from Atlassian Document Format, in which Jira stores them.

https://developer.atlassian.com/cloud/jira/platform/apis/document/structure/. Atlassian adds kinds
of nodes, and attributes may be missing: of a node that is not known here, all words are read.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, cast

Node = Mapping[str, Any]

_INLINE = frozenset(
    {
        *("text", "hardBreak", "mention", "emoji", "date", "status", "inlineCard", "placeholder"),
        *("mediaInline", "inlineExtension", "unsupportedInline", "confluenceUnsupportedInline"),
        "confluenceJiraIssue",
    }
)
# Their children are inline, whatever they are.
_LINES = frozenset({"paragraph", "heading", "caption", "taskItem", "decisionItem", "codeBlock"})
_ITEMS = frozenset({"listItem", "taskItem", "blockTaskItem", "decisionItem"})
# Attributes with words, in the order in which they are read; of a group, the first that is there.
_LABELS = (("text", "shortName"), ("title",), ("name",), ("label",), ("alt",), ("issueKey",))
_LINKS = (("url",),)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def to_adf(text: str) -> dict[str, Any]:
    """Return a text as a document; empty lines separate paragraphs."""
    paragraphs = (part.strip("\n") for part in re.split(r"\n[ \t]*\n", text.replace("\r\n", "\n")))
    content = [_paragraph(part) for part in paragraphs if part.strip()]
    return {"type": "doc", "version": 1, "content": content}


def to_text(node: object) -> str:
    """Return a document as plain text; "" if it is no document."""
    return re.sub(r"\n{3,}", "\n\n", _read(node)).strip()


def _paragraph(text: str) -> dict[str, Any]:
    content: list[dict[str, Any]] = []
    for line in text.split("\n"):
        if content:
            content.append({"type": "hardBreak"})
        if line:  # Jira refuses empty text nodes.
            content.append({"type": "text", "text": line})
    return {"type": "paragraph", "content": content}


def _read(node: object) -> str:
    """Return the words of a node and of all that is in it."""
    if not isinstance(node, dict):
        return node if isinstance(node, str) else ""
    known = cast(Node, node)
    kind = known.get("type")
    own, content = _own_words(known), known.get("content")
    children = cast("Sequence[object]", content if isinstance(content, list) else [content])
    inside = _join(children, kind)
    if kind in _ITEMS:
        return f"- {' '.join(filter(None, (own, inside.strip())))}"
    return (" " if kind in _INLINE else "\n").join(filter(None, (own, inside)))


def _join(children: Sequence[object], parent: object) -> str:
    """Return blocks with an empty line between them, and inline nodes without a separator."""
    separator = "\t" if parent == "tableRow" else "\n"
    joined, before, was_inline = "", "", False
    for child in children:
        text = _read(child)
        kind = str(cast(Node, child).get("type")) if isinstance(child, dict) else ""
        is_inline = kind in _INLINE or parent in _LINES
        if before and not (is_inline and was_inline):
            is_block = separator == "\n" and kind not in _ITEMS | {"tableRow"}
            joined += "\n\n" if is_block else separator
        joined += text
        before, was_inline = kind, is_inline
    return joined


def _own_words(node: Node) -> str:
    """Return the words of a node itself: its text, a mention, a link, an emoji, a title."""
    attributes = _mapping(node.get("attrs"))
    match node.get("type"):
        case "hardBreak":
            return "\n"
        case "date":
            return _date(attributes)
        case "mention" if not attributes.get("text"):
            return f"@{attributes['id']}" if attributes.get("id") else ""
        case _:
            text = node.get("text")
            # A node that the editor does not know stands here as it was.
            original = _read(attributes.get("originalValue"))
            words = [text if isinstance(text, str) else "", *_labels(attributes), original]
            return " ".join(filter(None, dict.fromkeys(words)))


def _labels(attributes: Node) -> list[str]:
    """Return the attributes that have words; a card has them in its data, an extension below."""
    sources = (
        (attributes, (*_LABELS, *_LINKS)),
        (_mapping(attributes.get("data")), (*_LABELS, *_LINKS)),
        (_mapping(attributes.get("parameters")), (("extensionTitle",),)),
    )
    return [
        next((str(source[name]) for name in names if _is_word(source.get(name))), "")
        for source, groups in sources
        for names in groups
    ]


def _date(attributes: Node) -> str:
    """Return the day of a date, which is its midnight in UTC."""
    stamp = attributes.get("timestamp")
    if not re.fullmatch(r"-?[0-9]{1,14}", str(stamp)):
        return str(stamp) if _is_word(stamp) else ""
    try:
        return (_EPOCH + timedelta(milliseconds=int(str(stamp)))).date().isoformat()
    except OverflowError:
        return str(stamp)


def _is_word(value: object) -> bool:
    return (isinstance(value, str) and bool(value)) or type(value) in (int, float)


def _mapping(value: object) -> Node:
    return cast(Node, value) if isinstance(value, dict) else {}
