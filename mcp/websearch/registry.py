"""The providers behind the websearch tools. A new one is a module, its test, and a line here."""

from collections.abc import Mapping

from toolkit.tenancy import ProviderFactory
from websearch.provider import WebsearchProvider
from websearch.providers.exa import Exa
from websearch.providers.parallel import Parallel

PROVIDERS: Mapping[str, ProviderFactory[WebsearchProvider]] = {
    "exa": Exa,
    "parallel": Parallel,
}
