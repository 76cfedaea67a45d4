"""Measures recall and latency of the local embedding on a list of facts, for each chunk size.

Run: `python benchmarks/retrieval.py`
"""

import asyncio
import statistics
import time
from collections.abc import Sequence

from kb.chunk import split_text
from kb.embed import LOCAL, Embedder, Vector, get_embedder
from kb.sources.source import MARKDOWN

SIZES = (150, 200, 250, 300, 350, 400, 600)

DOCUMENT = """# Harbour Museum

The museum shows four centuries of shipbuilding in a former warehouse on the east quay.

## Visiting

- We open at ten in the morning from Tuesday to Sunday and close at six in the evening.
- On Mondays we are closed, except on public holidays.
- On the first Thursday of each month the galleries stay open until nine at night.
- The last admission is forty-five minutes before closing time.

## Tickets

- An adult pays twelve euros.
- Students and pensioners pay eight euros when they show a card.
- Children under fourteen get in free of charge.
- A family card for two adults and any number of children costs twenty-five euros.
- Groups of ten or more should book a week ahead and get two euros off each ticket.

## Getting here

Tram line four stops at Warehouse Square, two minutes from the door.

There are thirty parking spaces behind the building, at two euros an hour. Bicycles can be locked
up under the roof by the entrance.

## Inside

Every floor can be reached by lift, and two wheelchairs can be borrowed at the desk.

Photographs are welcome without flash and without a tripod. Large bags and umbrellas have to go
into a locker, which takes a one euro coin.

The café on the ground floor serves soup, sandwiches and cake until half past five. Food and drink
are not allowed in the galleries.

Guide dogs are welcome; other pets have to stay outside.

## Tours and parties

Guided tours start every Saturday and Sunday at two o'clock, last an hour and cost four euros
extra. An audio guide in six languages is included in the ticket.

Birthday parties for up to twelve children can be booked on Friday and Saturday afternoons, with a
treasure hunt and cake.

The shop gives refunds within thirty days on presentation of the receipt.
"""

# What a caller says, and words of the passage with the answer.
QUESTIONS = (
    ("when do you open in the morning", "ten in the morning"),
    ("can I come on a Monday", "On Mondays"),
    ("are you ever open in the evening, after work", "nine at night"),
    ("how late can I still get in", "last admission"),
    ("what does it cost for a grown up", "adult pays"),
    ("is there a discount for university students", "Students"),
    ("do I have to pay for my six year old", "under fourteen"),
    ("we are two parents with three kids, is there a deal", "family card"),
    ("I'd like to bring a school class of twenty", "Groups of ten"),
    ("which tram should I take", "Tram line"),
    ("where can I leave my car", "parking spaces"),
    ("can I come by bike", "Bicycles"),
    ("my mother uses a wheelchair, is that a problem", "lift"),
    ("am I allowed to take pictures", "Photographs"),
    ("where can I put my suitcase", "locker"),
    ("can I get something to eat", "café"),
    ("may I bring my dog", "Guide dogs"),
    ("is there someone who shows us around", "Guided tours"),
    ("do you have headsets that explain things in Spanish", "audio guide"),
    ("my daughter turns eight, can we celebrate at your place", "Birthday"),
    ("I want to give back something I bought in the shop", "refunds"),
    ("¿a qué hora abren?", "ten in the morning"),
    ("¿cuánto cuesta para un adulto?", "adult pays"),
)


async def main() -> None:
    """Print one line per chunk size."""
    model = get_embedder(LOCAL)
    await model.embed_query("warm")
    vectors, times = await _questions(model)
    print(f"{len(QUESTIONS)} questions, {statistics.median(times):.0f} ms each (median)")
    print("size  passages  recall@1  recall@3  characters@3")
    for size in SIZES:
        passages = split_text(DOCUMENT, MARKDOWN, size, 0)
        embedded = await model.embed_passages(passages)
        ranks: list[int] = []
        length = 0
        for (_, answer), vector in zip(QUESTIONS, vectors, strict=True):
            order = sorted(range(len(passages)), key=lambda n: -_dot(vector, embedded[n]))
            ranks.append(next(rank for rank, n in enumerate(order) if answer in passages[n]))
            length += sum(len(passages[n]) for n in order[:3])
        first, third = (sum(rank < limit for rank in ranks) for limit in (1, 3))
        mean = length // len(QUESTIONS)
        print(f"{size:4}  {len(passages):8}  {first:8}  {third:8}  {mean:12}")


async def _questions(model: Embedder) -> tuple[list[Vector], list[float]]:
    vectors: list[Vector] = []
    times: list[float] = []
    for question, _ in QUESTIONS:
        started = time.perf_counter()
        vectors.append(await model.embed_query(question))
        times.append((time.perf_counter() - started) * 1000)
    return vectors, times


def _dot(one: Sequence[float], other: Sequence[float]) -> float:
    return sum(a * b for a, b in zip(one, other, strict=True))


if __name__ == "__main__":
    asyncio.run(main())
