"""How a vendor proves that a request is its own: one row says it for one source."""

import hashlib
import hmac
from base64 import b64decode
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Literal

_FRESH = timedelta(minutes=5)


@dataclass(frozen=True)
class Received:
    """A request as it came. `headers` are by lower-case name, each with all of its values."""

    headers: dict[str, list[str]] = field(repr=False)
    body: bytes = field(repr=False)
    at: datetime

    def only(self, header: str) -> str | None:
        """Return the value of a header that was sent once, and None for any other."""
        values: Sequence[str] = self.headers.get(header.lower(), ())
        return values[0] if len(values) == 1 else None


def body(received: Received, timestamp: str) -> bytes:
    """Return what is signed where it is the body alone."""
    del timestamp
    return received.body


def timestamp_and_body(received: Received, timestamp: str) -> bytes:
    """Return what is signed where the time stands directly before the body."""
    return timestamp.encode() + received.body


@dataclass(frozen=True)
class Signature:
    """The header that proves it, and how: `plain` is the secret itself, else an HMAC of `signs`.

    `timestamp` names the header with the time; a request that is older or newer than five minutes
    is not accepted, however well it is signed.
    """

    header: str
    encoding: Literal["hex", "base64", "plain"]
    signs: Callable[[Received, str], bytes] = body
    prefix: str = ""
    timestamp: str | None = None

    def fits(self, secret: str, received: Received) -> bool:
        """Say whether the request was made by someone who knows the secret, just now."""
        given = received.only(self.header)
        timestamp = received.only(self.timestamp) if self.timestamp else ""
        if not secret or given is None or timestamp is None or not given.startswith(self.prefix):
            return False
        if self.timestamp and not _is_fresh(timestamp, received.at):
            return False
        shown = given.removeprefix(self.prefix)
        if self.encoding == "plain":
            return hmac.compare_digest(shown.encode(), secret.encode())
        expected = hmac.digest(secret.encode(), self.signs(received, timestamp), hashlib.sha256)
        return hmac.compare_digest(_decoded(shown, self.encoding), expected)


def _decoded(shown: str, encoding: Literal["hex", "base64"]) -> bytes:
    """Return the bytes of a signature; none where it is no such text."""
    try:
        return bytes.fromhex(shown) if encoding == "hex" else b64decode(shown, validate=True)
    except ValueError:
        return b""


def _is_fresh(timestamp: str, at: datetime) -> bool:
    """Say whether a time, in ISO 8601 or in seconds of the epoch, is near `at`."""
    try:
        if timestamp.isdecimal():
            sent = datetime.fromtimestamp(int(timestamp), UTC)
        else:
            sent = datetime.fromisoformat(timestamp)
        return abs(at - sent) <= _FRESH
    except (ValueError, OverflowError, OSError, TypeError):  # a time without a zone is a TypeError
        return False
