"""Whom a tool call acts for, and with what. The model never sees or chooses either."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar
from uuid import UUID

import httpx2
from fastmcp import Context
from fastmcp.dependencies import CurrentContext, Depends
from fastmcp.server.auth import AccessToken, TokenVerifier
from fastmcp.server.dependencies import get_access_token
from pydantic import ValidationError
from redis.asyncio import Redis
from sqlalchemy.ext.asyncio import AsyncSession

from config.database import Database
from config.tokens import Claims, InvalidTokenError, Verifier
from toolkit.errors import Disconnected, Unavailable

P = TypeVar("P")
P_co = TypeVar("P_co", covariant=True)

idempotency_key: ContextVar[str | None] = ContextVar("idempotency_key", default=None)


@dataclass(frozen=True)
class Account:
    """One tenant's login at one vendor. A builtin provider has no secrets."""

    provider: str
    name: str | None = None
    secrets: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)


class Vault(Protocol):
    """Where accounts are kept."""

    async def account(self, server: str, claims: Claims) -> Account | None:
        """Return the account that the caller's business connected for `server`, if any."""
        ...


class BuiltinVault:
    """Every business has the builtin provider of every server."""

    async def account(self, server: str, claims: Claims) -> Account | None:
        """Return the builtin account that the grant names."""
        return Account("builtin", claims.grant.integration)


@dataclass(frozen=True)
class Runtime:
    """What a running server holds for all tenants."""

    client: httpx2.AsyncClient
    vault: Vault
    database: Database | None = None
    cache: Redis | None = None
    standalone: Claims | None = None

    @property
    def records(self) -> Database:
        """Return the database, for the providers that keep their records in it."""
        if self.database is None:
            raise Disconnected("This server runs without a database.")
        return self.database


@dataclass(frozen=True)
class Call:
    """One tool call: who asks, and what the server may use to answer."""

    claims: Claims
    runtime: Runtime
    idempotency_key: str | None = None

    @property
    def business_id(self) -> UUID:
        """Return the tenant."""
        return self.claims.business_id

    @asynccontextmanager
    async def transaction(self) -> AsyncGenerator[AsyncSession]:
        """Open a transaction that sees this tenant's rows only."""
        async with self.runtime.records.business(self.business_id) as session:
            yield session


class Connect(Protocol[P_co]):
    """Opens one tenant's account: usually the provider class itself."""

    def __call__(self, account: Account, call: Call, /) -> P_co:
        """Validate the account and return the provider. Must not touch the network."""
        ...


def claims_of_request(runtime: Runtime) -> Claims:
    """Return whom the current request acts for, from its verified token.

    Raises:
        Unavailable: there is none; the transport should have refused the request.
    """
    token = get_access_token()
    if token is not None:
        return Claims.model_validate(token.claims)
    if runtime.standalone is None:
        raise Unavailable("The request carries no identity.")
    return runtime.standalone


def runtime_of(ctx: Context) -> Runtime:
    """Return what the server that handles this request holds."""
    runtime = ctx.lifespan_context["runtime"]
    if not isinstance(runtime, Runtime):
        raise TypeError("A server's lifespan must yield its Runtime.")
    return runtime


def current_call(ctx: Context = CurrentContext()) -> Call:
    """Return the call being served; a dependency, absent from the tool's schema."""
    runtime = runtime_of(ctx)
    return Call(claims_of_request(runtime), runtime, idempotency_key.get())


CALL: Call = Depends(current_call)


def connected(providers: Mapping[str, Connect[P]]) -> Callable[..., Awaitable[P]]:
    """Return a dependency that opens the calling tenant's own provider."""

    async def open_provider(ctx: Context = CurrentContext()) -> P:
        call = current_call(ctx)
        server = ctx.fastmcp.name
        account = await call.runtime.vault.account(server, call.claims)
        if account is None:
            raise Disconnected(f"No {server} account is connected.")
        try:
            return providers[account.provider](account, call)
        except (KeyError, ValidationError):
            raise Disconnected(f"The {account.provider} account must be reconnected.") from None

    return open_provider


class ServiceTokens(TokenVerifier):
    """Lets in the bearers of tokens that were minted for this server within the last minute."""

    def __init__(self, verifier: Verifier) -> None:
        super().__init__()
        self._verifier = verifier

    async def verify_token(self, token: str) -> AccessToken | None:
        """Return the token's claims, or None for a token that is not for this server, now."""
        try:
            claims = self._verifier.verify(token)
        except InvalidTokenError:
            return None
        body: dict[str, Any] = claims.model_dump(mode="json")
        return AccessToken(token=token, client_id=claims.sub, scopes=[], claims=body)
