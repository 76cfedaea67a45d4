"""A fake Zendesk: tickets, users, jobs, and a search in its own language."""

import re
from base64 import b64encode
from collections.abc import Callable, Iterable
from json import loads
from typing import ClassVar
from urllib.parse import unquote

import httpx2

from tests.tickets.contract import CANARY
from tests.tickets.providers.zendesk.memory import EMAIL, Record, ZendeskMemory, newest_first
from tests.tickets.providers.zendesk.responses import (
    answer_with,
    cursor,
    invalid,
    missing,
    offset,
    refused,
    updated,
)
from tests.tickets.providers.zendesk.search import search

TOKEN = f"zd_{CANARY}"
SECRETS = {"subdomain": "acme", "email": EMAIL, "api_token": TOKEN}
_PARTS = {"requested": "requester_id", "assigned": "assignee_id"}
_TALK = {
    "app_id": int,
    "from_line": str,
    "to_line": str,
    "direction": str,
    "call_started_at": str,
    "call_ended_at": str,
    "ticket_id": int,
}


class FakeZendesk(ZendeskMemory):
    """Answers requests as Zendesk would."""

    base: ClassVar[str] = "https://acme.zendesk.com"
    specification: ClassVar[str | None] = "zendesk/openapi-support.json"
    # These are in no copy of Zendesk's specification, and follow facts/vendors.md, "Zendesk".
    uncovered: ClassVar[re.Pattern[str] | None] = re.compile(
        r"GET /api/v2/users/\d+/tickets/(requested|assigned|ccd)"
        r"|GET /api/v2/organizations/\d+/tickets"
        r"|POST /api/v2/calls"
        r"|GET /api/v2/channels/voice/availabilities/\d+"
        r"|GET /api/v2/agent_availabilities"
    )

    def answer(self, request: httpx2.Request) -> httpx2.Response:
        """Answer as Zendesk would."""
        secret = b64encode(f"{EMAIL}/token:{TOKEN}".encode()).decode()
        assert request.headers["Authorization"] == f"Basic {secret}"
        path, query = request.url.raw_path.decode().partition("?")[0], dict(request.url.params)
        match path.split("/")[1:3]:
            case ["api", "v2"]:
                parts = [unquote(part) for part in path.split("/")[3:]]
            case other:
                raise AssertionError(other)
        body: Record = loads(request.content) if request.content else {}
        if request.method == "GET":
            return self._read(parts, query)
        key = request.headers.get("Idempotency-Key")
        assert key is None or re.fullmatch(r"[0-9a-f]{64}", key)
        return self._write(request.method, parts, query, body, key)

    def _read(self, parts: list[str], query: dict[str, str]) -> httpx2.Response:
        """Answer a request that reads: one table with a case for each path.

        Long because it is one table.
        """
        tickets = self.existing(self.tickets)
        match parts:
            case ["users", "me"]:
                return answer_with({"user": self.users[self.us]})
            case ["users" | "tickets" as kind, "show_many"]:
                ids = {int(each) for each in query["ids"].split(",")}
                # A deleted user is still returned, and says so by `active`: UserForAdmin.
                records = self.existing(self.tickets) if kind == "tickets" else self.users.values()
                found = [each for each in records if each["id"] in ids]
                return answer_with({kind: found, "count": len(found), "next_page": None})
            case ["users", "search"]:
                return offset("users", self._search([*self.users.values()], query), query)
            case ["users"]:
                return cursor("users", [*self.users.values()], query)
            case ["users", number, "tickets", part]:
                if int(number) not in self.users:
                    return missing()
                return self._newest(lambda each: _has(each, part, int(number)), query)
            case ["organizations", "search"]:
                found = [
                    each for each in self.organizations.values() if each["name"] == query["name"]
                ]
                return answer_with({"organizations": found, "count": len(found)})
            case ["organizations", number]:
                company = self.organizations.get(int(number))
                return answer_with({"organization": company}) if company else missing()
            case ["organizations", number, "tickets"]:
                return self._newest(lambda each: each["organization_id"] == int(number), query)
            case ["tickets"] if "external_id" in query:
                mark = query["external_id"]
                found = [each for each in tickets if each.get("external_id") == mark]
                return cursor("tickets", found, query)
            case ["tickets"]:
                return self._newest(lambda _: True, query)
            case ["tickets", number, "comments"]:
                return self._comments(int(number), query)
            case ["problems"]:
                found = [each for each in tickets if each["type"] == "problem"]
                return offset("tickets", found, query)
            case ["search"]:
                assert query["filter[type]"] == "ticket"
                assert (query["sort_by"], query["sort_order"]) == ("updated_at", "desc")
                found = self._search(newest_first(tickets), query)
                return offset(
                    "results", [{**each, "result_type": "ticket"} for each in found], query
                )
            case ["job_statuses", name]:
                return answer_with({"job_status": self.jobs[name]})
            case ["channels", "voice", "availabilities", number]:
                if self.users.get(int(number), {}).get("role") not in ("agent", "admin"):
                    return missing()
                line = {"agent_state": "online", "via": "client"}
                return answer_with({"availability": line | self.users[int(number)].get("line", {})})
            case ["agent_availabilities"]:
                assert query == {"filter[channel_status]": "talk:online", "page[size]": "100"}
                return answer_with({"data": self.online_agents(), "meta": {"has_more": False}})
            case unexpected:
                raise AssertionError(unexpected)

    def _write(
        self, method: str, parts: list[str], query: dict[str, str], body: Record, key: str | None
    ) -> httpx2.Response:
        """Answer a request that writes: one table with a case for each method and path.

        Long because it is one table.
        """
        assert key is None or (method, parts) == ("POST", ["tickets"])
        match method, parts:
            case "POST", ["tickets"]:
                if key is None or key not in self.keys:
                    number = self.create_ticket(body["ticket"])
                    if number is None:
                        return invalid()
                    self.keys[key or ""] = number
                return self._changed(self.keys[key or ""], [], 201)
            case "POST", ["tickets", "create_many"]:
                return self._job(
                    {"index": n, "id": made} if (made := self.create_ticket(each)) else refused(n)
                    for n, each in enumerate(body["tickets"])
                )
            case "PUT", ["tickets", "update_many"]:
                assert "ids" not in query
                return self._job(
                    updated(each["id"], self.change_ticket(each["id"], each))
                    for each in body["tickets"]
                )
            case "DELETE", ["tickets", "destroy_many"]:
                return self._job(
                    updated(int(each), self.delete(self.tickets, int(each)))
                    for each in query["ids"].split(",")
                )
            case "POST", ["tickets", number, "merge"]:
                return self._merge(int(number), body)
            case "PUT" | "DELETE", ["tickets", number, "tags"]:
                if int(number) not in self.tickets:
                    return missing()
                kind = "additional_tags" if method == "PUT" else "remove_tags"
                self.change_ticket(int(number), {kind: body["tags"]})
                if method == "DELETE":
                    return httpx2.Response(204)
                return answer_with({"tags": self.tickets[int(number)]["tags"]})
            case "PUT", ["tickets", number]:
                events = self.change_ticket(int(number), body["ticket"])
                return missing() if events is None else self._changed(int(number), events)
            case "DELETE", ["tickets", number]:
                found = self.delete(self.tickets, int(number)) is not None
                return httpx2.Response(204) if found else missing()
            case "POST", ["users"]:
                return self._save_user(body["user"], update=False)
            case "POST", ["users", "create_or_update"]:
                return self._save_user(body["user"], update=True)
            case "POST", ["users", "create_or_update_many"]:
                return self._job(
                    {"id": loads(self._save_user(each, update=True).content)["user"]["id"]}
                    | {"status": "Updated"}
                    for each in body["users"]
                )
            case "PUT", ["users", "update_many"]:
                return self._job(
                    updated(each["id"], self.change_user(each["id"], each))
                    for each in body["users"]
                )
            case "PUT", ["users", number]:
                found = self.change_user(int(number), body["user"]) is not None
                return answer_with({"user": self.users[int(number)]}) if found else missing()
            case "DELETE", ["users", number]:
                found = self.delete(self.users, int(number)) is not None
                return answer_with({"user": self.users[int(number)]}) if found else missing()
            case "POST", ["calls"]:
                for name, value in body["call"].items():
                    assert isinstance(value, _TALK[name]), name
                assert {*_TALK} - {"ticket_id"} <= {*body["call"]}
                assert body["comment"].keys() == {"title", "call_fields"}
                self.calls.append(body)
                return answer_with({"call": {"id": next(self.numbers), **body["call"]}}, 201)
            case unexpected:
                raise AssertionError(unexpected)

    def _newest(self, wanted: Callable[[Record], bool], query: dict[str, str]) -> httpx2.Response:
        assert query["sort"] == "-updated_at"
        assert "include" not in query
        found = [each for each in self.existing(self.tickets) if wanted(each)]
        return cursor("tickets", newest_first(found), query)

    def _comments(self, ticket: int, query: dict[str, str]) -> httpx2.Response:
        if ticket not in self.tickets:
            return missing()
        assert query["sort"] == "-created_at"
        return cursor("comments", self.comments[ticket][::-1], query)

    def _changed(self, number: int, events: list[Record], status: int = 200) -> httpx2.Response:
        audit = {"id": next(self.numbers), "ticket_id": number, "events": events}
        return answer_with({"ticket": self.tickets[number], "audit": audit}, status)

    def _merge(self, target: int, body: Record) -> httpx2.Response:
        assert body.keys() == {"ids", "target_comment", "source_comment"}
        if target not in self.tickets:
            return missing()
        done: list[Record] = []
        for each in body["ids"]:
            exists = self.change_ticket(each, {"status": "closed"}) is not None
            if exists:
                self.add_comment(each, self.us, body["source_comment"])
            done.append(updated(each, [] if exists else None))
        self.add_comment(target, self.us, body["target_comment"])
        return self._job(done)

    def _save_user(self, draft: Record, *, update: bool) -> httpx2.Response:
        values = {**draft}
        # Zendesk must not send an e-mail to a user because of a call.
        assert values.pop("skip_verify_email", False) is ("email" in values)
        known = [
            each
            for each in self.existing(self.users)
            if "email" in values and each["email"] == values["email"]
        ]
        if known and not update:
            return invalid("email", "DuplicateValue")
        if known:
            known[0].update(values)
            return answer_with({"user": known[0]})
        return answer_with({"user": self.users[self.add_user(**values)]}, 201)

    def _job(self, results: Iterable[Record]) -> httpx2.Response:
        name = f"{next(self.numbers):032x}"
        job = {"id": name, "url": f"{self.base}/api/v2/job_statuses/{name}.json", "total": 1}
        self.jobs[name] = {**job, "status": "completed", "results": [*results]}
        if self.slow_jobs:
            self.jobs[name] = {**job, "status": "working", "results": None}
        return answer_with({"job_status": {**job, "status": "queued", "results": None}})

    def _search(self, records: list[Record], query: dict[str, str]) -> list[Record]:
        return search(records, query["query"], self._words)

    def _words(self, ticket: Record) -> str:
        return " ".join(each["body"] for each in self.comments[ticket["id"]])


def _has(ticket: Record, part: str, user: int) -> bool:
    return user in ticket["collaborator_ids"] if part == "ccd" else ticket[_PARTS[part]] == user
