"""Helpdesks of every vendor that tells of comments, each with a bot that answers there."""

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
from tests.tickets.double import Desk, Seed
from tests.tickets.providers.freshdesk import test_provider as freshdesk
from tests.tickets.providers.freshdesk.double import PlayedFreshdesk
from tests.tickets.providers.jira import site
from tests.tickets.providers.jira import test_provider as jira
from tests.tickets.providers.jira.double import PlayedJira
from tests.tickets.providers.zendesk import test_provider as zendesk
from tests.tickets.providers.zendesk.double import Zendesk

Writes = Callable[[Any, str, str, str], str]
CONTRACTS: Mapping[str, type[TicketsContract]] = {
    "jira": jira.TestJira,
    "freshdesk": freshdesk.TestFreshdesk,
    "zendesk": zendesk.TestZendesk,
}


def _in_jira(desk: PlayedJira, ticket: str, author: str, words: str) -> str:
    issue = desk.site.known(ticket)
    return str(desk.site.comment(issue, {"body": site.adf(words)}, author)["id"])


def _in_freshdesk(desk: PlayedFreshdesk, ticket: str, author: str, words: str) -> str:
    return str(desk.comment(int(ticket), f"<div>{words}</div>", int(author), incoming=True))


def _in_zendesk(desk: Zendesk, ticket: str, author: str, words: str) -> str:
    return str(desk.say(int(ticket), int(author), words))


WRITES: Mapping[str, Writes] = {
    "jira": _in_jira,
    "freshdesk": _in_freshdesk,
    "zendesk": _in_zendesk,
}


@dataclass
class Vendors:
    """Every desk, behind one way out of the server."""

    desks: list[Desk] = field(default_factory=list[Desk])

    async def answer(self, request: httpx2.Request) -> httpx2.Response:
        """Have the desk answer whose address it is; of several, the one that was added last."""
        for desk in reversed(self.desks):
            if str(request.url).startswith(desk.base):
                return await desk.transport().handle_async_request(request)
        raise AssertionError(request.url)


@dataclass(frozen=True)
class Platform:
    """API, jobs and servers, and the model that everybody thinks with."""

    http: httpx2.AsyncClient
    model: ScriptedModel
    vendors: Vendors
    database: Database


@dataclass(frozen=True)
class Helpdesk:
    """A tenant's account at a vendor, and the bot that answers there."""

    platform: Platform
    source: str
    desk: Desk
    seed: Seed
    tenant: Tenant
    integration_id: UUID

    async def tell(self, comment: str, **changes: Any) -> bool:
        """Send the vendor's webhook about a comment; say whether it was taken."""
        body, headers = SENDERS[self.source].request(self.seed.oven, comment, **changes)
        path = f"/api/webhooks/{self.source}/{self.integration_id}"
        answer = await self.platform.http.post(path, content=body, headers=headers)
        assert answer.status_code == 202, answer.text
        return bool(answer.json()["taken"])

    async def quiet(self) -> None:
        """Wait until nothing is left to do for this account."""
        await self._until("count(*) filter (where status in ('todo', 'doing')) = 0")

    async def tried(self) -> None:
        """Wait until something was tried, and put off."""
        await self._until("bool_or(attempts > 0 and status = 'todo')")

    async def _until(self, condition: str) -> None:
        """Wait until it holds for this account's jobs."""
        mine = "args->'payload'->>'integration_id' = :id"
        query = text(f"select {condition} from procrastinate_jobs where {mine}")
        async with asyncio.timeout(20):
            while True:
                async with self.platform.database.unscoped() as session:
                    if await session.scalar(query, {"id": str(self.integration_id)}):
                        return
                await asyncio.sleep(0.02)

    def said(self) -> list[str]:
        """Return what stands in the ticket."""
        return [str(each["text"]) for each in self.desk.said(self.seed.oven)]

    def writes(self, words: str) -> str:
        """Have the customer write something; return the comment's id."""
        return WRITES[self.source](self.desk, self.seed.oven, self.seed.katherine, words)


async def opened(platform: Platform, source: str, **policy: Any) -> Helpdesk:
    """Return a new tenant at a vendor."""
    contract = CONTRACTS[source]()
    desk = contract.new_vendor()
    seed = desk.seed()
    platform.vendors.desks.append(desk)
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
    return Helpdesk(platform, source, desk, seed, tenant, row.id)
