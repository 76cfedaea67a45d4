"""The tools that find records: by conditions, by a caller's words, in the vendor's language."""

from fastmcp.tools import tool

from crm.inputs import FieldNames, Filters, Limit, RawLimit, SearchText, Statement
from crm.operations import OPERATIONS, CrmOperations
from crm.provider import FieldName, Kind, Query
from crm.results import Detail, QueryResult, RawQueryResult, SearchResult
from toolkit.effects import READS
from toolkit.middleware.authorization import NAMED_ONLY


@tool(title="Query records", annotations=READS, timeout=8.0)
async def query(
    kind: Kind,
    filters: Filters = (),
    fields: FieldNames = (),
    order_by: FieldName | None = None,
    descending: bool = False,
    limit: Limit = 10,
    detail: Detail = "brief",
    operations: CrmOperations = OPERATIONS,
) -> QueryResult:
    """List records by conditions, such as status is open; to find a person, use search.

    A field is a word of the kind's own tool (name, status, due_date, …) or one of the business's.
    fields: what to show of each.
    """
    asked = Query(kind=kind, filters=filters, order_by=order_by, descending=descending, limit=limit)
    return await operations.query(asked, fields, detail)


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
async def search(
    text: SearchText, kind: Kind | None = None, operations: CrmOperations = OPERATIONS
) -> SearchResult:
    """Find who or what is meant. text: a name, a phone number, an e-mail address or words."""
    return await operations.search(text, kind)


@tool(title="Query in the vendor's language", annotations=READS, tags={NAMED_ONLY}, timeout=8.0)
async def raw_query(
    statement: Statement, limit: RawLimit = 10, operations: CrmOperations = OPERATIONS
) -> RawQueryResult:
    """Run a query in the vendor's own language, such as SOQL. It can only read."""
    return await operations.raw_query(statement, limit)
