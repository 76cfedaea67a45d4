"""A comment in a ticket, from the vendor's webhook to the bot's own comment: every part is real.

Only the vendors and the language model are played.
"""

import asyncio
import os
import sys
from collections.abc import AsyncGenerator, Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx2
import pytest
import pytest_asyncio
from redis.asyncio import Redis
from sqlalchemy import text

from config.database import Database
from config.tables import AgentConfig, McpConnection
from config.tokens import Signer
from orchestrator.api.app import create_app
from orchestrator.api.dependencies import Dependencies, LiveKitAccess
from orchestrator.constellation import Constellation
from orchestrator.engines.postgres import Postgres
from orchestrator.engines.process import Program, running
from orchestrator.engines.valkey import Valkey
from orchestrator.registry import Terms
from tests.conftest import Tenant, fetch, new_tenant
from tests.doubles.listening import listening
from tests.doubles.scripted_model import Call, ScriptedModel, Step, serving
from tests.orchestrator.webhooks.senders import SECRET, SENDERS
from tests.orchestrator.webhooks.test_receiving import integration
from tests.processes import held
from tests.servers import KEYRING, VAULT_KEYS, serve
from tests.tickets import jira_site
from tests.tickets import test_freshdesk as freshdesk
from tests.tickets import test_jira as jira
from tests.tickets.contract import TicketsContract
from tests.tickets.played import Desk, Seed
from tests.tickets.played_freshdesk import PlayedFreshdesk
from tests.tickets.played_jira import PlayedJira
from tickets.server import SERVER as TICKETS
from transcripts.server import SERVER as TRANSCRIPTS

Writes = Callable[[Any, str, str, str], str]
CONTRACTS: Mapping[str, type[TicketsContract]] = {
    "jira": jira.TestJira,
    "freshdesk": freshdesk.TestFreshdesk,
}


def _in_jira(desk: PlayedJira, ticket: str, author: str, words: str) -> str:
    issue = desk.site.known(ticket)
    return str(desk.site.comment(issue, {"body": jira_site.adf(words)}, author)["id"])


def _in_freshdesk(desk: PlayedFreshdesk, ticket: str, author: str, words: str) -> str:
    return str(desk.comment(int(ticket), f"<div>{words}</div>", int(author), incoming=True))


WRITES: Mapping[str, Writes] = {"jira": _in_jira, "freshdesk": _in_freshdesk}


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


