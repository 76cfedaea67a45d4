"""Converts HTML to plain text: only what a reader of the page would see.

lxml parses it, in C and in linear time, whatever the markup; below 256 levels it stops.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, cast

from lxml import etree  # type: ignore[import-untyped]  # lxml has no types of its own

_INVISIBLE = frozenset(
    {"head", "iframe", "noscript", "script", "style", "svg", "template", "title"}
)
_BLOCKS = frozenset(
    (
        *("address", "article", "aside", "blockquote", "br", "caption", "center", "dd", "details"),
        *("dialog", "dir", "div", "dl", "dt", "fieldset", "figcaption", "figure", "footer", "form"),
        *("h1", "h2", "h3", "h4", "h5", "h6", "header", "hgroup", "hr", "legend", "li", "main"),
        *("menu", "nav", "ol", "optgroup", "option", "p", "pre", "search", "section", "summary"),
        *("table", "td", "th", "tr", "ul"),
    )
)
_IMAGES = frozenset({"area", "img", "input"})
# What stands around the text of a page, on each page of its site.
_BOILERPLATE = frozenset({"aside", "button", "footer", "nav"})
_CONTENTS = ("main", "article")  # one of which has the text of a page, where it has only one
_HIDDEN = re.compile(
    r"display:none|visibility:(?:hidden|collapse)|opacity:0(?:\.0*)?(?:;|!|$)"
    r"|font-size:0(?:\.0*)?(?:[a-z%]*)(?:;|!|$)"
)
_STYLE_NOISE = re.compile(r"/\*.*?\*/|\s+", re.DOTALL)
_MAX_STYLE = 2000  # characters of a style attribute that are read


@dataclass(frozen=True)
class HtmlPage:
    """The title and the text of a page, one paragraph a line."""

    title: str
    text: str


def html_to_text(markup: str) -> str:
    """Return the visible text of markup, one paragraph a line."""
    root = _parse(markup)
    return "" if root is None else _join(_visible_text(root, _INVISIBLE))


def read_page(markup: str) -> HtmlPage:
    """Return the title and the visible text of a page, without its menus where it has more."""
    root = _parse(markup)
    if root is None:
        return HtmlPage("", "")
    title = next((" ".join("".join(each.itertext()).split()) for each in root.iter("title")), "")
    text = _join(_visible_text(_content(root), _INVISIBLE | _BOILERPLATE))
    return HtmlPage(title, text or _join(_visible_text(root, _INVISIBLE)))


def _parse(markup: str) -> Any:
    """Return the root element; None where there is nothing to parse."""
    parser = cast(
        Any,
        etree.HTMLParser(encoding="utf-8", no_network=True, remove_comments=True, remove_pis=True),
    )
    # As bytes: of a string with a declaration of its encoding lxml would want the bytes.
    parser.feed(markup.replace("\x00", "").encode(errors="replace"))
    try:
        return parser.close()
    except etree.XMLSyntaxError:
        return None


def _content(root: Any) -> Any:
    """Return the element that has the text of a page; the root where that is not sure."""
    for tag in _CONTENTS:
        found = list(root.iter(tag))
        if len(found) == 1 and not any(map(_is_hidden, found[0].iterancestors())):
            return found[0]
    return root


def _visible_text(root: Any, skipped: frozenset[str]) -> Iterator[str]:
    """Yield pieces of text; a block begins a new line, and an image says what it shows."""
    walk = cast(Any, etree.iterwalk(root, events=("start", "end")))
    for event, element in walk:
        tag: str = element.tag
        if event == "end":
            if tag in _BLOCKS:
                yield "\n"
            if element is not root and element.tail:
                yield re.sub(r"\s+", " ", element.tail)
            continue
        if tag in _BLOCKS:
            yield "\n- " if tag == "li" else "\n"
        if tag in skipped or _is_hidden(element):
            walk.skip_subtree()
        elif tag in _IMAGES:
            yield f" {element.get('alt')} " if element.get("alt") else ""
        elif element.text:
            yield re.sub(r"\s+", " ", element.text)


def _is_hidden(element: Any) -> bool:
    attributes: Mapping[str, str] = element.attrib
    if "hidden" in attributes or attributes.get("aria-hidden") == "true":
        return True
    style = attributes.get("style")
    return bool(style) and bool(
        _HIDDEN.search(_STYLE_NOISE.sub("", (style or "")[:_MAX_STYLE]).lower())
    )


def _join(pieces: Iterator[str]) -> str:
    lines = (" ".join(line.split()) for line in "".join(pieces).split("\n"))
    return "\n".join(line for line in lines if line not in ("", "-"))
