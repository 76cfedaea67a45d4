"""The tools for automations."""

from fastmcp.tools import tool

from automation import sentences
from automation.inputs import Name, RunId, Values
from automation.operations import (
    OPERATIONS,
    READ_TIMEOUT,
    WRITE_TIMEOUT,
    AutomationOperations,
)
from automation.results import AutomationListResult, HandedOverResult, RunResult
from toolkit.effects import READS, WRITES
from toolkit.middleware.confirmation import confirm


@tool(title="List automations", annotations=READS, tags={"voice"}, timeout=READ_TIMEOUT)
async def list_automations(
    run: RunId | None = None, operations: AutomationOperations = OPERATIONS
) -> AutomationListResult:
    """List what can be started, and what it takes. run: the id of a run, to hear where it is."""
    if run is None:
        return await operations.list_automations()
    details = await operations.get_run(run)
    return AutomationListResult(say=sentences.describe_run(details), run=details)


@tool(
    title="Hand over to a Zap",
    annotations=WRITES,
    tags={"voice"},
    timeout=WRITE_TIMEOUT,
    meta={
        "antiphon": {
            "examples": [
                {
                    "caller": "Please let my team know that I am half an hour late.",
                    "arguments": {
                        "automation": "notify_team",
                        "values": {"message": "I am half an hour late."},
                    },
                }
            ]
        }
    },
)
async def zapier_trigger(
    automation: Name, values: Values | None = None, operations: AutomationOperations = OPERATIONS
) -> HandedOverResult:
    """Hand values to a Zap of list_automations. It is passed on, which is not yet done."""
    chosen, taken = await operations.find(automation), values or {}
    await operations.check_values(chosen, taken)
    confirm(sentences.confirm_start(chosen, taken))
    await operations.provider.trigger(chosen, taken)
    return HandedOverResult(say=sentences.handed_over(chosen), automation=chosen.name)


@tool(
    title="Run a scenario",
    annotations=WRITES,
    tags={"voice"},
    timeout=WRITE_TIMEOUT,
    meta={
        "antiphon": {
            "examples": [
                {
                    "caller": "Could you send the quote to ann@example.com?",
                    "arguments": {
                        "scenario": "send_quote",
                        "values": {"email": "ann@example.com"},
                    },
                }
            ]
        }
    },
)
async def make_run_scenario(
    scenario: Name, values: Values | None = None, operations: AutomationOperations = OPERATIONS
) -> RunResult:
    """Run a scenario of list_automations. Ask list_automations for a run that is still running."""
    chosen, taken = await operations.find(scenario), values or {}
    await operations.check_values(chosen, taken)
    confirm(sentences.confirm_start(chosen, taken))
    run = operations.to_details(chosen, await operations.provider.run(chosen, taken))
    return RunResult(say=sentences.describe_run(run), **run.model_dump())
