"""Who asks: a business by its key, a caller by the token of one conversation, or nobody known."""

from dataclasses import dataclass
from typing import Literal
from uuid import UUID

from starlette.requests import Request

from config.bots import Bot
from config.security.api_keys import PREFIX, UNLIMITED, Rights, find_key
from config.security.tokens import Claims, Grant, InvalidTokenError, Signer, Verifier
from orchestrator.api.dependencies import Dependencies
from orchestrator.api.errors import forbidden, unauthorized
from orchestrator.mcp_client.router import Identity

AUDIENCE = "api"
CONVERSATION_TOKEN_LIFETIME = 3600  # seconds

# `anyone` need not say who they are, but is somebody if they do. `key` is one without limits,
# `limited` also one that has some.
Access = Literal["public", "anyone", "key", "limited", "conversation"]


@dataclass(frozen=True)
class Caller:
    """A verified credential. One that names a conversation may only read that conversation."""

    subject: str
    business_id: UUID
    bot_id: UUID | None = None
    conversation_id: UUID | None = None
    rights: Rights = UNLIMITED

    def identity(self, bot: Bot | None = None, conversation_id: UUID | None = None) -> Identity:
        """Return for whom a server is asked."""
        return Identity(
            self.subject, self.business_id, bot, self.conversation_id or conversation_id
        )


async def admitted(
    dependencies: Dependencies, verifier: Verifier, request: Request, access: Access
) -> Caller | None:
    """Return who asks, if they may.

    Raises:
        ApiError: the credential is missing, no longer valid, or of the wrong kind.
    """
    if access == "public":
        return None
    caller = await _caller(dependencies, verifier, request.headers.get("authorization"))
    if caller is None and access != "anyone":
        raise unauthorized()
    if caller is not None and caller.conversation_id is not None and access != "conversation":
        raise forbidden("A conversation token can only read its conversation.")
    if caller is not None and caller.rights.limited and access != "limited":
        raise forbidden("This API key is limited: it opens MCP and /api/tools/execute only.")
    return caller


async def _caller(
    dependencies: Dependencies, verifier: Verifier, authorization: str | None
) -> Caller | None:
    if authorization is None:
        return None
    scheme, _, credential = authorization.partition(" ")
    credential = credential.strip()
    if scheme.lower() != "bearer":
        raise unauthorized()
    if credential.startswith(PREFIX):
        found = await find_key(dependencies.database, credential)
        if found is None:
            raise unauthorized()
        subject = f"key:{found.api_key_id}"
        return Caller(subject, found.business_id, rights=found.rights)
    try:
        claims = verifier.verify(credential)
    except InvalidTokenError:
        raise unauthorized() from None
    if claims.conversation_id is None:
        raise unauthorized()
    return Caller(claims.sub, claims.business_id, claims.bot_id, claims.conversation_id)


def conversation_token(signer: Signer, bot: Bot, conversation_id: UUID) -> str:
    """Return a token that reads one conversation for an hour."""
    claims = Claims(
        sub=f"conversation:{conversation_id}",
        business_id=bot.business_id,
        bot_id=bot.id,
        conversation_id=conversation_id,
        grant=Grant(tools=(), write=False),
    )
    return signer.mint(AUDIENCE, claims, lifetime=CONVERSATION_TOKEN_LIFETIME)


def conversation_verifier(signer: Signer) -> Verifier:
    """Return what accepts the tokens of `conversation_token`."""
    return Verifier(signer.public_key(), AUDIENCE, CONVERSATION_TOKEN_LIFETIME)
