"""Atlassian Document Format, in which Jira keeps texts.

https://developer.atlassian.com/cloud/jira/platform/apis/document/structure/
"""

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, cast

Node = Mapping[str, Any]

_INLINE = frozenset({"text", "hardBreak", "mention", "emoji", "date", "status", "inlineCard"})
_NAMED = ("text", "url", "shortName", "title", "alt")  # attributes that say what a node shows
_ITEMS = frozenset({"listItem", "taskItem", "decisionItem"})


def document(text: str) -> dict[str, Any]:
    """Return a text as a document: a paragraph after each empty line, and its lines as lines."""
    paragraphs = (part.strip("\n") for part in re.split(r"\n[ \t]*\n", text.replace("\r\n", "\n")))
    content = [_paragraph(part) for part in paragraphs if part.strip()]
    return {"type": "doc", "version": 1, "content": content}


def plain(node: object) -> str:
    """Return what a document says; "" of what is none."""
    return re.sub(r"\n{3,}", "\n\n", _block(node)).strip()


def _paragraph(text: str) -> dict[str, Any]:
    content: list[dict[str, Any]] = []
    for line in text.split("\n"):
        if content:
            content.append({"type": "hardBreak"})
        if line:  # An empty text node is refused.
            content.append({"type": "text", "text": line})
    return {"type": "paragraph", "content": content}


def _block(node: object) -> str:
    if not isinstance(node, dict):
        return node if isinstance(node, str) else ""
    given = cast(Node, node)
    kind = given.get("type")
    if kind in _INLINE:
        return _inline(given)
    content = given.get("content")
    children = cast("Sequence[object]", content) if isinstance(content, list) else ()
    inside = _joined(children, "\t" if kind == "tableRow" else "\n")
    named = _shown(given)
    if kind in _ITEMS:
        return f"- {inside.strip()}"
    return "\n".join(filter(None, (named, inside)))


def _joined(children: Sequence[object], between: str) -> str:
    """Return blocks one below the other, with a line between them, and inline nodes as one."""
    said = ""
    before = ""
    for child in children:
        text = _block(child)
        kind = str(cast(Node, child).get("type")) if isinstance(child, dict) else ""
        if before and not (kind in _INLINE and before in _INLINE):
            said += "\n\n" if between == "\n" and kind not in _ITEMS | {"tableRow"} else between
        said += text
        before = kind
    return said


def _attributes(node: Node) -> Node:
    attrs = node.get("attrs")
    return cast(Node, attrs) if isinstance(attrs, dict) else {}


def _inline(node: Node) -> str:
    match node.get("type"):
        case "text":
            return str(node.get("text") or "")
        case "hardBreak":
            return "\n"
        case "date":
            return _day(node)
        case _:
            return _shown(node)


def _day(node: Node) -> str:
    stamp = str(_attributes(node).get("timestamp"))
    if not re.fullmatch(r"[0-9]{1,14}", stamp):
        return ""
    return datetime.fromtimestamp(int(stamp) / 1000, UTC).date().isoformat()


def _shown(node: Node) -> str:
    """Return what a node shows instead of a text: a mention, a link, an emoji, a title."""
    values = _attributes(node)
    return next((str(values[name]) for name in _NAMED if values.get(name)), "")