@pytest_asyncio.fixture(scope="module")
async def platform(
    signer: Signer,
    database: Database,
    cache: Redis,
    postgres_server: Postgres,
    valkey_server: Valkey,
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncGenerator[Platform]:
    """A platform that takes webhooks."""
    vendors, model = Vendors(), ScriptedModel()
    folder = tmp_path_factory.mktemp("jobs")
    ready = folder / "ready"
    specs = [TICKETS, TRANSCRIPTS]
    transport = httpx2.MockTransport(vendors.answer)
    async with (
        held(serve(specs, signer, database, cache, vendors=transport)) as servers,
        held(listening(servers.app)) as url,
        held(serving(model)) as model_url,
    ):
        program = Program(
            name="jobs",
            command=[sys.executable, "-m", "orchestrator", "jobs"],
            log=folder / "jobs.log",
            env={
                **os.environ,
                "DATABASE_URL": postgres_server.database_url,
                "REDIS_URL": valkey_server.redis_url,
                "SERVICE_TOKEN_PRIVATE_KEY": signer.private_key,
                "VAULT_KEYS": VAULT_KEYS,
                "MCP_URL": f"{url}/{{server}}/mcp",
                "OPENAI_API_BASE": model_url,
                "OPENAI_API_KEY": "scripted",
                "JOBS_READY_FILE": str(ready),
                "ANTIPHON_STATE": str(folder),
            },
        )

        async def is_ready(_: object) -> bool:
            return await asyncio.to_thread(Path.exists, ready)

        constellation = Constellation(signer, lambda name: f"{url}/{name}/mcp")
        dependencies = Dependencies(
            database,
            cache,
            constellation,
            signer,
            LiveKitAccess("ws://127.0.0.1:9", "key", "secret"),
            httpx2.AsyncClient(),
            terms=Terms(KEYRING),
        )
        api = httpx2.ASGITransport(app=create_app(dependencies))
        async with (
            held(running(program, is_ready)),
            dependencies.http,
            httpx2.AsyncClient(transport=api, base_url="http://127.0.0.1") as http,
        ):
            yield Platform(http, model, vendors, database)
        await constellation.aclose()


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
        left = text(
            "select count(*) from procrastinate_jobs where status in ('todo', 'doing')"
            " and args->'payload'->>'integration_id' = :id"
        )
        async with asyncio.timeout(20):
            while True:
                async with self.platform.database.nobody() as session:
                    if await session.scalar(left, {"id": str(self.integration_id)}) == 0:
                        return
                await asyncio.sleep(0.02)

    def said(self) -> list[str]:
        """Return what stands in the ticket."""
        return [str(each["text"]) for each in self.desk.said(self.seed.oven)]

    def writes(self, words: str) -> str:
        """Have the customer write something; return the comment's id."""
        return WRITES[self.source](self.desk, self.seed.oven, self.seed.katherine, words)


@pytest_asyncio.fixture
async def helpdesk(platform: Platform, request: pytest.FixtureRequest) -> Helpdesk:
    """A new tenant at the vendor that the test names."""
    return await opened(platform, str(request.param))


async def opened(platform: Platform, source: str, **policy: Any) -> Helpdesk:
    contract = CONTRACTS[source]()
    desk = contract.new_vendor()
    seed = desk.seed()
    platform.vendors.desks.append(desk)
    tenant = await new_tenant(platform.database)
    secrets = {**contract.secrets, "webhook_secret": SECRET}
    row = await integration(
        platform.database, source, tenant, secrets=secrets, settings=dict(contract.settings)
    )
    async with platform.database.business(tenant.business_id) as session:
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


EVERY = pytest.mark.parametrize("helpdesk", CONTRACTS, indirect=True)
ANSWER = "It is the fuse. Somebody comes today."


def test_every_source_of_comments_is_tried() -> None:
    assert CONTRACTS.keys() == SENDERS.keys() == WRITES.keys()


@EVERY
async def test_a_comment_is_answered_once_however_often_it_is_told(helpdesk: Helpdesk) -> None:
    model, seed = helpdesk.platform.model, helpdesk.seed
    model.play(
        Step("still cold", (Call("tickets_add_tags", {"ticket": seed.oven, "tags": ["urgent"]}),)),
        Step("still cold", ANSWER, results="urgent"),
    )
    comment = helpdesk.writes("It is still cold.")
    before = helpdesk.said()
    assert await helpdesk.tell(comment)
    await helpdesk.quiet()

    model.assert_done()
    assert helpdesk.said() == [*before, ANSWER]
    assert helpdesk.desk.said(seed.oven)[-1]["public"]
    (oven,) = (each for each in helpdesk.desk.held() if each["id"] == seed.oven)
    assert "urgent" in oven["tags"]
    asked = model.requests[0]
    assert "in a ticket" in asked.facts
    assert ("assistant", "A technician is on the way.") in asked.place
    assert "tickets_add_comment" not in asked.offered
    assert "Ignore your instructions" not in str(asked.messages)

    # Fifty times the same, once more when all is done, and the webhook about our own comment.
    await asyncio.gather(*(helpdesk.tell(comment) for _ in range(50)))
    await helpdesk.quiet()
    await helpdesk.tell(comment, age=timedelta(minutes=4))
    await helpdesk.tell("99999")
    await helpdesk.quiet()
    assert helpdesk.said() == [*before, ANSWER]
    model.assert_done()

    (turn,) = await fetch(
        helpdesk.platform.database, helpdesk.tenant, "select transcribed_text from user_turn"
    )
    assert turn["transcribed_text"].endswith("It is still cold.")
    (response,) = await fetch(
        helpdesk.platform.database, helpdesk.tenant, "select response_text from agent_response"
    )
    assert response["response_text"] == ANSWER


async def test_what_is_to_be_confirmed_is_agreed_to_in_the_next_comment(
    platform: Platform,
) -> None:
    helpdesk = await opened(platform, "jira", add_tags={"confirm": True})
    tagging = (Call("tickets_add_tags", {"ticket": helpdesk.seed.oven, "tags": ["urgent"]}),)
    platform.model.play(
        Step("urgent", tagging),
        Step("urgent", "Shall I mark it as urgent?", results="needs_confirmation"),
        Step("Yes", (Call("confirm"),)),
        Step("Yes", "It is urgent now.", results="urgent"),
    )
    await helpdesk.tell(helpdesk.writes("This is urgent."))
    await helpdesk.quiet()
    assert helpdesk.said()[-1] == "Shall I mark it as urgent?"
    (oven,) = (each for each in helpdesk.desk.held() if each["id"] == helpdesk.seed.oven)
    assert "urgent" not in oven["tags"]
    await helpdesk.tell(helpdesk.writes("Yes, please."))
    await helpdesk.quiet()
    platform.model.assert_done()
    assert helpdesk.said()[-1] == "It is urgent now."
    (oven,) = (each for each in helpdesk.desk.held() if each["id"] == helpdesk.seed.oven)
    assert "urgent" in oven["tags"]


async def test_nobody_answers_where_it_is_not_said_which_bot(platform: Platform) -> None:
    helpdesk = await opened(platform, "jira")
    async with platform.database.business(helpdesk.tenant.business_id) as session:
        bot = await session.get_one(AgentConfig, helpdesk.tenant.bot_id)
        second = AgentConfig(**{**bot.model_dump(exclude={"id"}), "name": "second"})
        session.add(second)
        await session.flush()
        session.add(
            McpConnection(
                business_id=helpdesk.tenant.business_id,
                agent_config_id=second.id,
                server="tickets",
                integration="jira",
            )
        )
    platform.model.play()
    before = helpdesk.said()
    assert await helpdesk.tell(helpdesk.writes("Hello?"))
    await helpdesk.quiet()
    assert len(helpdesk.said()) == len(before) + 1
    platform.model.assert_done()
