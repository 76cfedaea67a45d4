"""`antiphon integrations`: a business's accounts at vendors."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Annotated, Any, TypeVar
from uuid import UUID

import typer
from rich.console import Console
from rich.table import Table

from config.settings import Settings, running_settings
from orchestrator.cli.terminal import Business, Failure, console, run

T = TypeVar("T")

app = typer.Typer(help="Accounts of a business at vendors.", no_args_is_help=True)

Name = Annotated[str, typer.Option(help="What the account is called here.")]


@app.command("add")
def add(
    business: Business,
    server: Annotated[str, typer.Option(help="The MCP server that uses it, such as scheduling.")],
    provider: Annotated[str, typer.Option(help="The vendor, such as calcom.")],
    name: Annotated[
        str | None, typer.Option(help="What to call it; the vendor's name by default.")
    ] = None,
    secret: Annotated[
        list[str] | None,
        typer.Option(help="NAME=${VARIABLE}, for each secret that is not to be asked for."),
    ] = None,
    setting: Annotated[
        list[str] | None, typer.Option(help="NAME=VALUE, such as base_url=https://cal.acme.com.")
    ] = None,
    bot: Annotated[
        list[str] | None, typer.Option(help="A bot that may use it; every bot by default.")
    ] = None,
    untried: Annotated[
        bool, typer.Option("--untried", help="Store it without asking the vendor.")
    ] = False,
) -> None:
    """Connect an account: its secrets are asked for, tried by a harmless request, and sealed."""
    from config.integrations import IntegrationInput

    settings = running_settings()
    account = IntegrationInput(
        name or provider,
        server,
        provider,
        _read_secrets(settings, server, provider, _parse_pairs(secret, "--secret")),
        _parse_pairs(setting, "--setting"),
        bots=tuple(bot) if bot else None,
    )
    change = run(_add(settings, business, account, untried=untried))
    outcomes = {"add": "connected", "change": "changed"}
    console.print(f"{account.name}: {outcomes[change.action] if change else 'no difference'}")


@app.command("list")
def show(business: Business) -> None:
    """List a business's accounts, without their secrets, and where their webhooks go."""
    settings = running_settings()
    table = Table("name", "server", "provider", "status", "bots", "settings")
    rows = run(_rows(settings, business))
    for row in rows:
        status = row.status if row.enabled else "switched off"
        bots = "every" if row.scoped_to_bot_ids is None else str(len(row.scoped_to_bot_ids))
        options = ", ".join(f"{key}={value}" for key, value in row.settings.items())
        table.add_row(row.name, row.server, row.integration_type, status, bots, options)
    Console().print(table)
    for row in rows:
        if url := _webhook_url(settings, row):
            console.print(f"{row.name}: webhooks go to {url}", soft_wrap=True)


@app.command("test")
def test(business: Business, name: Name) -> None:
    """Make one harmless request with an account, and say how it went."""
    untried = run(_test(running_settings(), business, name))
    console.print(f"{name}: {f'could not be tried: {untried}' if untried else 'works'}")


@app.command("remove")
def remove(business: Business, name: Name) -> None:
    """Forget an account. What it did at the vendor stays there."""
    if not run(_remove(running_settings(), business, name)):
        raise Failure(f"there is no integration {name!r}; `antiphon integrations list` shows all")
    console.print(f"{name}: removed")


@app.command("rotate")
def rotate(
    now: Annotated[
        bool, typer.Option("--now", help="Do it here, instead of by `antiphon jobs`.")
    ] = False,
) -> None:
    """Bring every account under the first key of VAULT_KEYS, in the background.

    Put a new key before the old one, restart, rotate, then drop the old one.
    """
    rotated = run(_rotate(running_settings(), now=now))
    if rotated is None:
        console.print("Enqueued for `antiphon jobs`.")
        return
    console.print(f"{rotated.done} brought over.")
    if rotated.lost:
        raise Failure(f"{rotated.lost} do not open under any key: they have to be connected again")


def _webhook_url(settings: Settings, row: Any) -> str | None:
    """Return where an account's vendor sends its webhooks; None for a vendor without any."""
    from orchestrator.api.webhooks.sources import SOURCES

    source = SOURCES.get(row.integration_type)
    if source is None or source.server != row.server:
        return None
    own = settings.public_url or f"http://{settings.api_host}:{settings.api_port}"
    return f"{own.rstrip('/')}/api/webhooks/{row.integration_type}/{row.id}"


