"""Passages of a bot's documents, from the real knowledge server and the local model."""

from pathlib import Path

import pytest_asyncio

from config.database import Database
from config.declarations.section import ApplyContext
from config.slow_work import SlowWork, run_transaction
from kb.declarations import KNOWLEDGE_BASES, KnowledgeBaseDeclaration, TextDocument
from tests.conftest import Tenant, fetch
from tests.orchestrator.api.conftest import ClientFactory, NewBot, new_bot, start_session

RETRIEVE = "/api/rag/retrieve"
FACTS = """# Repairs
A puncture costs twelve euros and is mended while you wait.

# Opening hours
The shop is open from nine to six, and closed on Mondays.
"""


@pytest_asyncio.fixture(scope="module")
async def bot(database: Database, tenant: Tenant) -> NewBot:
    """A bot that knows something."""
    declared = KnowledgeBaseDeclaration(
        name="shop", chunk_size=100, documents=(TextDocument(name="Shop", text=FACTS),)
    )

    async def attempt(slow_work: SlowWork) -> None:
        async with database.tenant(tenant.business_id) as session:
            applying = ApplyContext(session, tenant.business_id, "UTC", Path(), slow_work)
            await KNOWLEDGE_BASES.apply(applying, [declared])

    await run_transaction(attempt)
    [base] = await fetch(database, tenant, "select id from knowledge_base where name = 'shop'")
    return await new_bot(database, tenant, knowledge_base_id=base["id"])


async def test_a_question_finds_its_passage(client: ClientFactory, key: str, bot: NewBot) -> None:
    conversation_id = (await start_session(client, key, bot.name))["conversation_id"]
    for names_bot in ({"bot": bot.name}, {"conversation_id": conversation_id}):
        body = {"query": "What does it cost to mend a puncture?", "top_k": 1, **names_bot}
        async with client(key) as http:
            answer = await http.post(RETRIEVE, json=body)
        assert answer.status_code == 200
        [passage] = answer.json()["passages"]
        assert "twelve euros" in passage["text"]
        assert passage["source"] == "Shop"


async def test_an_unrelated_question_finds_none(
    client: ClientFactory, key: str, bot: NewBot
) -> None:
    async with client(key) as http:
        answer = await http.post(RETRIEVE, json={"query": "Who wrote Hamlet?", "bot": bot.name})
    assert (answer.status_code, answer.json()["passages"]) == (200, [])


async def test_a_bot_that_knows_nothing_says_so(client: ClientFactory, key: str) -> None:
    async with client(key) as http:
        answer = await http.post(RETRIEVE, json={"bot": "bot", "query": "Is it open?"})
        unnamed = await http.post(RETRIEVE, json={"query": "Is it open?"})
    assert (answer.status_code, answer.json()["error"]) == (404, "not_found")
    assert (unnamed.status_code, unnamed.json()["message"]) == (422, "bot is missing.")
