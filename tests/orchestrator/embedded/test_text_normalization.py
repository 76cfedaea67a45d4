import pytest

from orchestrator.embedded.text_normalization import normalize, split_clauses


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("Good morning. What can I do?", ["Good morning.", "What can I do?"]),
        ("Yes, I can cut that key today.", ["Yes,", "I can cut that key today."]),
        ("A key, a lock.", ["A key, a lock."]),
        ("Dr. Hill comes at 3 p.m. on Monday.", ["Dr. Hill comes at 3 p.m. on Monday."]),
        ("It costs 3.50: fine?", ["It costs 3.50:", "fine?"]),
        ("First line\nsecond line", ["First line", "second line"]),
        ("... !", []),
    ],
)
def test_a_reply_is_split_where_a_speaker_breathes(text: str, parts: list[str]) -> None:
    assert split_clauses(text) == parts


@pytest.mark.parametrize(
    ("written", "spoken"),
    [
        ("at 7:30", "at seven thirty"),
        ("at 7:05 pm", "at seven oh five p.m."),
        ("at 9:00", "at nine o'clock"),
        ("at 14:00", "at two p.m."),
        ("at 0:30", "at twelve thirty a.m."),
        ("555-0142", "five five five, zero one four two"),
        ("+1 (555) 014-2000", "plus one, five five five, zero one four, two zero zero zero"),
        ("Order 48213", "Order four eight two one three"),
        ("ticket #482", "ticket number four eight two"),
        ("AB-12", "ay B one two"),
        ("on 2026-11-22", "on November twenty-second, twenty twenty-six"),
    ],
)
def test_times_and_numbers_become_words(written: str, spoken: str) -> None:
    assert normalize(written) == spoken


@pytest.mark.parametrize("text", ["427 people", "$1,200.50", "in 2026", "room 204", "12000 keys"])
def test_what_the_voice_reads_well_stays(text: str) -> None:
    assert normalize(text) == text