def _parse_pairs(texts: Sequence[str] | None, option: str) -> dict[str, str]:
    pairs: dict[str, str] = {}
    for pair in texts or ():
        name, equals, value = pair.partition("=")
        if not equals or not name:
            raise Failure(f"{option} takes NAME=VALUE")
        pairs[name] = value
    return pairs


def _read_secrets(
    settings: Settings, server: str, provider: str, references: dict[str, str]
) -> dict[str, str]:
    """Return an account's secrets: from the variables that are named, the others from prompts."""
    from config.declarations.env_refs import is_reference, resolve
    from config.errors import UserError
    from orchestrator.admin.declarations import load_account_check

    if any(not is_reference(value) for value in references.values()):
        raise Failure("--secret takes NAME=${VARIABLE}: others can read what is on a command line")
    try:
        fields = load_account_check(settings).fields(server, provider)
        secrets = {name: resolve(value) for name, value in references.items()}
    except UserError as error:
        raise Failure(str(error)) from None
    for name, needed in fields.items():
        if name not in secrets and needed:
            secrets[name] = typer.prompt(f"{provider} {name}", hide_input=True)
    return secrets


@asynccontextmanager
async def _open_business(settings: Settings, business: str) -> AsyncGenerator[tuple[Any, UUID]]:
    """Open the database, and yield it with the id of the business."""
    from orchestrator.admin.declarations import find_business_id, open_stores

    async with open_stores(settings) as (database, _):
        business_id = await find_business_id(database, business)
        if business_id is None:
            raise Failure(f"there is no business {business!r}; `antiphon apply FILE` makes one")
        yield database, business_id


async def _in_transaction(
    settings: Settings, business: str, work: Callable[[Any], Awaitable[T]]
) -> T:
    """Run `work` in a transaction of the business."""
    async with (
        _open_business(settings, business) as (database, business_id),
        database.tenant(business_id) as session,
    ):
        return await work(session)


async def _add(settings: Settings, business: str, account: Any, *, untried: bool) -> Any:
    from pathlib import Path

    from config.declarations.section import ApplyContext
    from config.integrations import store
    from config.security.vault import keyring
    from config.slow_work import SlowWork, run_transaction
    from orchestrator.admin.declarations import load_account_check

    async with _open_business(settings, business) as (database, business_id):

        async def attempt(slow_work: SlowWork) -> Any:
            async with database.tenant(business_id) as session:
                context = ApplyContext(
                    session,
                    business_id,
                    "UTC",
                    Path(),
                    slow_work,
                    keyring=keyring(settings),
                    account_check=None if untried else load_account_check(settings),
                    progress=lambda line: console.print(f"  {line}"),
                )
                return await store(context, account)

        return await run_transaction(attempt)


async def _rows(settings: Settings, business: str) -> Any:
    from config.integrations import list_all

    async def work(session: Any) -> Any:
        return await list_all(session)

    return await _in_transaction(settings, business, work)


async def _test(settings: Settings, business: str, name: str) -> str | None:
    from config.integrations import open_stored
    from config.security.vault import keyring
    from orchestrator.admin.declarations import load_account_check

    account_check = load_account_check(settings)
    async with _open_business(settings, business) as (database, business_id):
        async with database.tenant(business_id) as session:
            server, account = await open_stored(session, name, keyring(settings))
        untried: str | None = await account_check(server, account, business_id)
        return untried


async def _remove(settings: Settings, business: str, name: str) -> bool:
    from config.integrations import remove as forget

    async def work(session: Any) -> bool:
        return await forget(session, name)

    return await _in_transaction(settings, business, work)


async def _rotate(settings: Settings, *, now: bool) -> Any:
    from config.queue import enqueue
    from config.security.key_rotation import rotate_all
    from config.security.vault import keyring
    from config.settings import MissingSettingError
    from orchestrator.admin.declarations import open_stores

    keys = keyring(settings)
    if keys is None:
        raise MissingSettingError("VAULT_KEYS")
    async with open_stores(settings) as (database, _):
        if now:
            return await rotate_all(database, keys)
        async with database.unscoped() as session:
            await enqueue(session, "vault.rotate", {}, key="all")
            return None
