"""Reads pages of the web, which are hostile: redirects, sizes, encodings and markup are bounded.

Requests go through the server's own client, so that every hop of a redirect is resolved and checked
by the egress guard, and carry neither cookies nor credentials.
"""

import asyncio
import codecs
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass

import httpx2

from config.protocol import CONNECT_BUDGET
from config.security.egress import ForbiddenAddressError
from config.text import clean
from toolkit.errors import NotFound, Rejected, TimedOut, Unavailable
from toolkit.html import HtmlPage, read_page
from websearch.sentences import say

MAX_LINK = 2000  # characters
_MAX_BYTES = 1_000_000  # of a body; what comes after them is not read
_MAX_HOPS = 5
_ASK = "Answer from the other results, or search again."
_HEADERS = {
    "Accept": "text/html, application/xhtml+xml, text/plain;q=0.9",
    # Nothing is decompressed: a small body could be a large one.
    "Accept-Encoding": "identity",
    "User-Agent": "antiphon",
}
_HTML_TYPES = frozenset({"text/html", "application/xhtml+xml"})
_TEXT_TYPES = frozenset({"text/plain", "text/markdown"})
_OK, _GONE = 200, frozenset({404, 410})
_HOST = re.compile(r"(?:[a-z0-9_-]+\.)+[a-z][a-z0-9-]*[a-z0-9]")
_META_CHARSET = re.compile(rb"<meta[^>]{0,200}?charset\s*=\s*[\"']?\s*([\w.:-]{1,40})", re.I)
_META_BYTES = 2048  # in which a page declares its encoding
_BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
# Those of https://encoding.spec.whatwg.org/#names-and-labels; Python has others, some of them slow.
_ENCODINGS = frozenset(
    (
        *("utf-8", "utf-16-le", "utf-16-be", "ascii", "gbk", "gb18030", "big5", "euc_jp"),
        *("iso2022_jp", "shift_jis", "euc_kr", "koi8-r", "koi8-u", "mac-roman", "mac-cyrillic"),
        *("cp866", "cp874", *(f"cp{number}" for number in range(1250, 1259))),
        *(f"iso8859-{number}" for number in (*range(1, 9), 10, 13, 14, 15, 16)),
    )
)
_FALLBACK = "cp1252"
_SAMPLE = 4000  # characters by which text is told from what is none
_MAX_CONTROLS = 0.02  # of these characters
_SECOND_LEVEL = frozenset(
    {"ac", "co", "com", "edu", "gob", "gov", "go", "ne", "net", "nic", "or", "org"}
)


@dataclass(frozen=True)
class Body:
    """The beginning of a response's body. `charset` is what its header declares."""

    content: bytes
    is_html: bool
    charset: str | None


def web_link(link: str) -> str | None:
    """Return the address of a page on a public site; None if it is no such address."""
    if len(link) > MAX_LINK:
        return None
    try:
        url = httpx2.URL(link)
    except (httpx2.InvalidURL, UnicodeError):
        return None
    usual_port = url.port in (None, 80 if url.scheme == "http" else 443)
    is_web = url.scheme in ("http", "https") and usual_port and not url.userinfo
    return str(url) if is_web and _HOST.fullmatch(host_of(link)) else None


def host_of(link: str) -> str:
    """Return the name of the host of an address, as DNS has it."""
    return httpx2.URL(link).raw_host.decode("ascii")


def is_on(host: str, domains: tuple[str, ...]) -> bool:
    """Say whether a host is one of the domains, or on a subdomain of one."""
    return any(host == each or host.endswith(f".{each}") for each in domains)


def site_name(host: str) -> str | None:
    """Return what a site is called, such as `bbc` for `www.bbc.co.uk`.

    None where the name is written with other letters, which might look like those of another site.
    """
    *labels, top = host.split(".")
    if len(labels) > 1 and len(top) == 2 and labels[-1] in _SECOND_LEVEL:
        labels.pop()
    return labels[-1] if labels and not labels[-1].startswith("xn--") else None


