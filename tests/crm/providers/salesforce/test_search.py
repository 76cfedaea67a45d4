"""The SOQL and SOSL that are built: values cannot become part of a statement."""

import re
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from crm.provider import Filter, Kind, Operator, Query, Value
from crm.providers.salesforce import search as soql
from tests.crm.hostile import HOSTILE
from tests.crm.providers.salesforce.soql import Text, select, tokens
from tests.crm.samples import ZONE
from toolkit.errors import NotFound, Rejected

Search = Callable[[Sequence[str], Sequence[Kind], int], str | None]
VALUES = [
    *dict.fromkeys((*HOSTILE, "'", "''", "'\\", "\\\\'", "x' LIMIT 9 --", "' FOR UPDATE")),
    *("x\ny", "\n", "\r", "\t", "\b", "\f", "\v", "\x7f", "\x85", "\u2028", "\u2029", "\ud800"),
    *("a%b", "a_b", "\\%", "\\_", "%'", "_'", "\\n", "\\u0027", "%27", "%2527", "&q=SELECT", "?"),
    *(":id", "{!Name}", "@{refA.id}", "2026-01-01", "TODAY", "5", "NOT", "IN ('a','b')", "张'三"),
]


def literals(statement: str) -> list[Text]:
    """Return the text literals of a statement, which has to be valid SOQL."""
    select(statement)
    return [token for token in tokens(statement) if isinstance(token, Text)]


def where(statement: str) -> str:
    """Return the conditions of a statement, without the one that every query for leads has."""
    conditions = statement.partition(" WHERE ")[2].partition(" ORDER BY ")[0]
    return conditions.removesuffix(" AND IsConverted = false")


def soql_query(
    field: str, value: Any, op: Operator = "is", kind: Kind = "lead", **more: Any
) -> str:
    condition = Filter.model_construct(field=field, op=op, value=value)
    query = Query(kind=kind, **more).model_copy(update={"filters": (condition,)})
    return soql.build_query(query, ZONE)


def test_there_are_enough_of_them() -> None:
    assert len(VALUES) >= 60


@pytest.mark.parametrize("field", ["company", "Region__c", "Owner.Name"])
@pytest.mark.parametrize("op", ["is", "is_not", "above", "below"])
def test_a_hostile_value_is_one_literal(op: Operator, field: str) -> None:
    for value in VALUES:
        if field == "company" or value:
            (literal,) = literals(soql_query(field, value, op))
            assert literal.value == value, repr(value)


@pytest.mark.parametrize("op", ["contains", "starts_with"])
def test_a_hostile_pattern_finds_what_it_says(op: Operator) -> None:
    for value in VALUES:
        (literal,) = literals(soql_query("company", value, op))
        wild = [char for char, escaped in literal.characters if char in "%_" and not escaped]
        assert len(wild) == (2 if op == "contains" else 1), repr(value)
        assert literal.matches(f"{value} and more")
        assert literal.matches(f"before {value}") == (op == "contains" or value == "")
        assert not value.strip() or not literal.matches("something else entirely"[: len(value)])


def test_hostile_values_among_several_are_one_literal_each() -> None:
    assert [each.value for each in literals(soql_query("company", VALUES, "one_of"))] == VALUES
    statement = soql.build_query(
        Query(
            kind="case", filters=tuple(Filter(field="subject", value=each) for each in VALUES[:50])
        ),
        ZONE,
    )
    assert [each.value for each in literals(statement)] == VALUES[:50]


@pytest.mark.parametrize("search", [soql.build_search, soql.build_fuzzy_search])
def test_hostile_words_are_words_in_a_search(search: Search) -> None:
    for value in VALUES:
        statement = search(soql.search_terms(f"Tom{value}Hill{value}"), ("lead",), 5)
        assert statement is not None
        found = re.fullmatch(r"FIND \{(.*?)\} IN ALL FIELDS RETURNING Lead\(.*\)", statement)
        assert found, statement
        terms = re.split(r" OR |\) AND \(", found[1].removeprefix("(").removesuffix(")"))
        assert all(re.fullmatch(r"[^\W_]+\*([^\W_]+\*)*", term) for term in terms), statement


def test_a_search_has_no_operators_of_the_caller_s() -> None:
    assert soql.search_terms("Hill AND NOT Tom or x") == ("Hill", "Tom")
    assert soql.search_terms("?&|!{}[]()^~*:\\\"'+- a") == ()
    assert soql.build_search((), ("lead",), 5) is None
    assert soql.build_fuzzy_search((), ("lead",), 5) is None


@pytest.mark.parametrize(
    ("words", "terms"),
    [
        (("Tom", "Hall"), "(T*m* OR To*) AND (H*l* OR Ha*)"),
        (("Meier",), "(M*r* OR Mei*)"),
        (("Philipp",), "(Ph*l*p* OR Phi*)"),
        (("Anna", "Eo"), "(An*) AND (Eo*)"),
        (("Müller", "Öz"), "(M*l*r* OR Mü*) AND (Öz*)"),
    ],
)
def test_a_loose_search_forgives_vowels_and_endings(words: tuple[str, ...], terms: str) -> None:
    statement = soql.build_fuzzy_search(words, ("account",), 5)
    assert statement is not None
    assert statement.startswith(f"FIND {{{terms}}} IN ALL FIELDS RETURNING Account(Id, ")
    assert statement.endswith(" LIMIT 5)")


