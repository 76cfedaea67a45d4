"""Runs one server over stdio, for a desktop client, with one account from the environment.

It needs neither a database nor tokens: whoever starts the process is the only caller.
"""

import sys
from argparse import ArgumentParser, RawDescriptionHelpFormatter
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

import anyio

from config.security.tokens import Claims
from config.security.vault import Account, NoAccountError
from config.settings import environment, settings
from toolkit.server.build import ServerSpec, build_server, vendor_client
from toolkit.tenancy import LockedAccount, Runtime

_NO_BUSINESS = UUID(int=0)


@dataclass
class _LockedAccount:
    account: Account

    def store(self, secrets: Mapping[str, str]) -> Account:
        self.account = replace(self.account, secrets=dict(secrets))
        return self.account

    def revoke(self) -> None:
        """Do nothing: the account is not stored anywhere."""


class SingleAccountVault:
    """A vault with one account, which is held in memory."""

    def __init__(self, account: Account) -> None:
        self._locked = _LockedAccount(account)

    async def account(self, server: str, claims: Claims) -> Account:
        """Return the account."""
        return self._locked.account

    async def provider(self, server: str, claims: Claims) -> str | None:
        """Return the provider of the account."""
        return self._locked.account.provider

    @asynccontextmanager
    async def locked(self, business_id: UUID, account: Account) -> AsyncGenerator[LockedAccount]:
        """Return the account: no other process uses it."""
        yield self._locked

    def unseal(self, sealed: Mapping[str, Any], bound_to: str) -> dict[str, Any]:
        """Refuse: nothing is sealed where there is no database.

        Raises:
            NoAccountError: always.
        """
        raise NoAccountError("This server runs without a vault.")


def main(spec: ServerSpec) -> None:
    """Parse the command line and serve one server over stdio."""
    parser = ArgumentParser(
        prog=f"python -m {spec.name}",
        description=spec.instructions,
        epilog=_help(spec),
        formatter_class=RawDescriptionHelpFormatter,
    )
    parser.add_argument("--stdio", action="store_true", required=True, help="serve over stdio")
    parser.parse_args()
    try:
        account = account_from_environment(spec, environment())
    except KeyError as missing:
        sys.exit(f"{missing.args[0]} is not set.\n\n{_help(spec)}")
    anyio.run(_serve, spec, account)


def account_from_environment(spec: ServerSpec, environment: Mapping[str, str]) -> Account:
    """Return the account that environment variables describe.

    Raises:
        KeyError: a variable is missing; the error's argument is its name.
    """
    provider_variable = f"{spec.name}_provider".upper()
    name = environment.get(provider_variable, "")
    if name not in _vendors(spec):
        raise KeyError(provider_variable)
    secrets: dict[str, str] = {}
    for field, info in spec.providers[name].credentials.model_fields.items():
        variable = f"{name}_{field}".upper()
        if value := environment.get(variable):
            secrets[field] = value
        elif info.is_required():
            raise KeyError(variable)
    prefix = f"{name}_setting_".upper()
    settings_of_account = {
        key.removeprefix(prefix).lower(): value
        for key, value in environment.items()
        if key.startswith(prefix)
    }
    return Account(name, None, secrets, settings_of_account)


async def _serve(spec: ServerSpec, account: Account) -> None:
    async with vendor_client(settings()) as client:
        standalone = Claims(sub="stdio", business_id=_NO_BUSINESS)
        runtime = Runtime(client, SingleAccountVault(account), standalone=standalone)
        await build_server(spec, runtime).run_stdio_async(show_banner=False)


def _vendors(spec: ServerSpec) -> list[str]:
    return [name for name in spec.providers if name != "builtin"]


def _help(spec: ServerSpec) -> str:
    lines = [f"{spec.name.upper()}_PROVIDER names the vendor; each has variables of its own:"]
    for name in _vendors(spec):
        fields = spec.providers[name].credentials.model_fields
        lines.append(f"  {name}: {', '.join(f'{name}_{field}'.upper() for field in fields)}")
    lines.append("NAME_SETTING_BASE_URL, for example, is its setting base_url.")
    return "\n".join(lines)
