"""What the websearch server says to callers, in their language."""

from collections.abc import Sequence

from config.language.catalogue import Catalogue
from toolkit.speech import phrases

say = Catalogue("websearch")

_MAX_SITES = 2  # that are named


def describe_sources(sites: Sequence[str], *, found: bool) -> str:
    """Return a sentence that names the first sites on which something was found."""
    if not found:
        return say("nothing_found")
    named = list(dict.fromkeys(sites))[:_MAX_SITES]
    if not named:
        return say("found_somewhere")
    return say("found", sites=phrases.join_words(named, "and"))