async def fetch_page(client: httpx2.AsyncClient, link: str, budget: float) -> Body:
    """Return the beginning of what a link leads to, within `budget` seconds.

    Raises:
        NotFound: there is no such page.
        Rejected: it is no text, or not on a public site.
        TimedOut: it did not come in time.
        Unavailable: the site does not show it.
    """
    try:
        async with asyncio.timeout(budget):
            return await _follow(client, link, budget)
    except ForbiddenAddressError:
        raise _not_public() from None
    except (TimeoutError, httpx2.TimeoutException):
        raise TimedOut("The site did not answer in time.", next=_ASK) from None
    except (httpx2.RequestError, httpx2.InvalidURL):
        raise _closed() from None


def to_page(body: Body) -> HtmlPage:
    """Return the title and the text of a body. This takes up to a second, without awaiting.

    Raises:
        Rejected: it is no text.
    """
    text = _decode(body)
    sample = text[:_SAMPLE]
    controls = sum(
        each == "\ufffd" or (unicodedata.category(each) == "Cc" and not each.isspace())
        for each in sample
    )
    if controls > _MAX_CONTROLS * len(sample):
        raise _not_text()
    if not body.is_html:
        return HtmlPage("", clean(text).strip())
    page = read_page(text)
    return HtmlPage(clean(page.title), clean(page.text))


async def _follow(client: httpx2.AsyncClient, link: str, budget: float) -> Body:
    timeout = httpx2.Timeout(budget, connect=CONNECT_BUDGET).as_dict()
    for _ in range(_MAX_HOPS + 1):
        # Not built by the client, which would add the cookies that it has.
        request = httpx2.Request("GET", link, headers=_HEADERS, extensions={"timeout": timeout})
        response = await client.send(request, auth=None, stream=True, follow_redirects=False)
        try:
            if not response.has_redirect_location:
                return await _read(response)
        finally:
            await response.aclose()
        target = web_link(str(httpx2.URL(link).join(response.headers["location"])))
        if target is None:
            raise _not_public()
        link = target
    raise _closed()


async def _read(response: httpx2.Response) -> Body:
    if response.status_code in _GONE:
        raise NotFound("The page is gone.", say=say("page_gone"), next=_ASK)
    if response.status_code != _OK:
        raise _closed()
    kind = response.headers.get("content-type", "text/html").partition(";")[0].strip().lower()
    if kind not in _HTML_TYPES | _TEXT_TYPES:
        raise _not_text()
    if response.headers.get("content-encoding", "identity").strip().lower() != "identity":
        raise _closed()
    content = bytearray()
    async for chunk in response.aiter_raw():
        content += chunk
        if len(content) >= _MAX_BYTES:
            break
    return Body(bytes(content[:_MAX_BYTES]), kind in _HTML_TYPES, response.charset_encoding)


def _decode(body: Body) -> str:
    """Return a body as text: by its mark, as UTF-8 where it is that, or as it is declared."""
    for mark, encoding in _BYTE_ORDER_MARKS:
        if body.content.startswith(mark):
            return body.content.removeprefix(mark).decode(encoding, "replace")
    for encoding in _encodings(body):
        try:
            # Not the end: the body may have been cut within a character.
            return codecs.getincrementaldecoder(encoding)().decode(body.content)
        except UnicodeDecodeError:
            continue
    return body.content.decode(_FALLBACK, "replace")


def _encodings(body: Body) -> Iterator[str]:
    """Yield the encodings in which a body may be, the surest first."""
    if not body.content.isascii():
        yield "utf-8"
    declared = _META_CHARSET.search(body.content[:_META_BYTES])
    for name in (body.charset, declared[1].decode("ascii") if declared else None):
        try:
            encoding = codecs.lookup(name or "").name
        except (LookupError, ValueError):
            continue
        if encoding in _ENCODINGS:
            yield encoding
    yield "utf-8"


def _not_public() -> Rejected:
    return Rejected("The page is not on a public site.", say=say("page_closed"), next=_ASK)


def _closed() -> Unavailable:
    return Unavailable("The site does not show the page.", say=say("page_closed"), next=_ASK)


def _not_text() -> Rejected:
    return Rejected("The page is not text.", say=say("page_not_text"), next=_ASK)
