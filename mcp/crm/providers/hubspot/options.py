"""What HubSpot has a tenant choose from: the stages of its pipelines, and lists of options.

They have ids that nobody says, and labels that people do.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from pydantic import BaseModel, Field

from crm.provider import CASE_STATUSES, Kind, Word

# The word of each kind that is chosen from a list, and where that is read.
CHOSEN: Mapping[Kind, tuple[Word, tuple[str, ...]]] = {
    "lead": ("status", ("properties", "contacts", "hs_lead_status")),
    "account": ("industry", ("properties", "companies", "industry")),
    "opportunity": ("stage", ("pipelines", "deals")),
    "case": ("status", ("pipelines", "tickets")),
}
_WAITING_ON_US = "3"  # of the stages that HubSpot gives every account's tickets


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
    stages: list[_Stage] = Field(default_factory=list[_Stage])


class Offered(BaseModel):
    """The definition of a property, or the pipelines of an object."""

    options: list[_Option] = Field(default_factory=list[_Option])
    results: list[_Pipeline] = Field(default_factory=list[_Pipeline])


@dataclass(frozen=True)
class Choice:
    """One of them. A stage is in a pipeline; `ours` is our word for a ticket's."""

    value: str
    label: str
    pipeline: str | None = None
    ours: str | None = None


@dataclass(frozen=True)
class Choices:
    """What there is to choose from, in order."""

    all: tuple[Choice, ...] = ()

    def meant(self, said: str) -> list[Choice]:
        """Return what may be meant: several pipelines can have a stage of one label."""
        text = said.casefold()
        ways = (
            [each for each in self.all if each.value.casefold() == text],
            [each for each in self.all if each.ours == text],
            [each for each in self.all if each.label.casefold() == text],
        )
        return next(filter(None, ways), list[Choice]())

    def chosen(self, said: str, pipeline: str | None) -> Choice | None:
        """Return what is meant, in the pipeline in which something is already; None for nothing."""
        found = self.meant(said)
        here = [each for each in found if each.pipeline == pipeline]
        return next(iter([*here, *found]), None)

    def first(self) -> Choice | None:
        """Return the stage in which something begins."""
        stages = (each for each in self.all if each.pipeline)
        return next(stages, None)

    def told(self, value: str) -> str:
        """Return a choice as people call it."""
        for each in self.all:
            if each.value == value:
                return each.ours or each.label or value
        return value


def choices(kind: Kind, offered: Offered, statuses: Mapping[str, str]) -> Choices:
    """Return the choices of a property; `statuses` are a tenant's stages for our words."""
    if not offered.results:
        return Choices(tuple(Choice(each.value, each.label) for each in offered.options))
    found: list[Choice] = []
    for pipeline in sorted(offered.results, key=lambda each: each.displayOrder):
        stages = sorted(pipeline.stages, key=lambda each: each.displayOrder)
        named = _named(stages, statuses) if kind == "case" else {}
        found += [
            Choice(stage.id, stage.label, pipeline.id, named.get(stage.id)) for stage in stages
        ]
    return Choices(tuple(found))


def _named(stages: list[_Stage], statuses: Mapping[str, str]) -> dict[str, str]:
    """Return our word for each stage of tickets that has one."""
    new, _, closed = CASE_STATUSES
    named: dict[str, str] = {}
    for stage in stages:
        if stage.metadata.ticketState == "CLOSED":
            named[stage.id] = closed
    going = [stage.id for stage in stages if stage.id not in named]
    if going:
        opened = _WAITING_ON_US if _WAITING_ON_US in going else going[min(1, len(going) - 1)]
        named |= {opened: CASE_STATUSES[1], going[0]: new}
    for word, said in statuses.items():
        chosen = [each.id for each in stages if said.casefold() in (each.id, each.label.casefold())]
        if chosen:
            named = {id_: ours for id_, ours in named.items() if ours != word or ours == closed}
            named[chosen[0]] = word
    return named
