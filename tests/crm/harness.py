"""A tenant whose CRM is a fake vendor, with the MCP server in between."""

from abc import abstractmethod
from dataclasses import dataclass, field
from typing import Any

from config.security.tokens import Claims
from crm.provider import Kind
from crm.server import SERVER
from tests.support.servers import Answer, Caller
from tests.support.vendor_contract import VendorHarness
from tests.support.vendors import Vendor

TOOLS: tuple[str, ...] = tuple(SERVER.catalogue()["tools"])


class FakeCrm(Vendor):
    """A fake CRM that keeps records in memory."""

    @abstractmethod
    def records(self, kind: Kind) -> list[dict[str, Any]]:
        """Return the records of a kind.

        Each has the standard fields that have a value, `id`, and the custom fields in `fields`.
        """


@dataclass(frozen=True)
class CrmHarness(VendorHarness[FakeCrm]):
    """A tenant with a fake CRM. `called_tools` are those that succeeded."""

    server = SERVER.name

    called_tools: set[str] = field(default_factory=set[str])

    def claims(self, **grant: Any) -> Claims:
        """Return what a client's token says: it may use every tool."""
        return super().claims(**{"tools": TOOLS, **grant})

    async def call_ok(self, caller: Caller, tool: str, **arguments: Any) -> Answer:
        """Call a tool that has to succeed."""
        answer = await caller.call(tool, **arguments)
        assert answer.error is None, (tool, arguments, answer)
        self.called_tools.add(tool)
        return answer

    def only_record(self, kind: Kind) -> dict[str, Any]:
        """Return the only record of a kind."""
        records = self.vendor.records(kind)
        assert len(records) == 1, records
        return records[0]
