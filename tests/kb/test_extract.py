"""Documents of every kind, friendly and hostile, become text or are refused."""

import time

import pytest

from config.text import clean
from kb.chunk import join_chunks, split_text
from kb.errors import UnreadableDocumentError
from kb.extract import MAX_BYTES, extract
from kb.sources.source import MARKDOWN, PLAIN, Source


def text_of(data: bytes, mime_type: str = PLAIN) -> str:
    return extract(Source("a.txt", data, mime_type))


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"plain", "plain"),
        ("Grüße".encode(), "Grüße"),
        (b"\xef\xbb\xbfmarked", "marked"),
        ("Grüße, “café”".encode("cp1252"), "Grüße, “café”"),
        (b"caf\xe9 \x81", "café "),
        (b"one\r\ntwo\rthree", "one\ntwo\nthree"),
    ],
)
def test_encodings_and_line_ends(data: bytes, text: str) -> None:
    assert text_of(data) == text


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"a\x00b", "binary"),
        (b"%PDF-1.7\n\x01\x02", "binary"),
        ("wide".encode("utf-16"), "binary"),
        (b"x" * (MAX_BYTES + 1), "larger than 2 MB"),
        (b" \n\t ", "has no text"),
        ("\u200b\u2060".encode(), "has no text"),
        (b"", "has no text"),
    ],
)
def test_what_is_not_text_is_refused_by_name(data: bytes, reason: str) -> None:
    with pytest.raises(UnreadableDocumentError, match=f"a.txt: .*{reason}"):
        text_of(data)


@pytest.mark.parametrize(
    ("text", "rest"),
    [
        ("---\ntitle: x\n---\nbody\n", "body\n\n"),
        ("---\nnever closed\n", "---\nnever closed\n"),
        ("a\n---\nb\n---\nc", "a\n---\nb\n---\nc"),
        ("---\ntags:\n  - a\n- b\n# c\n\nlayout: d\n---\nbody\n", "body\n\n"),
    ],
)
def test_front_matter_is_dropped_from_markdown_only(text: str, rest: str) -> None:
    assert text_of(text.encode(), MARKDOWN) == rest
    assert text_of(text.encode(), PLAIN) == text


@pytest.mark.parametrize(
    "text",
    [
        "---\nWe are closed on Mondays.\n---\nDogs stay outside.\n",
        "---\n\nOpening hours: ten to six\n\n---\nDogs stay outside.\n",
        "---\nAddress: 8 Mill Lane\nPhone: 5550142\n---\nDogs stay outside.\n",
        "---\ntitle: a word\nand a sentence\n---\nDogs stay outside.\n",
        "---\n---\nDogs stay outside.\n",
        "---\n# Hours\n\nFrom ten to six.\n\n---\n",
    ],
)
def test_a_document_that_begins_with_a_ruler_keeps_its_text(text: str) -> None:
    assert text_of(text.encode(), MARKDOWN) == text


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("a\u200bb\u2060c\ufeff", "abc"),
        ("a\u202eevil\u202c\u2066x\u2069", "aevilx"),
        ("ok" + "".join(chr(0xE0000 + ord(c)) for c in "ignore all"), "ok"),
        ("x" + "".join(chr(0xE0100 + n) for n in range(200)), "x"),
        ("a\x1b[31mred\x07\x9b", "a[31mred"),
        ("\u3164\u115f\u2800|", "|"),
        ("latin\u200djoin", "latinjoin"),
        ("क्\u200dष می\u200cخواهم", "क्\u200dष می\u200cخواهم"),  # noqa: RUF001 spelled with joiners
        ("क\u200d\u200c\u200d\u200cख", "क\u200dख"),
        ("\u200d\ud800a", "a"),
        ("tab\tand\nbreak", "tab\tand\nbreak"),
        ("one\u2028two\x0bthree", "one\ntwo\nthree"),
    ],
)
def test_nothing_invisible_reaches_a_model(text: str, seen: str) -> None:
    assert clean(text) == seen


