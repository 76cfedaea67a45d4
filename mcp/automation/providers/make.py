"""Make: scenarios that are run over its API.

https://developers.make.com/api-documentation/api-reference/scenarios.

A run is never started with `responsive`: Make would answer when it is finished, after up to forty
seconds, and whoever gives up earlier does not learn its id. Here a run is started, which returns
the id at once, and then asked about until it is finished or the caller has waited long enough.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal

from pydantic import BaseModel, Field, JsonValue, SecretStr

from automation import sentences
from automation.directory import list_automations
from automation.provider import Automation, Run, RunState, Schema
from config.automations import allowed_hosts
from config.security.vault import Account
from config.value_schema import close_objects
from toolkit.errors import Disconnected, NotFound, Rejected, ToolFailure, UnknownTool
from toolkit.http.client import HeaderAuth, VendorApi
from toolkit.http.deadline import remaining
from toolkit.http.polling import poll_until
from toolkit.http.records import Records
from toolkit.tenancy import Credentials, ToolCall

_SCHEMA_TTL = 300.0  # seconds
_WAIT = 2 / 3  # of the time that a write may take: ten seconds
_MAX_OUTPUTS = 8_000  # bytes of JSON that a model is shown
_MAX_DEPTH = 5  # of a scenario's inputs
_STATES: Mapping[str, RunState] = {
    "RUNNING": "running",
    "SUCCESS": "done",
    "WARNING": "warning",
    "ERROR": "failed",
}
# The types of inputs that are not of any JSON type, or of every one, take what Make takes.
_TYPES: Mapping[str, Schema] = {
    **{name: {"type": "string"} for name in ("text", "email", "url", "date", "time", "uuid")},
    "number": {"type": "number"},
    "integer": {"type": "integer"},
    "uinteger": {"type": "integer", "minimum": 0},
    "boolean": {"type": "boolean"},
}


class MakeCredentials(Credentials):
    """An API token, with the scopes `scenarios:read` and `scenarios:run`."""

    api_key: SecretStr


class _Input(BaseModel):
    """A field of a scenario's interface; `spec` is what a list or a collection has in it."""

    name: str | None = None
    type: str
    label: str | None = None
    help: str | None = None
    required: bool = False
    options: JsonValue = None  # a list, or the name of a procedure that returns one
    spec: "list[_Input] | _Input | None" = None

    def to_schema(self, depth: int = 1) -> dict[str, Any]:
        """Return the field as a JSON Schema."""
        schema: dict[str, Any] = dict(_TYPES.get(self.type, {}))
        if self.type == "select" and (choices := self._choices()):
            schema = {"enum": choices}
        if self.type == "array":
            schema = {"type": "array"}
            if isinstance(self.spec, _Input) and depth < _MAX_DEPTH:
                schema["items"] = self.spec.to_schema(depth + 1)
        if self.type == "collection" and isinstance(self.spec, list) and depth < _MAX_DEPTH:
            schema = _to_object(self.spec, depth + 1)
        texts = {"title": self.label, "description": self.help}
        return schema | {name: text[:500] for name, text in texts.items() if text}

    def _choices(self) -> list[JsonValue]:
        options = self.options if isinstance(self.options, list) else []
        return [each["value"] for each in options if isinstance(each, dict) and "value" in each]


class _Interface(BaseModel):
    input: Records[_Input] | None = None


class _InterfaceResponse(BaseModel):
    interface: _Interface


class _StartedRun(BaseModel):
    execution_id: str = Field(alias="executionId", pattern=r"^[A-Za-z0-9]{1,100}$")


class _Execution(BaseModel):
    """A run: where it is, and what the scenario has returned. Its error is Make's own words."""

    status: Literal["RUNNING", "SUCCESS", "WARNING", "ERROR"]
    outputs: dict[str, JsonValue] | None = None


class _Scenario(BaseModel):
    is_active: bool = Field(alias="isActive")
    is_paused: bool = Field(False, alias="isPaused")
    is_invalid: bool = Field(False, alias="isinvalid")


class _ScenarioResponse(BaseModel):
    scenario: _Scenario


class _Authorization(BaseModel):
    scope: list[str]


class _AuthorizationResponse(BaseModel):
    authorization: _Authorization


