"""Converts HTML to plain text: only what a reader of the page would see."""

import re
from collections import Counter
from html.parser import HTMLParser

_MAX_LENGTH = 200_000  # characters that are read
_INVISIBLE = frozenset(
    {"head", "iframe", "noscript", "script", "style", "svg", "template", "title"}
)
_VOID = frozenset(
    (
        *("area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "param"),
        *("source", "track", "wbr"),
    )
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
# The end of an element may be left out: it is where one of these begins.
_PARAGRAPH = frozenset({"p"})
_CELLS, _TERMS = frozenset({"td", "th", "p"}), frozenset({"dd", "dt", "p"})
_ENDS = {
    **dict.fromkeys(_BLOCKS - {"br"}, _PARAGRAPH),
    **{"li": frozenset({"li", "p"}), "option": frozenset({"option"})},
    **{"dd": _TERMS, "dt": _TERMS, "td": _CELLS, "th": _CELLS, "tr": _CELLS | {"tr"}},
}
_HIDDEN = re.compile(
    r"display:none|visibility:(?:hidden|collapse)|opacity:0(?:\.0*)?(?:;|!|$)"
    r"|font-size:0(?:\.0*)?(?:[a-z%]*)(?:;|!|$)"
)


def html_to_text(markup: str) -> str:
    """Return the visible text of markup, one paragraph a line."""
    extractor = _TextExtractor()
    extractor.feed(markup[:_MAX_LENGTH])
    extractor.close()
    lines = (" ".join(line.split()) for line in "".join(extractor.text).split("\n"))
    return "\n".join(line for line in lines if line not in ("", "-"))


class _TextExtractor(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.text: list[str] = []
        self._open: list[tuple[str, bool]] = []  # tags, and whether what is in them is hidden
        self._open_counts: Counter[str] = Counter()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Open a tag; a block starts a new line, and an image says what it shows."""
        ended = _ENDS.get(tag)
        while ended and self._open and self._open[-1][0] in ended:
            closed, _ = self._open.pop()
            self._open_counts[closed] -= 1
        if tag in _BLOCKS:
            self.text.append("\n- " if tag == "li" else "\n")
        if tag in _VOID:
            shown = dict(attrs).get("alt")
            if shown and not self._is_hidden and not _hides(attrs):
                self.text.append(f" {shown} ")
        else:
            self._open.append((tag, self._is_hidden or tag in _INVISIBLE or _hides(attrs)))
            self._open_counts[tag] += 1

    def handle_endtag(self, tag: str) -> None:
        """Close a tag, and the tags that were left open in it."""
        if tag in _BLOCKS:
            self.text.append("\n")
        closed = "" if self._open_counts[tag] else tag
        while closed != tag:
            closed, _ = self._open.pop()
            self._open_counts[closed] -= 1

    def handle_data(self, data: str) -> None:
        """Add visible text with its whitespace collapsed."""
        if not self._is_hidden:
            self.text.append(re.sub(r"\s+", " ", data))

    @property
    def _is_hidden(self) -> bool:
        return bool(self._open) and self._open[-1][1]


def _hides(attrs: list[tuple[str, str | None]]) -> bool:
    attributes = dict(attrs)
    style = re.sub(r"/\*.*?\*/|\s+", "", attributes.get("style") or "").lower()
    return (
        "hidden" in attributes
        or attributes.get("aria-hidden") == "true"
        or bool(_HIDDEN.search(style))
    )
