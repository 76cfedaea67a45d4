"""The types of the tools' arguments, and the ids of runs."""

from typing import Annotated, Any, NamedTuple

from pydantic import Field, WithJsonSchema

Name = Annotated[str, Field(min_length=1, max_length=100)]
RunId = Annotated[str, Field(min_length=1, max_length=200)]
Values = Annotated[dict[str, Any], WithJsonSchema({"type": "object"})]

_SEPARATOR = ":"


class RunKey(NamedTuple):
    """Which run is meant: the automation, and the vendor's id of the run."""

    automation: str
    run_id: str


def format_run(automation: str, run_id: str) -> str:
    """Return the id of a run as tools return it."""
    return f"{automation}{_SEPARATOR}{run_id}"


def parse_run(text: str) -> RunKey | None:
    """Return which run an id means; None where it has another form."""
    automation, separator, run_id = text.strip().partition(_SEPARATOR)
    if not (separator and automation and run_id.isascii() and run_id.isalnum()):
        return None
    return RunKey(automation, run_id)


def fold_name(name: str) -> str:
    """Return a name as it is compared: in lower case, its words joined by `_`."""
    return "_".join(name.casefold().replace("-", " ").replace("_", " ").split())
