"""Tries an account with one real, harmless request, before it is stored or when somebody asks."""

from contextlib import aclosing
from uuid import UUID

import httpx2

from config.constellation import constellation, load
from config.database import Database
from config.errors import UserError
from config.security.egress import check_url
from config.security.tokens import Claims
from config.security.vault import Account, DatabaseVault, keyring
from config.settings import Settings, required
from toolkit.errors import ToolFailure
from toolkit.server.build import ServerSpec, vendor_client
from toolkit.tenancy import CheckableProvider, ProviderFactory, Runtime, ToolCall, open_provider


class RefusedAccountError(UserError):
    """An account that cannot be used as it is."""


class AccountCheck:
    """Tries accounts of one deployment."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def fields(self, server: str, provider: str) -> dict[str, bool]:
        """Return the names of the secrets that a provider takes, and whether each is needed.

        Raises:
            RefusedAccountError: there is no such provider.
        """
        fields = provider_of(server, provider).credentials.model_fields
        return {name: field.is_required() for name, field in fields.items()}

    async def __call__(self, server: str, account: Account, business_id: UUID) -> None:
        """Make one harmless request with the account.

        Raises:
            RefusedAccountError: it is incomplete, its address is not a public one, or the vendor
                refuses it.
        """
        provider = provider_of(server, account.provider)
        await self._check_address(account)
        database = Database(required("DATABASE_URL", self._settings.database_url), pool_size=1)
        async with aclosing(database), vendor_client(self._settings) as client:
            await _check(provider, account, business_id, self._runtime(client, database))

    async def _check_address(self, account: Account) -> None:
        address = account.settings.get("base_url")
        if address is not None:
            await check_url(str(address), allow_private=self._settings.allow_private_hosts)

    def _runtime(self, client: httpx2.AsyncClient, database: Database) -> Runtime:
        return Runtime(client, DatabaseVault(database, keyring(self._settings)), database)


def provider_of(server: str, name: str) -> ProviderFactory[CheckableProvider]:
    """Return how a provider of a server is opened.

    Raises:
        RefusedAccountError: there is no such server, or no such provider of it.
    """
    known = constellation().servers
    if server not in known:
        raise RefusedAccountError(f"There is no server {server!r}; there are {', '.join(known)}.")
    spec: ServerSpec = load(known[server])
    providers = {key: value for key, value in spec.providers.items() if key != "builtin"}
    if name not in providers:
        offered = ", ".join(providers) or "none that need an account"
        raise RefusedAccountError(f"{server} has no provider {name!r}; there are {offered}.")
    return providers[name]


async def _check(
    connect: ProviderFactory[CheckableProvider],
    account: Account,
    business_id: UUID,
    runtime: Runtime,
) -> None:
    missing = [
        name
        for name, field in connect.credentials.model_fields.items()
        if field.is_required() and not account.secrets.get(name)
    ]
    if missing:
        raise RefusedAccountError(
            f"{account.provider} needs {', '.join(connect.credentials.model_fields)}; "
            f"{', '.join(missing)} is missing."
        )
    call = ToolCall(Claims(sub="trial", business_id=business_id), runtime)
    try:
        provider = open_provider(connect, account, call)
        await provider.check()
    except ToolFailure as failure:
        raise RefusedAccountError(
            f"The account {account.name!r} was not accepted: {failure.happened}"
        ) from None
