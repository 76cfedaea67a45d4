"""The automations of a business at Zapier and Make: what its bots may start."""

from collections.abc import Generator
from contextlib import contextmanager

from sqlalchemy.exc import IntegrityError

from config import automations
from config.automations import AutomationError, AutomationInput
from config.errors import UserError
from config.tables import Automation, BusinessIntegration
from orchestrator.api.credentials import KeyCaller
from orchestrator.api.dependencies import ApiDependencies
from orchestrator.api.errors import ApiError, not_found
from orchestrator.api.routing import ApiRouter
from orchestrator.api.schemas import (
    AutomationEntries,
    AutomationEntry,
    Removed,
    StoreAutomation,
)

router = ApiRouter()


@router.get("/api/automations")
async def get_automations(caller: KeyCaller, dependencies: ApiDependencies) -> AutomationEntries:
    """List what bots may start at Zapier and Make, without the URLs of hooks."""
    async with dependencies.database.tenant(caller.business_id) as session:
        rows = await automations.list_all(session)
    return AutomationEntries(automations=[_to_entry(row, account) for row, account in rows])


@router.post("/api/automations")
async def store_automation(
    body: StoreAutomation, caller: KeyCaller, dependencies: ApiDependencies
) -> AutomationEntry:
    """Add an automation, or replace the one with this name."""
    automation = AutomationInput(
        body.name,
        body.integration,
        body.description,
        body.takes.to_json() if body.takes else None,
        body.answers,
        body.hook.get_secret_value() if body.hook else None,
        body.scenario,
    )
    with _refusals():
        async with dependencies.database.tenant(caller.business_id) as session:
            keyring = dependencies.registration.keyring
            await automations.store(session, caller.business_id, automation, keyring)
            rows = await automations.list_all(session)
    return next(_to_entry(row, account) for row, account in rows if row.name == body.name)


@router.delete("/api/automations/{name}")
async def remove_automation(name: str, caller: KeyCaller, dependencies: ApiDependencies) -> Removed:
    """Remove an automation."""
    async with dependencies.database.tenant(caller.business_id) as session:
        if not await automations.remove(session, name):
            raise not_found("automation")
    return Removed(removed=name)


@contextmanager
def _refusals() -> Generator[None]:
    """Answer with what makes a change impossible.

    Raises:
        ApiError: the change is not possible.
    """
    try:
        yield
    except AutomationError as error:
        raise ApiError(409, "rejected", str(error)) from None
    except IntegrityError:
        message = "Somebody else has changed this at the same time."
        raise ApiError(409, "conflict", message) from None
    except UserError as error:
        raise ApiError(503, "unavailable", str(error)) from None


def _to_entry(row: Automation, account: BusinessIntegration) -> AutomationEntry:
    return AutomationEntry(
        name=row.name,
        integration=account.name,
        provider=account.integration_type,
        description=row.description,
        takes=row.takes,
        answers=row.answers,
        scenario=row.scenario,
    )
