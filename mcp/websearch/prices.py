"""What a search costs: as the vendor says, else by its list of prices, in `prices.yaml`."""

from collections.abc import Mapping
from datetime import date
from functools import cache
from importlib.resources import files
from typing import Literal

from pydantic import BaseModel, ConfigDict, TypeAdapter

from config import plain_yaml
from websearch.provider import SearchUsage

CostSource = Literal["vendor", "price_list"]
_DIGITS = 6  # behind the point, of a cost in dollars


class Price(BaseModel):
    """A vendor's list of prices, in US dollars, and where it was read."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    source: str
    valid_from: date
    request: float
    included_results: int
    additional_result: float
    units: Mapping[str, float] = {}


class Cost(BaseModel):
    """What a search cost, in US dollars, and who says so."""

    model_config = ConfigDict(frozen=True)

    dollars: float
    source: CostSource


def search_cost(usage: SearchUsage, results: int) -> Cost:
    """Return what a search costs that was asked for so many results."""
    if usage.cost is not None:
        return Cost(dollars=usage.cost, source="vendor")
    price = prices()[usage.provider]
    if usage.units and usage.units.keys() <= price.units.keys():
        dollars = sum(price.units[name] * count for name, count in usage.units.items())
    else:
        additional = max(0, results - price.included_results)
        dollars = price.request + additional * price.additional_result
    return Cost(dollars=round(dollars, _DIGITS), source="price_list")


@cache
def prices() -> Mapping[str, Price]:
    """Return the list of prices of each provider."""
    text = files("websearch").joinpath("prices.yaml").read_text("utf-8")
    return TypeAdapter(dict[str, Price]).validate_python(plain_yaml.load(text))