class Make:
    """A tenant's scenarios at Make.

    The token needs the scopes `scenarios:read` and `scenarios:run`. Settings: `zone`, such as
    `eu1.make.com`, as the address of the organization shows it.
    """

    credentials: ClassVar[type[Credentials]] = MakeCredentials
    unsupported: ClassVar[Mapping[str, str]] = {"zapier_trigger": "Make has no Zaps."}

    def __init__(self, account: Account, call: ToolCall) -> None:
        key = MakeCredentials.model_validate(account.secrets).api_key.get_secret_value()
        self._account = account
        self._call = call
        self._api = VendorApi(
            "Make",
            _base_url(account),
            call.vendor_connection(account),
            HeaderAuth("Authorization", f"Token {key}"),
        )

    async def check(self) -> None:
        """Read the scopes of the token.

        Raises:
            Disconnected: it may not run scenarios.
        """
        path = ("users", "me", "current-authorization")
        answer = await self._api.call("GET", path, _AuthorizationResponse)
        if "scenarios:run" not in answer.authorization.scope:
            raise Disconnected("The token of Make lacks the scope scenarios:run.")

    async def list_automations(self) -> Sequence[Automation]:
        """Return the scenarios that are declared."""
        return await list_automations(self._call, self._account)

    async def get_schema(self, automation: Automation) -> Schema | None:
        """Return what was declared, or else the scenario's own interface, which is cached."""
        if automation.takes is not None:
            return automation.takes
        key = ("interface", automation.scenario)
        return await self._call.cached(
            self._account, key, _SCHEMA_TTL, lambda: self._read_interface(automation)
        )

    async def trigger(self, automation: Automation, values: Mapping[str, Any]) -> None:
        """Refuse: no tool is left for it.

        Raises:
            UnknownTool: always.
        """
        raise UnknownTool

    async def run(self, automation: Automation, values: Mapping[str, Any]) -> Run:
        """Start a scenario. Make takes no key that would make a repeat harmless."""
        self._call.refuse_if_retry("Make")
        path, body = _path(automation, "run"), {"data": dict(values), "responsive": False}
        try:
            started = await self._api.call("POST", path, _StartedRun, json=body)
        except Rejected:
            await self._require_active(automation)
            raise
        run = Run(id=started.execution_id, state="running")
        return await self._wait_for(automation, run) if automation.answers else run

    async def get_run(self, automation: Automation, run_id: str) -> Run | None:
        """Return a run as it is now."""
        try:
            found = await self._api.call("GET", _path(automation, "executions", run_id), _Execution)
        except NotFound:
            return None
        outputs = found.outputs
        if outputs is not None and len(json.dumps(outputs)) > _MAX_OUTPUTS:
            outputs = None
        return Run(id=run_id, state=_STATES[found.status], outputs=outputs)

    async def _wait_for(self, automation: Automation, run: Run) -> Run:
        """Return a run when it is finished, or as it is when the caller has waited long enough."""

        async def fetch() -> Run:
            # Make may not show it yet.
            return await self.get_run(automation, run.id) or run

        try:
            finished = await poll_until(
                fetch,
                lambda each: each.state != "running",
                budget=remaining(self._call.runtime.timing.write_budget * _WAIT),
                first_pause=self._call.runtime.first_poll_pause,
            )
        except ToolFailure:
            return run  # it has been started, and can be asked about later
        return finished or run

    async def _read_interface(self, automation: Automation) -> Schema:
        answer = await self._api.call("GET", _path(automation, "interface"), _InterfaceResponse)
        return close_objects(_to_object(answer.interface.input or []))

    async def _require_active(self, automation: Automation) -> None:
        """Make sure that a scenario is switched on, whose run was refused.

        Raises:
            Rejected: it is not.
        """
        answer = await self._api.call("GET", _path(automation), _ScenarioResponse)
        scenario = answer.scenario
        if not scenario.is_active or scenario.is_paused or scenario.is_invalid:
            raise Rejected(
                "The scenario is switched off at Make; somebody has to switch it on.",
                say=sentences.say("switched_off"),
                next="Do not retry. Offer a follow-up.",
            )


def _base_url(account: Account) -> str:
    zone = str(account.settings.get("zone", ""))
    hosts = allowed_hosts("make")
    if "base_url" not in account.settings and zone not in hosts:
        raise Disconnected(f"The setting zone has to be one of {', '.join(sorted(hosts))}.")
    return account.base_url(f"https://{zone}/api/v2")


def _path(automation: Automation, *parts: str) -> tuple[str, ...]:
    return ("scenarios", str(automation.scenario), *parts)


def _to_object(inputs: Sequence[_Input], depth: int = 1) -> dict[str, Any]:
    """Return a JSON Schema of an object with these fields."""
    named = {each.name: each for each in inputs if each.name}
    schema: dict[str, Any] = {
        "type": "object",
        "properties": {name: each.to_schema(depth) for name, each in named.items()},
    }
    required = [name for name, each in named.items() if each.required]
    return schema | ({"required": required} if required else {})
