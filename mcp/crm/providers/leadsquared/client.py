"""A client for LeadSquared's API v2: https://apidocs.leadsquared.com/."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar

import httpx2
from pydantic import BaseModel, Field, RootModel, SecretStr

from crm.providers.leadsquared.mapping import REQUESTED_COLUMNS, LookupCondition
from toolkit.errors import Conflict, OutcomeUnknown, Rejected
from toolkit.http.client import VendorApi

T = TypeVar("T")

PAGE_SIZE = 200  # leads that one lookup returns at most
_MAX_ACTIVITIES = "50"  # of a lead


class _ErrorResponse(BaseModel):
    status: Literal["Error"] = Field(alias="Status")


class _ListResponse(RootModel[list[dict[str, Any]] | _ErrorResponse]):
    """A list of records; an error may have the status 200, too."""


class _Tasks(BaseModel):
    tasks: list[dict[str, Any]] = Field(alias="TaskList")


class _TasksResponse(RootModel[_Tasks | _ErrorResponse]):
    """The tasks of a lead."""


class LeadActivity(BaseModel):
    """An activity of a lead."""

    id: str = Field(alias="Id")
    created: str = Field("", alias="CreatedOn")


class _Activities(BaseModel):
    activities: list[LeadActivity] = Field(alias="ProspectActivities")


class _ActivitiesResponse(RootModel[_Activities | _ErrorResponse]):
    """The activities of a lead."""


class _CustomField(BaseModel):
    name: str = Field(alias="SchemaName")
    value: Any = Field(None, alias="Value")


class OpportunityDetails(BaseModel):
    """An opportunity with all of its fields."""

    lead: str | None = Field(None, alias="RelatedProspectId")
    notes: str | None = Field(None, alias="OpportunityNote")
    fields: list[_CustomField] = Field(alias="Fields")


class _DetailsResponse(RootModel[OpportunityDetails | _ErrorResponse]):
    """The details of an opportunity."""


class _Message(BaseModel):
    id: str | None = Field(None, alias="Id")


class SaveResponse(BaseModel):
    """The response to a create or an update.

    An opportunity that is a duplicate has the id of the existing one as its conflict.
    """

    status: str | int = Field(alias="Status")
    message: _Message | str | None = Field(None, alias="Message")
    exception: str | None = Field(None, alias="ExceptionType")
    opportunity_id: str | None = Field(None, alias="CreatedOpportunityId")
    conflicting_opportunity_id: str | None = Field(None, alias="ConflictedOpportunityId")

    @property
    def created_id(self) -> str:
        """Return the id of the new record.

        Raises:
            OutcomeUnknown: the response has none.
        """
        message_id = self.message.id if isinstance(self.message, _Message) else None
        if not (record_id := self.opportunity_id or message_id):
            raise OutcomeUnknown("LeadSquared does not say what it has created.")
        return record_id


@dataclass(frozen=True)
class KeyHeaders(httpx2.Auth):
    """Sends both keys as headers: as query parameters they would be in the logs of proxies."""

    access: SecretStr
    secret: SecretStr

    def auth_flow(self, request: httpx2.Request) -> Any:
        """Add the headers."""
        request.headers["x-LSQ-AccessKey"] = self.access.get_secret_value()
        request.headers["x-LSQ-SecretKey"] = self.secret.get_secret_value()
        yield request


@dataclass(frozen=True)
class LeadSquaredClient:
    """The requests to one LeadSquared account, each of which raises a ToolFailure if refused."""

    api: VendorApi = field(repr=False)

    async def find_leads(
        self,
        condition: LookupCondition,
        fields: Sequence[str] = (),
        order: str = "CreatedOn",
        *,
        descending: bool = True,
    ) -> list[dict[str, Any]]:
        """Return the first 200 leads that satisfy a condition, by default the newest first."""
        name, operator, value = condition
        columns = dict.fromkeys([*REQUESTED_COLUMNS, *fields, order])
        body = {
            "Parameter": {"LookupName": name, "LookupValue": value, "SqlOperator": operator},
            "Columns": {"Include_CSV": ",".join(columns)},
            "Sorting": {"ColumnName": order, "Direction": "1" if descending else "0"},
            "Paging": {"PageIndex": 1, "PageSize": PAGE_SIZE},
        }
        path = ("v2", "LeadManagement.svc", "Leads.Get")
        response = await self.api.call("POST", path, _ListResponse, json=body, reads=True)
        return _unwrap(response.root)

    async def get_list(self, path: tuple[str, ...], **params: str) -> list[dict[str, Any]]:
        """Return the list of records at a path."""
        response = await self.api.call("GET", ("v2", *path), _ListResponse, params=params)
        return _unwrap(response.root)

    async def get_opportunity(self, opportunity: str) -> OpportunityDetails:
        """Return an opportunity."""
        path = ("v2", "OpportunityManagement.svc", "GetOpportunityDetails")
        params = {"OpportunityId": opportunity}
        response = await self.api.call("GET", path, _DetailsResponse, params=params)
        return _unwrap(response.root)

    async def list_activities(self, lead: str, event: int) -> list[LeadActivity]:
        """Return a lead's activities of one type."""
        path = ("v2", "ProspectActivity.svc", "Retrieve")
        paging = {"Offset": "0", "RowCount": _MAX_ACTIVITIES}
        body = {"Parameter": {"ActivityEvent": event}, "Paging": paging}
        params = {"leadId": lead}
        response = await self.api.call(
            "POST", path, _ActivitiesResponse, params=params, json=body, reads=True
        )
        return _unwrap(response.root).activities

    async def list_tasks(self, lead: str) -> list[dict[str, Any]]:
        """Return a lead's tasks."""
        path = ("v2", "LeadManagement.svc", "RetrieveTaskByLeadId")
        response = await self.api.call("GET", path, _TasksResponse, params={"leadId": lead})
        return _unwrap(response.root).tasks

    async def save(
        self, path: tuple[str, ...], body: object, params: Mapping[str, str] | None = None
    ) -> SaveResponse:
        """Send a record to create or to change.

        Raises:
            Conflict: there is such a record already.
            Rejected: LeadSquared refused it, whatever the status of the response.
        """
        saved = await self.api.call("POST", ("v2", *path), SaveResponse, json=body, params=params)
        if saved.exception == "MXDuplicateEntryException":
            raise Conflict("LeadSquared has such a record already.")
        if saved.status == "Error" or saved.exception:
            raise Rejected("LeadSquared did not take what the record was to hold.")
        return saved


def _unwrap(response: T | _ErrorResponse) -> T:
    if isinstance(response, _ErrorResponse):
        raise Rejected("LeadSquared rejected the request.")
    return response
