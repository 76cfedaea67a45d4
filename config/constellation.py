"""The constellation as a file: who serves what. The one place that loads code by its name."""

from collections.abc import Mapping
from functools import cache
from importlib import import_module
from importlib.resources import files
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict

from config.declarations.section import Section
from config.jobs import Job


class Constellation(BaseModel):
    """What `constellation.yaml` says."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    servers: Mapping[str, str]
    declares: Mapping[str, str]
    jobs: Mapping[str, str]
    serve: str
    trial: str
    processes: Mapping[str, str]


@cache
def constellation() -> Constellation:
    """Return the constellation that this installation has."""
    text = files("config").joinpath("constellation.yaml").read_text(encoding="utf-8")
    return Constellation.model_validate(yaml.safe_load(text))


def load(dotted: str) -> Any:
    """Return the object that `module:NAME` names."""
    module, _, name = dotted.partition(":")
    return getattr(import_module(module), name)


def sections() -> dict[str, Section]:
    """Return the owners of the lists that a declaration may hold."""
    return {name: load(dotted) for name, dotted in constellation().declares.items()}


def jobs() -> dict[str, Job]:
    """Return what a worker can do."""
    return {name: load(dotted) for name, dotted in constellation().jobs.items()}
