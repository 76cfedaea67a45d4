"""`antiphon servers`: MCP servers of others that a business's bots may use."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from sqlalchemy.ext.asyncio import AsyncSession

from config.settings import Settings, running
from orchestrator.cli.terminal import Business, Failure, console, run

if TYPE_CHECKING:
    from orchestrator.mcp_client.external.pinning import PinnedTools
    from orchestrator.mcp_client.external.registration import NewServer, RegistrationContext

app = typer.Typer(help="MCP servers of others, and their tools.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="What the server is called here.")]
_SUBJECT = "cli"


@dataclass(frozen=True)
class _Shown:
    """A server, and what it listed, or why it could not be asked."""

    name: str
    listing: "PinnedTools | None"
    complaint: str = ""


@app.command("list")
def show(business: Business) -> None:
    """Ask every server for its tools, and show which are offered and which are withheld."""
    table = Table("server", "tool", "state", "what it says of itself")
    for each in run(_listed(running(), business)):
        if each.listing is None:
            table.add_row(each.name, "", "not asked", escape(each.complaint))
            continue
        for card in each.listing.cards.values():
            table.add_row(each.name, card.tool, "offered", escape(card.description))
        for tool in each.listing.withheld:
            state = f"withheld: {tool.reason}"
            table.add_row(each.name, escape(tool.tool), state, escape(tool.description))
    Console().print(table)


@app.command("add")
def add(
    business: Business,
    name: Name,
    url: Annotated[str, typer.Argument(help="Where it listens: https://example.com/mcp.")],
    header: Annotated[
        list[str] | None,
        typer.Option(help="NAME=${VARIABLE}, such as Authorization=${CRM_TOKEN}."),
    ] = None,
) -> None:
    """Add a server, or change its address and headers. At a new address its tools are accepted."""
    change = run(_add(running(), business, _given(name, url, header or ())))
    said = {"add": "added", "change": "changed"}
    console.print(f"{name}: {said[change.action] if change else 'no difference'}")


@app.command("accept")
def accept(
    business: Business,
    name: Name,
    tools: Annotated[
        list[str] | None, typer.Argument(help="Which of its tools; all by default.")
    ] = None,
) -> None:
    """Accept tools of a server as they are now. `antiphon servers list` shows what they say."""
    listing = run(_accept(running(), business, name, tools or ()))
    console.print(f"{name}: {len(listing.cards)} offered, {len(listing.withheld)} withheld")


@app.command("remove")
def remove(business: Business, name: Name) -> None:
    """Forget a server that no bot names any more."""
    run(_remove(running(), business, name))
    console.print(f"{name}: removed")


def _given(name: str, url: str, headers: Sequence[str]) -> "NewServer":
    from pydantic import ValidationError

    from config.declarations.env_refs import resolve
    from config.errors import UserError
    from orchestrator.mcp_client.external.registration import McpServerDeclaration, NewServer

    pairs = {each.partition("=")[0]: each.partition("=")[2] for each in headers}
    try:
        declared = McpServerDeclaration(name=name, url=url, headers=pairs)
        values = {header: resolve(value) for header, value in declared.headers.items()}
    except ValidationError as error:
        details = error.errors(include_url=False, include_input=False)[0]
        raise Failure(f"{details['loc'][0]}: {details['msg']}") from None
    except UserError as error:
        raise Failure(str(error)) from None
    return NewServer(declared.name, declared.url, values)


async def _listed(settings: Settings, business: str) -> list[_Shown]:
    from config import external_servers
    from config.errors import UserError
    from orchestrator.mcp_client.external.registration import inspect

    terms = _terms(settings)
    shown: list[_Shown] = []
    async with _business(settings, business) as (session, _, _bots):
        rows = await external_servers.list_all(session)
    for row in rows:
        try:
            shown.append(_Shown(row.name, await inspect(row, terms)))
        except UserError as error:
            shown.append(_Shown(row.name, None, str(error)))
    return shown


async def _add(settings: Settings, business: str, new: "NewServer") -> Any:
    from config import external_servers
    from orchestrator.mcp_client.external.registration import store

    async with _business(settings, business) as (session, business_id, bots):
        change = await store(session, business_id, new, _terms(settings))
        bots += await external_servers.renew_bots(session, new.name) if change else []
        return change


async def _accept(
    settings: Settings, business: str, name: str, tools: Sequence[str]
) -> "PinnedTools":
    from config import external_servers
    from orchestrator.mcp_client.external.registration import accept as accepted

    async with _business(settings, business) as (session, _, bots):
        row = await _named(session, name)
        listing = await accepted(session, row, tools, _terms(settings), _SUBJECT)
        bots += await external_servers.renew_bots(session, name)
        return listing


async def _remove(settings: Settings, business: str, name: str) -> None:
    from orchestrator.mcp_client.external.registration import remove as forget

    async with _business(settings, business) as (session, _, _bots):
        await forget(session, await _named(session, name))


async def _named(session: AsyncSession, name: str) -> Any:
    from config import external_servers

    row = await external_servers.find(session, name)
    if row is None:
        raise Failure(f"there is no server {name!r}; `antiphon servers list` shows all")
    return row


def _terms(settings: Settings) -> "RegistrationContext":
    from config.security.vault import keyring
    from orchestrator.mcp_client.external.registration import RegistrationContext

    return RegistrationContext(keyring(settings), settings.allow_private_hosts)


@asynccontextmanager
async def _business(
    settings: Settings, business: str
) -> AsyncGenerator[tuple[AsyncSession, UUID, list[UUID]]]:
    """Open a transaction of the business; bots that are put into the list are announced after."""
    from config.bots import announce
    from orchestrator.admin.declarations import business_called, stores

    async with stores(settings) as (database, cache):
        business_id = await business_called(database, business)
        if business_id is None:
            raise Failure(f"there is no business {business!r}; `antiphon apply FILE` makes one")
        bots: list[UUID] = []
        async with database.tenant(business_id) as session:
            yield session, business_id, bots
        for bot_id in bots:
            await announce(cache, business_id, bot_id)
