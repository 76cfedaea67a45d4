"""LeadSquared API v2: https://apidocs.leadsquared.com/."""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, ClassVar, Literal

from pydantic import BaseModel, SecretStr

from config.columns import now
from config.security.vault import Account
from crm.provider import FieldName, Fields, Filter, Given, Kind, Page, Query, Record, Wanted, Word
from crm.providers.leadsquared import mapping as lsq
from crm.providers.leadsquared.client import PAGE, Keys, LeadSquaredApi, Saved
from crm.providers.leadsquared.mapping import Row
from toolkit.errors import Conflict, NotFound, OutcomeUnknown, Rejected
from toolkit.http.client import VendorApi
from toolkit.speech.people import digits
from toolkit.tenancy import Credentials, ToolCall

_ID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_NOBODY = "00000000-0000-0000-0000-000000000000"
_PARTS = 3  # of a name, each of which is a request
_LATELY = timedelta(days=1)
_HOSTS = {
    **{"sg": "api", "us": "api-us11", "mumbai": "api-in21", "hyderabad": "api-in22"},
    **{"me": "api-me61", "ir": "api-ir31", "ca": "api-ca12"},
}


class LeadSquaredCredentials(Credentials):
    """What a tenant pastes in to connect LeadSquared."""

    access_key: SecretStr
    secret_key: SecretStr


class _Settings(BaseModel):
    region: Literal["sg", "us", "mumbai", "hyderabad", "me", "ir", "ca"] = "sg"
    opportunity_event: int = 12000
    amount_field: FieldName | None = None
    close_date_field: FieldName | None = None
    event_activity: int | None = None
    task_type: str | None = None


