"""What a provider of the automation server does, and the models that it takes and returns."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal, Protocol

from pydantic import BaseModel, ConfigDict, Field, SecretStr

# Where a run is: `warning` is finished, with an error that the scenario itself has dealt with.
RunState = Literal["running", "done", "warning", "failed"]
Schema = Mapping[str, Any]  # a JSON Schema of an object


class Automation(BaseModel):
    """An automation as it is declared. `takes` is None where that is for its vendor to say.

    The URL of its hook is either in `hook`, or sealed in `sealed_hook` and bound to `bound_to`.
    """

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)

    name: str
    description: str
    takes: Schema | None = None
    answers: bool = False
    scenario: int | None = None
    hook: SecretStr | None = None
    sealed_hook: Mapping[str, Any] | None = Field(default=None, repr=False)
    bound_to: str = ""


class Run(BaseModel):
    """A run of a scenario. `outputs` are what it has returned, once it is finished."""

    model_config = ConfigDict(frozen=True)

    id: str
    state: RunState
    outputs: Mapping[str, Any] | None = None


class AutomationProvider(Protocol):
    """One tenant's automations at one vendor."""

    async def check(self) -> None:
        """Make one harmless request, to see that the account works."""
        ...

    async def list_automations(self) -> Sequence[Automation]:
        """Return the automations that are declared at this account, by name."""
        ...

    async def get_schema(self, automation: Automation) -> Schema | None:
        """Return what an automation takes; None where it is not known.

        Raises:
            ToolFailure: the vendor was asked, and does not answer.
        """
        ...

    async def trigger(self, automation: Automation, values: Mapping[str, Any]) -> None:
        """Hand values over to an automation that gives no answer.

        Raises:
            OutcomeUnknown: it may have been handed over, now or in an earlier attempt.
        """
        ...

    async def run(self, automation: Automation, values: Mapping[str, Any]) -> Run:
        """Start a run; of an automation that answers, wait for its end as long as there is time.

        Raises:
            OutcomeUnknown: it may have been started, now or in an earlier attempt.
            Rejected: the automation is switched off, or does not take these values.
        """
        ...

    async def get_run(self, automation: Automation, run_id: str) -> Run | None:
        """Return a run as it is now; None where there is none with this id."""
        ...
