"""The objects, properties and associations that the fake HubSpot has."""

import re
from typing import Any

import httpx2

from crm.provider import Kind
from tests.support.vendors import BODY_CANARY

TOKEN_URL = "https://api.hubapi.com/oauth/v1/token"
OBJECTS: dict[Kind, str] = {
    "lead": "contacts",
    "contact": "contacts",
    "account": "companies",
    "opportunity": "deals",
    "task": "tasks",
    "event": "meetings",
    "case": "tickets",
}
SINGULAR = {"contact": "contacts", "company": "companies", "deal": "deals", "ticket": "tickets"}
# What a type is called in the name of an association: `contact_to_company` is that with the primary
# company, `contact_to_company_unlabeled` any. Public recordings of v3 responses have them so.
SINGULAR_OF = {
    **{name: singular for singular, name in SINGULAR.items()},
    "tasks": "task",
    "meetings": "meeting",
}
# The tenant's own properties, and the type of each.
OWN = {"region": "string", "segment": "enumeration", "renewal": "date", "visited": "datetime"}
SYSTEM_PROPERTIES = f"createdate hs_createdate hs_object_id {' '.join(OWN)}"
PROPERTIES = {
    "contacts": "firstname lastname company jobtitle phone mobilephone email hs_additional_emails"
    " hs_lead_status lifecyclestage message associatedcompanyid heard_of_us"
    " hs_searchable_calculated_phone_number hs_searchable_calculated_mobile_number",
    "companies": "name phone website industry description",
    "deals": "dealname dealstage pipeline amount closedate description"
    " hs_primary_associated_company",
    "tasks": "hs_task_subject hs_task_status hs_task_priority hs_timestamp hs_task_body",
    "meetings": "hs_meeting_title hs_meeting_body hs_meeting_start_time hs_meeting_end_time"
    " hs_meeting_location hs_timestamp",
    "tickets": "subject content hs_pipeline hs_pipeline_stage hs_ticket_priority"
    " hs_primary_company_id",
}
ENUMERATIONS = (
    *("hs_lead_status", "lifecyclestage", "industry", "dealstage", "pipeline", "hs_task_status"),
    *("hs_task_priority", "hs_pipeline", "hs_pipeline_stage", "hs_ticket_priority", "heard_of_us"),
)
IGNORED = "pipeline hs_pipeline"  # HubSpot ignores a property that it does not have
REQUIRED = {
    "deals": "dealname dealstage pipeline",
    "tasks": "hs_timestamp hs_task_subject",
    "meetings": "hs_timestamp hs_meeting_title hs_meeting_start_time hs_meeting_end_time",
    "tickets": "subject hs_pipeline_stage",
}
SEARCHED = {
    "contacts": "firstname lastname email phone company hs_additional_emails",
    "companies": "name phone website",
    "deals": "dealname description",
    "tickets": "subject content",
    "tasks": "hs_task_subject hs_task_body",
    "meetings": "hs_meeting_title hs_meeting_body",
}
READ_ONLY = re.compile(
    r"hs_searchable_.*|associatedcompanyid|hs_primary_.*|hs_object_id|.*createdate"
)
MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
LEAD_STATUSES = {"WORKING": "Working", "UNQUALIFIED": "Qualified"}
INDUSTRIES = {"PRINTING": "Printing", "PUBLISHING": "Publishing"}
TASK_STATUSES = {"NOT_STARTED", "IN_PROGRESS", "WAITING", "DEFERRED", "COMPLETED"}
# The properties of our fields, our values for theirs, and the types that references refer to.
FIELDS: dict[Kind, str] = {
    "lead": "company=company title=jobtitle phone=phone email=email status=hs_lead_status"
    " source=heard_of_us notes=message",
    "contact": "title=jobtitle phone=phone email=email notes=message",
    "account": "name=name phone=phone website=website industry=industry notes=description",
    "opportunity": "name=dealname stage=dealstage amount=amount close_date=closedate"
    " notes=description",
    "task": "subject=hs_task_subject status=hs_task_status priority=hs_task_priority"
    " due_date=hs_timestamp notes=hs_task_body",
    "event": "subject=hs_meeting_title starts_at=hs_meeting_start_time"
    " ends_at=hs_meeting_end_time location=hs_meeting_location notes=hs_meeting_body",
    "case": "subject=subject status=hs_pipeline_stage priority=hs_ticket_priority notes=content",
}
PRIORITIES = {"LOW": "low", "MEDIUM": "normal", "HIGH": "high"}
STANDARD_VALUES: dict[tuple[Kind, str], dict[str, str]] = {
    ("task", "status"): {"NOT_STARTED": "open", "COMPLETED": "done"},
    ("task", "priority"): PRIORITIES,
    ("case", "priority"): PRIORITIES,
    ("case", "status"): {"1": "new", "3": "open", "4": "closed"},
}
REFERENCES: dict[Kind, dict[str, tuple[str, ...]]] = {
    "contact": {"account": ("companies",)},
    "opportunity": {"account": ("companies",)},
    "task": {"about": ("contacts", "companies", "deals", "tickets")},
    "event": {"about": ("contacts", "companies", "deals", "tickets")},
    "case": {"account": ("companies",), "contact": ("contacts",)},
}
# The ids of the association types: https://developers.hubspot.com/docs/api-reference/
# crm-associations-v4/guide, "Association type ID values".
ASSOCIATIONS = {
    ("contacts", "companies"): 1,
    ("deals", "companies"): 5,
    ("tickets", "contacts"): 16,
    ("tickets", "companies"): 26,
    ("meetings", "companies"): 188,
    ("tasks", "companies"): 192,
    ("meetings", "contacts"): 200,
    ("tasks", "contacts"): 204,
    ("meetings", "deals"): 212,
    ("tasks", "deals"): 216,
    ("meetings", "tickets"): 226,
    ("tasks", "tickets"): 230,
}


