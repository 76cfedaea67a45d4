"""The ServiceNow providers by name: there is one."""

from collections.abc import Mapping

from servicenow.provider import ServiceNowProvider
from servicenow.providers.servicenow.provider import ServiceNow
from toolkit.tenancy import ProviderFactory

PROVIDERS: Mapping[str, ProviderFactory[ServiceNowProvider]] = {"servicenow": ServiceNow}
