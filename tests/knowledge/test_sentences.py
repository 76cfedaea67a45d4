"""What the knowledge tools say, in the language of whoever is spoken to."""

from pathlib import Path

from redis.asyncio import Redis

from config.database import Database
from config.language.catalogue import DEFAULT, load_messages
from config.security.tokens import Signer
from knowledge.server import SERVER
from tests.conftest import new_tenant
from tests.kb.support import declare
from tests.support.pseudo_locale import pseudo_locale
from tests.support.servers import serve
from tests.support.translated import connect_translated, literal_sentences, unused_sentences

NAMES = "knowledge", "search_knowledge", "list_documents", "get_document"


async def test_every_tool_speaks_the_language_of_its_caller(
    signer: Signer, database: Database, cache: Redis, tmp_path: Path
) -> None:
    server, search, listing, document = NAMES
    tenant, nobody = await new_tenant(database), await new_tenant(database)
    await declare(database, tenant, tmp_path, {"name": "empty"})
    with pseudo_locale():
        async with serve([SERVER], signer, database, cache) as servers:
            async with connect_translated(servers, server, nobody.claims(), ()) as caller:
                await caller.refused("not_found", search, query="dogs")
                await caller.refused("invalid", search, query=" ")
                await caller.refused("not_found", listing)
                await caller.refused("not_found", document, document="x")
                assert caller.called == {*SERVER.catalogue()["tools"]}
            claims = tenant.claims(integration="empty")
            async with connect_translated(servers, server, claims, ()) as caller:
                await caller.call(search, query="dogs")
                await caller.refused("not_found", document, document="x")


def test_every_sentence_is_said_somewhere() -> None:
    assert unused_sentences("knowledge") == []
    assert literal_sentences("knowledge") == []
    assert load_messages("knowledge", DEFAULT)
