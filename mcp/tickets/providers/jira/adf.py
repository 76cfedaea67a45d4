"""Converts texts to and from Atlassian Document Format, in which Jira stores them.

https://developer.atlassian.com/cloud/jira/platform/apis/document/structure/
"""

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, cast

Node = Mapping[str, Any]

_INLINE = frozenset({"text", "hardBreak", "mention", "emoji", "date", "status", "inlineCard"})
_LABELS = ("text", "url", "shortName", "title", "alt")  # attributes that a node is shown as
_ITEMS = frozenset({"listItem", "taskItem", "decisionItem"})


def to_adf(text: str) -> dict[str, Any]:
    """Return a text as a document; empty lines separate paragraphs."""
    paragraphs = (part.strip("\n") for part in re.split(r"\n[ \t]*\n", text.replace("\r\n", "\n")))
    content = [_paragraph(part) for part in paragraphs if part.strip()]
    return {"type": "doc", "version": 1, "content": content}


def to_text(node: object) -> str:
    """Return a document as plain text; "" if it is no document."""
    return re.sub(r"\n{3,}", "\n\n", _block(node)).strip()


def _paragraph(text: str) -> dict[str, Any]:
    content: list[dict[str, Any]] = []
    for line in text.split("\n"):
        if content:
            content.append({"type": "hardBreak"})
        if line:  # Jira refuses empty text nodes.
            content.append({"type": "text", "text": line})
    return {"type": "paragraph", "content": content}


def _block(node: object) -> str:
    if not isinstance(node, dict):
        return node if isinstance(node, str) else ""
    block = cast(Node, node)
    kind = block.get("type")
    if kind in _INLINE:
        return _inline(block)
    content = block.get("content")
    children = cast("Sequence[object]", content) if isinstance(content, list) else ()
    text = _join(children, "\t" if kind == "tableRow" else "\n")
    if kind in _ITEMS:
        return f"- {text.strip()}"
    return "\n".join(filter(None, (_label(block), text)))


def _join(children: Sequence[object], separator: str) -> str:
    """Return blocks with an empty line between them, and inline nodes without a separator."""
    joined = ""
    before = ""
    for child in children:
        text = _block(child)
        kind = str(cast(Node, child).get("type")) if isinstance(child, dict) else ""
        if before and not (kind in _INLINE and before in _INLINE):
            is_block = separator == "\n" and kind not in _ITEMS | {"tableRow"}
            joined += "\n\n" if is_block else separator
        joined += text
        before = kind
    return joined


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
            return _date(node)
        case _:
            return _label(node)


def _date(node: Node) -> str:
    stamp = str(_attributes(node).get("timestamp"))
    if not re.fullmatch(r"[0-9]{1,14}", stamp):
        return ""
    return datetime.fromtimestamp(int(stamp) / 1000, UTC).date().isoformat()


def _label(node: Node) -> str:
    """Return what a node without text is shown as: a mention, a link, an emoji, a title."""
    values = _attributes(node)
    return next((str(values[name]) for name in _LABELS if values.get(name)), "")
