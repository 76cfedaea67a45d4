"""Which service a caller's words name."""

import pytest

from scheduling.matching import find_service
from scheduling.provider import Service

SERVICES = [
    Service(id="guided-tour", name="Guided tour", minutes=60),
    Service(id="audio", name="Audio tour", minutes=30),
    Service(id="check", name="Check-up", minutes=30),
    Service(id="cleaning", name="Instrument cleaning", minutes=45),
]


@pytest.mark.parametrize(
    ("text", "service"),
    [
        ("guided-tour", "guided-tour"),
        ("Guided tour", "guided-tour"),
        ("a guided tour", "guided-tour"),
        ("the guided tours, please", "guided-tour"),
        ("I'd like to be guided", "guided-tour"),
        ("audio", "audio"),
        ("checkup", "check"),
        ("a check up", "check"),
        ("to clean my instruments", "cleaning"),
        ("tour", None),
        ("haircut", None),
        ("", None),
        ("appointment", None),
    ],
)
def test_a_service_is_found_by_any_of_its_words(text: str, service: str | None) -> None:
    found = find_service(text, SERVICES)
    assert (found and found.id) == service


def test_an_only_service_need_not_be_named_but_another_is_not_taken_for_it() -> None:
    only = SERVICES[:1]
    assert find_service("an appointment", only) == only[0]
    assert find_service("haircut", only) is None
