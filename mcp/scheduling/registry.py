"""The scheduling vendors. Adding one is a module in providers/, its test, and a line here."""

from collections.abc import Mapping

from scheduling.provider import SchedulingProvider
from scheduling.providers.builtin import Builtin
from toolkit.tenancy import Connect

PROVIDERS: Mapping[str, Connect[SchedulingProvider]] = {
    "builtin": Builtin,
}
