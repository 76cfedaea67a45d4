"""Which service a caller means."""

import re
from collections.abc import Sequence

from scheduling.provider import Service

_FILLERS = frozenset(
    [
        *("a", "an", "the", "my", "me", "i", "we", "you", "it", "one", "some", "any", "there"),
        *("for", "of", "to", "on", "in", "at", "with", "and", "or", "please", "free"),
        *("is", "do", "have", "would", "like", "want", "need", "book"),
    ]
)
_GENERIC = frozenset(["appointment", "book", "visit", "slot", "tim", "session", "reservation"])


def named(text: str, services: Sequence[Service]) -> Service | None:
    """Return the one service that is meant; None if that could be none or several."""
    for service in services:
        if _joined(text) in (_joined(service.id), _joined(service.name)):
            return service
    scores = {service.id: _score(text, service) for service in services}
    best = max(scores.values(), default=(0, 0))
    fitting = [service for service in services if scores[service.id] == best]
    if len(fitting) == 1 and best[0] > 0:
        return fitting[0]
    only_one = len(services) == 1 and _stems(text) <= _GENERIC
    return services[0] if only_one else None


def _score(text: str, service: Service) -> tuple[int, int]:
    """Return how many of its words were said, and how few were not."""
    said, own = _stems(text), _stems(service.name) | _stems(service.id)
    if _joined(service.name) in _joined(text):
        return len(own), 0
    shared = own & said
    return len(shared), len(shared) - len(own)


def _stems(text: str) -> set[str]:
    found = re.findall(r"[^\W_]+", text.lower())
    return {_stem(word) for word in found if word not in _FILLERS}


def _stem(word: str) -> str:
    return re.sub(r"(?<=\w\w\w)(?:ing|ed|es|(?<!s)s|e)$", "", word)


def _joined(text: str) -> str:
    return re.sub(r"[\W_]", "", text.lower())
