"""Who calls: a business by its API key, a caller by the token of one conversation, or anonymous.

An operation says who may call it by a parameter of one of the annotated types below; `Caller` is
the verified credential.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Literal
from uuid import UUID

from fastapi import Depends
from fastapi.dependencies.models import Dependant
from starlette.requests import Request

from config.bots import Bot, BotNotFoundError, load_bot
from config.protocol import CALLER_SUBJECT
from config.security.api_keys import (
    PREFIX,
    UNLIMITED,
    FoundKey,
    Rights,
    find_cached_key,
    find_key,
)
from config.security.tokens import Claims, Grant, InvalidTokenError, Signer, Verifier
from orchestrator.api.concurrency import ConcurrencyLimit
from orchestrator.api.dependencies import Dependencies
from orchestrator.api.errors import forbidden, unauthorized
from orchestrator.api.headers import allow_origin
from orchestrator.mcp_client.router import Identity

AUDIENCE = "api"
CONVERSATION_TOKEN_LIFETIME = 3600  # seconds

# `anyone` needs no credential, but a given one must be valid. `key` is an API key without limits,
# `limited` also one with limits. `conversation` is a `key`, or the token of that conversation.
AccessMode = Literal["public", "anyone", "key", "limited", "conversation"]

SECURITY: Mapping[AccessMode, Sequence[Mapping[str, Sequence[str]]]] = {
    "public": [],
    "anyone": [{"key": []}, {}],
    "key": [{"key": []}],
    "limited": [{"key": []}],
    "conversation": [{"key": []}, {"conversation": []}],
}
SECURITY_SCHEMES: Mapping[str, Mapping[str, str]] = {
    "key": {"type": "http", "scheme": "bearer", "description": "An API key of a business."},
    "conversation": {
        "type": "http",
        "scheme": "bearer",
        "description": "The conversation_token of exactly this conversation; it only reads.",
    },
}


@dataclass(frozen=True)
class Caller:
    """A verified credential. One that names a conversation may only read that conversation."""

    subject: str
    business_id: UUID
    bot_id: UUID | None = None
    conversation_id: UUID | None = None
    rights: Rights = UNLIMITED

    def identity(self, bot: Bot | None = None, conversation_id: UUID | None = None) -> Identity:
        """Return the identity for calls of MCP servers."""
        return Identity(
            self.subject, self.business_id, bot, self.conversation_id or conversation_id
        )


class Authenticator:
    """Verifies the credentials of requests."""

    def __init__(self, dependencies: Dependencies) -> None:
        self._dependencies = dependencies
        self._verifier = Verifier(
            dependencies.signer.public_key(), AUDIENCE, CONVERSATION_TOKEN_LIFETIME
        )
        # With the starts of sessions they are not more than the pool of the database has.
        self._lookups = ConcurrencyLimit(running=6, waiting=2000, seconds=20)

    async def authenticate(self, request: Request, access: AccessMode) -> Caller | None:
        """Return the caller, which `request.state.caller` holds from now on, too.

        The page that uses a conversation's token may read the answer, if the bot allows its origin.

        Raises:
            ApiError: the credential is missing, no longer valid, or of the wrong kind.
        """
        caller = None if access == "public" else await self._admit(request, access)
        request.state.caller = caller
        if caller is not None and caller.bot_id is not None and "origin" in request.headers:
            allow_origin(self._dependencies, request, await self._bot(caller, caller.bot_id))
        return caller

    async def _admit(self, request: Request, access: AccessMode) -> Caller | None:
        authorization = request.headers.get("authorization")
        if authorization is None:
            if access != "anyone":
                raise unauthorized()
            return None
        caller = await self._verify(authorization)
        if caller.conversation_id is not None and access != "conversation":
            raise forbidden("A conversation token can only read its conversation.")
        if caller.rights.is_limited and access != "limited":
            message = "This API key is limited: it opens MCP and /api/tools/execute only."
            raise forbidden(message)
        return caller

    async def _verify(self, authorization: str) -> Caller:
        scheme, _, credential = authorization.partition(" ")
        credential = credential.strip()
        if scheme.lower() != "bearer":
            raise unauthorized()
        if credential.startswith(PREFIX):
            key = await self._find_key(credential)
            if key is None:
                raise unauthorized()
            return Caller(f"key:{key.api_key_id}", key.business_id, rights=key.rights)
        try:
            claims = self._verifier.verify(credential)
        except InvalidTokenError:
            raise unauthorized() from None
        if claims.conversation_id is None:
            raise unauthorized()
        return Caller(claims.sub, claims.business_id, claims.bot_id, claims.conversation_id)

    async def _find_key(self, credential: str) -> FoundKey | None:
        database = self._dependencies.database
        if (known := find_cached_key(database, credential)) is not None:
            return known
        async with self._lookups.slot():
            return await find_key(database, credential)

    async def _bot(self, caller: Caller, bot_id: UUID) -> Bot:
        try:
            return await load_bot(
                self._dependencies.database, self._dependencies.cache, caller.business_id, bot_id
            )
        except BotNotFoundError:
            raise unauthorized() from None


def authenticator(request: Request) -> Authenticator:
    """Return the authenticator of the running API."""
    found: Authenticator = request.app.state.authenticator
    return found


class RequireAccess:
    """The dependency of an operation on a credential.

    `ApiRoute` has checked it by the time that FastAPI asks for it.
    """

    def __init__(self, access: AccessMode) -> None:
        self.access: AccessMode = access

    async def __call__(self, request: Request) -> Caller | None:
        """Return the caller."""
        caller: Caller | None = request.state.caller
        return caller


OptionalCaller = Annotated[Caller | None, Depends(RequireAccess("anyone"))]
KeyCaller = Annotated[Caller, Depends(RequireAccess("key"))]
LimitedKeyCaller = Annotated[Caller, Depends(RequireAccess("limited"))]
ConversationCaller = Annotated[Caller, Depends(RequireAccess("conversation"))]


def required_access(dependant: Dependant) -> AccessMode | None:
    """Return who may call an operation, by its parameters; None where none is a credential.

    Raises:
        TypeError: two of its parameters are different kinds of credentials.
    """
    modes: set[AccessMode] = {
        each.call.access for each in _flat(dependant) if isinstance(each.call, RequireAccess)
    }
    if len(modes) > 1:
        raise TypeError(f"An operation has one kind of access, not {', '.join(sorted(modes))}.")
    return modes.pop() if modes else None


def _flat(dependant: Dependant) -> list[Dependant]:
    return [dependant, *(inner for each in dependant.dependencies for inner in _flat(each))]


def issue_conversation_token(signer: Signer, bot: Bot, conversation_id: UUID) -> str:
    """Return a token that reads one conversation for an hour."""
    claims = Claims(
        sub=f"{CALLER_SUBJECT}{conversation_id}",
        business_id=bot.business_id,
        bot_id=bot.id,
        conversation_id=conversation_id,
        grant=Grant(tools=(), write=False),
    )
    return signer.mint(AUDIENCE, claims, lifetime=CONVERSATION_TOKEN_LIFETIME)
