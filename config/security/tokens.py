"""Service tokens: for one minute they grant the tools of one server, on behalf of one business.

They are EdDSA JWTs. The orchestrator has the private key, the servers only the public one.
"""

import time
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Self
from uuid import UUID, uuid4

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import (
    Ed25519PrivateKey,
    Ed25519PublicKey,
)
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)
from pydantic import BaseModel, ConfigDict, ValidationError

ISSUER = "antiphon"
LIFETIME = 60  # seconds
_LEEWAY = 5
_MAX_LENGTH = 4096
_REQUIRED = ["exp", "iat", "aud", "iss", "jti", "sub", "business_id", "grant"]


class InvalidTokenError(Exception):
    """A token is not ours, not for this audience, or not valid now."""


class Grant(BaseModel):
    """The tools that the bearer may use on one server. None stands for all but the denied ones.

    `confirm` are those that need the caller's confirmation; `integration` names the account.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    tools: tuple[str, ...] | None = None
    denied: tuple[str, ...] = ()
    write: bool = True
    integration: str | None = None
    confirm: tuple[str, ...] = ()

    def allows(self, tool: str) -> bool:
        """Say whether `tool` is among the granted ones."""
        return tool not in self.denied and (self.tools is None or tool in self.tools)


class Claims(BaseModel):
    """Whom a request acts for: a business, and where known a bot and a conversation.

    `platform` marks the platform's own records of a business, which are not counted as its calls.
    It is claimed where a call's journal is delivered, and never for a key, a page or a model.
    """

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    sub: str
    business_id: UUID
    bot_id: UUID | None = None
    conversation_id: UUID | None = None
    platform: bool = False
    grant: Grant = Grant()


@dataclass(frozen=True)
class Signer:
    """Mints tokens with a private key, in PEM."""

    private_key: str = field(repr=False)

    @classmethod
    def generate(cls) -> Self:
        """Return a signer with a new key."""
        key = Ed25519PrivateKey.generate()
        pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        return cls(pem.decode())

    def public_key(self) -> str:
        """Return the key that verifies this signer's tokens, as PEM."""
        key = load_pem_private_key(self.private_key.encode(), password=None)
        if not isinstance(key, Ed25519PrivateKey):
            raise TypeError("SERVICE_TOKEN_PRIVATE_KEY must be an Ed25519 key in PEM form.")
        return (
            key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
        )

    def mint(self, audience: str, claims: Claims, *, lifetime: int = LIFETIME) -> str:
        """Return a signed token for one audience; servers refuse a lifetime above a minute."""
        now = int(time.time())
        body: dict[str, Any] = claims.model_dump(mode="json", exclude_none=True)
        body |= {"iss": ISSUER, "aud": audience, "iat": now, "exp": now + lifetime}
        return jwt.encode(body | {"jti": uuid4().hex}, self.private_key, algorithm="EdDSA")


@dataclass(frozen=True)
class Verifier:
    """Verifies the tokens of one audience, with a public key in PEM."""

    public_key: str
    audience: str
    max_lifetime: int = LIFETIME

    def verify(self, token: str) -> Claims:
        """Return the claims of a token.

        Raises:
            InvalidTokenError: it is not valid; the error does not say why.
        """
        if len(token) > _MAX_LENGTH:
            raise InvalidTokenError
        try:
            body = jwt.decode(
                token,
                _public_key(self.public_key),
                algorithms=["EdDSA"],
                audience=self.audience,
                issuer=ISSUER,
                leeway=_LEEWAY,
                options={"require": _REQUIRED, "strict_aud": True},
            )
            if body["exp"] - body["iat"] > self.max_lifetime:
                raise InvalidTokenError
            return Claims.model_validate(body)
        except (jwt.PyJWTError, ValidationError, TypeError, ValueError):
            raise InvalidTokenError from None


@cache
def _public_key(pem: str) -> Ed25519PublicKey:
    """Return the parsed key, cached because every request needs it."""
    key = load_pem_public_key(pem.encode())
    if not isinstance(key, Ed25519PublicKey):
        raise TypeError("SERVICE_TOKEN_PUBLIC_KEY must be an Ed25519 key in PEM form.")
    return key


def server_audience(server: str) -> str:
    """Return the audience of one MCP server."""
    return f"mcp:{server}"
