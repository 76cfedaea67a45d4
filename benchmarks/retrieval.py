"""How well the local model finds short facts, and how well the floor keeps out what is unrelated.

Run `python -m benchmarks.retrieval [--held-out] [--show]`. `retrieval.yaml` has the documents and
questions by which the floor in `kb/relevance.py` was chosen; `retrieval_held_out.yaml` has others.
"""

import argparse
import asyncio
import statistics
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import yaml

from kb.chunk import DEFAULT_SIZE, split_text
from kb.embed import LOCAL, Vector, get_embedder
from kb.retrieve import Questions
from kb.sources.source import MARKDOWN

SIZES = (150, 200, 250, 300, 350, 400, 600)
FOUND = 3  # passages
FOLDER = Path(__file__).parent
Document: TypeAlias = Mapping[str, Any]


async def main() -> None:
    """Print recall by chunk size, then what the floor does to each document's questions."""
    parser = argparse.ArgumentParser(description="Recall of the local embedding, and the floor.")
    parser.add_argument("--held-out", action="store_true")
    parser.add_argument("--show", action="store_true", help="print what goes wrong")
    options = parser.parse_args()
    name = "retrieval_held_out.yaml" if options.held_out else "retrieval.yaml"
    read = yaml.safe_load((FOLDER / name).read_text(encoding="utf-8"))
    await print_recall(read["documents"][0])
    await print_floor(read["documents"], read["unrelated"], show=options.show)


async def print_recall(document: Document) -> None:
    """Print one line per chunk size."""
    model = get_embedder(LOCAL)
    questions, times = await _timed_questions([question for question, _ in document["questions"]])
    print(f"{len(questions)} questions, {statistics.median(times):.0f} ms each (median)")
    print("size  passages  recall@1  recall@3  characters@3")
    for size in SIZES:
        passages = split_text(_text(document), MARKDOWN, size, 0)
        embedded = await model.embed_passages(passages)
        ranks: list[int] = []
        length = 0
        for (_, answer), vector in zip(document["questions"], questions, strict=True):
            nearest = _nearest(vector, embedded)
            ranks.append(next(rank for rank, n in enumerate(nearest) if answer in passages[n]))
            length += sum(len(passages[n]) for n in nearest[:FOUND])
        first, third = (sum(rank < limit for rank in ranks) for limit in (1, FOUND))
        mean = length // len(questions)
        print(f"{size:4}  {len(passages):8}  {first:8}  {third:8}  {mean:12}")


async def print_floor(
    documents: Sequence[Document], unrelated: Sequence[str], *, show: bool
) -> None:
    """Print what is found of related questions, without the floor and with it, and of others."""
    questions = Questions()
    print("document      related  found  above the floor    unrelated  nothing found")
    totals = [0] * 5
    for document in documents:
        size = document.get("chunk_size", DEFAULT_SIZE)
        passages = split_text(_text(document), MARKDOWN, size, 0)
        embedded = await get_embedder(LOCAL).embed_passages(passages)
        found = above = nothing = 0
        for text, answer in [*document["questions"], *((each, None) for each in unrelated)]:
            question = await questions.embed(LOCAL, text)
            best = _nearest(question.vector, embedded)[:FOUND]
            passed = question.is_answered_by([(passages[n], embedded[n]) for n in best])
            if answer is None:
                nothing += not passed
            elif any(answer in passages[n] for n in best):
                found += 1
                above += passed
            if show and passed == (answer is None):
                print(f"  {'above' if passed else 'below'} the floor: {text}")
        row = [len(document["questions"]), found, above, len(unrelated), nothing]
        totals = [total + each for total, each in zip(totals, row, strict=True)]
        print_row(document["name"], row)
    print_row("all", totals)


def print_row(name: str, row: Sequence[int]) -> None:
    """Print the counts of one document."""
    related, found, above, unrelated, nothing = row
    print(f"{name:12}  {related:7}  {found:5}  {above:15}    {unrelated:9}  {nothing:13}")


async def _timed_questions(texts: Sequence[str]) -> tuple[list[Vector], list[float]]:
    model = get_embedder(LOCAL)
    await model.embed_queries(["warm"])
    vectors: list[Vector] = []
    times: list[float] = []
    for text in texts:
        started = time.perf_counter()
        vectors += await model.embed_queries([text])
        times.append((time.perf_counter() - started) * 1000)
    return vectors, times


def _text(document: Document) -> str:
    return str(document.get("text") or Path(document["path"]).read_text(encoding="utf-8"))


def _nearest(question: Vector, passages: Sequence[Vector]) -> list[int]:
    return sorted(range(len(passages)), key=lambda n: -_dot(question, passages[n]))


def _dot(one: Sequence[float], other: Sequence[float]) -> float:
    return sum(a * b for a, b in zip(one, other, strict=True))


if __name__ == "__main__":
    asyncio.run(main())