@pytest.mark.parametrize("word", ["x", "word ", "\u200b", "a\u200d"])
@pytest.mark.parametrize("mime_type", [PLAIN, MARKDOWN])
def test_one_endless_line_takes_no_endless_time(word: str, mime_type: str) -> None:
    started = time.monotonic()
    source = Source("line", (word * 1_900_000)[:600_000].encode() + b" end", mime_type)
    passages = split_text(extract(source), mime_type, 300, 0)
    assert time.monotonic() - started < 20
    assert all(len(passage) <= 300 for passage in passages)
    assert passages[-1].endswith("end")


@pytest.mark.parametrize("overlap", [0, 40])
def test_passages_fit_and_together_are_the_document(overlap: int) -> None:
    sentences = [f"Sentence number {n} is about thing {n * 7}." for n in range(60)]
    text = " ".join(sentences)
    passages = split_text(text, PLAIN, 200, overlap)
    assert passages == split_text(text, PLAIN, 200, overlap)
    assert all(0 < len(passage) <= 200 for passage in passages)
    whole = join_chunks(passages, overlap)
    assert [whole.count(sentence) for sentence in sentences] == [1] * 60


def test_markdown_keeps_a_heading_with_what_follows() -> None:
    text = "# A\n\n" + "alpha " * 30 + "\n\n## B\n\n" + "beta " * 30
    first, second = split_text(text, MARKDOWN, 250, 0)
    assert first.startswith("# A\n\nalpha")
    assert second.startswith("## B\n\nbeta")


PIPES = "| Treatment | Price |\n| :--- | ---: |\n"
TABLES = {
    "Markdown": (MARKDOWN, PIPES, "| Treatment {0} | {0}0 euros |"),
    "Markdown without outer pipes": (MARKDOWN, "Treatment | Price\n--- | ---\n", "Cut {0} | {0}0"),
    "plain text with pipes": (PLAIN, PIPES, "| Treatment {0} | {0}0 euros |"),
    "plain text with tabs": (PLAIN, "Treatment\tPrice\n", "Treatment {0}\t{0}0 euros"),
}


@pytest.mark.parametrize("overlap", [0, 60])
@pytest.mark.parametrize("kind", TABLES)
def test_every_passage_of_a_long_table_has_its_header(kind: str, overlap: int) -> None:
    mime_type, header, row = TABLES[kind]
    rows = [row.format(number) for number in range(100, 140)]
    text = f"# Prices\n\nThey hold this year.\n\n{header}" + "\n".join(rows) + "\n\nAsk us."
    passages = split_text(text, mime_type, 300, overlap)
    assert all(len(passage) <= 300 for passage in passages)
    for each in rows:
        holding = [passage for passage in passages if each in passage]
        headed = [header.strip() in passage.split(each)[0] for passage in holding]
        assert any(headed)
        assert all(headed) or overlap  # what overlaps may be rows alone
    assert "They hold this year." in passages[0]
    assert passages[-1].endswith("Ask us.")


@pytest.mark.parametrize(
    "text",
    [
        f"# Prices\n\n{PIPES}| Cut | 30 euros |\n| Dye | 60 euros |\n\nAsk us.",
        f"{PIPES}| Dye | 60 euros |\n| {'very ' * 80}long | 30 euros |",
        "Hours | in short\n\n---\n" + "ten to six | daily\n" * 40,
        "a\tb\n\nc\td\n" * 40,
        "|\n|\n" * 200,
    ],
    ids=["short", "long row", "no delimiters", "no table", "only pipes"],
)
@pytest.mark.parametrize("mime_type", [PLAIN, MARKDOWN])
def test_no_header_is_repeated_without_need(text: str, mime_type: str) -> None:
    passages = split_text(text, mime_type, 300, 0)
    assert "".join(join_chunks(passages, 0).split()) == "".join(text.split())
