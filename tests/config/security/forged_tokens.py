"""Tokens that nobody may accept, each a small change away from one that is right."""

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable, Mapping
from typing import Any, cast
from uuid import uuid4

import jwt

from config.security.tokens import ISSUER, LIFETIME, Signer

Forge = Callable[[Signer, str], str]

REQUIRED = ("exp", "iat", "aud", "iss", "jti", "sub", "business_id", "grant")
_YEARS = 10 * 365 * 24 * 3600


def body(audience: str, **changes: Any) -> dict[str, Any]:
    """Return what a right token of this moment says, with `changes`."""
    now = int(time.time())
    right: dict[str, Any] = {
        "iss": ISSUER,
        "aud": audience,
        "iat": now,
        "exp": now + LIFETIME,
        "jti": uuid4().hex,
        "sub": "bot:1",
        "business_id": str(uuid4()),
        "grant": {},
    }
    return right | changes


def signed(signer: Signer, claims: Mapping[str, Any], **header: str) -> str:
    """Sign `claims` as the orchestrator would."""
    payload = json.dumps(claims).encode()
    return jwt.PyJWS().encode(payload, signer.private_key, "EdDSA", {"typ": "JWT", **header})


def _part(value: object) -> str:
    raw = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _changed(**changes: Any) -> Forge:
    return lambda signer, audience: signed(signer, body(audience, **changes))


def _without(claim: str) -> Forge:
    def forge(signer: Signer, audience: str) -> str:
        claims = body(audience)
        del claims[claim]
        return signed(signer, claims)

    return forge


def _shifted(claim: str, seconds: int) -> Forge:
    def forge(signer: Signer, audience: str) -> str:
        return signed(signer, body(audience, **{claim: int(time.time()) + seconds}))

    return forge


def _expired(signer: Signer, audience: str) -> str:
    now = int(time.time())
    return signed(signer, body(audience, iat=now - 70, exp=now - 10))


def _unsigned(signer: Signer, audience: str) -> str:
    return f"{_part({'alg': 'none', 'typ': 'JWT'})}.{_part(body(audience))}."


def _public_key_as_secret(signer: Signer, audience: str) -> str:
    head = f"{_part({'alg': 'HS256', 'typ': 'JWT'})}.{_part(body(audience))}"
    digest = hmac.new(signer.public_key().encode(), head.encode(), hashlib.sha256).digest()
    return f"{head}.{_part(digest)}"


def _tampered(signer: Signer, audience: str) -> str:
    head, payload, signature = signed(signer, body(audience)).split(".")
    claims = cast("dict[str, Any]", json.loads(base64.urlsafe_b64decode(payload + "==")))
    claims["business_id"] = str(uuid4())
    return f"{head}.{_part(claims)}.{signature}"


def _key_in_header(signer: Signer, audience: str) -> str:
    """Bring the key that would verify it along."""
    stranger = Signer.generate()
    return signed(stranger, body(audience), jwk=stranger.public_key())


FORGED: Mapping[str, Forge] = {
    "expired": _expired,
    "not valid yet": _shifted("nbf", 30),
    "issued in the future": _shifted("iat", 30),
    "lives for ten years": _shifted("exp", _YEARS),
    "lives for ever": _changed(exp=float("inf")),
    "another server": lambda signer, _: signed(signer, body("mcp:another")),
    "no server's prefix": lambda signer, audience: signed(
        signer, body(audience.removeprefix("mcp:"))
    ),
    "a list of servers": lambda signer, audience: signed(
        signer, body(audience, aud=[audience, "mcp:another"])
    ),
    "an empty audience": _changed(aud=""),
    "another issuer": _changed(iss="somebody"),
    "a list of issuers": _changed(iss=[ISSUER]),
    "another key": lambda _, audience: signed(Signer.generate(), body(audience)),
    "its own key in the header": _key_in_header,
    "alg none": _unsigned,
    "HS256 with the public key": _public_key_as_secret,
    "tampered payload": _tampered,
    "cut off": lambda signer, audience: signed(signer, body(audience))[:-10],
    "no signature": lambda signer, audience: signed(signer, body(audience)).rpartition(".")[0],
    "one megabyte": _changed(padding="x" * 1_000_000),
    "just too long": _changed(padding="x" * 4096),
    "nested header": lambda _, audience: f"{_part(b'[' * 2900)}.{_part(body(audience))}.AA",
    "not a token": lambda _, __: "open sesame",
    "a list of businesses": _changed(business_id=[str(uuid4()), str(uuid4())]),
    "no business": _changed(business_id=None),
    "a business that is no uuid": _changed(business_id="1 or 1=1"),
    "a bot that is no uuid": _changed(bot_id="every"),
    "a subject that is no string": _changed(sub=7),
    "a grant that is a string": _changed(grant="everything"),
    "a grant with an unknown right": _changed(grant={"admin": True}),
    **{f"without {claim}": _without(claim) for claim in REQUIRED},
}
