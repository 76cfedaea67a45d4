"""How texts are made short."""

import pytest

from toolkit.speech.text import capitalize, cut, shorten


@pytest.mark.parametrize(
    ("text", "size", "cut_to"),
    [
        ("boat yard", 9, "boat yard"),
        ("boat yard", 8, "boat…"),
        ("boat yard", 7, "boat…"),
        ("näher", 6, "näher"),
        ("näher", 5, "n…"),  # not half of a letter
        ("", 3, ""),
    ],
)
def test_a_text_is_cut_to_bytes(text: str, size: int, cut_to: str) -> None:
    assert cut(text, size) == cut_to
    assert len(cut_to.encode()) <= size


@pytest.mark.parametrize(
    ("text", "length", "shortened_to"),
    [
        ("नमस्ते", 6, "नमस्ते"),
        ("boat yard", 9, "boat yard"),
        ("boat yard", 8, "boat ya…"),
        ("boat yard", 6, "boat…"),
    ],
)
def test_a_text_is_shortened_to_characters(text: str, length: int, shortened_to: str) -> None:
    assert shorten(text, length) == shortened_to
    assert len(shortened_to) <= length


def test_a_sentence_begins_with_a_capital_letter() -> None:
    assert capitalize("ticket INC 7, No light") == "Ticket INC 7, No light"
    assert capitalize("") == ""
