"""The tools for leads, contacts, accounts and opportunities."""

from fastmcp.tools import tool

from crm.arguments import Amount, Id, Name, Names, Notes, Own, Text
from crm.inputs import email as address
from crm.inputs import phone as number
from crm.inputs import words
from crm.operations import DESK, Desk, Detail
from crm.results import Account, Contact, Lead, Opportunity
from toolkit.effects import CHANGES, READS, WRITES


@tool(title="Show a lead", annotations=READS, timeout=8.0)
async def get_lead(
    lead: Id, fields: Names = (), detail: Detail = "brief", desk: Desk = DESK
) -> Lead:
    """Show one lead. lead: its id from search."""
    return await desk.show(Lead, lead, fields, detail)


@tool(
    title="Create a lead",
    annotations=WRITES,
    tags={"voice"},
    timeout=15.0,
    meta={
        "antiphon": {
            "examples": [
                {
                    "caller": "I'm Tom Hill of Hill and Sons, 555 7781. I'd like a quote.",
                    "arguments": {
                        "name": "Tom Hill",
                        "company": "Hill and Sons",
                        "phone": "5557781",
                        "notes": "Would like a quote.",
                    },
                }
            ]
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
    fields: Own | None = None,
    desk: Desk = DESK,
) -> Lead:
    """Create a lead: somebody new who is interested."""
    values = words(
        name=name,
        company=company,
        title=title,
        phone=number(phone),
        email=address(email),
        status=status,
        source=source,
        notes=notes,
    )
    return await desk.create(Lead, values, fields)


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
    fields: Own | None = None,
    desk: Desk = DESK,
) -> Lead:
    """Change a lead: give only what is new. lead: its id from search."""
    values = words(
        name=name,
        company=company,
        title=title,
        phone=number(phone),
        email=address(email),
        status=status,
        source=source,
        notes=notes,
    )
    return await desk.change(Lead, lead, values, fields)


@tool(title="Show a contact", annotations=READS, timeout=8.0)
async def get_contact(
    contact: Id, fields: Names = (), detail: Detail = "brief", desk: Desk = DESK
) -> Contact:
    """Show one contact. contact: its id from search."""
    return await desk.show(Contact, contact, fields, detail)


@tool(title="Create a contact", annotations=WRITES, timeout=15.0)
async def create_contact(
    name: Name,
    title: Text | None = None,
    phone: Text | None = None,
    email: Text | None = None,
    account: Id | None = None,
    notes: Notes | None = None,
    fields: Own | None = None,
    desk: Desk = DESK,
) -> Contact:
    """Create a contact: a person of a customer. account: the id of the company."""
    values = words(
        name=name,
        title=title,
        phone=number(phone),
        email=address(email),
        account=account,
        notes=notes,
    )
    return await desk.create(Contact, values, fields)


@tool(title="Change a contact", annotations=CHANGES, timeout=15.0)
async def update_contact(
    contact: Id,
    name: Text | None = None,
    title: Text | None = None,
    phone: Text | None = None,
    email: Text | None = None,
    account: Id | None = None,
    notes: Notes | None = None,
    fields: Own | None = None,
    desk: Desk = DESK,
) -> Contact:
    """Change a contact: give only what is new. contact: its id from search."""
    values = words(
        name=name,
        title=title,
        phone=number(phone),
        email=address(email),
        account=account,
        notes=notes,
    )
    return await desk.change(Contact, contact, values, fields)


@tool(title="Show an account", annotations=READS, timeout=8.0)
async def get_account(
    account: Id, fields: Names = (), detail: Detail = "brief", desk: Desk = DESK
) -> Account:
    """Show one account. account: its id from search."""
    return await desk.show(Account, account, fields, detail)


@tool(title="Create an account", annotations=WRITES, timeout=15.0)
async def create_account(
    name: Name,
    phone: Text | None = None,
    website: Text | None = None,
    industry: Text | None = None,
    notes: Notes | None = None,
    fields: Own | None = None,
    desk: Desk = DESK,
) -> Account:
    """Create an account: a company that is a customer."""
    values = words(name=name, phone=number(phone), website=website, industry=industry, notes=notes)
    return await desk.create(Account, values, fields)


@tool(title="Change an account", annotations=CHANGES, timeout=15.0)
async def update_account(
    account: Id,
    name: Text | None = None,
    phone: Text | None = None,
    website: Text | None = None,
    industry: Text | None = None,
    notes: Notes | None = None,
    fields: Own | None = None,
    desk: Desk = DESK,
) -> Account:
    """Change an account: give only what is new. account: its id from search."""
    values = words(name=name, phone=number(phone), website=website, industry=industry, notes=notes)
    return await desk.change(Account, account, values, fields)


@tool(title="Show an opportunity", annotations=READS, timeout=8.0)
async def get_opportunity(
    opportunity: Id, fields: Names = (), detail: Detail = "brief", desk: Desk = DESK
) -> Opportunity:
    """Show one opportunity. opportunity: its id from search."""
    return await desk.show(Opportunity, opportunity, fields, detail)


@tool(title="Create an opportunity", annotations=WRITES, timeout=15.0)
async def create_opportunity(
    name: Name,
    stage: Text | None = None,
    amount: Amount | None = None,
    close: Text | None = None,
    account: Id | None = None,
    notes: Notes | None = None,
    fields: Own | None = None,
    desk: Desk = DESK,
) -> Opportunity:
    """Create an opportunity: a sale that may come about. close: the day, in the caller's words."""
    values = words(
        name=name,
        stage=stage,
        amount=amount,
        close_date=desk.day(close),
        account=account,
        notes=notes,
    )
    return await desk.create(Opportunity, values, fields)


@tool(title="Change an opportunity", annotations=CHANGES, timeout=15.0)
async def update_opportunity(
    opportunity: Id,
    name: Text | None = None,
    stage: Text | None = None,
    amount: Amount | None = None,
    close: Text | None = None,
    account: Id | None = None,
    notes: Notes | None = None,
    fields: Own | None = None,
    desk: Desk = DESK,
) -> Opportunity:
    """Change an opportunity: give only what is new. opportunity: its id from search."""
    values = words(
        name=name,
        stage=stage,
        amount=amount,
        close_date=desk.day(close),
        account=account,
        notes=notes,
    )
    return await desk.change(Opportunity, opportunity, values, fields)
