"""Who can be behind the ServiceNow tools: ServiceNow."""

from collections.abc import Mapping

from servicenow.provider import ServiceDesk
from servicenow.providers.servicenow.provider import ServiceNow
from toolkit.tenancy import ProviderFactory

PROVIDERS: Mapping[str, ProviderFactory[ServiceDesk]] = {"servicenow": ServiceNow}
