"""Finds the automations that callers name, checks what they are given, and describes runs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fastmcp.dependencies import Depends

from automation import sentences
from automation.inputs import fold_name, format_run, parse_run
from automation.provider import Automation, AutomationProvider, Run, Schema
from automation.registry import PROVIDERS
from automation.results import AutomationListResult, RunDetails, to_details, to_row
from automation.values import find_violation
from toolkit.errors import Forbidden, Invalid, NotFound
from toolkit.http.concurrency import map_concurrently
from toolkit.tenancy import tenant_provider

READ_TIMEOUT, WRITE_TIMEOUT = 8.0, 15.0  # seconds
_SCHEMAS_AT_ONCE = 5  # of the sixty requests in a minute that Make's smallest plan has


@dataclass(frozen=True)
class AutomationOperations:
    """One tenant's automations at one vendor."""

    provider: AutomationProvider

    async def find(self, name: str) -> Automation:
        """Return the automation that is called so.

        Raises:
            NotFound: there is none.
        """
        declared = await self.provider.list_automations()
        found = _named(name, declared)
        if found is None:
            names = ", ".join(each.name for each in declared) or "none"
            raise NotFound(
                f"There is no such automation; there are {names}.",
                say=sentences.say("no_such_automation"),
                next="Call again with one of these names, if one of them is meant.",
            )
        return found

    async def list_automations(self) -> AutomationListResult:
        """Return what can be started, and what it takes."""
        declared = await self.provider.list_automations()
        schemas = await map_concurrently(self._known_schema, declared, limit=_SCHEMAS_AT_ONCE)
        rows = [to_row(each, takes) for each, takes in zip(declared, schemas, strict=True)]
        return AutomationListResult(say=sentences.describe_automations(declared), automations=rows)

    async def check_values(self, automation: Automation, values: Mapping[str, Any]) -> None:
        """Make sure that an automation takes these values.

        Raises:
            Invalid: it does not.
            Forbidden: what it takes is not declared, and the account may not ask.
        """
        schema = await self.provider.get_schema(automation)
        if schema is None:
            raise Forbidden(
                "What this automation takes is not known: it has to be declared.",
                say=sentences.say("takes_unknown"),
            )
        violation = find_violation(schema, values)
        if violation is not None:
            raise Invalid(
                f"The values do not fit. {violation.rule}", say=sentences.ask_for_values(violation)
            )

    async def get_run(self, text: str) -> RunDetails:
        """Return the run that an id means, as it is now.

        Raises:
            NotFound: there is none.
        """
        key = parse_run(text)
        automation = key and _named(key.automation, await self.provider.list_automations())
        run = await self.provider.get_run(automation, key.run_id) if key and automation else None
        if automation is None or run is None:
            raise NotFound("There is no such run.", say=sentences.say("no_such_run"))
        return self.to_details(automation, run)

    def to_details(self, automation: Automation, run: Run) -> RunDetails:
        """Return a run, with the id by which tools know it."""
        return to_details(automation, run, format_run(automation.name, run.id))

    async def _known_schema(self, automation: Automation) -> Schema | None:
        """Return what an automation takes; None also where the account may not ask, or it is gone.

        One that cannot be looked at must not hide the others.
        """
        try:
            return await self.provider.get_schema(automation)
        except (Forbidden, NotFound):
            return None


def _named(name: str, automations: Sequence[Automation]) -> Automation | None:
    folded = fold_name(name)
    return next((each for each in automations if fold_name(each.name) == folded), None)


_PROVIDER: AutomationProvider = Depends(tenant_provider(PROVIDERS))


async def _open_operations(provider: AutomationProvider = _PROVIDER) -> AutomationOperations:
    return AutomationOperations(provider)


OPERATIONS: AutomationOperations = Depends(_open_operations)
