"""What is unrelated finds nothing, and what is related is still found: with the real model."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from kb.chunk import DEFAULT_SIZE, split_text
from kb.embed import LOCAL, Vector, get_embedder
from kb.retrieve import Questions
from kb.sources.source import MARKDOWN
from tests.kb.support import RULES, VISITING

UNRELATED = (
    "who won the world cup in 2014",
    "I want to order a pepperoni pizza",
    "can you renew my passport",
    "thank you very much, goodbye",
    "who wrote Hamlet",
    "wie wird das Wetter morgen?",
)
RELATED = ("dogs", "tickets", "what time do you open?", "¿puedo llevar a mi perro?", "parking")

questions = Questions()


async def is_answered(text: str, passages: list[str], vectors: list[Vector]) -> tuple[bool, str]:
    """Return whether the nearest three passages answer a question, and their texts."""
    question = await questions.embed(LOCAL, text)
    near = sorted(
        zip(passages, vectors, strict=True),
        key=lambda each: -sum(a * b for a, b in zip(question.vector, each[1], strict=True)),
    )[:3]
    return question.is_answered_by(near), "\n".join(passage for passage, _ in near)


@pytest.mark.parametrize(
    ("text", "expected"),
    [*((text, False) for text in UNRELATED), *((text, True) for text in RELATED)],
)
async def test_the_museum_answers_what_is_about_it(text: str, expected: bool) -> None:
    passages = split_text(VISITING + RULES, MARKDOWN, DEFAULT_SIZE, 0)
    vectors = await get_embedder(LOCAL).embed_passages(passages)
    assert (await is_answered(text, passages, vectors))[0] is expected


@pytest.mark.parametrize("name", ["retrieval.yaml", "retrieval_held_out.yaml"])
async def test_nine_of_ten_unrelated_questions_find_nothing(name: str, repository: Path) -> None:
    read: dict[str, Any] = yaml.safe_load((repository / "benchmarks" / name).read_text("utf-8"))
    turned_away: list[bool] = []
    kept: list[bool] = []
    for document in read["documents"]:
        text = document.get("text") or (repository / document["path"]).read_text("utf-8")
        passages = split_text(text, MARKDOWN, document.get("chunk_size", DEFAULT_SIZE), 0)
        vectors = await get_embedder(LOCAL).embed_passages(passages)
        for question, answer in document["questions"]:
            answered, near = await is_answered(question, passages, vectors)
            kept += [answered] if answer in near else []
        for question in read["unrelated"]:
            turned_away.append(not (await is_answered(question, passages, vectors))[0])
    assert len(kept) >= 30
    assert sum(turned_away) >= 0.9 * len(turned_away)
    assert sum(kept) >= 0.92 * len(kept)
