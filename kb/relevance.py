"""Says whether passages may answer a question, which their nearness alone does not.

With the local model, a greeting is about as near to opening hours as a question about them is. So
both are held against a background, which has what most documents say nothing about.
"""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from config import plain_yaml
from kb.embed import Embedder, Vector

Array = NDArray[np.float32]

# Chosen with the local model by `python -m benchmarks.retrieval`: of 940 pairs of a document and an
# unrelated question 92 % find nothing (91 % of the 159 held out). Of the related questions whose
# passage was among the first three without a floor, 123 of 131 still find it (40 of 43), and the
# rest is lost. A floor on the cosine alone that keeps about as many, 0.805, turns away 74 % (84 %).
_NEAREST = 3  # of the background, whose mean nearness is the floor
_SLACK = 0.0075  # below the floor is near enough
_WORD_IN_COMMON = 0.03  # what a telling word that both have lowers the floor by
_RARE = 2  # lines of the background, in which a telling word stands at most
_TINY = 1e-9  # instead of a length of zero
_STEM = 5  # letters, by which words are compared


@dataclass(frozen=True)
class Background:
    """Normalized vectors of unrelated passages and questions."""

    passages: Array
    questions: Array


@dataclass(frozen=True)
class Question:
    """A question, its vector, and the background under the same model."""

    text: str
    vector: Vector
    background: Background

    def is_answered_by(self, passages: Sequence[tuple[str, Vector]]) -> bool:
        """Say whether one of these passages, with their vectors, may answer it.

        One may if the two are about as near to each other as to the nearest of the background.
        """
        own = _normalize([self.vector])[0]
        own_floor, own_words = _floor(self.background.passages, own), _telling_words(self.text)
        for text, vector in passages:
            other = _normalize([vector])[0]
            floor = (own_floor + _floor(self.background.questions, other)) / 2
            if own_words & _telling_words(text):
                floor -= _WORD_IN_COMMON
            if float(own @ other) >= floor - _SLACK:
                return True
        return False


async def embed_background(embedder: Embedder) -> Background:
    """Embed the background, which takes the local model a few seconds.

    Raises:
        EmbeddingError: the model fails.
    """
    lines = _lines()
    passages = await embedder.embed_passages(lines["passages"])
    questions = await embedder.embed_queries(lines["questions"])
    return Background(_normalize(passages), _normalize(questions))


def _normalize(vectors: Sequence[Vector]) -> Array:
    rows: Array = np.asarray(vectors, np.float32)
    lengths: NDArray[np.float64] = np.linalg.norm(rows, axis=1, keepdims=True)
    normalized: Array = (rows / np.maximum(lengths, _TINY)).astype(np.float32)
    return normalized


def _floor(background: Array, vector: Array) -> float:
    return float(np.sort(background @ vector)[-_NEAREST:].mean())


def _telling_words(text: str) -> frozenset[str]:
    """Return the stems of a text's words, but not of those that stand in any text."""
    return _stems(text) - _common_words()


def _stems(text: str) -> frozenset[str]:
    words = re.findall(r"[^\W_]{3,}", text.lower())
    return frozenset(word.rstrip("s")[:_STEM] for word in words)


@cache
def _common_words() -> frozenset[str]:
    lines = _lines()
    counted = Counter(stem for part in lines.values() for line in part for stem in _stems(line))
    return frozenset(stem for stem, count in counted.items() if count > _RARE)


@cache
def _lines() -> Mapping[str, Sequence[str]]:
    path = Path(__file__).with_name("background.yaml")
    lines: Mapping[str, Sequence[str]] = plain_yaml.load(path.read_text(encoding="utf-8"))
    return lines