def stages(*labels: str, first: int = 1, closed: str = "Closed") -> list[dict[str, Any]]:
    """Return the stages of a pipeline."""
    return [
        {
            "id": str(first + number),
            "label": label,
            "displayOrder": number,
            "metadata": {"ticketState": "CLOSED" if label == closed else "OPEN"},
        }
        for number, label in enumerate(labels)
    ]


def pipelines() -> dict[str, list[dict[str, Any]]]:
    """Return the pipelines of a tenant, two of them for deals."""
    sales = stages("Appointment", "Proposal", "Negotiation", first=931)
    renewals = stages("Proposal", "Negotiation", first=951)
    support = stages("New", "Waiting on contact", "Waiting on us", "Closed")
    return {
        "deals": [
            {"id": "renewals", "displayOrder": 1, "stages": renewals},
            {"id": "default", "displayOrder": 0, "stages": sales},
        ],
        "tickets": [{"id": "0", "displayOrder": 0, "stages": support}],
    }


def labels(pipelines: list[dict[str, Any]]) -> dict[str, str]:
    """Return the label of each stage of the pipelines, by its id."""
    return {each["id"]: each["label"] for pipeline in pipelines for each in pipeline["stages"]}


def without_country(number: str | None) -> str | None:
    """Return a number as HubSpot stores it for searches: without the country code."""
    digits = re.sub(r"\D", "", number or "")
    return re.sub(r"^(00)?49|^0", "", digits) or None


def property_type(name: str) -> str:
    """Return the type of a property."""
    return "enumeration" if name in ENUMERATIONS else OWN.get(name, "string")


def property_definition(name: str, labels: dict[str, str]) -> httpx2.Response:
    """Return the definition of a property, with an option for the label of each value."""
    options = [{"value": value, "label": label} for value, label in labels.items()]
    body = {"name": name, "type": property_type(name), "options": options}
    return httpx2.Response(200, json=body)


def error(status: int, category: str, code: str | None = None) -> httpx2.Response:
    """Return an error response: https://developers.hubspot.com/docs/api-reference/error-handling.

    Every part of it is optional, says HubSpot; `code` is that of one of its errors.
    """
    body = {"status": "error", "message": BODY_CANARY, "category": category}
    details = {"message": BODY_CANARY, "code": code, "context": {"propertyName": [BODY_CANARY]}}
    errors = {"errors": [details]} if code else {}
    return httpx2.Response(status, json={**body, **errors, "correlationId": "0"})
