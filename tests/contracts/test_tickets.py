"""Ticket providers against specifications, and Freshdesk's models against published records."""

import json
import re
from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast
from uuid import UUID

import pytest
from pydantic import BaseModel, RootModel
from redis.asyncio import Redis

from config.database import Database
from config.security.tokens import Signer
from tests.conftest import new_tenant
from tests.support.accounts import connect
from tests.support.processes import in_one_task
from tests.support.servers import Answer, Caller, serve
from tests.support.vendor_contract import vendor_contracts
from tests.support.vendors import specification
from tests.tickets.connected_tenant import ConnectedTenant
from tests.tickets.contract import TicketsContract
from tickets.providers.freshdesk import responses as freshdesk
from tickets.server import SERVER

SPECIFIED = {"zendesk", "jira", "freshdesk"}
# Tools whose requests are in no specification; the vendor's own test asserts them.
UNSPECIFIED = {"freshdesk": {"delete_many_tickets"}}


@dataclass(frozen=True)
class WatchedTenant(ConnectedTenant):
    """A connected tenant that counts each tool's requests that are in the specification."""

    requests: Counter[str] = field(default_factory=Counter[str])

    @asynccontextmanager
    async def caller(
        self, conversation_id: UUID | None = None, **grant: Any
    ) -> AsyncGenerator[Caller]:
        """Open an MCP client in a conversation."""
        async with ConnectedTenant.caller(self, conversation_id, **grant) as caller:
            yield _WatchingCaller(caller, self)

    def count_checked(self) -> int:
        """Return how many requests have been checked against the specification."""
        uncovered = self.vendor.uncovered or re.compile("(?!)")
        base = self.vendor.base
        operations = [
            f"{each.method} {str(each.url).removeprefix(base).partition('?')[0]}"
            for each in self.vendor.requests
        ]
        return len([each for each in operations if not uncovered.fullmatch(each)])


class _WatchingCaller(Caller):
    def __init__(self, caller: Caller, connected: WatchedTenant) -> None:
        self._caller, self._connected = caller, connected

    async def call(self, tool: str, /, *, key: str | None = None, **arguments: Any) -> Answer:
        before = self._connected.count_checked()
        answer = await self._caller.call(tool, key=key, **arguments)
        self._connected.requests[tool] += self._connected.count_checked() - before
        return answer


@pytest.mark.parametrize(
    "contract", vendor_contracts(TicketsContract), ids=lambda each: each.provider
)
async def test_every_tool_asks_what_the_specification_allows(
    contract: type[TicketsContract],
    contracts: Path,
    signer: Signer,
    database: Database,
    cache: Redis,
) -> None:
    """Each request is checked by the fake vendor's transport."""
    assert contracts.name
    suite = contract()
    vendor, tenant = suite.new_vendor(), await new_tenant(database)
    if contract.provider in SPECIFIED:
        assert vendor.specification is not None
        assert specification(vendor.specification) is not None
    seed = vendor.seed()
    await connect(
        database, tenant, "tickets", contract.provider, contract.secrets, contract.settings
    )
    serving = serve(
        [SERVER], signer, database, cache, vendors=vendor.transport(), first_poll_pause=0.0
    )
    async with in_one_task(serving) as servers:
        watched = WatchedTenant(servers, tenant, vendor, database, seed=seed)
        await suite.test_every_tool_does_what_it_says(watched)
    assert set(watched.requests) == suite.supported
    unchecked = {tool for tool, requests in watched.requests.items() if not requests}
    assert unchecked == UNSPECIFIED.get(contract.provider, set()), watched.requests


SAMPLES: dict[str, type[BaseModel]] = {
    "agent_1": freshdesk.Agent,
    "agent_1_updated": freshdesk.Agent,
    "agents": freshdesk.Agents,
    "all_tickets": freshdesk.Tickets,
    "companies": RootModel[list[freshdesk.Company]],
    "company": freshdesk.Company,
    "company_updated": freshdesk.Company,
    "contact": freshdesk.Contact,
    "contact_1_agent": freshdesk.Contact,
    "contact_updated": freshdesk.Contact,
    "contacts": freshdesk.Contacts,
    "conversations": freshdesk.Conversations,
    "customer": freshdesk.Company,
    "note_1": freshdesk.Conversation,
    "outbound_email_1": freshdesk.Ticket,
    "reply_1": freshdesk.Conversation,
    "search_companies": RootModel[dict[str, int | list[freshdesk.Company]]],
    "search_contacts": RootModel[dict[str, int | list[freshdesk.Contact]]],
    "search_tickets": freshdesk.TicketSearchPage,
    "ticket_1": freshdesk.Ticket,
    "ticket_1_updated": freshdesk.Ticket,
    "time_entries": freshdesk.TimeEntries,
    "time_entry_1": freshdesk.TimeEntries,
}
# Kinds of records that are not used.
UNUSED = ("group", "role", "solution")


def test_freshdesk_s_own_records_are_understood(contracts: Path) -> None:
    folder = contracts / "freshdesk" / "samples-python-freshdesk"
    there = {file.stem for file in folder.glob("*.json")}
    assert {each for each in there if not each.startswith(UNUSED)} == {*SAMPLES}
    for name, model in SAMPLES.items():
        written = _records(json.loads((folder / f"{name}.json").read_text()))
        read = _records(model.model_validate_json((folder / f"{name}.json").read_text()))
        assert len(read) == len(written) > 0
        for ours, theirs in zip(read, written, strict=True):
            common = {each: ours.get(each) for each in _COMPARED if each in theirs and each in ours}
            assert common == {each: theirs[each] for each in common}, name
            assert "id" in common


_COMPARED = ("id", "name", "email", "subject", "status", "priority", "requester_id", "body_text")


def _records(answer: Any) -> list[dict[str, Any]]:
    """Return the records of an answer: a list, a page of a search, or one alone."""
    plain: Any = answer.model_dump(mode="json") if isinstance(answer, BaseModel) else answer
    match plain:
        case (
            {"results": [*found]} | {"root": [*found]} | {"results": {"root": [*found]}} | [*found]
        ):
            return cast("list[dict[str, Any]]", found)
        case _:
            return [plain]
