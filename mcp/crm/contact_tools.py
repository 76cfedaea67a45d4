"""The tools for leads, contacts and accounts."""

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
from crm.results import Account, Contact, Detail, Lead
from toolkit.effects import CHANGES, READS, WRITES
from toolkit.speech.contact import optional_email, optional_phone


@tool(title="Show a lead", annotations=READS, timeout=8.0)
async def get_lead(
    lead: Id,
    fields: FieldNames = (),
    detail: Detail = "brief",
    operations: CrmOperations = OPERATIONS,
) -> Lead:
    """Show one lead. lead: its id from search."""
    return await operations.get_record(Lead, lead, fields, detail)


@tool(
    title="Create a lead",
    annotations=WRITES,
    tags={"voice"},
    timeout=15.0,
    meta={
        "antiphon": {
            "examples": [
                {
                    "before": "Facts: The evening course costs 90 euros.",
                    "caller": "My brother would like to know more about the evening course."
                    " He is called Tom Hill.",
                    "arguments": {
                        "name": "Tom Hill",
                        "notes": "Would like to know more about the evening course.",
                    },
                }
            ],
            "words": "notes",
        }
    },
)
async def create_lead(
    name: Name,
    company: Text | None = None,
    title: Text | None = None,
    phone: Text | None = None,
    email: Text | None = None,
    status: Text | None = None,
    source: Text | None = None,
    notes: Notes | None = None,
    fields: CustomValues | None = None,
    operations: CrmOperations = OPERATIONS,
) -> Lead:
    """Create a lead: somebody new who is interested."""
    values = collect_values(
        name=name,
        company=company,
        title=title,
        phone=optional_phone(phone),
        email=optional_email(email),
        status=status,
        source=source,
        notes=notes,
    )
    return await operations.create_record(Lead, values, fields)


@tool(
    title="Change a lead",
    annotations=CHANGES,
    tags={"voice"},
    timeout=15.0,
    meta={
        "antiphon": {
            "examples": [
                {
                    "before": "Found: Tom Hill of Hill and Sons, a lead, id 41c2",
                    "caller": "My number has changed, it's 555 9902 now.",
                    "arguments": {"lead": "41c2", "phone": "5559902"},
                }
            ]
        }
    },
)
async def update_lead(
    lead: Id,
    name: Text | None = None,
    company: Text | None = None,
    title: Text | None = None,
    phone: Text | None = None,
    email: Text | None = None,
    status: Text | None = None,
    source: Text | None = None,
    notes: Notes | None = None,
    fields: CustomValues | None = None,
    operations: CrmOperations = OPERATIONS,
) -> Lead:
    """Change a lead: give only what is new. lead: its id from search."""
    values = collect_values(
        name=name,
        company=company,
        title=title,
        phone=optional_phone(phone),
        email=optional_email(email),
        status=status,
        source=source,
        notes=notes,
    )
    return await operations.update_record(Lead, lead, values, fields)


@tool(title="Show a contact", annotations=READS, timeout=8.0)
async def get_contact(
    contact: Id,
    fields: FieldNames = (),
    detail: Detail = "brief",
    operations: CrmOperations = OPERATIONS,
) -> Contact:
    """Show one contact. contact: its id from search."""
    return await operations.get_record(Contact, contact, fields, detail)


@tool(title="Create a contact", annotations=WRITES, timeout=15.0)
async def create_contact(
    name: Name,
    title: Text | None = None,
    phone: Text | None = None,
    email: Text | None = None,
    account: Id | None = None,
    notes: Notes | None = None,
    fields: CustomValues | None = None,
    operations: CrmOperations = OPERATIONS,
) -> Contact:
    """Create a contact: a person of a customer. account: the id of the company."""
    values = collect_values(
        name=name,
        title=title,
        phone=optional_phone(phone),
        email=optional_email(email),
        account=account,
        notes=notes,
    )
    return await operations.create_record(Contact, values, fields)


@tool(title="Change a contact", annotations=CHANGES, timeout=15.0)
async def update_contact(
    contact: Id,
    name: Text | None = None,
    title: Text | None = None,
    phone: Text | None = None,
    email: Text | None = None,
    account: Id | None = None,
    notes: Notes | None = None,
    fields: CustomValues | None = None,
    operations: CrmOperations = OPERATIONS,
) -> Contact:
    """Change a contact: give only what is new. contact: its id from search."""
    values = collect_values(
        name=name,
        title=title,
        phone=optional_phone(phone),
        email=optional_email(email),
        account=account,
        notes=notes,
    )
    return await operations.update_record(Contact, contact, values, fields)


@tool(title="Show an account", annotations=READS, timeout=8.0)
async def get_account(
    account: Id,
    fields: FieldNames = (),
    detail: Detail = "brief",
    operations: CrmOperations = OPERATIONS,
) -> Account:
    """Show one account. account: its id from search."""
    return await operations.get_record(Account, account, fields, detail)


@tool(title="Create an account", annotations=WRITES, timeout=15.0)
async def create_account(
    name: Name,
    phone: Text | None = None,
    website: Text | None = None,
    industry: Text | None = None,
    notes: Notes | None = None,
    fields: CustomValues | None = None,
    operations: CrmOperations = OPERATIONS,
) -> Account:
    """Create an account: a company that is a customer."""
    values = collect_values(
        name=name, phone=optional_phone(phone), website=website, industry=industry, notes=notes
    )
    return await operations.create_record(Account, values, fields)


@tool(title="Change an account", annotations=CHANGES, timeout=15.0)
async def update_account(
    account: Id,
    name: Text | None = None,
    phone: Text | None = None,
    website: Text | None = None,
    industry: Text | None = None,
    notes: Notes | None = None,
    fields: CustomValues | None = None,
    operations: CrmOperations = OPERATIONS,
) -> Account:
    """Change an account: give only what is new. account: its id from search."""
    values = collect_values(
        name=name, phone=optional_phone(phone), website=website, industry=industry, notes=notes
    )
    return await operations.update_record(Account, account, values, fields)
