"""A fake of Make's API, as far as scenarios are run.

Shapes are those of the mocks of Make's own SDK (integromat/make-typescript-sdk, test/mocks); what
is said about them is from https://developers.make.com/api-documentation.
"""

import json
import re
from typing import Any

import httpx2

from tests.support.vendor_contract import CANARY
from tests.support.vendors import BODY_CANARY, Vendor

QUOTE, REPORT = 925, 926
_ID = re.compile(r"/(\d+)(?:/(\w+)(?:/(\w+))?)?")

Json = dict[str, Any]


class Make(Vendor):
    """Scenarios with a memory of their runs."""

    base = "https://eu1.make.com/api/v2"
    specification = "make/openapi-THIRDPARTY.json"
    # Of the specification's scenarios only: the scopes of a token are in the SDK's mocks
    # (users/current-authorization.json), and so are executions (executions/get-detail.json).
    uncovered = re.compile(
        r"GET /users/me/current-authorization|GET /scenarios/\d+/executions/[0-9a-zA-Z]+"
    )

    def __init__(self) -> None:
        super().__init__()
        self.scopes = ["scenarios:read", "scenarios:run"]
        self.scenarios: dict[int, Json] = {
            QUOTE: {"isActive": True, "isPaused": False, "isinvalid": False},
            REPORT: {"isActive": True, "isPaused": False, "isinvalid": False},
        }
        # scenarios/interface.json
        self.interfaces: dict[int, list[Json] | None] = {
            QUOTE: [
                {"name": "email", "type": "email", "label": "e-mail address", "required": True},
                {"name": "copies", "type": "uinteger", "default": None, "required": False},
            ],
            REPORT: None,
        }
        self.executions: dict[str, Json] = {}
        self.started: list[tuple[int, Json]] = []
        self.outputs: Json = {"quote": "Q-17"}
        self.polls = 1  # how often a run is asked about until it is finished
        self.final = "SUCCESS"

    def answer(self, request: httpx2.Request) -> httpx2.Response:
        """Answer as Make does; what is not played is not allowed."""
        # "Authorization: Token", and nothing else: https://developers.make.com, Authentication.
        if request.headers.get("authorization") != f"Token key-{CANARY}":
            return _error(401, "IM004")
        path = request.url.path.removeprefix("/api/v2")
        if (request.method, path) == ("GET", "/users/me/current-authorization"):
            return _ok({"authorization": {"authUsed": "token", "scope": self.scopes}})
        match = _ID.fullmatch(path.removeprefix("/scenarios"))
        assert match is not None, request.url
        scenario, part, last = int(match[1]), match[2], match[3]
        if scenario not in self.scenarios:
            return _error(404, "SC404")
        match request.method, part, last:
            case "GET", None, None:
                return _ok({"scenario": {"id": scenario, **self.scenarios[scenario]}})
            case "GET", "interface", None:
                return _ok({"interface": {"input": self.interfaces[scenario], "output": None}})
            case "POST", "run", None:
                return self._run(scenario, request)
            case "GET", "executions", str(execution):
                return self._show(scenario, execution)
            case unexpected:
                raise AssertionError(unexpected)

    def _run(self, scenario: int, request: httpx2.Request) -> httpx2.Response:
        """Start a run: scenarios/run.json.

        "Runs the specified scenario. The scenario has to be active. If your scenario has required
        scenario inputs you have to provide" them in `data`; "if set to false the API call returns
        immediately", with the execution's id alone. The code of a refusal is not documented.
        """
        body: Json = json.loads(request.content)
        assert set(body) == {"data", "responsive"}
        data: Json = body["data"]
        assert body["responsive"] is False
        inputs = self.interfaces[scenario] or []
        missing = [each for each in inputs if each["required"] and each["name"] not in data]
        if missing or not self.scenarios[scenario]["isActive"]:
            return _error(400, "SC400")
        self.started.append((scenario, data))
        execution = f"{len(self.started):032x}"
        self.executions[execution] = {"scenario": scenario, "asked": 0}
        return _ok({"executionId": execution})

    def _show(self, scenario: int, execution: str) -> httpx2.Response:
        """Show a run: executions/get-detail.json.

        `RUNNING` alone, `SUCCESS` with outputs, `ERROR` with an error of Make's own words.
        """
        found = self.executions.get(execution)
        if found is None or found["scenario"] != scenario:
            return _error(404, "SC404")
        found["asked"] += 1
        if found["asked"] < self.polls:
            return _ok({"status": "RUNNING"})
        if self.final == "ERROR":
            error = {"message": BODY_CANARY, "name": "RuntimeError"}
            return _ok({"status": "ERROR", "error": error})
        return _ok({"status": self.final, "outputs": self.outputs})


def _ok(body: Json) -> httpx2.Response:
    return httpx2.Response(200, json=body)


def _error(status: int, code: str) -> httpx2.Response:
    """Return an error: https://developers.make.com/api-documentation/troubleshooting/http-status-codes."""
    body = {"detail": BODY_CANARY, "message": BODY_CANARY, "code": code}
    return httpx2.Response(status, json=body)
