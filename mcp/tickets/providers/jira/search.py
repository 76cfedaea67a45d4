"""Builds queries in JQL, Jira's query language, from values that callers dictate.

https://support.atlassian.com/jira-software-cloud/docs/search-syntax-for-text-fields/
"""

import unicodedata
from string import punctuation

_MAX_WORDS = 20
_OPERATORS = frozenset(punctuation) - {"_"}


def jql_query(*clauses: str, order: str = "updated") -> str:
    """Return a query for issues that fulfil every clause, in descending order of a field."""
    return f"{' AND '.join(clauses)} ORDER BY {order} DESC"


def equals(field: str, value: str) -> str:
    """Return the clause that a field has a value."""
    return f"{field} = {quote_literal(value)}"


def contains(text: str) -> str | None:
    """Return the clause for the words of a text, in any order; None if it has no words.

    A word with signs in it becomes a phrase, in which Jira's text search has no operators. The
    other words are in lower case, in which AND, OR and NOT are words.
    """
    words = [_strip_signs(each) for each in _printable(text.lower()).split()]
    words = [each for each in words if each]
    terms = [_in_quotes(each) if _OPERATORS & {*each} else each for each in words[:_MAX_WORDS]]
    return f"text ~ {quote_literal(' '.join(terms))}" if terms else None


def quote_literal(value: str) -> str:
    """Return a value as a string literal."""
    return _in_quotes(_printable(value))


def _strip_signs(word: str) -> str:
    """Return a word without the signs around it; "" if it is nothing else."""
    letters = [n for n, char in enumerate(word) if unicodedata.category(char)[0] not in "PSC"]
    return word[letters[0] : letters[-1] + 1] if letters else ""


def _printable(text: str) -> str:
    """Return a text in one line, without unprintable characters."""
    return "".join(char for char in " ".join(text.split()) if char.isprintable())


def _in_quotes(word: str) -> str:
    escaped = word.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
