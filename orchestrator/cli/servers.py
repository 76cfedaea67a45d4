"""`antiphon servers`: external MCP servers that the bots of a business may use."""

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

from config.settings import Settings, running_settings
from orchestrator.cli.terminal import Business, Failure, console, run

if TYPE_CHECKING:
    from orchestrator.mcp_client.external.pinning import PinnedTools
    from orchestrator.mcp_client.external.registration import NewServer, RegistrationContext

app = typer.Typer(help="MCP servers of others, and their tools.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="What the server is called here.")]
_SUBJECT = "cli"


@dataclass(frozen=True)
class _Inspection:
    """A server and the tools that it listed, or why it could not be asked for them."""

    name: str
    tools: "PinnedTools | None"
    error: str = ""


@app.command("list")
def show(business: Business) -> None:
    """Ask every server for its tools, and show which are offered and which are withheld."""
    table = Table("server", "tool", "state", "what it says of itself")
    for server in run(_inspect_all(running_settings(), business)):
        if server.tools is None:
            table.add_row(server.name, "", "not asked", escape(server.error))
            continue
        for card in server.tools.available.values():
            table.add_row(server.name, card.tool, "offered", escape(card.description))
        for tool in server.tools.withheld:
            state = f"withheld: {tool.reason}"
            table.add_row(server.name, escape(tool.tool), state, escape(tool.description))
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
    change = run(_add(running_settings(), business, _new_server(name, url, header or ())))
    outcomes = {"add": "added", "change": "changed"}
    console.print(f"{name}: {outcomes[change.action] if change else 'no difference'}")


@app.command("accept")
def accept(
    business: Business,
    name: Name,
    tools: Annotated[
        list[str] | None, typer.Argument(help="Which of its tools; all by default.")
    ] = None,
) -> None:
    """Accept tools of a server as they are now. `antiphon servers list` shows what they say."""
    pinned = run(_accept(running_settings(), business, name, tools or ()))
    console.print(f"{name}: {len(pinned.available)} offered, {len(pinned.withheld)} withheld")


@app.command("remove")
def remove(business: Business, name: Name) -> None:
    """Forget a server that no bot names any more."""
    run(_remove(running_settings(), business, name))
    console.print(f"{name}: removed")


def _new_server(name: str, url: str, headers: Sequence[str]) -> "NewServer":
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


async def _inspect_all(settings: Settings, business: str) -> list[_Inspection]:
    from config import external_servers
    from config.errors import UserError
    from orchestrator.mcp_client.external.registration import inspect_server

    context = _registration_context(settings)
    inspections: list[_Inspection] = []
    async with _transaction(settings, business) as (session, _, _bots):
        rows = await external_servers.list_all(session)
    for row in rows:
        try:
            inspections.append(_Inspection(row.name, await inspect_server(row, context)))
        except UserError as error:
            inspections.append(_Inspection(row.name, None, str(error)))
    return inspections


async def _add(settings: Settings, business: str, new: "NewServer") -> Any:
    from config import external_servers
    from config.slow_work import SlowWork, run_transaction
    from orchestrator.mcp_client.external.registration import register_server

    context = _registration_context(settings)

    async def attempt(slow_work: SlowWork) -> Any:
        async with _transaction(settings, business) as (session, business_id, bots):
            change = await register_server(session, business_id, new, context, slow_work)
            bots += await external_servers.bump_bot_versions(session, new.name) if change else []
            return change

    return await run_transaction(attempt)


async def _accept(
    settings: Settings, business: str, name: str, tools: Sequence[str]
) -> "PinnedTools":
    from config import external_servers
    from config.slow_work import SlowWork, run_transaction
    from orchestrator.mcp_client.external.registration import accept_tools as accept_tools

    context = _registration_context(settings)

    async def attempt(slow_work: SlowWork) -> "PinnedTools":
        async with _transaction(settings, business) as (session, _, bots):
            row = await _find(session, name)
            pinned = await accept_tools(session, row, tools, context, slow_work, _SUBJECT)
            bots += await external_servers.bump_bot_versions(session, name)
            return pinned

    return await run_transaction(attempt)


async def _remove(settings: Settings, business: str, name: str) -> None:
    from orchestrator.mcp_client.external.registration import remove_server as forget

    async with _transaction(settings, business) as (session, _, _bots):
        await forget(session, await _find(session, name))


async def _find(session: AsyncSession, name: str) -> Any:
    from config import external_servers

    row = await external_servers.find(session, name)
    if row is None:
        raise Failure(f"there is no server {name!r}; `antiphon servers list` shows all")
    return row


def _registration_context(settings: Settings) -> "RegistrationContext":
    from config.security.vault import keyring
    from orchestrator.mcp_client.external.registration import RegistrationContext

    return RegistrationContext(keyring(settings), settings.allow_private_hosts)


@asynccontextmanager
async def _transaction(
    settings: Settings, business: str
) -> AsyncGenerator[tuple[AsyncSession, UUID, list[UUID]]]:
    """Open a transaction of the business.

    Bots whose ids are added to the yielded list are announced as changed after the commit.
    """
    from config.bots import announce_change
    from orchestrator.admin.declarations import find_business_id, open_stores

    async with open_stores(settings) as (database, cache):
        business_id = await find_business_id(database, business)
        if business_id is None:
            raise Failure(f"there is no business {business!r}; `antiphon apply FILE` makes one")
        bots: list[UUID] = []
        async with database.tenant(business_id) as session:
            yield session, business_id, bots
        for bot_id in bots:
            await announce_change(cache, business_id, bot_id)
