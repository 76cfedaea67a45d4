"""HubSpot's search, as the fake vendor implements it.

What is quoted is from https://developers.hubspot.com/docs/api-reference/search/guide.
"""

import re
from collections.abc import Callable, Mapping
from datetime import datetime
from fnmatch import translate
from typing import Any

_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT.*")
_DAY = 86_400_000  # milliseconds
_MAX_CHARACTERS, _MAX_PAGE, _MAX_RESULTS = 3000, 200, 10_000
_LISTS, _PRESENCE = ("IN", "NOT_IN"), ("HAS_PROPERTY", "NOT_HAS_PROPERTY")


def check_request(text: str, body: Mapping[str, Any]) -> None:
    """Assert that a search request keeps the limits of the search guide, "Limits"."""
    groups = [group["filters"] for group in body["filterGroups"]]
    assert len(text) <= _MAX_CHARACTERS, len(text)
    assert {*body} - {"query"} == {"filterGroups", "sorts", "properties", "limit", "after"}, body
    assert len(groups) <= 5, groups
    assert sum(len(group) for group in groups) <= 18, groups
    assert all(1 <= len(group) <= 6 for group in groups), groups
    assert 1 <= body["limit"] <= _MAX_PAGE, body
    assert body["after"].isdecimal(), body
    assert int(body["after"]) + body["limit"] <= _MAX_RESULTS, body
    assert len(body["sorts"]) <= 1, body
    for each in (condition for group in groups for condition in group):
        _check_filter(each)


def _check_filter(condition: Mapping[str, Any]) -> None:
    operator = condition["operator"]
    values = ["values"] if operator in _LISTS else [] if operator in _PRESENCE else ["value"]
    values += ["highValue"] if operator == "BETWEEN" else []
    assert {*condition} == {"propertyName", "operator", *values}, condition
    given = condition.get("values", [condition[name] for name in values if name != "values"])
    assert all(isinstance(each, str) for each in given), condition
    assert operator in _PRESENCE or given, "there is nothing to choose from"


def satisfies(stored: str | None, condition: Mapping[str, Any], kind: str) -> bool:
    """Say whether the value of a property, whose type is `kind`, satisfies a filter."""
    operator, value = condition["operator"], condition.get("value", "")
    if operator in _PRESENCE:
        return (stored is not None) is (operator == "HAS_PROPERTY")
    # What has no value is not compared; that it is no "other" value either is our own reading.
    if stored is None:
        return False
    if operator in _LISTS:
        # "When searching a string property with this operator, values must be lowercase": that
        # others find nothing, instead of being refused, is our own reading.
        same = (stored if kind == "enumeration" else stored.lower()) in condition["values"]
        return same is (operator == "IN")
    if operator in ("CONTAINS_TOKEN", "NOT_CONTAINS_TOKEN"):
        return _contains(stored, value) is (operator == "CONTAINS_TOKEN")
    left, right = _comparable(stored, value, kind)
    if operator == "BETWEEN":
        return bool(right <= left <= _comparable(stored, condition["highValue"], kind)[1])
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


def _comparable(stored: str, value: str, kind: str) -> tuple[Any, Any]:
    if _MOMENT.fullmatch(stored):
        assert value.isdecimal(), value
        return datetime.fromisoformat(stored).timestamp() * 1000, int(value)
    if kind == "date":  # midnight in UTC: .../docs/faq/how-should-timestamps-be-formatted
        assert int(value) % _DAY == 0, value
        return datetime.fromisoformat(f"{stored}T00:00:00Z").timestamp() * 1000, int(value)
    if kind == "enumeration":  # "search is case-sensitive for all filter operators"
        return stored, value
    try:
        return float(stored), float(value)
    except ValueError:
        return stored.lower(), value.lower()


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", text.lower())
