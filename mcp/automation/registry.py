"""The providers behind the automation tools. A new one is a module, its test, and a line here."""

from collections.abc import Mapping

from automation.provider import AutomationProvider
from automation.providers.make import Make
from automation.providers.zapier import Zapier
from toolkit.tenancy import ProviderFactory

PROVIDERS: Mapping[str, ProviderFactory[AutomationProvider]] = {"zapier": Zapier, "make": Make}
