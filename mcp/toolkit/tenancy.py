"""Whom a tool call acts for, and with what. The model never sees or chooses either."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Hashable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Protocol, TypeVar
from uuid import UUID
from weakref import WeakValueDictionary

import httpx2
from fastmcp import Context
from fastmcp.dependencies import CurrentContext, Depends
from fastmcp.server.auth import AccessToken, TokenVerifier
from fastmcp.server.dependencies import get_access_token
from pydantic import BaseModel, ConfigDict, ValidationError
from redis.asyncio import Redis
from sqlalchemy.ext.asyncio import AsyncSession

from config.database import Database
from config.security.tokens import Claims, InvalidTokenError, Verifier
from config.security.vault import Account, NoAccountError
from toolkit.errors import Disconnected, OutcomeUnknown, Unavailable
from toolkit.http.circuit_breaker import CircuitBreakers
from toolkit.http.client import VendorConnection
from toolkit.http.sync_sdk import Threads
from toolkit.http.ttl_cache import TtlCache

P = TypeVar("P")
P_co = TypeVar("P_co", covariant=True)
T = TypeVar("T")


@dataclass(frozen=True)
class Attempt:
    """One try at a write: its key, and whether an earlier one was lost without an answer."""

    key: str
    is_retry: bool = False


attempt: ContextVar[Attempt | None] = ContextVar("attempt", default=None)


class Credentials(BaseModel):
    """Base of what a tenant gives to connect a vendor; its errors never show what was typed."""

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)


class LockedAccount(Protocol):
    """An account that nobody else can change now."""

    account: Account

    def store(self, secrets: Mapping[str, str]) -> Account:
        """Replace its secrets; they are stored when it is let go."""
        ...

    def revoke(self) -> None:
        """Note that the vendor no longer accepts it."""
        ...


class Vault(Protocol):
    """Where accounts are kept."""

    async def account(self, server: str, claims: Claims) -> Account:
        """Return the account that the caller uses on `server`.

        Raises:
            NoAccountError: there is none for them.
        """
        ...

    async def provider(self, server: str, claims: Claims) -> str | None:
        """Return whose tools the caller has on `server`; None where no account can be used."""
        ...

    def locked(
        self, business_id: UUID, account: Account
    ) -> AbstractAsyncContextManager[LockedAccount]:
        """Hold an account as it is now, with everyone else waiting.

        Raises:
            NoAccountError: it has been removed.
        """
        ...


def _no_locks() -> WeakValueDictionary[object, asyncio.Lock]:
    return WeakValueDictionary()


@dataclass(frozen=True)
class Runtime:
    """What a running server holds for all tenants."""

    client: httpx2.AsyncClient
    vault: Vault
    database: Database | None = None
    cache: Redis | None = None
    standalone: Claims | None = None
    calls_per_minute: int = 1200
    breakers: CircuitBreakers = field(default_factory=CircuitBreakers)
    ttl_cache: TtlCache = field(default_factory=TtlCache)
    threads: Threads = field(default_factory=Threads)
    _locks: WeakValueDictionary[object, asyncio.Lock] = field(default_factory=_no_locks)

    def lock(self, what: object) -> asyncio.Lock:
        """Return this process's lock on `what`, the same one for everybody who waits for it."""
        return self._locks.setdefault(what, asyncio.Lock())

    @property
    def records(self) -> Database:
        """Return the database, for the providers that keep their records in it."""
        if self.database is None:
            raise Disconnected("This server runs without a database.")
        return self.database


