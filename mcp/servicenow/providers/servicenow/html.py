"""Markup as plain text: what a reader would see of an article, and nothing else."""

import re
from collections import Counter
from html.parser import HTMLParser

_LONGEST = 200_000  # characters that are read
_UNSEEN = frozenset({"head", "iframe", "noscript", "script", "style", "svg", "template", "title"})
_VOID = frozenset(
    (
        *("area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "param"),
        *("source", "track", "wbr"),
    )
)
_BLOCKS = frozenset(
    (
        *("address", "article", "blockquote", "br", "dd", "div", "dl", "dt", "fieldset"),
        *("figcaption", "figure", "footer", "form", "h1", "h2", "h3", "h4", "h5", "h6", "header"),
        *("hr", "li", "main", "nav", "ol", "p", "pre", "section", "table", "td", "th", "tr", "ul"),
    )
)
_HIDDEN = re.compile(
    r"display:none|visibility:(?:hidden|collapse)|opacity:0(?:\.0*)?(?:;|!|$)"
    r"|font-size:0(?:\.0*)?(?:[a-z%]*)(?:;|!|$)"
)


def plain(markup: str) -> str:
    """Return the text of markup, a paragraph a line; what is hidden is left out."""
    reader = _Reader()
    reader.feed(markup[:_LONGEST])
    reader.close()
    lines = (" ".join(line.split()) for line in "".join(reader.told).split("\n"))
    return "\n".join(line for line in lines if line not in ("", "-"))


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.told: list[str] = []
        self._open: list[tuple[str, bool]] = []  # tags, and whether what is in them is hidden
        self._times: Counter[str] = Counter()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note a tag."""
        if tag in _BLOCKS:
            self.told.append("\n- " if tag == "li" else "\n")
        if tag not in _VOID:
            self._open.append((tag, self._is_hidden or tag in _UNSEEN or _hides(attrs)))
            self._times[tag] += 1

    def handle_endtag(self, tag: str) -> None:
        """Close a tag, and whatever was left open in it."""
        if tag in _BLOCKS:
            self.told.append("\n")
        closed = "" if self._times[tag] else tag
        while closed != tag:
            closed, _ = self._open.pop()
            self._times[closed] -= 1

    def handle_data(self, data: str) -> None:
        """Note text; a line's end within it is a space."""
        if not self._is_hidden:
            self.told.append(re.sub(r"\s+", " ", data))

    @property
    def _is_hidden(self) -> bool:
        return bool(self._open) and self._open[-1][1]


def _hides(attrs: list[tuple[str, str | None]]) -> bool:
    given = dict(attrs)
    style = re.sub(r"/\*.*?\*/|\s+", "", given.get("style") or "").lower()
    return "hidden" in given or given.get("aria-hidden") == "true" or bool(_HIDDEN.search(style))
