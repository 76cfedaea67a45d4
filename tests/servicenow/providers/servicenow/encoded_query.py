"""Evaluates encoded queries as ServiceNow does: written from its manual, not from our code.

https://www.servicenow.com/docs/r/platform-user-interface/c_EncodedQueryStrings.html and
r_OpAvailableFiltersQueries.html there.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

# All that the manual lists for strings, references and choices, the longest first.
OPERATORS = (
    *("IN_HIERARCHY_DYNAMIC", "ISNOTEMPTY", "IN_HIERARCHY", "EMPTYSTRING", "STARTSWITH"),
    *("INSTANCEOF", "CONTAINS", "ENDSWITH", "NOT LIKE", "ANYTHING", "NOTLIKE", "BETWEEN"),
    *("DYNAMIC", "ISEMPTY", "NSAMEAS", "SAMEAS", "NOT IN", "LIKE", "IN", "!=", "<=", ">="),
    *("=", "<", ">", "*", "%"),
)
_CONDITION = re.compile(
    rf"(?P<field>[a-z][a-z0-9_.]*)(?P<operator>{'|'.join(map(re.escape, OPERATORS))})(?P<value>.*)",
    re.DOTALL,
)
_STRUCTURE = ("NQ", "EQ", "RLQUERY", "ENDRLQUERY", "JOIN", "SUBQUERY", "GOTO", "ORDERBY")


@dataclass(frozen=True)
class Condition:
    """A condition on one field."""

    field: str
    operator: str
    value: str

    def matches(self, row: Mapping[str, str]) -> bool:
        """Say whether a row meets the condition."""
        own = row.get(self.field, "")
        match self.operator:
            case "=":
                return own == self.value
            case "!=":
                return own != self.value
            case "LIKE":
                return self.value.casefold() in own.casefold()
            case "IN":
                return own in self.value.split(",")
            case unexpected:
                raise AssertionError(unexpected)


@dataclass(frozen=True)
class Query:
    """A query: of every group, one condition has to be met."""

    groups: Sequence[Sequence[Condition]]
    order: str | None = None
    descending: bool = False

    def without(self, unreadable: frozenset[str]) -> "Query":
        """Return the query without the conditions on these fields, which ServiceNow ignores."""
        groups = [[each for each in group if each.field not in unreadable] for group in self.groups]
        return replace(self, groups=[group for group in groups if group])

    def find(self, rows: Sequence[Mapping[str, str]]) -> list[Mapping[str, str]]:
        """Return the rows that match, in the order of the query."""
        found = [
            row
            for row in rows
            if all(any(each.matches(row) for each in group) for group in self.groups)
        ]
        if self.order:
            order = self.order
            found.sort(key=lambda row: row.get(order, ""), reverse=self.descending)
        return found


def parse(text: str) -> Query:
    """Parse an encoded query; fail where ServiceNow would ignore or run a part of it."""
    groups: list[list[Condition]] = []
    order, descending = None, False
    for part in text.split("^"):
        if match := re.fullmatch(r"ORDERBY(DESC)?([a-z_]+)", part):
            order, descending = match[2], bool(match[1])
            continue
        assert order is None, f"{part} comes after the order"
        assert not part.startswith(_STRUCTURE), part
        if part.startswith("OR"):
            groups[-1].append(_condition(part.removeprefix("OR")))
        else:
            groups.append([_condition(part)])
    return Query(groups, order, descending)


def _condition(text: str) -> Condition:
    match = _CONDITION.fullmatch(text)
    assert match, f"{text!r} would be ignored"
    assert not match["value"].strip().lower().startswith("javascript:"), "that would be run"
    assert match["value"], f"{text!r} asks for what is empty"
    return Condition(match["field"], match["operator"], match["value"])
