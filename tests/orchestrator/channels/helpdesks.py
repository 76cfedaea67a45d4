"""Ticket systems of every vendor with webhooks, each with a bot that answers in its tickets."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import httpx2
from sqlalchemy import text

from config.database import Database
from config.tables import AgentConfig, McpConnection
from tests.conftest import Tenant, new_tenant
from tests.orchestrator.api.webhooks.senders import SECRET, SENDERS
from tests.orchestrator.api.webhooks.test_receive import integration
from tests.support.scripted_model import ScriptedModel
from tests.tickets.contract import TicketsContract
from tests.tickets.double import Seed, TicketVendor
from tests.tickets.providers.freshdesk import test_provider as freshdesk
from tests.tickets.providers.freshdesk.double import FakeFreshdesk
from tests.tickets.providers.jira import memory as jira_memory
from tests.tickets.providers.jira import test_provider as jira
from tests.tickets.providers.jira.double import FakeJira
from tests.tickets.providers.zendesk import test_provider as zendesk
from tests.tickets.providers.zendesk.double import FakeZendesk

AddComment = Callable[[Any, str, str, str], str]
CONTRACTS: Mapping[str, type[TicketsContract]] = {
    "jira": jira.TestJira,
    "freshdesk": freshdesk.TestFreshdesk,
    "zendesk": zendesk.TestZendesk,
}


def _add_jira_comment(vendor: FakeJira, ticket: str, author: str, words: str) -> str:
    issue = vendor.memory.get_issue(ticket)
    return str(vendor.memory.add_comment(issue, {"body": jira_memory.to_adf(words)}, author)["id"])


def _add_freshdesk_comment(vendor: FakeFreshdesk, ticket: str, author: str, words: str) -> str:
    return str(vendor.add_comment(int(ticket), f"<div>{words}</div>", int(author), incoming=True))


def _add_zendesk_comment(vendor: FakeZendesk, ticket: str, author: str, words: str) -> str:
    return str(vendor.add_comment(int(ticket), int(author), words))


ADD_COMMENT: Mapping[str, AddComment] = {
    "jira": _add_jira_comment,
    "freshdesk": _add_freshdesk_comment,
    "zendesk": _add_zendesk_comment,
}


@dataclass
class Vendors:
    """Every vendor, behind one HTTP transport of the servers."""

    systems: list[TicketVendor] = field(default_factory=list[TicketVendor])

    async def answer(self, request: httpx2.Request) -> httpx2.Response:
        """Have the vendor at this address answer; of several, the one that was added last."""
        for vendor in reversed(self.systems):
            if str(request.url).startswith(vendor.base):
                return await vendor.transport().handle_async_request(request)
        raise AssertionError(request.url)


@dataclass(frozen=True)
class Platform:
    """API, jobs and servers, and the language model of every bot."""

    http: httpx2.AsyncClient
    model: ScriptedModel
    vendors: Vendors
    database: Database


@dataclass(frozen=True)
class Helpdesk:
    """A tenant's account at a vendor, and the bot that answers there."""

    platform: Platform
    source: str
    vendor: TicketVendor
    seed: Seed
    tenant: Tenant
    integration_id: UUID

    async def send_webhook(self, comment: str, **changes: Any) -> bool:
        """Send the vendor's webhook about a comment; return whether it was taken."""
        body, headers = SENDERS[self.source].request(self.seed.oven, comment, **changes)
        path = f"/api/webhooks/{self.source}/{self.integration_id}"
        answer = await self.platform.http.post(path, content=body, headers=headers)
        assert answer.status_code == 202, answer.text
        return bool(answer.json()["taken"])

    async def wait_until_idle(self) -> None:
        """Wait until no job is left to do for this account."""
        await self._wait_until("count(*) filter (where status in ('todo', 'doing')) = 0")

    async def wait_until_postponed(self) -> None:
        """Wait until a job was tried, and is to be tried again."""
        await self._wait_until("bool_or(attempts > 0 and status = 'todo')")

    async def _wait_until(self, condition: str) -> None:
        """Wait until an SQL condition is true of this account's jobs."""
        mine = "args->'payload'->>'integration_id' = :id"
        query = text(f"select {condition} from procrastinate_jobs where {mine}")
        async with asyncio.timeout(60):  # the first answer of a process loads litellm
            while True:
                async with self.platform.database.unscoped() as session:
                    if await session.scalar(query, {"id": str(self.integration_id)}):
                        return
                await asyncio.sleep(0.02)

    def comments(self) -> list[str]:
        """Return the texts of the comments in the ticket."""
        return [str(each["text"]) for each in self.vendor.list_comments(self.seed.oven)]

    def add_customer_comment(self, words: str) -> str:
        """Have the customer write a comment; return its id."""
        return ADD_COMMENT[self.source](self.vendor, self.seed.oven, self.seed.katherine, words)


async def open_helpdesk(platform: Platform, source: str, **policy: Any) -> Helpdesk:
    """Return a new tenant at a vendor."""
    contract = CONTRACTS[source]()
    vendor = contract.new_vendor()
    seed = vendor.seed()
    platform.vendors.systems.append(vendor)
    tenant = await new_tenant(platform.database)
    secrets = {**contract.secrets, "webhook_secret": SECRET}
    row = await integration(
        platform.database, source, tenant, secrets=secrets, settings=dict(contract.settings)
    )
    async with platform.database.tenant(tenant.business_id) as session:
        bot = await session.get_one(AgentConfig, tenant.bot_id)
        bot.llm_model = "openai/scripted"
        session.add(
            McpConnection(
                business_id=tenant.business_id,
                agent_config_id=tenant.bot_id,
                server="tickets",
                tools=["show_ticket", "add_tags", "add_comment"],
                policy=policy,
                integration=row.name,
            )
        )
    return Helpdesk(platform, source, vendor, seed, tenant, row.id)
