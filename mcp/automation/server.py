"""The automation server: its tools, in the order in which they are listed."""

from automation.automation_tools import list_automations, make_run_scenario, zapier_trigger
from automation.registry import PROVIDERS
from toolkit.server.build import ServerSpec

TOOLS = (list_automations, zapier_trigger, make_run_scenario)
SERVER = ServerSpec(
    "automation",
    "Automations of the business at Zapier or Make, by the names that it has declared them under.",
    TOOLS,
    providers=PROVIDERS,
)
