"""HubSpot's search, as the fake vendor implements it: https://developers.hubspot.com/docs/api-reference/search/guide."""

import re
from collections.abc import Callable, Mapping
from datetime import datetime
from fnmatch import translate
from typing import Any

_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT.*")


def check_request(body: Mapping[str, Any]) -> None:
    """Assert that a search request keeps HubSpot's limits."""
    groups = [group["filters"] for group in body["filterGroups"]]
    assert {*body} - {"query"} == {"filterGroups", "sorts", "properties", "limit", "after"}, body
    assert len(groups) <= 5, groups
    assert sum(len(group) for group in groups) <= 18, groups
    assert all(1 <= len(group) <= 6 for group in groups), groups
    assert 1 <= body["limit"] <= 200, body


def satisfies(stored: str | None, condition: Mapping[str, Any]) -> bool:
    """Say whether a property's value satisfies a filter."""
    operator, value = condition["operator"], condition.get("value")
    if operator == "NOT_HAS_PROPERTY":
        return stored is None
    if operator == "IN":
        assert condition["values"], "there is nothing to choose from"
        return stored in condition["values"]
    assert isinstance(value, str), condition
    assert {*condition} == {"propertyName", "operator", "value"}, condition
    if stored is None:
        return False
    if operator == "CONTAINS_TOKEN":
        return _contains(stored, value)
    left, right = _comparable(stored, value)
    compared: dict[str, Callable[[Any, Any], bool]] = {
        "EQ": lambda one, other: one == other,
        "NEQ": lambda one, other: one != other,
        "GT": lambda one, other: one > other,
        "GTE": lambda one, other: one >= other,
        "LT": lambda one, other: one < other,
        "LTE": lambda one, other: one <= other,
    }
    return compared[operator](left, right)


def has_words(values: str, words: str) -> bool:
    """Say whether each of the words begins one of the values' words."""
    stored = _words(values)
    return all(any(each.startswith(word) for each in stored) for word in _words(words))


def _contains(stored: str, value: str) -> bool:
    patterns = [re.compile(translate(each)) for each in re.findall(r"[\w*@.]+", value.lower())]
    tokens = [*_words(stored), *re.split(r"[\s;]+", stored.lower())]
    return bool(patterns) and all(any(each.match(one) for one in tokens) for each in patterns)


def _comparable(stored: str, value: str) -> tuple[Any, Any]:
    if _MOMENT.fullmatch(stored):
        assert value.isdecimal(), value
        return datetime.fromisoformat(stored).timestamp() * 1000, int(value)
    try:
        return float(stored), float(value)
    except ValueError:
        return stored.lower(), value.lower()


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", text.lower())
