"""HTML becomes plain text, in linear time."""

import time

import pytest

from toolkit.html import html_to_text


def test_markup_that_is_broken_or_endless_is_read_in_time() -> None:
    assert html_to_text("a < b & c <p>d") == "a < b & c\nd"
    assert html_to_text("</p></div>x<div hidden>y</p>z</div>end") == "x\nend"
    assert html_to_text("<p>a<br>b<img src=x>c") == "a\nbc"
    started = time.process_time()
    html_to_text("<b>" * 25_000 + "</i>" * 25_000)
    html_to_text("<div><p>" * 15_000 + "</div>" * 12_000)
    assert time.process_time() - started < 2


@pytest.mark.parametrize(
    ("markup", "lines"),
    [
        ("<ul><li>one<ul><li>two</ul><li>three</ul>", ["- one", "- two", "- three"]),
        ("<ol><li><p>one</p></li><li>two</li></ol>", ["one", "- two"]),
        ("<dl><dt>one<dd>two<dt>three</dl>", ["one", "two", "three"]),
        ("<table><caption>one</caption><tr><th>two<td>three<tr><td>four</table>", [*"1234"]),
        ("<p>see <a href='https://a.b'>one</a> and <i>two</i>", ["see one and two"]),
        ("<p>before<img alt='one' src=x>after", ["before one after"]),
        ("<img alt=''>one<img src=x>", ["one"]),
        ("a&nbsp;b &amp; c &#8364; &eacute; &unknown; &lt;d&gt;", ["a b & c € é &unknown; <d>"]),
        ("<select><option>one<option>two</select>", ["one", "two"]),
        ("<details><summary>one</summary>two</details><aside>three</aside>", [*"123"]),
        ("<pre>one\ntwo</pre><code>three</code>", ["one two", "three"]),
        ("<future-tag>one</future-tag> <blink>two", ["one two"]),
        # What is hidden ends where its element does, with a tag or without.
        ("<ul><li hidden>no<li>one</ul>", ["- one"]),
        ("<ul><li hidden><p>no<li>one</ul>", ["- one"]),
        ("<p hidden>no<p>one<p style='display:none'>no<div>two</div>", ["one", "two"]),
        ("<table><tr><td hidden>no<td>one<tr hidden><td>no<tr><td>two</table>", ["one", "two"]),
        ("<div hidden><img alt='no'></div><img alt='no' hidden>one", ["one"]),
    ],
)
def test_no_word_that_is_shown_is_lost(markup: str, lines: list[str]) -> None:
    words = {"1": "one", "2": "two", "3": "three", "4": "four"}
    expected = "\n".join(words.get(line, line) for line in lines)
    assert html_to_text(markup) == expected
