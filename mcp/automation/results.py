"""The results of the automation tools."""

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from automation.provider import Automation, Run, Schema
from toolkit.middleware.results import Result


class AutomationRow(BaseModel):
    """An automation, as a model has to know it. Without `takes`, what it takes is not known."""

    model_config = ConfigDict(frozen=True)

    name: str
    description: str
    answers: bool
    takes: Schema | None = None


class HandedOverResult(Result):
    """What has been handed over. Whether it is done is not known here."""

    automation: str
    status: Literal["handed_over"] = "handed_over"


class RunDetails(BaseModel):
    """A run. `started` is one whose end nobody waits for; `run` is its id."""

    model_config = ConfigDict(frozen=True)

    automation: str
    run: str
    status: Literal["started", "running", "done", "warning", "failed"]
    outputs: Mapping[str, Any] | None = None


class RunResult(RunDetails, Result):
    """A run, and what to say about it."""


class AutomationListResult(Result):
    """The automations, or the run that was asked about."""

    automations: list[AutomationRow] | None = None
    run: RunDetails | None = None


def to_row(automation: Automation, takes: Schema | None) -> AutomationRow:
    """Return an automation as it is listed."""
    return AutomationRow(
        name=automation.name,
        description=automation.description,
        answers=automation.answers,
        takes=takes,
    )


def to_details(automation: Automation, run: Run, run_id: str) -> RunDetails:
    """Return a run as tools show it; what an automation does not answer is left out."""
    waits = automation.answers or run.state != "running"
    return RunDetails(
        automation=automation.name,
        run=run_id,
        status=run.state if waits else "started",
        outputs=run.outputs if automation.answers else None,
    )
