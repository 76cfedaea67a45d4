"""Verifies the signatures of webhooks: a `Signature` describes how one source signs."""

import hashlib
import hmac
from base64 import b64decode
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Literal

_MAX_AGE = timedelta(minutes=5)


@dataclass(frozen=True)
class SignedRequest:
    """A request as it came, at `at`. `headers` have all values of each lower-case name."""

    headers: dict[str, list[str]] = field(repr=False)
    body: bytes = field(repr=False)
    at: datetime

    def single_header(self, header: str) -> str | None:
        """Return the value of a header that was sent exactly once, else None."""
        values: Sequence[str] = self.headers.get(header.lower(), ())
        return values[0] if len(values) == 1 else None


def body_content(request: SignedRequest, timestamp: str) -> bytes:
    """Return the signed bytes of a source that signs the body alone."""
    del timestamp
    return request.body


def timestamp_and_body(request: SignedRequest, timestamp: str) -> bytes:
    """Return the signed bytes of a source that signs the timestamp directly before the body."""
    return timestamp.encode() + request.body


@dataclass(frozen=True)
class Signature:
    """How one source signs: the header, and what it holds.

    `plain` is the secret itself, the other encodings are of an HMAC-SHA256 of `content`.
    `timestamp` names the header with the time; a request more than five minutes off is refused,
    however well it is signed.
    """

    header: str
    encoding: Literal["hex", "base64", "plain"]
    content: Callable[[SignedRequest, str], bytes] = body_content
    prefix: str = ""
    timestamp: str | None = None

    def verify(self, secret: str, request: SignedRequest) -> bool:
        """Say whether the request was signed with the secret, just now."""
        value = request.single_header(self.header)
        timestamp = request.single_header(self.timestamp) if self.timestamp else ""
        if not secret or value is None or timestamp is None or not value.startswith(self.prefix):
            return False
        if self.timestamp and not _is_fresh(timestamp, request.at):
            return False
        signature = value.removeprefix(self.prefix)
        if self.encoding == "plain":
            return hmac.compare_digest(signature.encode(), secret.encode())
        expected = hmac.digest(secret.encode(), self.content(request, timestamp), hashlib.sha256)
        return hmac.compare_digest(_decode(signature, self.encoding), expected)


def _decode(signature: str, encoding: Literal["hex", "base64"]) -> bytes:
    """Return the bytes of a signature; none if it does not decode."""
    try:
        if encoding == "hex":
            return bytes.fromhex(signature)
        return b64decode(signature, validate=True)
    except ValueError:
        return b""


def _is_fresh(timestamp: str, at: datetime) -> bool:
    """Say whether a time, in ISO 8601 or in seconds of the epoch, is near `at`."""
    try:
        if timestamp.isdecimal():
            sent = datetime.fromtimestamp(int(timestamp), UTC)
        else:
            sent = datetime.fromisoformat(timestamp)
        return abs(at - sent) <= _MAX_AGE
    except (ValueError, OverflowError, OSError, TypeError):  # a time without a zone is a TypeError
        return False
