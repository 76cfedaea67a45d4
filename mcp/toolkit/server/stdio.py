"""A server by itself, for a desktop client: over stdio, one account from the environment."""

import os
import sys
from argparse import ArgumentParser, RawDescriptionHelpFormatter
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from uuid import UUID

import anyio

from config.security.tokens import Claims
from config.security.vault import Account
from config.settings import settings
from toolkit.server.build import ServerSpec, build_server, vendor_client
from toolkit.tenancy import LockedAccount, Runtime

_NOBODY = UUID(int=0)


@dataclass
class _LockedAccount:
    account: Account

    def store(self, secrets: Mapping[str, str]) -> Account:
        self.account = replace(self.account, secrets=dict(secrets))
        return self.account

    def revoke(self) -> None:
        """Nothing is kept that could be marked."""


class SingleAccountVault:
    """A vault with one account in it, which lasts as long as the process."""

    def __init__(self, account: Account) -> None:
        self._held = _LockedAccount(account)

    async def account(self, server: str, claims: Claims) -> Account:
        """Return the account."""
        return self._held.account

    async def provider(self, server: str, claims: Claims) -> str | None:
        """Return whose tools there are."""
        return self._held.account.provider

    @asynccontextmanager
    async def locked(self, business_id: UUID, account: Account) -> AsyncGenerator[LockedAccount]:
        """Hold the account: there is nobody else."""
        yield self._held


def main(spec: ServerSpec) -> None:
    """Serve one server as the command line says."""
    parser = ArgumentParser(
        prog=f"python -m {spec.name}",
        description=spec.instructions,
        epilog=_help(spec),
        formatter_class=RawDescriptionHelpFormatter,
    )
    parser.add_argument("--stdio", action="store_true", required=True, help="serve over stdio")
    parser.parse_args()
    try:
        account = account_of(spec, os.environ)
    except KeyError as missing:
        sys.exit(f"{missing.args[0]} is not set.\n\n{_help(spec)}")
    anyio.run(_serve, spec, account)


def account_of(spec: ServerSpec, environment: Mapping[str, str]) -> Account:
    """Return the account that the environment describes.

    Raises:
        KeyError: the variable of this name is missing.
    """
    chosen = f"{spec.name}_provider".upper()
    name = environment.get(chosen, "")
    if name not in _with_accounts(spec):
        raise KeyError(chosen)
    secrets: dict[str, str] = {}
    for field, info in spec.providers[name].credentials.model_fields.items():
        variable = f"{name}_{field}".upper()
        if value := environment.get(variable):
            secrets[field] = value
        elif info.is_required():
            raise KeyError(variable)
    prefix = f"{name}_setting_".upper()
    given = {
        key.removeprefix(prefix).lower(): value
        for key, value in environment.items()
        if key.startswith(prefix)
    }
    return Account(name, None, secrets, given)


async def _serve(spec: ServerSpec, account: Account) -> None:
    async with vendor_client(settings()) as client:
        standalone = Claims(sub="stdio", business_id=_NOBODY)
        runtime = Runtime(client, SingleAccountVault(account), standalone=standalone)
        await build_server(spec, runtime).run_stdio_async(show_banner=False)


def _with_accounts(spec: ServerSpec) -> list[str]:
    return [name for name in spec.providers if name != "builtin"]


def _help(spec: ServerSpec) -> str:
    lines = [f"{spec.name.upper()}_PROVIDER names the vendor; each has variables of its own:"]
    for name in _with_accounts(spec):
        fields = spec.providers[name].credentials.model_fields
        lines.append(f"  {name}: {', '.join(f'{name}_{field}'.upper() for field in fields)}")
    lines.append("NAME_SETTING_BASE_URL, for example, is its setting base_url.")
    return "\n".join(lines)
