"""How much a name that was heard is like one that is stored, also where it is only a part."""

from toolkit.people import alike, folded, likeness


def heard_as(said: str, written: str) -> float:
    """Return the likeness of the names, from 0 to 1; a single word may be any part of one."""
    return max(likeness(said, each) for each in _readings(said, written))


def may_be(said: str, written: str) -> bool:
    """Say whether a name that was heard may be the one that is stored."""
    return any(alike(said, each) for each in _readings(said, written))


def _readings(said: str, written: str) -> list[str]:
    parts = folded(written).split() if len(folded(said).split()) == 1 else []
    return [written, *parts]
