"""The CRM server: its tools, in the order in which they are listed."""

from crm.activity_tools import (
    create_event,
    create_task,
    get_event,
    get_task,
    update_event,
    update_task,
)
from crm.case_tools import create_case, get_case, update_case
from crm.contact_tools import (
    create_account,
    create_contact,
    create_lead,
    get_account,
    get_contact,
    get_lead,
    update_account,
    update_contact,
    update_lead,
)
from crm.registry import PROVIDERS
from crm.sales_tools import create_opportunity, get_opportunity, update_opportunity
from crm.search_tools import query, raw_query, search
from toolkit.server.build import ServerSpec

TOOLS = (
    get_lead,
    create_lead,
    update_lead,
    get_contact,
    create_contact,
    update_contact,
    get_account,
    create_account,
    update_account,
    get_opportunity,
    create_opportunity,
    update_opportunity,
    create_task,
    get_task,
    update_task,
    create_event,
    get_event,
    update_event,
    create_case,
    get_case,
    update_case,
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
