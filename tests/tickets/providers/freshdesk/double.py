"""A fake Freshdesk: https://developers.freshdesk.com/api/.

The only OpenAPI file is a third party's. What that lacks follows facts/vendors.md ("Freshdesk v2"),
the vendor's reference, which is prose, and what clients of it have published: a job lists the
outcome of each record, and a list of contacts is filtered by exact values.
"""

import json
import re
from base64 import b64encode
from collections.abc import Iterable
from datetime import timedelta
from typing import Any
from urllib.parse import unquote

import httpx2

from config.columns import now
from tests.support.vendors import BODY_CANARY
from tests.tickets.providers.freshdesk.memory import (
    OWN_AGENT,
    PRIORITIES,
    STATUSES,
    FreshdeskMemory,
    Record,
    html_to_text,
    to_timestamp,
)

SECRETS = {"domain": "acme", "api_key": "key-canary-7f3a9"}
LOGIN = b64encode(f"{SECRETS['api_key']}:X".encode()).decode()
_CONDITION = re.compile(
    r"(agent_id|status):([1-9][0-9]*)|(type):'(Question|Incident|Problem|Task)'"
)
_LISTING = {"page", "per_page"}
_TICKET = {
    *("subject", "description", "status", "priority", "source", "type", "tags", "custom_fields"),
    *("requester_id", "responder_id", "email", "phone", "name", "group_id"),
}
_CONTACT = {"name", "email", "phone", "company_id"}


