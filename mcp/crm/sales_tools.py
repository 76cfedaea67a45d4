"""The tools for opportunities."""

from fastmcp.tools import tool

from crm.inputs import (
    Amount,
    CustomValues,
    FieldNames,
    Id,
    Name,
    Notes,
    Text,
    collect_values,
)
from crm.operations import OPERATIONS, CrmOperations
from crm.results import Detail, Opportunity
from toolkit.effects import CHANGES, READS, WRITES


@tool(title="Show an opportunity", annotations=READS, timeout=8.0)
async def get_opportunity(
    opportunity: Id,
    fields: FieldNames = (),
    detail: Detail = "brief",
    operations: CrmOperations = OPERATIONS,
) -> Opportunity:
    """Show one opportunity. opportunity: its id from search."""
    return await operations.get_record(Opportunity, opportunity, fields, detail)


@tool(title="Create an opportunity", annotations=WRITES, timeout=15.0)
async def create_opportunity(
    name: Name,
    stage: Text | None = None,
    amount: Amount | None = None,
    close: Text | None = None,
    account: Id | None = None,
    notes: Notes | None = None,
    fields: CustomValues | None = None,
    operations: CrmOperations = OPERATIONS,
) -> Opportunity:
    """Create an opportunity: a sale that may come about. close: the day, in the caller's words."""
    values = collect_values(
        name=name,
        stage=stage,
        amount=amount,
        close_date=operations.parse_day(close),
        account=account,
        notes=notes,
    )
    return await operations.create_record(Opportunity, values, fields)


@tool(title="Change an opportunity", annotations=CHANGES, timeout=15.0)
async def update_opportunity(
    opportunity: Id,
    name: Text | None = None,
    stage: Text | None = None,
    amount: Amount | None = None,
    close: Text | None = None,
    account: Id | None = None,
    notes: Notes | None = None,
    fields: CustomValues | None = None,
    operations: CrmOperations = OPERATIONS,
) -> Opportunity:
    """Change an opportunity: give only what is new. opportunity: its id from search."""
    values = collect_values(
        name=name,
        stage=stage,
        amount=amount,
        close_date=operations.parse_day(close),
        account=account,
        notes=notes,
    )
    return await operations.update_record(Opportunity, opportunity, values, fields)
