"""The scheduling providers by name. A new one takes a module, its test, and a line here."""

from collections.abc import Mapping

from scheduling.provider import SchedulingProvider
from scheduling.providers.acuity.provider import Acuity
from scheduling.providers.builtin.provider import Builtin
from scheduling.providers.calcom.provider import CalCom
from scheduling.providers.housecallpro.provider import HousecallPro
from toolkit.tenancy import ProviderFactory

PROVIDERS: Mapping[str, ProviderFactory[SchedulingProvider]] = {
    "calcom": CalCom,
    "housecallpro": HousecallPro,
    "acuity": Acuity,
    "builtin": Builtin,
}
