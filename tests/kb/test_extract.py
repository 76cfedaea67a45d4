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
    ],
)
def test_front_matter_is_dropped_from_markdown_only(text: str, rest: str) -> None:
    assert text_of(text.encode(), MARKDOWN) == rest
    assert text_of(text.encode(), PLAIN) == text


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
