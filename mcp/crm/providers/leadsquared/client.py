"""LeadSquared's requests and answers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar

import httpx2
from pydantic import BaseModel, Field, RootModel, SecretStr

from crm.providers.leadsquared.mapping import COLUMNS, Condition
from toolkit.errors import Conflict, OutcomeUnknown, Rejected
from toolkit.http.client import VendorApi

T = TypeVar("T")

PAGE = 200  # leads that a condition brings, at most
_ACTIVITIES = "50"  # of a lead that are looked through


class _Refused(BaseModel):
    status: Literal["Error"] = Field(alias="Status")


class _Rows(RootModel[list[dict[str, Any]] | _Refused]):
    """Some records; a refusal may be a 200, too."""


class _Tasks(BaseModel):
    tasks: list[dict[str, Any]] = Field(alias="TaskList")


class _TasksOf(RootModel[_Tasks | _Refused]):
    """The tasks of a lead."""


class Activity(BaseModel):
    """What was noted on a lead."""

    id: str = Field(alias="Id")
    created: str = Field("", alias="CreatedOn")


class _Trail(BaseModel):
    activities: list[Activity] = Field(alias="ProspectActivities")


class _TrailOf(RootModel[_Trail | _Refused]):
    """The activities of a lead."""


class _Custom(BaseModel):
    name: str = Field(alias="SchemaName")
    value: Any = Field(None, alias="Value")


class Details(BaseModel):
    """An opportunity, with all of its fields."""

    lead: str | None = Field(None, alias="RelatedProspectId")
    notes: str | None = Field(None, alias="OpportunityNote")
    fields: list[_Custom] = Field(alias="Fields")


class _DetailsOf(RootModel[Details | _Refused]):
    """The details of an opportunity."""


class _Message(BaseModel):
    id: str | None = Field(None, alias="Id")


class Saved(BaseModel):
    """What became of a record. `other` is an opportunity that is taken for the same one."""

    status: str | int = Field(alias="Status")
    message: _Message | str | None = Field(None, alias="Message")
    exception: str | None = Field(None, alias="ExceptionType")
    opportunity: str | None = Field(None, alias="CreatedOpportunityId")
    other: str | None = Field(None, alias="ConflictedOpportunityId")

    @property
    def created(self) -> str:
        """Return the id of what was created."""
        message = self.message.id if isinstance(self.message, _Message) else None
        if not (created := self.opportunity or message):
            raise OutcomeUnknown("LeadSquared does not say what it has created.")
        return created


@dataclass(frozen=True)
class Keys(httpx2.Auth):
    """Both keys as headers: in the query, which works too, they would be in proxies' logs."""

    access: SecretStr
    secret: SecretStr

    def auth_flow(self, request: httpx2.Request) -> Any:
        """Add the headers."""
        request.headers["x-LSQ-AccessKey"] = self.access.get_secret_value()
        request.headers["x-LSQ-SecretKey"] = self.secret.get_secret_value()
        yield request


@dataclass(frozen=True)
class LeadSquaredApi:
    """What is asked of LeadSquared. Each request raises a ToolFailure when it is refused."""

    api: VendorApi = field(repr=False)

    async def leads(
        self,
        condition: Condition,
        fields: Sequence[str] = (),
        order: str = "CreatedOn",
        *,
        descending: bool = True,
    ) -> list[dict[str, Any]]:
        """Return the leads that fulfil a condition, the newest first if nothing else is said."""
        name, operator, value = condition
        columns = dict.fromkeys([*COLUMNS, *fields, order])
        body = {
            "Parameter": {"LookupName": name, "LookupValue": value, "SqlOperator": operator},
            "Columns": {"Include_CSV": ",".join(columns)},
            "Sorting": {"ColumnName": order, "Direction": "1" if descending else "0"},
            "Paging": {"PageIndex": 1, "PageSize": PAGE},
        }
        path = ("v2", "LeadManagement.svc", "Leads.Get")
        return _accepted((await self.api.call("POST", path, _Rows, json=body, reads=True)).root)

    async def found(self, path: tuple[str, ...], **params: str) -> list[dict[str, Any]]:
        """Return the records at a path."""
        answer = await self.api.call("GET", ("v2", *path), _Rows, params=params)
        return _accepted(answer.root)

    async def details(self, opportunity: str) -> Details:
        """Return an opportunity."""
        path = ("v2", "OpportunityManagement.svc", "GetOpportunityDetails")
        params = {"OpportunityId": opportunity}
        answer = await self.api.call("GET", path, _DetailsOf, params=params)
        return _accepted(answer.root)

    async def activities(self, lead: str, event: int) -> list[Activity]:
        """Return a lead's activities of one type."""
        path = ("v2", "ProspectActivity.svc", "Retrieve")
        paging = {"Offset": "0", "RowCount": _ACTIVITIES}
        body = {"Parameter": {"ActivityEvent": event}, "Paging": paging}
        params = {"leadId": lead}
        answer = await self.api.call("POST", path, _TrailOf, params=params, json=body, reads=True)
        return _accepted(answer.root).activities

    async def tasks(self, lead: str) -> list[dict[str, Any]]:
        """Return a lead's tasks."""
        path = ("v2", "LeadManagement.svc", "RetrieveTaskByLeadId")
        answer = await self.api.call("GET", path, _TasksOf, params={"leadId": lead})
        return _accepted(answer.root).tasks

    async def save(
        self, path: tuple[str, ...], body: object, params: Mapping[str, str] | None = None
    ) -> Saved:
        """Send what is to be stored.

        Raises:
            Rejected: it was not, which may be said with a 200.
        """
        saved = await self.api.call("POST", ("v2", *path), Saved, json=body, params=params)
        if saved.exception == "MXDuplicateEntryException":
            raise Conflict("LeadSquared has such a record already.")
        if saved.status == "Error" or saved.exception:
            raise Rejected("LeadSquared did not take what the record was to hold.")
        return saved


def _accepted(answer: T | _Refused) -> T:
    if isinstance(answer, _Refused):
        raise Rejected("LeadSquared rejected the request.")
    return answer
