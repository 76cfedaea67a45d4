"""Values by which a caller or a model may try to inject something into a query."""

from unicodedata import category

_QUOTES = ("'", '"', "`", "\u2019", "\u02bc", "\uff07", "''", "'''", "\\'", "\\\\'", '\\"')
_ENDINGS = (
    " or id is not null",
    " OR 1=1 --",
    ") or (id is not null",
    "; drop table Leads",
    " limit 2000",
    " union select Password from Users",
)
_OTHERS = (
    "\\",
    "\\\\",
    "a\\",
    "\\' or '1' = '1",
    "%",
    "%%",
    "_",
    "*",
    "O'Brien",
    "D'Arcy's \\ Sons",
    "(", ")", "((", "))",
    "/* x */",
    "-- x",
    "# x",
    "a\nb",
    "a\r\nb",
    "a\tb",
    "a\x00b",
    "\x1b[31m",
    "null",
    "true",
    "{}",
    '{"value": "x"}',
    '"}, {"propertyName": "email", "operator": "HAS_PROPERTY"',
    "[1, 2]",
    "${id}",
    "{{id}}",
    "$where",
    "<script>alert(1)</script>",
    "\u202eabc",
    "😀'",
    "Ünïcödé",
    "名前",
    "a" * 900,
    "'" * 50,
    "\\" * 51 + "'",
    " ",
    "",
)  # fmt: skip
HOSTILE: tuple[str, ...] = (
    *(f"x{quote}{ending}" for quote in _QUOTES[:5] for ending in _ENDINGS),
    *(f"x{quote}" for quote in _QUOTES),
    *_OTHERS,
)


def visible(text: str) -> str:
    """Return the visible characters of a text: the tools drop the others."""
    return "".join(char for char in text if category(char)[0] not in "CZ")
