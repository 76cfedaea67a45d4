"""The identity and resources of one tool call: claims, account, database, HTTP client.

They come from the service token of the request and from the running server. The model neither
sees nor chooses them.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Hashable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar
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
from toolkit.http.client import Timing, VendorConnection
from toolkit.http.polling import FIRST_PAUSE
from toolkit.http.sync_sdk import Threads
from toolkit.http.ttl_cache import TtlCache

P = TypeVar("P")
P_co = TypeVar("P_co", covariant=True)
T = TypeVar("T")


@dataclass(frozen=True)
class Attempt:
    """One attempt at a write: its key, and whether an earlier attempt ended without a result."""

    key: str
    is_retry: bool = False


current_attempt: ContextVar[Attempt | None] = ContextVar("attempt", default=None)


class Credentials(BaseModel):
    """Base of the models of vendor credentials; validation errors do not show the input."""

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)


class LockedAccount(Protocol):
    """An account that is locked against changes by other processes."""

    account: Account

    def store(self, secrets: Mapping[str, str]) -> Account:
        """Replace its secrets; they are saved when the lock is released."""
        ...

    def revoke(self) -> None:
        """Mark it as no longer accepted by the vendor."""
        ...


class Vault(Protocol):
    """The store of vendor accounts."""

    async def account(self, server: str, claims: Claims) -> Account:
        """Return the account that the caller uses on `server`.

        Raises:
            NoAccountError: the caller has none there.
        """
        ...

    async def provider(self, server: str, claims: Claims) -> str | None:
        """Return the provider of the caller's account on `server`; None without an account."""
        ...

    def locked(
        self, business_id: UUID, account: Account
    ) -> AbstractAsyncContextManager[LockedAccount]:
        """Lock an account, and read it again under the lock.

        Raises:
            NoAccountError: it has been removed.
        """
        ...

    def unseal(self, sealed: Mapping[str, Any], bound_to: str) -> dict[str, Any]:
        """Return the plain value of a secret that is not part of an account's credentials.

        Raises:
            NoAccountError: it cannot be decrypted.
        """
        ...


def _new_locks() -> WeakValueDictionary[object, asyncio.Lock]:
    return WeakValueDictionary()


@dataclass(frozen=True)
class Runtime:
    """The resources of a running server, shared by all tenants.

    `standalone` are the claims of every request where the server runs without tokens, over stdio.
    """

    client: httpx2.AsyncClient
    vault: Vault
    database: Database | None = None
    cache: Redis | None = None
    standalone: Claims | None = None
    calls_per_minute: int = 1200
    breakers: CircuitBreakers = field(default_factory=CircuitBreakers)
    ttl_cache: TtlCache = field(default_factory=TtlCache)
    threads: Threads = field(default_factory=Threads)
    first_poll_pause: float = FIRST_PAUSE  # seconds, after the first request for a job's state
    timing: Timing = field(default_factory=Timing)
    _locks: WeakValueDictionary[object, asyncio.Lock] = field(default_factory=_new_locks)

    def lock(self, what: object) -> asyncio.Lock:
        """Return this process's lock for `what`."""
        return self._locks.setdefault(what, asyncio.Lock())

    @property
    def required_database(self) -> Database:
        """Return the database.

        Raises:
            Disconnected: the server runs without one.
        """
        if self.database is None:
            raise Disconnected("This server runs without a database.")
        return self.database


@dataclass(frozen=True)
class ToolCall:
    """One tool call: whom it acts for, and the resources of the server."""

    claims: Claims
    runtime: Runtime
    attempt: Attempt | None = None

    @property
    def business_id(self) -> UUID:
        """Return the id of the tenant."""
        return self.claims.business_id

    @property
    def idempotency_key(self) -> str | None:
        """Return the key of this write, the same for every repeat; None for a read."""
        return self.attempt.key if self.attempt else None

    @property
    def is_retry(self) -> bool:
        """Say whether an earlier attempt at this write ended without a result.

        It may have been done, so look for the record before creating it.
        """
        return self.attempt is not None and self.attempt.is_retry

    def refuse_if_retry(self, vendor: str) -> None:
        """Refuse to retry a write that the vendor cannot be asked about.

        Raises:
            OutcomeUnknown: an earlier attempt ended without a result; this one could do it twice.
        """
        if self.is_retry:
            raise OutcomeUnknown(f"{vendor} cannot be asked whether it was done the first time.")

    @asynccontextmanager
    async def transaction(self) -> AsyncGenerator[AsyncSession]:
        """Open a transaction that sees this tenant's rows only."""
        async with self.runtime.required_database.tenant(self.business_id) as session:
            yield session

    def vendor_connection(self, account: Account) -> VendorConnection:
        """Return the HTTP client for an account's vendor, and the account's circuit breaker."""
        breaker = self.runtime.breakers.get(self.business_id, account.provider, account.id)
        return VendorConnection(self.runtime.client, breaker, self.runtime.timing)

    async def cached(
        self,
        account: Account,
        key: Hashable,
        seconds: float,
        fetch: Callable[[], Awaitable[T]],
    ) -> T:
        """Return what `fetch` returned for this account and key in the last `seconds`."""
        cache_key = (self.business_id, account.provider, account.id, key)
        return await self.runtime.ttl_cache.get(cache_key, seconds, fetch)


