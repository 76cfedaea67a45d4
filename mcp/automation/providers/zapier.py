"""Zapier: Zaps that start with a catch hook.

https://help.zapier.com/hc/en-us/articles/8496288690317-Trigger-Zap-workflows-from-webhooks,
https://docs.zapier.com/integrations/build/operating-constraints.

A hook answers 200 to whatever it has received, also while its Zap is off or fails later on. So
nothing here says that anything was done.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal

import httpx2
from pydantic import BaseModel

from automation.directory import list_automations, open_hook
from automation.provider import Automation, Run, Schema
from config.security.vault import Account
from toolkit.errors import Disconnected, ToolFailure, UnknownTool
from toolkit.http.client import VendorApi
from toolkit.tenancy import Credentials, ToolCall, UntriedAccountError

_BASE = "https://hooks.zapier.com"
_NOTHING: Schema = {"type": "object", "properties": {}, "additionalProperties": False}
# The URL is the credential: with any of these it is no longer one.
_GONE = frozenset({401, 404, 410})


class _Receipt(BaseModel):
    """What a hook answers: that it has received something. In silent mode it answers nothing."""

    status: Literal["success"] | None = None


class Zapier:
    """A tenant's Zaps, each with a catch hook.

    The account has no secrets of its own, and cannot be tried: the URL of each hook is one, which
    is declared with its automation.
    """

    credentials: ClassVar[type[Credentials]] = Credentials
    unsupported: ClassVar[Mapping[str, str]] = {
        "make_run_scenario": "Zapier has no scenarios, and tells nothing about the runs of a Zap.",
    }

    def __init__(self, account: Account, call: ToolCall) -> None:
        self._account = account
        self._call = call
        self._api = VendorApi(
            "Zapier", _BASE, call.vendor_connection(account), refusal=_read_refusal
        )

    async def check(self) -> None:
        """Try nothing.

        Raises:
            UntriedAccountError: always; whatever a hook is sent starts its Zap.
        """
        raise UntriedAccountError("whatever a hook is sent starts its Zap")

    async def list_automations(self) -> Sequence[Automation]:
        """Return the Zaps that are declared."""
        return await list_automations(self._call, self._account)

    async def get_schema(self, automation: Automation) -> Schema | None:
        """Return what was declared: a hook cannot be asked."""
        return _NOTHING if automation.takes is None else automation.takes

    async def trigger(self, automation: Automation, values: Mapping[str, Any]) -> None:
        """Send values to the hook of a Zap. It takes no key that would make a repeat harmless."""
        url = open_hook(self._call, automation)
        self._call.refuse_if_retry("Zapier")
        # Not `VendorApi.call`: the path of a hook ends with a slash, and is passed on as it is.
        request = self._api.connection.client.build_request("POST", url, json=dict(values))
        response = await self._api.send_json(request)
        self._api.parse(json.loads(response.content or b"{}"), _Receipt, reads=False)

    async def run(self, automation: Automation, values: Mapping[str, Any]) -> Run:
        """Refuse: no tool is left for it.

        Raises:
            UnknownTool: always.
        """
        raise UnknownTool

    async def get_run(self, automation: Automation, run_id: str) -> Run | None:
        """Return None: a Zap's runs are not told."""
        return None


def _read_refusal(response: httpx2.Response) -> ToolFailure | None:
    if response.status_code in _GONE:
        return Disconnected("Zapier no longer has this hook: its URL has to be declared anew.")
    return None
