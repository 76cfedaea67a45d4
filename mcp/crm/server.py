"""The CRM tools, as the model sees them."""

from typing import Annotated

from fastmcp.tools import tool
from pydantic import Field

from config.text import clean
from crm import inputs, people_tools, work_tools
from crm.arguments import Names
from crm.listing import listed, raw
from crm.matching import SHOWN, hit, kinds, meant, said, wanted
from crm.operations import CRM, DESK, Desk, Detail
from crm.provider import CrmProvider, FieldName, Filter, Kind, Query, RawQueries
from crm.registry import PROVIDERS
from crm.results import Hits, RawRows, Rows
from toolkit.effects import READS
from toolkit.errors import Rejected
from toolkit.middleware.authorization import NAMED_ONLY
from toolkit.server.build import ServerSpec

_CANDIDATES = 25  # among whom the likeliest are looked for

Said = Annotated[str, Field(min_length=1, max_length=200)]
Statement = Annotated[str, Field(min_length=1, max_length=4000)]
Filters = Annotated[tuple[Filter, ...], Field(max_length=10)]
Limit = Annotated[int, Field(ge=1, le=20)]
RawLimit = Annotated[int, Field(ge=1, le=50)]


@tool(title="Query records", annotations=READS, timeout=8.0)
async def query(
    kind: Kind,
    filters: Filters = (),
    fields: Names = (),
    order_by: FieldName | None = None,
    descending: bool = False,
    limit: Limit = 10,
    detail: Detail = "brief",
    desk: Desk = DESK,
) -> Rows:
    """List records by conditions, such as status is open; to find a person, use search.

    A field is a word of the kind's own tool (name, status, due_date, …) or one of the business's.
    fields: what to show of each.
    """
    asked = Query(
        kind=kind,
        filters=tuple(inputs.condition(kind, each, desk.clock) for each in filters),
        fields=inputs.own(kind, fields),
        order_by=order_by,
        descending=descending,
        limit=limit,
    )
    page = await desk.crm.query(asked)
    return listed(kind, page, (*fields, *(each.field for each in filters)), detail)


@tool(
    title="Search the records",
    annotations=READS,
    tags={"voice"},
    timeout=8.0,
    meta={
        "antiphon": {
            "examples": [
                {"caller": "It's Tom Hill again.", "arguments": {"text": "Tom Hill"}},
                {
                    "caller": "My number is 555 7781.",
                    "arguments": {"text": "5557781"},
                },
            ]
        }
    },
)
async def search(text: Said, kind: Kind | None = None, desk: Desk = DESK) -> Hits:
    """Find who or what is meant. text: a name, a phone number, an e-mail address or words."""
    wish = wanted(clean(text).strip())
    if not wish.text:
        raise Rejected(
            "There is nothing to look for.",
            say="Under which name or number?",
            next="Call again with what the caller says.",
        )
    candidates = await desk.crm.search(wish, kinds(wish, kind), _CANDIDATES)
    found = meant(wish, candidates)
    return Hits(
        say=said(wish, found), found=[hit(each) for each in found[:SHOWN]], more=len(found) > SHOWN
    )


@tool(title="Query in the vendor's language", annotations=READS, tags={NAMED_ONLY}, timeout=8.0)
async def raw_query(statement: Statement, limit: RawLimit = 10, crm: CrmProvider = CRM) -> RawRows:
    """Run a query in the vendor's own language, such as SOQL. It can only read."""
    if not isinstance(crm, RawQueries):
        raise Rejected("This CRM has no query language of its own.")
    return raw(await crm.raw_query(clean(statement), limit), limit)


TOOLS = (
    people_tools.get_lead,
    people_tools.create_lead,
    people_tools.update_lead,
    people_tools.get_contact,
    people_tools.create_contact,
    people_tools.update_contact,
    people_tools.get_account,
    people_tools.create_account,
    people_tools.update_account,
    people_tools.get_opportunity,
    people_tools.create_opportunity,
    people_tools.update_opportunity,
    work_tools.create_task,
    work_tools.get_task,
    work_tools.update_task,
    work_tools.create_event,
    work_tools.get_event,
    work_tools.update_event,
    work_tools.create_case,
    work_tools.get_case,
    work_tools.update_case,
    query,
    search,
    raw_query,
)
SERVER = ServerSpec(
    "crm",
    "A CRM: leads, contacts, accounts, opportunities, tasks, events and cases. Find a record with"
    " search, then pass on its id. Times are passed on in the caller's own words.",
    TOOLS,
    providers=PROVIDERS,
)