class LeadSquared:
    """A tenant's LeadSquared account, in the data centre that the setting `region` names.

    An opportunity belongs to a lead, whose id is its `account`. Its amount and closing date are
    in fields that differ: `amount_field` and `close_date_field` name them, and
    `opportunity_event` is the code of the opportunity type. Tasks are of the type `task_type`;
    an event is an activity on a lead, of the type with the number `event_activity`.
    """

    credentials: ClassVar[type[Credentials]] = LeadSquaredCredentials
    unsupported: ClassVar[Mapping[str, str]] = {
        **{
            f"{verb}_{kind}": f"LeadSquared knows leads only; there is no {kind} of its own."
            for kind in ("contact", "account", "case")
            for verb in ("get", "create", "update")
        },
        "update_task": "needs LeadSquared's documentation: how a task's status is changed",
        "get_event": "An event is an activity on a lead, whose text is not read back.",
        "update_event": "An event is an activity on a lead, which stays as it was noted.",
        "raw_query": "LeadSquared has no query language.",
    }

    def __init__(self, account: Account, call: ToolCall) -> None:
        keys = LeadSquaredCredentials.model_validate(account.secrets)
        self._settings = _Settings.model_validate(account.settings)
        self._names: Mapping[Word, str | None] = {
            "name": "mx_Custom_1",
            "stage": "mx_Custom_2",
            "amount": self._settings.amount_field,
            "close_date": self._settings.close_date_field,
        }
        self._call = call
        host = f"https://{_HOSTS[self._settings.region]}.leadsquared.com"
        base = account.base_url(host).removesuffix("/v2")  # as LeadSquared shows it
        auth = Keys(keys.access_key, keys.secret_key)
        self._api = LeadSquaredApi(
            VendorApi("LeadSquared", base, call.vendor_connection(account), auth)
        )

    async def check(self) -> None:
        """Ask for a lead that nobody has."""
        await self._lead(_NOBODY)

    async def get(self, kind: Kind, record_id: str, fields: Sequence[str] = ()) -> Record | None:
        """Return a record, or None."""
        if not _ID.fullmatch(record_id):
            return None
        match kind:
            case "lead":
                row = await self._lead(record_id)
                return lsq.lead(row, fields) if row else None
            case "task":
                tasks = await self._api.found(("Task.svc", "Retrieve.GetById"), id=record_id)
                return lsq.task(record_id, tasks[0], fields) if tasks else None
            case _:
                return await self._opportunity(record_id, fields)

    async def create(self, kind: Kind, values: Mapping[Word, Given], fields: Fields) -> str:
        """Create a record and return its id."""
        match kind:
            case "lead":
                attributes = lsq.attributes(values, fields)
                saved = await self._api.save(("LeadManagement.svc", "Lead.Create"), attributes)
            case "opportunity":
                saved = await self._capture(values, fields)
            case "task":
                saved = await self._create_task(values, fields)
            case _:
                saved = await self._post_activity(values, fields)
        return saved.created

    async def find_lost_create(self, kind: Kind, values: Mapping[Word, Given]) -> str | None:
        """Return what was created lately with these values.

        Raises:
            OutcomeUnknown: it is an event, or belongs to no lead among whose records it would be.
        """
        if not self._call.is_retry:
            return None
        match kind:
            case "lead":
                newest = ("CreatedOn", ">", lsq.stamp(now() - _LATELY))
                found = [lsq.lead(row) for row in await self._api.leads(newest)]
                return next((each.id for each in found if lsq.is_the_same(each, values)), None)
            case "opportunity" if values.get("account"):
                return await self._opportunity_before(str(values["account"]), values)
            case "task" if values.get("about"):
                return await self._task_before(str(values["about"]), values)
            case _:
                self._call.refuse_if_retry("LeadSquared")
                return None

    async def update(
        self, kind: Kind, record_id: str, values: Mapping[Word, Given], fields: Fields
    ) -> None:
        """Change what is given of a lead or an opportunity.

        It is looked for first: what LeadSquared says to an id of nothing is not documented.
        """
        if not await self.get(kind, record_id):
            raise NotFound("LeadSquared has no such record.")
        if kind == "lead":
            path, params = ("LeadManagement.svc", "Lead.Update"), {"leadId": record_id}
            saved = await self._api.save(path, lsq.attributes(values, fields), params)
        else:
            body = {"ProspectOpportunityId": record_id, **lsq.changed(values, fields, self._names)}
            saved = await self._api.save(("OpportunityManagement.svc", "Update"), body)
        if saved.status != "Success":
            raise OutcomeUnknown("LeadSquared does not say whether it was done.")

    async def query(self, query: Query) -> Page:
        """Return the leads that fulfil a query, among those that fulfil its first condition."""
        if query.kind != "lead":
            raise Rejected(
                f"LeadSquared cannot be asked for every {query.kind}.",
                next="Query leads, or show the record by its id.",
            )
        conditions = lsq.conditions(query)
        named = dict.fromkeys([*query.fields, *(each.field for each in query.filters)])
        own = [name for name in named if name not in lsq.LEAD]
        order = lsq.LEAD.get(query.order_by or "", (query.order_by or "CreatedOn",))[0]
        descending = query.descending or query.order_by is None
        rows: dict[str, Row] = {}
        more = False
        for condition in conditions:
            page = await self._api.leads(condition, own, order, descending=descending)
            rows |= {str(row["ProspectID"]): row for row in page}
            more |= len(page) == PAGE
        ordered = [*rows.values()]
        if len(conditions) > 1:
            ordered.sort(key=lambda row: lsq.text(row.get(order)).casefold(), reverse=descending)
        found = [
            lsq.lead(row, query.fields)
            for row in ordered
            if all(lsq.fulfils(lsq.lead(row, own), each) for each in query.filters)
        ]
        more |= len(found) > query.limit
        return Page(records=tuple(found[: query.limit]), more=more)

    async def search(self, wanted: Wanted, kinds: Sequence[Kind], limit: int) -> list[Record]:
        """Return leads by number, by address, or by words and each of them."""
        if "lead" not in kinds:
            return []
        rows: list[dict[str, Any]] = []
        if wanted.phone:
            rows = await self._by_number(wanted.phone)
        elif wanted.email:
            path = ("LeadManagement.svc", "Leads.GetByEmailaddress")
            rows = await self._api.found(path, emailaddress=wanted.email)
        else:
            path, words = ("LeadManagement.svc", "Leads.GetByQuickSearch"), wanted.text.split()
            for key in dict.fromkeys([" ".join(words), *words[:_PARTS]]):
                rows += await self._api.found(path, key=key)
                if key not in words and rows:
                    break
        return [lsq.lead(row, ("Mobile",)) for row in rows]

    async def _by_number(self, phone: str) -> list[dict[str, Any]]:
        """Ask with and without a plus, and then for the digits at the end of a number."""
        path = ("LeadManagement.svc", "RetrieveLeadByPhoneNumber")
        bare = digits(phone).lstrip("0")
        for number in (f"+{bare}", bare):
            if rows := await self._api.found(path, phone=number):
                return rows
        query = Query(kind="lead", filters=(Filter(field="phone", value=phone),))
        return [row for each in lsq.conditions(query) for row in await self._api.leads(each)]

    async def _lead(self, record_id: str) -> dict[str, Any] | None:
        rows = await self._api.found(("LeadManagement.svc", "Leads.GetById"), id=record_id)
        return rows[0] if rows else None

    async def _opportunity(self, record_id: str, fields: Sequence[str]) -> Record | None:
        details = await self._api.details(record_id)
        row = {field.name: field.value for field in details.fields}
        if not details.lead and not any(row.values()):
            return None
        mine = {"account": details.lead, "notes": details.notes}
        return lsq.opportunity(record_id, mine, row, fields, self._names)

    async def _opportunity_before(self, lead: str, values: Mapping[Word, Given]) -> str | None:
        """Look at the lead's activities: the list of its opportunities lags behind."""
        event = self._settings.opportunity_event
        for each in await self._api.activities(lead, event) if _ID.fullmatch(lead) else ():
            if lsq.since(each.created, now() - _LATELY):
                found = await self._opportunity(each.id, ())
                if found and lsq.is_the_same(found, values):
                    return found.id
        return None

    async def _task_before(self, lead: str, values: Mapping[Word, Given]) -> str | None:
        known = {word: values[word] for word in ("subject", "due_date") if word in values}
        wanted = {**known, "notes": lsq.noted(values)}
        for row in await self._api.tasks(lead) if _ID.fullmatch(lead) else ():
            found = lsq.task(str(row["TaskID"]), row, ())
            new = lsq.since(row.get("CreatedOn"), now() - _LATELY)
            if new and lsq.is_the_same(found, wanted):
                return found.id
        return None

    async def _capture(self, values: Mapping[Word, Given], fields: Fields) -> Saved:
        lead = await self._lead_meant("opportunity", values.get("account"))
        rest = {word: value for word, value in values.items() if word != "account"}
        opportunity = lsq.changed(rest, {"Status": "Open", **fields}, self._names)
        found_by = {"ProspectID": lead, "SearchBy": "ProspectID"}
        opportunity["OpportunityEventCode"] = self._settings.opportunity_event
        body = {"LeadDetails": lsq.attributes({}, found_by), "Opportunity": opportunity}
        saved = await self._api.save(("OpportunityManagement.svc", "Capture"), body)
        if saved.other and not saved.opportunity:
            raise Conflict("LeadSquared has such an opportunity already.")
        return saved

    async def _create_task(self, values: Mapping[Word, Given], fields: Fields) -> Saved:
        task_type = self._settings.task_type or lsq.missing("type of task", "task_type")
        if values.get("status", "open") != "open" or fields:
            raise Rejected("A new task is open, and has no fields of its own in LeadSquared.")
        about = values.get("about")
        lead = await self._lead_meant("task", about) if about else ""
        body = {
            "Name": values["subject"],
            "Description": lsq.noted(values),
            "RelatedEntity": 1 if lead else 0,
            "RelatedEntityId": lead,
            "TaskType": {"Name": task_type},
        }
        due = {"DueDate": lsq.noon(values["due_date"])} if "due_date" in values else {}
        return await self._api.save(("Task.svc", "Create"), body | due)

    async def _post_activity(self, values: Mapping[Word, Given], fields: Fields) -> Saved:
        event = self._settings.event_activity or lsq.missing("type of event", "event_activity")
        starts_at = values["starts_at"]
        body = {
            "RelatedProspectId": await self._lead_meant("event", values.get("about")),
            "ActivityEvent": event,
            "ActivityNote": "\n".join(filter(None, [str(values["subject"]), lsq.noted(values)])),
            "ActivityDateTime": lsq.stamp(starts_at) if isinstance(starts_at, datetime) else "",
            "Fields": lsq.schema(fields),
        }
        return await self._api.save(("ProspectActivity.svc", "Create"), body)

    async def _lead_meant(self, kind: Kind, said: Given | None) -> str:
        """Return a lead's id. It has to be there: Capture creates a lead that it does not know.

        Raises:
            Rejected: none is given.
            NotFound: there is no such lead.
        """
        if not said:
            raise Rejected(
                f"In LeadSquared the {kind} has to belong to a lead.",
                say="For whom shall I note that?",
                next="Find or create the lead, and call again with its id.",
            )
        lead = str(said)
        if not _ID.fullmatch(lead) or not await self._lead(lead):
            raise NotFound("LeadSquared has no such lead.")
        return lead
