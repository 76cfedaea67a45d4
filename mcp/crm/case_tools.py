"""The tools for cases."""

from fastmcp.tools import tool

from crm.inputs import (
    CustomValues,
    FieldNames,
    Id,
    Name,
    Notes,
    Text,
    collect_values,
)
from crm.operations import OPERATIONS, CrmOperations
from crm.results import Case, Detail
from toolkit.effects import CHANGES, READS, WRITES


@tool(title="Create a case", annotations=WRITES, tags={"voice"}, timeout=15.0)
async def create_case(
    subject: Name,
    status: Text | None = None,
    priority: Text | None = None,
    contact: Id | None = None,
    account: Id | None = None,
    notes: Notes | None = None,
    fields: CustomValues | None = None,
    operations: CrmOperations = OPERATIONS,
) -> Case:
    """Open a case: a complaint or a question. contact, account: ids."""
    values = collect_values(
        subject=subject,
        status=status,
        priority=priority,
        contact=contact,
        account=account,
        notes=notes,
    )
    return await operations.create_record(Case, values, fields)


@tool(title="Show a case", annotations=READS, timeout=8.0)
async def get_case(
    case: Id,
    fields: FieldNames = (),
    detail: Detail = "brief",
    operations: CrmOperations = OPERATIONS,
) -> Case:
    """Show one case. case: its id from search."""
    return await operations.get_record(Case, case, fields, detail)


@tool(title="Change a case", annotations=CHANGES, timeout=15.0)
async def update_case(
    case: Id,
    subject: Text | None = None,
    status: Text | None = None,
    priority: Text | None = None,
    contact: Id | None = None,
    account: Id | None = None,
    notes: Notes | None = None,
    fields: CustomValues | None = None,
    operations: CrmOperations = OPERATIONS,
) -> Case:
    """Change a case: give only what is new. status: new, open or closed."""
    values = collect_values(
        subject=subject,
        status=status,
        priority=priority,
        contact=contact,
        account=account,
        notes=notes,
    )
    return await operations.update_record(Case, case, values, fields)