class ProviderFactory(Protocol[P_co]):
    """A provider class, called to open one tenant's account."""

    @property
    def credentials(self) -> type[Credentials]:
        """Return the model of the secrets that an account needs."""
        ...

    @property
    def unsupported(self) -> Mapping[str, str]:
        """Return the tools that the vendor cannot support, each with the reason."""
        ...

    def __call__(self, account: Account, call: ToolCall, /) -> P_co:
        """Validate the account and return the provider, without network access."""
        ...


class UntriedAccountError(Exception):
    """No request that changes nothing can be made with an account; it says why."""


class CheckableProvider(Protocol):
    """A provider whose account can be checked."""

    async def check(self) -> None:
        """Make one request that changes nothing, to verify that the account works.

        Raises:
            ToolFailure: it does not work.
            UntriedAccountError: there is no such request, so that nothing is verified.
        """
        ...


def current_claims(runtime: Runtime) -> Claims:
    """Return the claims of the current request's token.

    Raises:
        Unavailable: it has no token; the transport should have refused it.
    """
    token = get_access_token()
    if isinstance(token, VerifiedToken):
        return token.service_claims
    if runtime.standalone is None:
        raise Unavailable("The request carries no identity.")
    return runtime.standalone


def current_runtime(ctx: Context) -> Runtime:
    """Return the resources of the server that handles the current request."""
    runtime = ctx.lifespan_context["runtime"]
    if not isinstance(runtime, Runtime):
        raise TypeError("A server's lifespan must yield its Runtime.")
    return runtime


def current_call(ctx: Context = CurrentContext()) -> ToolCall:
    """Return the current tool call. As a dependency, it is absent from the tool's schema."""
    runtime = current_runtime(ctx)
    return ToolCall(current_claims(runtime), runtime, current_attempt.get())


CALL: ToolCall = Depends(current_call)


def tenant_provider(providers: Mapping[str, ProviderFactory[P]]) -> Callable[..., Awaitable[P]]:
    """Return a dependency that opens the calling tenant's provider."""

    async def open_tenant_provider(ctx: Context = CurrentContext()) -> P:
        call = current_call(ctx)
        server = ctx.fastmcp.name
        try:
            account = await call.runtime.vault.account(server, call.claims)
        except NoAccountError as error:
            raise Disconnected(str(error)) from None
        if account.provider not in providers:
            raise Disconnected(f"No {server} account is connected.")
        return open_provider(providers[account.provider], account, call)

    return open_tenant_provider


def open_provider(factory: ProviderFactory[P], account: Account, call: ToolCall) -> P:
    """Return the provider of an account.

    Raises:
        Disconnected: its credentials are incomplete.
    """
    try:
        return factory(account, call)
    except ValidationError:
        raise Disconnected(f"The {account.provider} account must be reconnected.") from None


class VerifiedToken(AccessToken):
    """An access token with the claims that were read from it."""

    service_claims: Claims


class ServiceTokenVerifier(TokenVerifier):
    """Verifies service tokens, which are minted for one server and live for a minute."""

    def __init__(self, verifier: Verifier) -> None:
        super().__init__()
        self._verifier = verifier

    async def verify_token(self, token: str) -> AccessToken | None:
        """Return the token with its claims; None if it is not valid for this server now."""
        try:
            claims = self._verifier.verify(token)
        except InvalidTokenError:
            return None
        return VerifiedToken(
            token=token,
            client_id=claims.sub,
            scopes=[],
            claims={"sub": claims.sub},
            service_claims=claims,
        )
