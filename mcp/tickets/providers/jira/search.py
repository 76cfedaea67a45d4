"""JQL, Jira's query language, with values that callers dictate.

https://support.atlassian.com/jira-software-cloud/docs/search-syntax-for-text-fields/
"""

import unicodedata
from string import punctuation

_MOST = 20  # words
_OPERATORS = frozenset(punctuation) - {"_"}


def where(*clauses: str, order: str = "updated") -> str:
    """Return a query for what fulfils every clause, the last one first."""
    return f"{' AND '.join(clauses)} ORDER BY {order} DESC"


def equals(field: str, value: str) -> str:
    """Return a clause for one value."""
    return f"{field} = {quoted(value)}"


def contains(text: str) -> str | None:
    """Return a clause for the words of a text, in any order; None where it has none.

    A word that has a sign in it is a phrase of its own, in which Jira's text search knows no
    operators. The others are in small letters, in which AND, OR and NOT are words like any other.
    """
    words = [_bare(each) for each in _seen(text.lower()).split()]
    words = [each for each in words if each]
    terms = [_phrase(each) if _OPERATORS & {*each} else each for each in words[:_MOST]]
    return f"text ~ {quoted(' '.join(terms))}" if terms else None


def _bare(word: str) -> str:
    """Return a word without the signs round it; "" where there is nothing else."""
    spoken = [n for n, char in enumerate(word) if unicodedata.category(char)[0] not in "PSC"]
    return word[spoken[0] : spoken[-1] + 1] if spoken else ""


def quoted(value: str) -> str:
    """Return a value as a string literal."""
    return _phrase(_seen(value))


def _seen(text: str) -> str:
    """Return a text in one line, without what nobody sees."""
    return "".join(char for char in " ".join(text.split()) if char.isprintable())


def _phrase(word: str) -> str:
    return f'"{_escaped(word)}"'


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"')
