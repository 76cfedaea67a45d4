"""A client for LeadSquared's API v2: https://apidocs.leadsquared.com/."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, TypeVar

import httpx2
from pydantic import AfterValidator, BaseModel, Field, RootModel, SecretStr

from crm.providers.leadsquared.mapping import REQUESTED_COLUMNS, LookupCondition
from toolkit.errors import Conflict, NotFound, OutcomeUnknown, RateLimited, Rejected, ToolFailure
from toolkit.http.client import VendorApi
from toolkit.http.records import Records

T = TypeVar("T")

PAGE_SIZE = 200  # leads that one lookup returns at most; LeadSquared allows 1000
_MAX_ACTIVITIES = "50"  # of a lead
# LeadSquared publishes no list of its exceptions. These words of their names say what they are.
_DUPLICATE = re.compile(r"MXDuplicate\w*")
_TOO_MANY = re.compile(r"MX\w*(RateLimit|Throttl|TooMany)\w*", re.IGNORECASE)
_INVALID_INPUT = "MXInvalidInputException"
_IS_MISSING = re.compile(r"does not exist|doesn't exist|not found|deleted", re.IGNORECASE)
# With an exception, too, LeadSquared may say that it was overloaded, not what was asked.
_IS_PASSING = re.compile(r"time(d )?out|deadlock|temporar|try again|unavailable", re.IGNORECASE)


class InvalidInput(Rejected):
    """A value of a request is not one that LeadSquared takes: of a look-up, an unknown id."""


class _Refusal(BaseModel):
    exception: str | None = Field(None, alias="ExceptionType")
    explanation: str | None = Field(None, alias="ExceptionMessage")

    @property
    def failure(self) -> ToolFailure | None:
        """Return what the exception means; None if there is none, or if it may pass."""
        name, explanation = self.exception or "", self.explanation or ""
        if not name.startswith("MX") or _IS_PASSING.search(explanation):
            return None
        if _DUPLICATE.fullmatch(name):
            return Conflict(
                "LeadSquared has such a record already.",
                next="Find it with search, and change that one if the caller agrees.",
            )
        if _TOO_MANY.fullmatch(name):
            return RateLimited("LeadSquared is limiting our requests.")
        if name == _INVALID_INPUT and _IS_MISSING.search(explanation):
            return NotFound("LeadSquared has no such record.")
        if name == _INVALID_INPUT:
            return InvalidInput("LeadSquared does not take one of these values.")
        return Rejected("LeadSquared did not take what the record was to hold.")


class _ErrorResponse(_Refusal):
    """A refusal with the status 200."""

    status: Literal["Error"] = Field(alias="Status")


def _with_id(*names: str) -> AfterValidator:
    def has_id(row: dict[str, Any]) -> dict[str, Any]:
        if not any(isinstance(row.get(name), str) and row[name] for name in names):
            raise ValueError("It has no id.")
        return row

    return AfterValidator(has_id)


_Lead = Annotated[dict[str, Any], _with_id("ProspectID")]
_Task = Annotated[dict[str, Any], _with_id("TaskID", "UserTaskId")]


class _LeadsResponse(RootModel[Records[_Lead] | _ErrorResponse]):
    """A list of leads."""


class _LeadResponse(RootModel[list[_Lead] | _ErrorResponse]):
    """The lead with an id, as a list."""


class _TaskResponse(RootModel[list[_Task] | _ErrorResponse]):
    """The task with an id, as a list."""


class _Tasks(BaseModel):
    tasks: Records[_Task] = Field(alias="TaskList")


class _TasksResponse(RootModel[_Tasks | _ErrorResponse]):
    """The tasks of a lead."""


class LeadActivity(BaseModel):
    """An activity of a lead."""

    id: str = Field(alias="Id")
    created: str = Field("", alias="CreatedOn")


class _Activities(BaseModel):
    activities: Records[LeadActivity] = Field(alias="ProspectActivities")


class _ActivitiesResponse(RootModel[_Activities | _ErrorResponse]):
    """The activities of a lead."""


class CustomField(BaseModel):
    """A field of an opportunity, with its value."""

    name: str = Field(alias="SchemaName")
    value: Any = Field(None, alias="Value")
    type: str | None = Field(None, alias="DataType")


class OpportunityDetails(BaseModel):
    """An opportunity with all of its fields."""

    lead: str | None = Field(None, alias="RelatedProspectId")
    notes: str | None = Field(None, alias="OpportunityNote")
    fields: Records[CustomField] = Field(alias="Fields")


class _DetailsResponse(RootModel[OpportunityDetails | _ErrorResponse]):
    """The details of an opportunity."""


class _Property(BaseModel):
    name: str = Field(alias="Attribute")
    value: Any = Field(None, alias="Value")


class _Company(BaseModel):
    properties: Records[_Property] = Field(alias="companyPropertyList")


class _Companies(BaseModel):
    companies: Records[_Company] = Field(default_factory=list[_Company], alias="Companies")


class _CompaniesResponse(RootModel[_Companies | _ErrorResponse]):
    """A list of accounts, which LeadSquared calls companies."""


class _Message(BaseModel):
    id: str | None = Field(None, alias="Id")


class SaveResponse(_Refusal):
    """The response to a create or an update.

    An opportunity that is a duplicate has the id of the existing one as its conflict.
    """

    status: str | int = Field(alias="Status")
    message: _Message | str | None = Field(None, alias="Message")
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


def read_refusal(response: httpx2.Response) -> ToolFailure | None:
    """Return what a response that is no success says; None where its status says it.

    Whatever LeadSquared refuses has the status 500, as a failure of its own has.
    """
    if response.status_code == 401:
        return None
    try:
        return _Refusal.model_validate_json(response.content).failure
    except ValueError:
        return None


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
        response = await self.api.call("POST", path, _LeadsResponse, json=body, reads=True)
        return _unwrap(response.root)

    async def search_leads(self, method: str, **params: str) -> list[dict[str, Any]]:
        """Return the leads that one of LeadSquared's searches finds."""
        path = ("v2", "LeadManagement.svc", method)
        response = await self.api.call("GET", path, _LeadsResponse, params=params)
        return _unwrap(response.root)

    async def get_lead(self, lead: str) -> dict[str, Any] | None:
        """Return a lead, or None."""
        path = ("v2", "LeadManagement.svc", "Leads.GetById")
        try:
            response = await self.api.call("GET", path, _LeadResponse, params={"id": lead})
            return next(iter(_unwrap(response.root)), None)
        except (NotFound, InvalidInput):
            return None

    async def get_task(self, task: str) -> dict[str, Any] | None:
        """Return a task, or None."""
        path = ("v2", "Task.svc", "Retrieve.GetById")
        try:
            response = await self.api.call("GET", path, _TaskResponse, params={"id": task})
            return next(iter(_unwrap(response.root)), None)
        except (NotFound, InvalidInput):
            return None

    async def get_opportunity(self, opportunity: str) -> OpportunityDetails | None:
        """Return an opportunity, or None."""
        path = ("v2", "OpportunityManagement.svc", "GetOpportunityDetails")
        params = {"OpportunityId": opportunity}
        try:
            response = await self.api.call("GET", path, _DetailsResponse, params=params)
            return _unwrap(response.root)
        except (NotFound, InvalidInput):
            return None

    async def find_companies(
        self, company_type: str, condition: LookupCondition
    ) -> list[dict[str, Any]]:
        """Return the first accounts of a type that satisfy a condition.

        A condition that LeadSquared does not know it leaves out, so that the caller has to look.
        """
        name, operator, value = condition
        lookup = {"LookupName": name, "LookupValue": value, "SqlOperator": operator}
        body = {
            "Query": {"CompanyType": {"CompanyTypeName": company_type}, "FilterBy": lookup},
            "Sorting": {"ColumnName": "ModifiedOn", "Direction": "1"},
            "Paging": {"PageIndex": 1, "PageSize": PAGE_SIZE},
        }
        path = ("v2", "CompanyManagement.svc", "Company.Get")
        response = await self.api.call("POST", path, _CompaniesResponse, json=body, reads=True)
        return [
            {each.name: each.value for each in company.properties}
            for company in _unwrap(response.root).companies
        ]

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
            ToolFailure: LeadSquared refused it, whatever the status of the response.
        """
        saved = await self.api.call("POST", ("v2", *path), SaveResponse, json=body, params=params)
        if failure := saved.failure:
            raise failure
        if saved.status == "Error" or saved.exception:
            raise Rejected("LeadSquared did not take what the record was to hold.")
        return saved


def _unwrap(response: T | _ErrorResponse) -> T:
    if isinstance(response, _ErrorResponse):
        raise response.failure or Rejected("LeadSquared rejected the request.")
    return response
