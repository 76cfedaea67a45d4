"""The CRM vendors. A new vendor is a module in providers/, its test, and a line here."""

from collections.abc import Mapping

from crm.provider import CrmProvider
from crm.providers.builtin.provider import Builtin
from crm.providers.hubspot.provider import HubSpot
from crm.providers.leadsquared.provider import LeadSquared
from crm.providers.salesforce.provider import Salesforce
from crm.providers.selldo import SellDo
from crm.providers.zoho.provider import Zoho
from toolkit.tenancy import ProviderFactory

PROVIDERS: Mapping[str, ProviderFactory[CrmProvider]] = {
    "salesforce": Salesforce,
    "zoho": Zoho,
    "hubspot": HubSpot,
    "leadsquared": LeadSquared,
    "selldo": SellDo,
    "builtin": Builtin,
}