class FakeFreshdesk(FreshdeskMemory):
    """Answers requests as Freshdesk would."""

    base = "https://acme.freshdesk.com/api/v2"
    specification = "freshdesk/openapi-v2-THIRDPARTY.json"
    uncovered = re.compile(
        r"GET /(?:agents/me|contacts/autocomplete|companies/autocomplete|jobs/\w+)"
        r"|POST /tickets/bulk_(?:update|delete)"
    )

    def answer(self, request: httpx2.Request) -> httpx2.Response:
        assert request.headers["Authorization"] == f"Basic {LOGIN}"
        raw = request.url.raw_path.decode().partition("?")[0].removeprefix("/api/v2/")
        path = [unquote(segment) for segment in raw.split("/")]
        query = dict(request.url.params)
        body: Record = json.loads(request.content) if request.content else {}
        if request.method == "GET":
            return self._read(path, query)
        assert query == {}
        return self._write(request.method, path, body)

    def _check(self, request: httpx2.Request) -> None:
        """Allow two things: tenants have more statuses than four, and fields can be emptied."""
        if request.content:
            body: Record = json.loads(request.content)
            body = {name: value for name, value in body.items() if value is not None}
            if body.get("status", 0) > max(STATUSES):
                body["status"] = max(STATUSES)
            headers = {"Authorization": request.headers["Authorization"]}
            request = httpx2.Request(request.method, request.url, headers=headers, json=body)
        super()._check(request)

    def _read(self, path: list[str], query: dict[str, str]) -> httpx2.Response:
        match path:
            case ["agents", "me"]:
                return _json(self.agents[OWN_AGENT])
            case ["agents", *_] | ["ticket_fields"] if not self.admin:
                return _error(403, "access_denied")
            case ["agents"]:
                return _page(self.agents.values(), query)
            case ["ticket_fields"]:
                return _json(self.fields)
            case ["contacts", "autocomplete"]:
                return _json(_autocomplete(self.contacts.values(), query["term"]))
            case ["companies", "autocomplete"]:
                return _json({"companies": _autocomplete(self.companies.values(), query["name"])})
            case ["contacts"]:
                return self._list_contacts(query)
            case ["tickets"]:
                return self._list_tickets(query)
            case ["search", "tickets"]:
                return self._search(query)
            case ["jobs", job]:
                return _json(self.job_state(job))
            case ["tickets", ticket, "conversations" | "time_entries" as what]:
                records = self.conversations if what == "conversations" else self.entries
                found = [each for each in records.values() if str(each["ticket_id"]) == ticket]
                exists = _get(self.tickets, ticket)
                return _page(found, query) if exists else _error(404, "not_found")
            case [kind, number]:
                assert query == {}
                kinds = {"agents": self.agents, "contacts": self.contacts}
                kinds |= {"companies": self.companies, "tickets": self.tickets}
                one = _get(kinds[kind], number)
                return _json(one) if one else _error(404, "not_found")
            case unexpected:
                raise AssertionError(unexpected)

    def _write(self, method: str, path: list[str], body: Record) -> httpx2.Response:
        match method, path:
            case "POST", ["tickets"]:
                return self._create_ticket(body)
            case "PUT", ["tickets", "merge"]:
                return self._merge(body)
            case "POST", ["tickets", "bulk_update" | "bulk_delete" as what]:
                return self._bulk(what, body)
            case "POST", ["contacts"]:
                return self._save_contact(body, None)
            case "POST", ["tickets", ticket, what]:
                found = _get(self.tickets, ticket)
                return self._add(found, what, body) if found else _error(404, "not_found")
            case _, ["tickets" | "contacts" as kind, number]:
                found = _get(self.tickets if kind == "tickets" else self.contacts, number)
                if found is None or found["deleted"]:
                    return _error(404, "not_found")
                if method == "DELETE":
                    assert body == {}
                    found["deleted"] = True
                    return httpx2.Response(204)
                assert method == "PUT"
                return (
                    self._change(found, body)
                    if kind == "tickets"
                    else self._save_contact(body, found)
                )
            case unexpected:
                raise AssertionError(unexpected)

    def _list_contacts(self, query: dict[str, str]) -> httpx2.Response:
        """List contacts, with the deleted ones: whether they are is not documented."""
        assert query.keys() <= {"email", "phone", "mobile", "updated_since", *_LISTING}
        since = query.pop("updated_since", "")
        found = [
            each
            for each in self.contacts.values()
            if each["updated_at"] >= since
            if all(
                (each[name] or "").casefold() == query[name].casefold()
                for name in ("email", "phone", "mobile")
                if name in query
            )
        ]
        return _page(found, query)

    def _list_tickets(self, query: dict[str, str]) -> httpx2.Response:
        named = {"requester_id", "company_id", "updated_since", "order_by", "order_type", "include"}
        assert query.keys() <= {*named, *_LISTING}
        # Without a date, only what was opened in the last thirty days is listed.
        month = to_timestamp(now() - timedelta(days=30))
        since, include = query.get("updated_since"), query.get("include")
        found = [
            each
            for each in self.existing(self.tickets)
            if (each["updated_at"] >= since if since else each["created_at"] >= month)
            if all(
                str(each[name]) == query[name]
                for name in ("requester_id", "company_id")
                if name in query
            )
        ]
        assert query["order_type"] == "desc"
        found.sort(key=lambda each: (each[query["order_by"]], each["id"]), reverse=True)
        return _page([self.list_row(each, include) for each in found], query)

    def _search(self, query: dict[str, str]) -> httpx2.Response:
        """Search, in an undefined order."""
        assert query.keys() == {"query", "page"}
        text, page = query["query"], int(query["page"])
        assert len(text) <= 512
        assert page in range(1, 11)
        assert text[0] == text[-1] == '"'
        found = list(self.tickets.values())  # the samples say `deleted` and `spam` of each
        for condition in text[1:-1].split(" AND "):
            match = _CONDITION.fullmatch(condition)
            assert match, text
            name, value = [part for part in match.groups() if part]
            name = {"agent_id": "responder_id"}.get(name, name)
            found = [each for each in found if str(each[name]) == value]
        some = found[(page - 1) * 30 : page * 30]
        return _json({"total": len(found), "results": some})

    def _create_ticket(self, body: Record) -> httpx2.Response:
        assert body.keys() <= _TICKET
        assert (body["status"], body["source"]) == (2, 3)
        assert body["priority"] in PRIORITIES
        requester = body.pop("requester_id", None)
        who = {name: body.pop(name, None) for name in ("name", "email", "phone")}
        if requester is None:
            assert who["email"] or (who["phone"] and who["name"]), "nobody asks"
            key = "email" if who["email"] else "phone"
            known = [each for each in self.existing(self.contacts) if each[key] == who[key]]
            contact = {key: who[key] for key in ("email", "phone")}
            requester = known[0]["id"] if known else self.add_contact(who["name"] or "", **contact)
        elif requester not in {*self.contacts, *self.agents}:
            return _error(400, "invalid_value")
        subject, text = body.pop("subject"), html_to_text(body["description"])
        added = self.add_ticket(subject, text, **body, requester_id=requester)
        return _json(self.tickets[added], 201)

    def _change(self, found: Record, body: Record) -> httpx2.Response:
        assert body
        assert body.keys() <= _TICKET - {"email", "phone", "name"}
        own = {**found["custom_fields"], **body.pop("custom_fields", {})}
        found.update({**body, "custom_fields": own, "updated_at": self.next_moment()})
        return _json(found)

    def _merge(self, body: Record) -> httpx2.Response:
        assert body.keys() - {"note_in_primary"} == {"primary_id", "ticket_ids"}
        into = self.tickets[body["primary_id"]]
        note: Record = body.get("note_in_primary", {"body": "<div>Merged.</div>", "private": True})
        assert note.keys() == {"body", "private"}
        for each in body["ticket_ids"]:
            self._change(self.tickets[each], {"status": 5})
        self.add_comment(into["id"], note["body"], private=note["private"])
        return httpx2.Response(204)

    def _bulk(self, what: str, body: Record) -> httpx2.Response:
        assert body.keys() == {"bulk_action"}
        action: Record = body["bulk_action"]
        assert action.keys() == ({"ids", "properties"} if what == "bulk_update" else {"ids"})
        # In bulk, Freshdesk changes neither subjects nor texts.
        assert action.get("properties", {}).keys() <= _TICKET - {"subject", "description"}
        data: list[Record] = []
        for number in action["ids"]:
            assert isinstance(number, int)
            found = self.tickets.get(number)
            exists = found is not None and not found["deleted"]
            if found is not None and exists and not self.slow_jobs:
                properties = action.get("properties", {"deleted": True})
                found.update({**properties, "updated_at": self.next_moment()})
            data.append({"id": number, "success": exists})
        job = f"job{next(self._ids)}"
        self.jobs[job] = {"data": data, "requests": 0}
        return _json({"job_id": job, "href": f"{self.base}/jobs/{job}"}, 202)

    def _add(self, ticket: Record, what: str, body: Record) -> httpx2.Response:
        match what:
            case "reply":
                assert body.keys() == {"body"}
                return _json(self.conversations[self.add_comment(ticket["id"], body["body"])], 201)
            case "notes":
                assert body.keys() == {"body", "private"}
                assert body["private"] is True
                added = self.add_comment(ticket["id"], body["body"], private=True)
                return _json(self.conversations[added], 201)
            case "time_entries":
                assert body.keys() == {"note", "time_spent", "executed_at", "billable"}
                assert re.fullmatch(r"\d\d:\d\d", body["time_spent"])
                assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", body["executed_at"])
                added = self.add(self.entries, ticket_id=ticket["id"], **body)
                return _json(self.entries[added], 201)
            case unexpected:
                raise AssertionError(unexpected)

    def _save_contact(self, body: Record, found: Record | None) -> httpx2.Response:
        assert body
        assert body.keys() <= _CONTACT
        taken = [*self.contacts.values(), *(each["contact"] for each in self.agents.values())]
        others = [each for each in taken if each is not found]
        if body.get("email", "") in [each["email"] for each in others]:
            return _error(409, "duplicate_value", "email")
        if found is None:
            added = self.add_contact(body.pop("name", ""), **body)
            return _json(self.contacts[added], 201)
        found.update({**body, "updated_at": self.next_moment()})
        return _json(found)


def _get(records: dict[int, Record], number: str) -> Record | None:
    assert re.fullmatch(r"[1-9][0-9]*", number), number
    return records.get(int(number))


def _autocomplete(records: Iterable[Record], term: str) -> list[Record]:
    """Return the records in whose name a word begins with the term."""
    pattern = re.compile(rf"(?:^|\s){re.escape(term)}", re.IGNORECASE)
    found = (each for each in records if pattern.search(each["name"]))
    return [{"id": each["id"], "name": each["name"]} for each in found]


def _page(records: Iterable[Record], query: dict[str, str]) -> httpx2.Response:
    page, size = int(query.get("page", 1)), int(query.get("per_page", 30))
    assert 1 <= size <= 100
    return _json([*records][(page - 1) * size : page * size])


def _json(data: Any, status: int = 200) -> httpx2.Response:
    return httpx2.Response(status, json=data)


def _error(status: int, code: str, field: str = "any") -> httpx2.Response:
    errors = [{"field": field, "message": BODY_CANARY, "code": code}]
    return httpx2.Response(status, json={"description": BODY_CANARY, "errors": errors})
