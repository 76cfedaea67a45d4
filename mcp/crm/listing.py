"""What a query found, in few words."""

from collections.abc import Mapping, Sequence
from typing import Any

from crm.inputs import shown
from crm.operations import SIZE, Detail, brief, size
from crm.provider import Kind, Page, Record, Word
from crm.results import RawRows, Row, Rows
from crm.sentences import called, found

_RAW_SIZE = 6000  # bytes


def listed(kind: Kind, page: Page, named: Sequence[Word], detail: Detail) -> Rows:
    """Return the records of a page with the values that are named, or with all of them.

    A brief answer holds as many as fit.
    """
    say = found(kind, [called(each.values) or each.id for each in page.records], more=page.more)
    if detail == "full":
        return Rows(say=say, rows=[_row(each, None) for each in page.records], more=page.more)
    rows = [_row(each, frozenset(named)) for each in page.records]
    fitting = _fitting([each.model_dump() for each in rows], SIZE)
    return Rows(say=say, rows=rows[:fitting], more=page.more or fitting < len(rows))


def raw(rows: Sequence[Mapping[str, Any]], limit: int) -> RawRows:
    """Return rows as the vendor has them, as many as fit."""
    shown_rows = [dict(row) for row in rows[:limit]]
    fitting = _fitting(shown_rows, _RAW_SIZE)
    return RawRows(rows=shown_rows[:fitting], more=fitting < len(rows))


def _row(record: Record, named: frozenset[Word] | None) -> Row:
    known = {word: shown(word, value) for word, value in record.values.items()}
    values = {**known, **record.fields}
    if named is not None:
        values = brief({word: value for word, value in values.items() if word in named})
    return Row(id=record.id, title=record.title, values=values or None)


def _fitting(rows: Sequence[object], most: int) -> int:
    """Return how many rows fit, at least one."""
    total = 0
    for count, row in enumerate(rows):
        total += size(row)
        if total > most and count:
            return count
    return len(rows)