@pytest.mark.parametrize(
    ("kind", "field", "op", "value", "condition"),
    [
        ("lead", "name", "is", "Tom", "Name = 'Tom'"),
        ("lead", "company", "is_not", "Acme", "Company != 'Acme'"),
        ("opportunity", "amount", "above", "12,500.50", "Amount > 12500.50"),
        ("opportunity", "amount", "is", 1e6, "Amount = 1000000.0"),
        ("opportunity", "close_date", "below", "2026-12-24", "CloseDate < 2026-12-24"),
        ("opportunity", "close_date", "is", "2026-12-24T23:00:00Z", "CloseDate = 2026-12-25"),
        (
            "event",
            "starts_at",
            "above",
            "2026-12-24T10:00:00+01:00",
            "((IsAllDayEvent = false AND StartDateTime > 2026-12-24T09:00:00Z)"
            " OR (IsAllDayEvent = true AND ActivityDate > 2026-12-24))",
        ),
        (
            "event",
            "ends_at",
            "below",
            "2026-12-24T10:00:00",
            "EndDateTime < 2026-12-24T09:00:00Z",
        ),
        ("lead", "CreatedDate", "above", "2026-12-24", "CreatedDate >= 2026-12-24T23:00:00Z"),
        ("lead", "CreatedDate", "below", "2026-12-24", "CreatedDate < 2026-12-23T23:00:00Z"),
        ("lead", "Size__c", "is", 5, "Size__c = 5"),
        ("lead", "Vip__c", "is", True, "Vip__c = true"),
        ("lead", "Region__c", "contains", "no_rth", r"Region__c LIKE '%no\_rth%'"),
        ("task", "status", "is", "open", "IsClosed = false"),
        ("task", "status", "is_not", "done", "(NOT IsClosed = true)"),
        ("task", "status", "is", "In Progress", "Status = 'In Progress'"),
        ("task", "priority", "is", "normal", "Priority = 'Normal'"),
        ("case", "priority", "is", "normal", "Priority = 'Medium'"),
        ("case", "status", "is", "open", "(IsClosed = false AND Status != 'New')"),
        ("case", "status", "one_of", ["new", "x"], "(Status = 'New' OR Status = 'x')"),
        ("task", "about", "is", "00Q5g00000000a1AAA", "WhoId = '00Q5g00000000a1AAA'"),
        ("task", "about", "is_not", "0015g00000000a1", "WhatId != '0015g00000000a1'"),
        ("case", "contact", "is", "0035g00000000a1AAA", "ContactId = '0035g00000000a1AAA'"),
        ("account", "phone", "is", "555 01 42", "(Phone LIKE '%5%5%5%0%1%4%2%')"),
    ],
)
def test_what_is_asked_as_salesforce_is_asked_it(
    kind: Kind, field: str, op: Operator, value: Value | list[str], condition: str
) -> None:
    assert where(soql_query(field, value, op, kind)) == condition


@pytest.mark.parametrize(
    ("kind", "field", "op", "value", "failure"),
    [
        ("lead", "notes", "contains", "x", Rejected),
        ("lead", "Description", "is", "x", Rejected),
        ("opportunity", "amount", "is", "much", Rejected),
        ("opportunity", "amount", "is", "1e400", Rejected),
        ("opportunity", "amount", "is", "nan", Rejected),
        ("opportunity", "amount", "is", "1 OR Amount > 0", Rejected),
        ("opportunity", "amount", "contains", "1", Rejected),
        ("opportunity", "close_date", "is", "soon", Rejected),
        ("opportunity", "close_date", "above", "2026-12-24 OR Name != 'x'", Rejected),
        ("opportunity", "close_date", "above", "TODAY", Rejected),
        ("event", "starts_at", "below", "9999-99-99", Rejected),
        ("lead", "CreatedDate", "above", "'", Rejected),
        ("opportunity", "account", "contains", "001", Rejected),
        ("opportunity", "account", "is", "' OR Name != '", NotFound),
        ("task", "about", "is", "somebody", NotFound),
        ("lead", "company", "one_of", [], Rejected),
        ("lead", "company", "contains", ["x"], Rejected),
        ("lead", "company", "is", "x" * 4001, Rejected),
        ("lead", "company", "contains", "x" * 4001, Rejected),
        ("lead", "company", "one_of", ["x" * 3000] * 4, Rejected),
        ("lead", "Name = 'x' OR Name", "is", "x", Rejected),
        ("lead", "Owner.", "is", "x", Rejected),
        ("lead", "a.b.c.d.e.f.g", "is", "x", Rejected),
        ("lead", "Name\n", "is", "x", Rejected),
    ],
)
def test_what_salesforce_cannot_be_asked(
    kind: Kind, field: str, op: Operator, value: Any, failure: type[Exception]
) -> None:
    with pytest.raises(failure):
        soql_query(field, value, op, kind)


def test_a_query_names_each_field_once_and_orders() -> None:
    statement = soql.build_query(
        Query(kind="lead", fields=("email", "Owner.Name", "Id"), limit=7), ZONE
    )
    names = statement.removeprefix("SELECT ").partition(" FROM ")[0].split(", ")
    assert len({name.casefold() for name in names}) == len(names)
    assert "Owner.Name" in names
    assert statement.endswith(
        " FROM Lead WHERE IsConverted = false ORDER BY CreatedDate DESC LIMIT 8"
    )
    ordered = soql.build_query(
        Query(kind="opportunity", order_by="amount", descending=True, limit=1), ZONE
    )
    assert ordered.endswith(" ORDER BY Amount DESC NULLS LAST LIMIT 2")
    with pytest.raises(Rejected):
        soql.build_query(Query(kind="lead", order_by="notes"), ZONE)
    for name in ("Name LIMIT 1", "Name,Id", "(SELECT", "COUNT()"):
        with pytest.raises(Rejected):
            soql.build_query(Query(kind="lead").model_copy(update={"fields": (name,)}), ZONE)
        with pytest.raises(Rejected):
            soql.build_query(Query(kind="lead").model_copy(update={"order_by": name}), ZONE)
