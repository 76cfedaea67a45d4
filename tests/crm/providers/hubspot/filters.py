"""How HubSpot's search compares: https://developers.hubspot.com/docs/api-reference/search/guide."""

import re
from collections.abc import Callable, Mapping
from datetime import datetime
from fnmatch import translate
from typing import Any

_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT.*")


def allowed(body: Mapping[str, Any]) -> None:
    """Hold a request against what HubSpot takes."""
    groups = [group["filters"] for group in body["filterGroups"]]
    assert {*body} - {"query"} == {"filterGroups", "sorts", "properties", "limit", "after"}, body
    assert len(groups) <= 5, groups
    assert sum(len(group) for group in groups) <= 18, groups
    assert all(1 <= len(group) <= 6 for group in groups), groups
    assert 1 <= body["limit"] <= 200, body


def fulfils(stored: str | None, asked: Mapping[str, Any]) -> bool:
    """Say whether a property's value fulfils a filter."""
    operator, value = asked["operator"], asked.get("value")
    if operator == "NOT_HAS_PROPERTY":
        return stored is None
    if operator == "IN":
        assert asked["values"], "there is nothing to choose from"
        return stored in asked["values"]
    assert isinstance(value, str), asked
    assert {*asked} == {"propertyName", "operator", "value"}, asked
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
    """Say whether each word begins one of those that are there."""
    told = _words(values)
    return all(any(each.startswith(word) for each in told) for word in _words(words))


def _contains(stored: str, value: str) -> bool:
    patterns = [re.compile(translate(each)) for each in re.findall(r"[\w*@.]+", value.lower())]
    told = [*_words(stored), *re.split(r"[\s;]+", stored.lower())]
    return bool(patterns) and all(any(each.match(one) for one in told) for each in patterns)


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
