"""HTML becomes plain text, in linear time."""

import time

from servicenow.providers.servicenow.html import html_to_text


def test_markup_that_is_broken_or_endless_is_read_in_time() -> None:
    assert html_to_text("a < b & c <p>d") == "a < b & c\nd"
    assert html_to_text("</p></div>x<div hidden>y</p>z</div>end") == "x\nend"
    assert html_to_text("<p>a<br>b<img src=x>c") == "a\nbc"
    started = time.perf_counter()
    html_to_text("<b>" * 25_000 + "</i>" * 25_000)
    html_to_text("<div><p>" * 15_000 + "</div>" * 12_000)
    assert time.perf_counter() - started < 2
