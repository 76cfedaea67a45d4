"""What the agent and the API say to callers, in their language."""

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from functools import reduce
from typing import Literal

from config.language.catalogue import LANGUAGE, Catalogue

say = Catalogue("orchestrator")


@contextmanager
def in_language(language: str) -> Generator[None]:
    """Have everything inside said in this language, a BCP 47 tag."""
    token = LANGUAGE.set(language)
    try:
        yield
    finally:
        LANGUAGE.reset(token)


def join(joint: Literal["next_sentence", "next_value"], texts: Sequence[str]) -> str:
    """Return texts one after the other; empty if there are none."""
    if not texts:
        return ""
    return reduce(lambda before, following: say(joint, before=before, next=following), texts)
