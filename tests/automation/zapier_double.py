"""A fake of Zapier's catch hooks.

Nothing of Zapier's own specifies them: the rules are from the pages that are named at each.
"""

import json
from typing import Any
from uuid import uuid4

import httpx2

from tests.support.vendor_contract import CANARY
from tests.support.vendors import Vendor

HOOK = f"https://hooks.zapier.com/hooks/catch/1234567/{CANARY}/"
SILENT_HOOK = f"https://hooks.zapier.com/hooks/catch/1234567/silent-{CANARY}/silent/"
# https://docs.zapier.com/integrations/build/operating-constraints: the payload of a webhook.
_MAX_PAYLOAD = 10_000_000


class Zapier(Vendor):
    """Hooks with a memory of what they have caught."""

    base = "https://hooks.zapier.com"

    def __init__(self) -> None:
        super().__init__()
        self.caught: dict[str, list[dict[str, Any]]] = {HOOK: [], SILENT_HOOK: []}

    def answer(self, request: httpx2.Request) -> httpx2.Response:
        """Catch what is posted; nothing else is played.

        https://help.zapier.com/hc/en-us/articles/8496288690317: a hook takes POST with JSON, and
        answers 200 whatever its Zap makes of it. It has no credential besides its URL.
        """
        assert request.method == "POST"
        assert request.headers["content-type"] == "application/json"
        assert "authorization" not in request.headers
        assert len(request.content) <= _MAX_PAYLOAD
        url = str(request.url)
        if url not in self.caught:
            # Our own reading: what https://standardwebhooks.com says of a hook that is gone.
            return httpx2.Response(410, json={"status": "error"})
        self.caught[url].append(json.loads(request.content))
        if url == SILENT_HOOK:
            # https://community.zapier.com/code-webhooks-52/how-to-output-ok-in-response-to-catch-hook-13867:
            # the answer cannot be chosen; in silent mode it is empty.
            return httpx2.Response(200)
        receipt = {"status": "success", "attempt": str(uuid4()), "id": str(uuid4())}
        return httpx2.Response(200, json={**receipt, "request_id": str(uuid4())})

    def forget(self, hook: str) -> None:
        """Lose a hook, as when its Zap is deleted."""
        del self.caught[hook]
