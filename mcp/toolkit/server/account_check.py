"""Checks a vendor account by one request that changes nothing."""

from contextlib import aclosing
from uuid import UUID

import httpx2

from config.constellation import constellation, load_object
from config.database import Database
from config.errors import UserError
from config.security.egress import check_url
from config.security.tokens import Claims
from config.security.vault import Account, DatabaseVault, keyring
from config.settings import Settings, required
from toolkit.errors import ToolFailure
from toolkit.server.build import ServerSpec, vendor_client
from toolkit.tenancy import (
    CheckableProvider,
    ProviderFactory,
    Runtime,
    ToolCall,
    UntriedAccountError,
    open_provider,
)


class RefusedAccountError(UserError):
    """An account cannot be used as it is."""


class AccountCheck:
    """Checks accounts with the settings of one deployment."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def fields(self, server: str, provider: str) -> dict[str, bool]:
        """Return the names of a provider's secrets, each with whether it is required.

        Raises:
            RefusedAccountError: there is no such provider.
        """
        fields = find_provider(server, provider).credentials.model_fields
        return {name: field.is_required() for name, field in fields.items()}

    async def __call__(self, server: str, account: Account, business_id: UUID) -> str | None:
        """Make one request with the account that changes nothing.

        Returns why it could not be tried, None if it was tried and works.

        Raises:
            RefusedAccountError: it is incomplete, its address is not a public one, or the vendor
                refuses it.
        """
        provider = find_provider(server, account.provider)
        await self._check_address(account)
        database = Database(required("DATABASE_URL", self._settings.database_url), pool_size=1)
        async with aclosing(database), vendor_client(self._settings) as client:
            return await _check(provider, account, business_id, self._runtime(client, database))

    async def _check_address(self, account: Account) -> None:
        address = account.settings.get("base_url")
        if address is not None:
            await check_url(str(address), allow_private=self._settings.allow_private_hosts)

    def _runtime(self, client: httpx2.AsyncClient, database: Database) -> Runtime:
        return Runtime(client, DatabaseVault(database, keyring(self._settings)), database)


def find_provider(server: str, name: str) -> ProviderFactory[CheckableProvider]:
    """Return a provider class of a server.

    Raises:
        RefusedAccountError: there is no such server, or it has no such provider.
    """
    known = constellation().servers
    if server not in known:
        raise RefusedAccountError(f"There is no server {server!r}; there are {', '.join(known)}.")
    spec: ServerSpec = load_object(known[server])
    providers = {key: value for key, value in spec.providers.items() if key != "builtin"}
    if name not in providers:
        offered = ", ".join(providers) or "none that need an account"
        raise RefusedAccountError(f"{server} has no provider {name!r}; there are {offered}.")
    return providers[name]


async def _check(
    factory: ProviderFactory[CheckableProvider],
    account: Account,
    business_id: UUID,
    runtime: Runtime,
) -> str | None:
    missing = [
        name
        for name, field in factory.credentials.model_fields.items()
        if field.is_required() and not account.secrets.get(name)
    ]
    if missing:
        raise RefusedAccountError(
            f"{account.provider} needs {', '.join(factory.credentials.model_fields)}; "
            f"{', '.join(missing)} is missing."
        )
    call = ToolCall(Claims(sub="trial", business_id=business_id), runtime)
    try:
        provider = open_provider(factory, account, call)
        await provider.check()
    except UntriedAccountError as untried:
        return str(untried)
    except ToolFailure as failure:
        raise RefusedAccountError(
            f"The account {account.name!r} was not accepted: {failure.happened}"
        ) from None
    return None
