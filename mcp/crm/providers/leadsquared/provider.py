"""LeadSquared: https://apidocs.leadsquared.com/.

Its requests are those of these pages and of clients that use them; none has been tried here.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, ClassVar, Literal
from zoneinfo import ZoneInfo

from pydantic import BaseModel, SecretStr

from config.columns import now
from config.security.vault import Account
from crm.provider import (
    CustomFields,
    FieldName,
    Filter,
    InputValue,
    InputValues,
    Kind,
    Page,
    Query,
    Record,
    SearchQuery,
    StandardField,
)
from crm.providers.leadsquared import mapping
from crm.providers.leadsquared.client import (
    PAGE_SIZE,
    KeyHeaders,
    LeadSquaredClient,
    SaveResponse,
    read_refusal,
)
from crm.providers.leadsquared.mapping import LookupCondition, Row
from crm.sentences import say
from toolkit.errors import Conflict, NotFound, OutcomeUnknown, Rejected
from toolkit.http.client import VendorApi
from toolkit.speech.clock import business_zone
from toolkit.speech.people import digits
from toolkit.tenancy import Credentials, ToolCall

_ID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_UNUSED_ID = "00000000-0000-0000-0000-000000000000"
_MAX_WORDS = 3  # of a name, each of which is a request
_RECENT = timedelta(days=1)
_HOSTS = {
    **{"sg": "api", "us": "api-us11", "mumbai": "api-in21", "hyderabad": "api-in22"},
    **{"me": "api-me61", "ir": "api-ir31", "ca": "api-ca12"},
}


class LeadSquaredCredentials(Credentials):
    """The keys of a LeadSquared account."""

    access_key: SecretStr
    secret_key: SecretStr


class _Settings(BaseModel):
    region: Literal["sg", "us", "mumbai", "hyderabad", "me", "ir", "ca"] = "sg"
    opportunity_event: int = 12000
    amount_field: FieldName | None = None
    close_date_field: FieldName | None = None
    event_activity: int | None = None
    task_type: str | None = None
    account_type: str | None = None


class LeadSquared:
    """A tenant's LeadSquared account, in the data centre that the setting `region` names.

    An opportunity belongs to a lead, whose id is its `account`. The settings `amount_field` and
    `close_date_field` name the custom fields for its amount and closing date, and
    `opportunity_event` is the code of the opportunity type. Tasks have the type `task_type`, and
    are not closed; an event is an activity of a lead, of the type with the number
    `event_activity`. Accounts are of the type that `account_type` names.
    """

    credentials: ClassVar[type[Credentials]] = LeadSquaredCredentials
    unsupported: ClassVar[Mapping[str, str]] = {
        **{
            f"{verb}_{kind}": f"Everybody is a lead in LeadSquared; there is no {kind} of its own."
            for kind in ("contact", "case")
            for verb in ("get", "create", "update")
        },
        "get_event": "An event is an activity on a lead, whose text is not read back.",
        "update_event": "An event is an activity on a lead, which stays as it was noted.",
        "raw_query": "LeadSquared has no query language.",
    }

    def __init__(self, account: Account, call: ToolCall) -> None:
        keys = LeadSquaredCredentials.model_validate(account.secrets)
        self._settings = _Settings.model_validate(account.settings)
        self._opportunity_fields: Mapping[StandardField, str | None] = {
            "name": "mx_Custom_1",
            "stage": "mx_Custom_2",
            "amount": self._settings.amount_field,
            "close_date": self._settings.close_date_field,
        }
        self._call = call
        host = f"https://{_HOSTS[self._settings.region]}.leadsquared.com"
        base = account.base_url(host).removesuffix("/v2")  # LeadSquared shows the URL with it
        auth = KeyHeaders(keys.access_key, keys.secret_key)
        self._client = LeadSquaredClient(
            VendorApi("LeadSquared", base, call.vendor_connection(account), auth, read_refusal)
        )

    async def check(self) -> None:
        """Request a lead by an id that none has."""
        await self._client.get_lead(_UNUSED_ID)

    async def get(self, kind: Kind, record_id: str, fields: Sequence[str] = ()) -> Record | None:
        """Return a record, or None."""
        if not _ID.fullmatch(record_id):
            return None
        zone = await self._zone()
        match kind:
            case "lead":
                lead = await self._client.get_lead(record_id)
                return mapping.to_lead(lead, zone, fields) if lead else None
            case "task":
                task = await self._client.get_task(record_id)
                return mapping.to_task(record_id, task, fields, zone) if task else None
            case "account":
                companies = await self._accounts(("CompanyId", "=", record_id), fields)
                return next((each for each in companies if each.id == record_id), None)
            case _:
                return await self._opportunity(record_id, fields)

    async def create(self, kind: Kind, values: InputValues, fields: CustomFields) -> str:
        """Create a record and return its id."""
        match kind:
            case "lead":
                attributes = mapping.to_attributes(values, fields)
                saved = await self._client.save(("LeadManagement.svc", "Lead.Create"), attributes)
            case "opportunity":
                saved = await self._create_opportunity(values, fields)
            case "task":
                saved = await self._create_task(values, fields)
            case "account":
                body = {
                    "CompanyType": {"CompanyTypeName": _account_type(self._settings)},
                    "CompanyProperties": mapping.to_account_properties(values, fields),
                }
                saved = await self._client.save(("CompanyManagement.svc", "Company.Create"), body)
            case _:
                saved = await self._create_event(values, fields)
        return saved.created_id

    async def find_lost_create(self, kind: Kind, values: InputValues) -> str | None:
        """Return the id of a record that was created since yesterday with these values.

        Raises:
            OutcomeUnknown: it is an event, or a record without the lead by which to find it.
        """
        if not self._call.is_retry:
            return None
        match kind:
            case "lead":
                return await self._find_recent_lead(values)
            case "opportunity" if values.get("account"):
                return await self._find_recent_opportunity(str(values["account"]), values)
            case "task" if values.get("about"):
                return await self._find_recent_task(str(values["about"]), values)
            case "account":
                named = ("CompanyName", "=", str(values["name"]))
                new = await self._accounts(named, since=now() - _RECENT)
                return next((each.id for each in new if mapping.is_same_record(each, values)), None)
            case _:
                self._call.refuse_if_retry("LeadSquared")
                return None

    async def update(
        self, kind: Kind, record_id: str, values: InputValues, fields: CustomFields
    ) -> None:
        """Set the given fields of a lead, an opportunity, a task or an account.

        The record is read first: how LeadSquared refuses an unknown id is not documented.
        """
        if not await self.get(kind, record_id):
            raise NotFound("LeadSquared has no such record.")
        match kind:
            case "lead":
                path, params = ("LeadManagement.svc", "Lead.Update"), {"leadId": record_id}
                saved = await self._client.save(path, mapping.to_attributes(values, fields), params)
            case "task":
                body = {"UserTaskId": record_id, **await self._task_changes(values, fields)}
                saved = await self._client.save(("Task.svc", "Update"), body)
            case "account":
                path = ("CompanyManagement.svc", "Company.Update")
                body = {"CompanyProperties": mapping.to_account_properties(values, fields)}
                saved = await self._client.save(path, body, {"companyId": record_id})
            case _:
                body = {
                    "ProspectOpportunityId": record_id,
                    **mapping.to_opportunity_payload(
                        values, fields, self._opportunity_fields, await self._zone()
                    ),
                }
                saved = await self._client.save(("OpportunityManagement.svc", "Update"), body)
        if saved.status != "Success":
            raise OutcomeUnknown("LeadSquared does not say whether it was done.")

    async def query(self, query: Query) -> Page:
        """Return the leads that satisfy a query, of the 200 that satisfy its narrowest filter."""
        if query.kind != "lead":
            raise Rejected(
                f"LeadSquared cannot be asked for every {query.kind}.",
                next="Query leads, or show the record by its id.",
            )
        zone = await self._zone()
        conditions = mapping.lookup_conditions(query, zone)
        names = dict.fromkeys([*query.fields, *(each.field for each in query.filters)])
        custom = [name for name in names if name not in mapping.LEAD_COLUMNS]
        order = mapping.LEAD_COLUMNS.get(query.order_by or "", (query.order_by or "CreatedOn",))[0]
        descending = query.descending or query.order_by is None
        rows: dict[str, Row] = {}
        more = False
        for condition in conditions:
            page = await self._client.find_leads(condition, custom, order, descending=descending)
            rows |= {str(row["ProspectID"]): row for row in page}
            more |= len(page) == PAGE_SIZE
        leads = [*rows.values()]
        if len(conditions) > 1:
            leads.sort(
                key=lambda row: mapping.to_text(row.get(order)).casefold(), reverse=descending
            )
        records = [
            mapping.to_lead(row, zone, query.fields)
            for row in leads
            if all(
                mapping.satisfies(mapping.to_lead(row, zone, custom), each, zone)
                for each in query.filters
            )
        ]
        more |= len(records) > query.limit
        return Page(records=tuple(records[: query.limit]), more=more)

    async def search(self, query: SearchQuery, kinds: Sequence[Kind], limit: int) -> list[Record]:
        """Return candidates by number, by address, or by the text and each of its words."""
        if "lead" not in kinds:
            return []
        rows: list[dict[str, Any]] = []
        if query.phone:
            rows = await self._by_number(query.phone)
        elif query.email:
            method = "Leads.GetByEmailaddress"
            rows = await self._client.search_leads(method, emailaddress=query.email)
        else:
            words = query.text.split()
            for key in dict.fromkeys([" ".join(words), *words[:_MAX_WORDS]]):
                rows += await self._client.search_leads("Leads.GetByQuickSearch", key=key)
                if key not in words and rows:
                    break
        zone = await self._zone()
        return [mapping.to_lead(row, zone, ("Mobile",)) for row in rows]

    async def _by_number(self, phone: str) -> list[dict[str, Any]]:
        """Look a number up with and without its plus, and then by its last digits."""
        bare = digits(phone).lstrip("0")
        for number in (f"+{bare}", bare):
            if rows := await self._client.search_leads("RetrieveLeadByPhoneNumber", phone=number):
                return rows
        query = Query(kind="lead", filters=(Filter(field="phone", value=phone),))
        return [
            row
            for each in mapping.lookup_conditions(query, await self._zone())
            for row in await self._client.find_leads(each)
        ]

    async def _zone(self) -> ZoneInfo:
        return await business_zone(self._call)

    async def _opportunity(self, record_id: str, fields: Sequence[str]) -> Record | None:
        details = await self._client.get_opportunity(record_id)
        if details is None:
            return None
        # A field of the type Date has a day, though it may be written with a time.
        row = {
            field.name: str(field.value)[:10]
            if field.type == "Date" and field.value
            else field.value
            for field in details.fields
        }
        if not details.lead and not any(row.values()):
            return None
        known = {"account": details.lead, "notes": details.notes}
        return mapping.to_opportunity(
            record_id, known, row, fields, self._opportunity_fields, await self._zone()
        )

    async def _find_recent_lead(self, values: InputValues) -> str | None:
        is_new = ("CreatedOn", ">", mapping.to_timestamp(now() - _RECENT))
        zone = await self._zone()
        leads = [mapping.to_lead(row, zone) for row in await self._client.find_leads(is_new)]
        return next((each.id for each in leads if mapping.is_same_record(each, values)), None)

    async def _find_recent_opportunity(self, lead: str, values: InputValues) -> str | None:
        """Search the lead's activities: a new opportunity is in them before it is in any list."""
        event = self._settings.opportunity_event
        for each in await self._client.list_activities(lead, event) if _ID.fullmatch(lead) else ():
            if mapping.is_created_after(each.created, now() - _RECENT):
                found = await self._opportunity(each.id, ())
                if found and mapping.is_same_record(found, values):
                    return found.id
        return None

    async def _accounts(
        self, condition: LookupCondition, fields: Sequence[str] = (), since: datetime | None = None
    ) -> list[Record]:
        """Return the accounts that a condition finds, of those that were created since a time."""
        zone, account_type = await self._zone(), _account_type(self._settings)
        return [
            mapping.to_account(row, zone, fields)
            for row in await self._client.find_companies(account_type, condition)
            if row.get("CompanyId")
            and (since is None or mapping.is_created_after(row.get("CreatedOn"), since))
        ]

    async def _find_recent_task(self, lead: str, values: InputValues) -> str | None:
        fields = ("subject", "due_date")
        stored = {field: values[field] for field in fields if field in values}
        expected = {**stored, "notes": mapping.to_note(values)}
        zone = await self._zone()
        for row in await self._client.list_tasks(lead) if _ID.fullmatch(lead) else ():
            found = mapping.to_task(str(row["TaskID"]), row, (), zone)
            is_new = mapping.is_created_after(row.get("CreatedOn"), now() - _RECENT)
            if is_new and mapping.is_same_record(found, expected):
                return found.id
        return None

    async def _create_opportunity(self, values: InputValues, fields: CustomFields) -> SaveResponse:
        lead = await self._existing_lead("opportunity", values.get("account"))
        rest = {field: value for field, value in values.items() if field != "account"}
        opportunity = mapping.to_opportunity_payload(
            rest, {"Status": "Open", **fields}, self._opportunity_fields, await self._zone()
        )
        # LeadSquared spells its id in two ways, and takes no other.
        lead_key = {
            "ProspectID": lead,
            "SearchBy": "ProspectId",
            "__UseUserDefinedGuid__": "true",
        }
        opportunity["OpportunityEventCode"] = self._settings.opportunity_event
        body = {"LeadDetails": mapping.to_attributes({}, lead_key), "Opportunity": opportunity}
        saved = await self._client.save(("OpportunityManagement.svc", "Capture"), body)
        if saved.conflicting_opportunity_id and not saved.opportunity_id:
            raise Conflict("LeadSquared has such an opportunity already.")
        return saved

    async def _create_task(self, values: InputValues, fields: CustomFields) -> SaveResponse:
        task_type = self._settings.task_type or mapping.refuse_without_setting(
            "type of task", "task_type"
        )
        if values.get("status", "open") != "open" or fields:
            raise Rejected("A new task is open, and has no fields of its own in LeadSquared.")
        about = values.get("about")
        lead = await self._existing_lead("task", about) if about else ""
        body: dict[str, Any] = {
            "Name": values["subject"],
            "Description": mapping.to_note(values),
            "RelatedEntity": 1 if lead else 0,
            "RelatedEntityId": lead,
            "TaskType": {"Name": task_type},
        }
        if "due_date" in values:
            body["DueDate"] = mapping.to_time_on(values["due_date"], await self._zone())
        return await self._client.save(("Task.svc", "Create"), body)

    async def _task_changes(self, values: InputValues, fields: CustomFields) -> dict[str, Any]:
        """Return the fields of a task to change.

        Raises:
            Rejected: LeadSquared's tasks have no such field, or it is not one that is changed.
        """
        if fields or values.keys() & {"status", "priority"}:
            raise Rejected(
                "The status of a task is not changed in LeadSquared, and it has no priority.",
                next="Go on without it, or write it into the notes.",
            )
        names = {"subject": "Name", "notes": "Description"}
        changes: dict[str, Any] = {
            names[field]: value for field, value in values.items() if field in names
        }
        if "about" in values:
            lead = await self._existing_lead("task", values["about"])
            changes |= {"RelatedEntity": 1, "RelatedEntityId": lead}
        if "due_date" in values:
            changes["DueDate"] = mapping.to_time_on(values["due_date"], await self._zone())
        return changes

    async def _create_event(self, values: InputValues, fields: CustomFields) -> SaveResponse:
        event = self._settings.event_activity or mapping.refuse_without_setting(
            "type of event", "event_activity"
        )
        starts_at = values["starts_at"]
        body = {
            "RelatedProspectId": await self._existing_lead("event", values.get("about")),
            "ActivityEvent": event,
            "ActivityNote": "\n".join(
                filter(None, [str(values["subject"]), mapping.to_note(values)])
            ),
            "ActivityDateTime": mapping.to_timestamp(starts_at)
            if isinstance(starts_at, datetime)
            else "",
            "Fields": mapping.to_schema_fields(fields),
        }
        return await self._client.save(("ProspectActivity.svc", "Create"), body)

    async def _existing_lead(self, kind: Kind, lead_id: InputValue | None) -> str:
        """Return the id of a lead that exists: LeadSquared would create one that it does not know.

        Raises:
            Rejected: no id is given.
            NotFound: there is no such lead.
        """
        if not lead_id:
            raise Rejected(
                f"In LeadSquared the {kind} has to belong to a lead.",
                say=say("which_person"),
                next="Find or create the lead, and call again with its id.",
            )
        lead = str(lead_id)
        if not _ID.fullmatch(lead) or not await self._client.get_lead(lead):
            raise NotFound("LeadSquared has no such lead.")
        return lead


def _account_type(settings: _Settings) -> str:
    return settings.account_type or mapping.refuse_without_setting(
        "type of account", "account_type"
    )
