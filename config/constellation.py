"""The deployment's servers, sections, jobs and processes, as `constellation.yaml` lists them.

This is the only module that loads code by its dotted name.
"""

from collections.abc import Mapping
from functools import cache
from importlib import import_module
from importlib.resources import files
from typing import Any

from pydantic import BaseModel, ConfigDict

from config import plain_yaml
from config.jobs import Job


class Constellation(BaseModel):
    """The content of `constellation.yaml`, whose comments explain the keys."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    servers: Mapping[str, str]
    declares: Mapping[str, str]
    jobs: Mapping[str, str]
    serve: str
    account_check: str
    processes: Mapping[str, str]


@cache
def constellation() -> Constellation:
    """Return the constellation of this installation."""
    text = files("config").joinpath("constellation.yaml").read_text(encoding="utf-8")
    return Constellation.model_validate(plain_yaml.load(text))


def load_object(dotted: str) -> Any:
    """Return the object that a dotted name, `module:NAME`, stands for."""
    module, _, name = dotted.partition(":")
    return getattr(import_module(module), name)


def jobs() -> dict[str, Job]:
    """Return the kinds of jobs that a worker can run."""
    return {name: load_object(dotted) for name, dotted in constellation().jobs.items()}
