"""Service tokens: for one minute they grant the tools of one server, on behalf of one business.

They are EdDSA JWTs. The orchestrator has the private key, the servers only the public one.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Literal, Self
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
    """The tools that the bearer may use on one server: those are listed, and no others are called.

    `tools` are their names; None stands for all of the `profile` but the denied ones. `confirm` are
    those that need the caller's confirmation; `integration` names the account.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    tools: tuple[str, ...] | None = None
    profile: Literal["voice", "full"] = "full"
    denied: tuple[str, ...] = ()
    write: bool = True
    integration: str | None = None
    confirm: tuple[str, ...] = ()

    def allows(self, tool: str, *, reads: bool, voice: bool, named_only: bool = False) -> bool:
        """Say whether a tool is granted, which means that it is listed and can be called.

        `reads` says that it changes nothing, `voice` that it is in the voice profile, and
        `named_only` that no profile has it.
        """
        if tool in self.denied or not (reads or self.write):
            return False
        if self.tools is not None:
            return tool in self.tools
        return not named_only and (voice or self.profile == "full")

    def limited_to(self, tools: Sequence[str]) -> Self:
        """Return the grant of these tools only, without those that are denied or not named here."""
        names = tuple(
            name
            for name in tools
            if name not in self.denied and (self.tools is None or name in self.tools)
        )
        confirm = tuple(name for name in self.confirm if name in names)
        return self.model_copy(update={"tools": names, "denied": (), "confirm": confirm})


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
