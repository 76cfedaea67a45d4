"""The ServiceNow server: its tools, in the order of the catalogue."""

from servicenow.case_tools import create_case, get_case, query_cases, update_case
from servicenow.incident_tools import (
    create_incident,
    get_incident,
    query_incidents,
    update_incident,
)
from servicenow.knowledge_tools import get_knowledge_article, search_knowledge
from servicenow.registry import PROVIDERS
from servicenow.task_tools import create_task, get_assignment_groups, get_tasks, update_task
from servicenow.user_tools import get_user, search_user_by_email, search_user_by_phone
from toolkit.server.build import ServerSpec

TOOLS = (
    get_incident,
    create_incident,
    update_incident,
    query_incidents,
    get_user,
    search_user_by_email,
    search_user_by_phone,
    create_case,
    get_case,
    update_case,
    query_cases,
    search_knowledge,
    get_knowledge_article,
    create_task,
    get_tasks,
    update_task,
    get_assignment_groups,
)
SERVER = ServerSpec(
    "servicenow",
    "Incidents, cases, tasks and knowledge in ServiceNow. Records go by their numbers.",
    TOOLS,
    providers=PROVIDERS,
)