@dataclass(frozen=True)
class ToolCall:
    """One tool call: who asks, and what the server may use to answer."""

    claims: Claims
    runtime: Runtime
    attempt: Attempt | None = None

    @property
    def business_id(self) -> UUID:
        """Return the tenant."""
        return self.claims.business_id

    @property
    def idempotency_key(self) -> str | None:
        """Return what names this write, the same whenever it is repeated."""
        return self.attempt.key if self.attempt else None

    @property
    def is_retry(self) -> bool:
        """Say whether an earlier try of this write was lost: it may have been done."""
        return self.attempt is not None and self.attempt.is_retry

    def refuse_if_retry(self, vendor: str) -> None:
        """Let a write go that cannot be looked for afterwards, unless it may have been done.

        Raises:
            OutcomeUnknown: an earlier try was lost; doing it again could do it twice.
        """
        if self.is_retry:
            raise OutcomeUnknown(f"{vendor} cannot be asked whether it was done the first time.")

    @asynccontextmanager
    async def transaction(self) -> AsyncGenerator[AsyncSession]:
        """Open a transaction that sees this tenant's rows only."""
        async with self.runtime.records.tenant(self.business_id) as session:
            yield session

    def vendor_connection(self, account: Account) -> VendorConnection:
        """Return the way to the account's vendor."""
        breaker = self.runtime.breakers.of(self.business_id, account.provider)
        return VendorConnection(self.runtime.client, breaker)

    async def cached(
        self,
        account: Account,
        what: Hashable,
        seconds: float,
        fetch: Callable[[], Awaitable[T]],
    ) -> T:
        """Return what this account's vendor said about `what` in the last `seconds`, or ask."""
        key = (self.business_id, account.provider, account.id, what)
        return await self.runtime.ttl_cache.get(key, seconds, fetch)


class ProviderFactory(Protocol[P_co]):
    """Opens one tenant's account: the provider class itself."""

    @property
    def credentials(self) -> type[Credentials]:
        """Return what a tenant gives to connect."""
        ...

    @property
    def unsupported(self) -> Mapping[str, str]:
        """Return the tools that the vendor has no counterpart for, each with the reason."""
        ...

    def __call__(self, account: Account, call: ToolCall, /) -> P_co:
        """Validate the account and return the provider. Must not touch the network."""
        ...


class CheckableProvider(Protocol):
    """What every provider can do besides its tools."""

    async def check(self) -> None:
        """Make one harmless request, to see that the account works.

        Raises:
            ToolFailure: it does not.
        """
        ...


def claims_of_request(runtime: Runtime) -> Claims:
    """Return whom the current request acts for, from its verified token.

    Raises:
        Unavailable: there is none; the transport should have refused the request.
    """
    token = get_access_token()
    if isinstance(token, VerifiedToken):
        return token.verified
    if runtime.standalone is None:
        raise Unavailable("The request carries no identity.")
    return runtime.standalone


def runtime_of(ctx: Context) -> Runtime:
    """Return what the server that handles this request holds."""
    runtime = ctx.lifespan_context["runtime"]
    if not isinstance(runtime, Runtime):
        raise TypeError("A server's lifespan must yield its Runtime.")
    return runtime


def current_call(ctx: Context = CurrentContext()) -> ToolCall:
    """Return the call being served; a dependency, absent from the tool's schema."""
    runtime = runtime_of(ctx)
    return ToolCall(claims_of_request(runtime), runtime, attempt.get())


CALL: ToolCall = Depends(current_call)


def tenant_provider(providers: Mapping[str, ProviderFactory[P]]) -> Callable[..., Awaitable[P]]:
    """Return a dependency that opens the calling tenant's own provider."""

    async def provider_of_request(ctx: Context = CurrentContext()) -> P:
        call = current_call(ctx)
        server = ctx.fastmcp.name
        try:
            account = await call.runtime.vault.account(server, call.claims)
        except NoAccountError as error:
            raise Disconnected(str(error)) from None
        if account.provider not in providers:
            raise Disconnected(f"No {server} account is connected.")
        return open_provider(providers[account.provider], account, call)

    return provider_of_request


def open_provider(connect: ProviderFactory[P], account: Account, call: ToolCall) -> P:
    """Return the provider of an account.

    Raises:
        Disconnected: its credentials are not complete.
    """
    try:
        return connect(account, call)
    except ValidationError:
        raise Disconnected(f"The {account.provider} account must be reconnected.") from None


class VerifiedToken(AccessToken):
    """A token whose claims have been read, and need not be read again."""

    verified: Claims


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
        return VerifiedToken(
            token=token,
            client_id=claims.sub,
            scopes=[],
            claims={"sub": claims.sub},
            verified=claims,
        )
