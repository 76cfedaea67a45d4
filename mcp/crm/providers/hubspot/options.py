"""The fixed values of HubSpot's properties: enumeration options, and stages of pipelines.

Each has an internal value, which requests use, and a label, which people say.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from pydantic import BaseModel, Field

from crm.provider import CASE_STATUSES, Kind, StandardField
from toolkit.http.records import Records

# The field of each kind that has options, and the path under which these are read.
OPTION_SOURCES: Mapping[Kind, tuple[StandardField, tuple[str, ...]]] = {
    "lead": ("status", ("properties", "contacts", "hs_lead_status")),
    "account": ("industry", ("properties", "companies", "industry")),
    "opportunity": ("stage", ("pipelines", "deals")),
    "case": ("status", ("pipelines", "tickets")),
}
_WAITING_ON_US = "3"  # the id of that stage in the ticket pipeline that HubSpot sets up


class _Option(BaseModel):
    label: str = ""
    value: str


class _Metadata(BaseModel):
    ticketState: str | None = None


class _Stage(BaseModel):
    id: str
    label: str = ""
    displayOrder: int = 0
    metadata: _Metadata = _Metadata()


class _Pipeline(BaseModel):
    id: str
    displayOrder: int = 0
    stages: Records[_Stage] = Field(default_factory=list[_Stage])


class OptionsResponse(BaseModel):
    """The definition of a property, or the pipelines of an object type."""

    options: Records[_Option] = Field(default_factory=list[_Option])
    results: Records[_Pipeline] = Field(default_factory=list[_Pipeline])


@dataclass(frozen=True)
class Option:
    """One option of a property, or one stage of a pipeline.

    `status` is the case status that a ticket stage stands for.
    """

    value: str
    label: str
    pipeline: str | None = None
    status: str | None = None


@dataclass(frozen=True)
class Options:
    """All options of a field, in their display order."""

    all: tuple[Option, ...] = ()

    def matching(self, text: str) -> list[Option]:
        """Return the options with this value, else with this case status, else with this label.

        Several pipelines can have a stage with the same label.
        """
        folded = text.casefold()
        matches = (
            [each for each in self.all if each.value.casefold() == folded],
            [each for each in self.all if each.status == folded],
            [each for each in self.all if each.label.casefold() == folded],
        )
        return next(filter(None, matches), list[Option]())

    def select(self, text: str, pipeline: str | None) -> Option | None:
        """Return the option that a text names, preferably in `pipeline`; None if there is none."""
        matches = self.matching(text)
        in_pipeline = [each for each in matches if each.pipeline == pipeline]
        return next(iter([*in_pipeline, *matches]), None)

    def first_stage(self) -> Option | None:
        """Return the first stage of the first pipeline."""
        stages = (each for each in self.all if each.pipeline)
        return next(stages, None)

    def display_name(self, value: str) -> str:
        """Return the case status or the label of a value; the value itself if it is unknown."""
        for each in self.all:
            if each.value == value:
                return each.status or each.label or value
        return value


def parse_options(kind: Kind, response: OptionsResponse, statuses: Mapping[str, str]) -> Options:
    """Return the options of a field; `statuses` are the tenant's stages for our case statuses."""
    if not response.results:
        return Options(tuple(Option(each.value, each.label) for each in response.options))
    options: list[Option] = []
    for pipeline in sorted(response.results, key=lambda each: each.displayOrder):
        stages = sorted(pipeline.stages, key=lambda each: each.displayOrder)
        status_of = _case_statuses(stages, statuses) if kind == "case" else {}
        options += [
            Option(stage.id, stage.label, pipeline.id, status_of.get(stage.id)) for stage in stages
        ]
    return Options(tuple(options))


def _case_statuses(stages: list[_Stage], statuses: Mapping[str, str]) -> dict[str, str]:
    """Return the case status of each ticket stage that stands for one, by the stage's id."""
    new, opened, closed = CASE_STATUSES
    status_of: dict[str, str] = {}
    for stage in stages:
        if stage.metadata.ticketState == "CLOSED":
            status_of[stage.id] = closed
    active = [stage.id for stage in stages if stage.id not in status_of]
    if active:
        open_id = _WAITING_ON_US if _WAITING_ON_US in active else active[min(1, len(active) - 1)]
        status_of |= {open_id: opened, active[0]: new}
    for status, name in statuses.items():
        folded = name.casefold()
        named = [stage.id for stage in stages if folded in (stage.id, stage.label.casefold())]
        if named:
            # One stage is new and one is open, while several can be closed.
            status_of = {
                stage_id: each
                for stage_id, each in status_of.items()
                if each != status or each == closed
            }
            status_of[named[0]] = status
    return status_of
