"""Zendesk as tests play it: tickets, users, jobs, and a search of its own language."""

import re
from base64 import b64encode
from collections.abc import Callable, Iterable
from datetime import datetime
from itertools import count
from json import loads
from typing import Any, ClassVar
from urllib.parse import unquote

import httpx2

from config.columns import now
from tests.tickets.contract import CANARY
from tests.tickets.played import ORGANIZATION, PEOPLE, TICKETS, Desk, Seed
from toolkit.people import digits, folded

EMAIL, TOKEN = "bot@acme.example", f"zd_{CANARY}"
SECRETS = {"subdomain": "acme", "email": EMAIL, "api_token": TOKEN}
# A word as it is said, or how one begins; a number may also be known by its end.
TERM = r'(?:(\w+):)?("[^"\\*]*"|\*?\w+\*?)'
_QUERY = re.compile(rf"{TERM}(?: {TERM})*")
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
Record = dict[str, Any]


class Zendesk(Desk):
    """Zendesk with a memory. What is deleted is marked so."""

    base: ClassVar[str] = "https://acme.zendesk.com"
    specification: ClassVar[str | None] = "zendesk/openapi-support.json"
    # These are in no copy of Zendesk's specification, and are held to facts/vendors.md, "Zendesk".
    uncovered: ClassVar[re.Pattern[str] | None] = re.compile(
        r"GET /api/v2/users/\d+/tickets/(requested|assigned|ccd)"
        r"|GET /api/v2/organizations/\d+/tickets"
        r"|POST /api/v2/calls"
        r"|GET /api/v2/channels/voice/availabilities/\d+"
        r"|GET /api/v2/agent_availabilities"
    )

    def __init__(self) -> None:
        super().__init__()
        self.numbers = count(1001)
        self.users: dict[int, Record] = {}
        self.tickets: dict[int, Record] = {}
        self.comments: dict[int, list[Record]] = {}
        self.organizations: dict[int, Record] = {}
        self.jobs: dict[str, Record] = {}
        self.calls: list[Record] = []
        self.keys: dict[str, int] = {}
        self.us = self.add_user("Desk bot", EMAIL, role="admin")

    def seed(self) -> Seed:
        """Put what each test begins with into the memory."""
        company = next(self.numbers)
        self.organizations[company] = {"id": company, "name": ORGANIZATION, "notes": "Bakers."}
        ids = {
            key: self.add_user(
                who.name,
                who.email,
                phone=who.phone,
                role="agent" if who.role == "agent" else "end-user",
                organization_id=company if who.member else None,
            )
            for key, who in PEOPLE.items()
        }
        cases: dict[str, int] = {}
        for key, case in TICKETS.items():
            requester = self.users[ids[case.requester]]
            cases[key] = number = self.add_ticket(
                subject=case.subject,
                status=case.status,
                priority=case.priority,
                type=case.type,
                requester_id=requester["id"],
                organization_id=requester["organization_id"],
                assignee_id=ids[case.assignee] if case.assignee else None,
                collaborator_ids=[ids[each] for each in case.copied],
                tags=[*case.tags],
            )
            for author, text in ((case.requester, case.text), *case.comments):
                self.say(number, ids[author], text)
        people = {key: str(ids[key]) for key in ("agent", "katherine", "tomasz")}
        both = {key: str(cases[key]) for key in ("oven", "scale")}
        return Seed(organization=str(company), **people, **both)

    def held(self) -> list[dict[str, Any]]:
        """Return the tickets that are there."""
        return [
            {
                "id": str(each["id"]),
                "subject": each["subject"],
                "text": each["description"],
                "status": "pending" if each["status"] == "hold" else each["status"],
                "priority": each["priority"],
                "tags": sorted(each["tags"]),
                "requester": str(each["requester_id"]),
                "assignee": str(each["assignee_id"]) if each["assignee_id"] else None,
            }
            for each in self.there(self.tickets)
        ]

    def said(self, ticket: str) -> list[dict[str, Any]]:
        """Return a ticket's comments, oldest first."""
        found = self.comments[int(ticket)]
        return [{"text": each["body"], "public": each["public"]} for each in found]

    def people(self) -> list[dict[str, Any]]:
        """Return the users who are there."""
        keys = ("name", "email", "phone")
        return [
            {"id": str(each["id"]), **{key: each[key] for key in keys}}
            for each in self.there(self.users)
        ]

    @staticmethod
    def there(records: dict[int, Record]) -> list[Record]:
        """Return what has not been deleted."""
        return [each for each in records.values() if not each.get("deleted")]

    def add_user(self, name: str, email: str | None = None, **values: Any) -> int:
        """Add a user and return the id."""
        number = next(self.numbers)
        empty = {"phone": None, "role": "end-user", "organization_id": None}
        self.users[number] = {
            **{"id": number, "name": name, "email": email, "created_at": _now()},
            **empty,
            **values,
        }
        return number

    def add_ticket(self, **values: Any) -> int:
        """Add a ticket without comments and return the id."""
        number = next(self.numbers)
        empty = dict.fromkeys(("description", "priority", "type", "assignee_id", "organization_id"))
        self.tickets[number] = {
            **{"id": number, "status": "new", "tags": [], "collaborator_ids": []},
            **empty,
            **{"created_at": _now(), "updated_at": _now()},
            **values,
        }
        self.comments[number] = []
        return number

    def say(self, ticket: int, author: int, text: str, *, public: bool = True) -> int:
        """Add a comment and return its id; the first is the ticket's description."""
        number = next(self.numbers)
        self.comments[ticket].append(
            {
                **{"id": number, "type": "Comment", "author_id": author, "body": text},
                **{"public": public, "created_at": _now(), "via": {"channel": "api"}},
            }
        )
        if self.tickets[ticket]["description"] is None:
            self.tickets[ticket]["description"] = text
        self.tickets[ticket]["updated_at"] = _now()
        return number

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
        tickets = self.there(self.tickets)
        match parts:
            case ["users", "me"]:
                return _json({"user": self.users[self.us]})
            case ["users" | "tickets" as kind, "show_many"]:
                ids = {int(each) for each in query["ids"].split(",")}
                found = [each for each in self.there(self._all(kind)) if each["id"] in ids]
                return _json({kind: found, "count": len(found), "next_page": None})
            case ["users", "search"]:
                return self._offset("users", self._search(self.there(self.users), query), query)
            case ["users"]:
                return self._cursor("users", self.there(self.users), query)
            case ["users", number, "tickets", part]:
                if int(number) not in self.users:
                    return _missing()
                return self._newest(lambda each: _has(each, part, int(number)), query)
            case ["organizations", "search"]:
                found = [
                    each for each in self.organizations.values() if each["name"] == query["name"]
                ]
                return _json({"organizations": found, "count": len(found)})
            case ["organizations", number]:
                company = self.organizations.get(int(number))
                return _json({"organization": company}) if company else _missing()
            case ["organizations", number, "tickets"]:
                return self._newest(lambda each: each["organization_id"] == int(number), query)
            case ["tickets"] if "external_id" in query:
                mark = query["external_id"]
                found = [each for each in tickets if each.get("external_id") == mark]
                return self._cursor("tickets", found, query)
            case ["tickets"]:
                return self._newest(lambda _: True, query)
            case ["tickets", number, "comments"]:
                return self._comments(int(number), query)
            case ["problems"]:
                found = [each for each in tickets if each["type"] == "problem"]
                return self._offset("tickets", found, query)
            case ["search"]:
                assert query["filter[type]"] == "ticket"
                assert (query["sort_by"], query["sort_order"]) == ("updated_at", "desc")
                found = self._search(_newest_first(tickets), query)
                return self._offset(
                    "results", [{**each, "result_type": "ticket"} for each in found], query
                )
            case ["job_statuses", name]:
                return _json({"job_status": self.jobs[name]})
            case ["channels", "voice", "availabilities", number]:
                if self.users.get(int(number), {}).get("role") not in ("agent", "admin"):
                    return _missing()
                line = {"agent_state": "online", "via": "client"}
                return _json({"availability": line | self.users[int(number)].get("line", {})})
            case ["agent_availabilities"]:
                assert query == {"filter[channel_status]": "talk:online", "page[size]": "100"}
                return _json({"data": self._present(), "meta": {"has_more": False}})
            case unexpected:
                raise AssertionError(unexpected)

    def _write(
        self, method: str, parts: list[str], query: dict[str, str], body: Record, key: str | None
    ) -> httpx2.Response:
        assert key is None or (method, parts) == ("POST", ["tickets"])
        match method, parts:
            case "POST", ["tickets"]:
                if key is None or key not in self.keys:
                    number = self._open(body["ticket"])
                    if number is None:
                        return _invalid()
                    self.keys[key or ""] = number
                return self._changed(self.keys[key or ""], [], 201)
            case "POST", ["tickets", "create_many"]:
                return self._job(
                    {"index": n, "id": made} if (made := self._open(each)) else _refused(n)
                    for n, each in enumerate(body["tickets"])
                )
            case "PUT", ["tickets", "update_many"]:
                assert "ids" not in query
                return self._job(
                    _updated(each["id"], self._change(each["id"], each)) for each in body["tickets"]
                )
            case "DELETE", ["tickets", "destroy_many"]:
                return self._job(
                    _updated(int(each), self._delete(self.tickets, int(each)))
                    for each in query["ids"].split(",")
                )
            case "POST", ["tickets", number, "merge"]:
                return self._merge(int(number), body)
            case "PUT" | "DELETE", ["tickets", number, "tags"]:
                if int(number) not in self.tickets:
                    return _missing()
                kind = "additional_tags" if method == "PUT" else "remove_tags"
                self._change(int(number), {kind: body["tags"]})
                if method == "DELETE":
                    return httpx2.Response(204)
                return _json({"tags": self.tickets[int(number)]["tags"]})
            case "PUT", ["tickets", number]:
                said = self._change(int(number), body["ticket"])
                return _missing() if said is None else self._changed(int(number), said)
            case "DELETE", ["tickets", number]:
                there = self._delete(self.tickets, int(number)) is not None
                return httpx2.Response(204) if there else _missing()
            case "POST", ["users"]:
                return self._keep(body["user"], update=False)
            case "POST", ["users", "create_or_update"]:
                return self._keep(body["user"], update=True)
            case "POST", ["users", "create_or_update_many"]:
                return self._job(
                    {"id": loads(self._keep(each, update=True).content)["user"]["id"]}
                    | {"status": "Updated"}
                    for each in body["users"]
                )
            case "PUT", ["users", "update_many"]:
                return self._job(
                    _updated(each["id"], self._person(each["id"], each)) for each in body["users"]
                )
            case "PUT", ["users", number]:
                there = self._person(int(number), body["user"]) is not None
                return _json({"user": self.users[int(number)]}) if there else _missing()
            case "DELETE", ["users", number]:
                there = self._delete(self.users, int(number)) is not None
                return _json({"user": self.users[int(number)]}) if there else _missing()
            case "POST", ["calls"]:
                for name, value in body["call"].items():
                    assert isinstance(value, _TALK[name]), name
                assert {*_TALK} - {"ticket_id"} <= {*body["call"]}
                assert body["comment"].keys() == {"title", "call_fields"}
                self.calls.append(body)
                return _json({"call": {"id": next(self.numbers), **body["call"]}}, 201)
            case unexpected:
                raise AssertionError(unexpected)

    def _all(self, kind: str) -> dict[int, Record]:
        return self.users if kind == "users" else self.tickets

    def _newest(self, wanted: Callable[[Record], bool], query: dict[str, str]) -> httpx2.Response:
        assert query["sort"] == "-updated_at"
        assert "include" not in query
        found = [each for each in self.there(self.tickets) if wanted(each)]
        return self._cursor("tickets", _newest_first(found), query)

    def _cursor(self, kind: str, found: list[Record], query: dict[str, str]) -> httpx2.Response:
        size, begin = int(query["page[size]"]), int(query.get("page[after]", 0))
        assert 1 <= size <= 100
        more = len(found) > begin + size
        # Wherever Zendesk says that the rest is, the account's own address is asked.
        there = f"https://elsewhere.example/api/v2/{kind}.json?page[after]={begin + size}"
        return _json(
            {
                kind: found[begin : begin + size],
                "meta": {"has_more": more, "after_cursor": str(begin + size) if more else None},
                "links": {"next": f"{there}&page[size]={size}" if more else None},
            }
        )

    def _offset(self, kind: str, found: list[Record], query: dict[str, str]) -> httpx2.Response:
        size = int(query.get("per_page", 100))
        assert 1 <= size <= 100
        return _json({kind: found[:size], "count": len(found), "next_page": None})

    def _comments(self, ticket: int, query: dict[str, str]) -> httpx2.Response:
        if ticket not in self.tickets:
            return _missing()
        assert query["sort"] == "-created_at"
        return self._cursor("comments", self.comments[ticket][::-1], query)

    def _search(self, records: list[Record], query: dict[str, str]) -> list[Record]:
        text = query["query"]
        assert _QUERY.fullmatch(text), text
        terms: dict[str, list[str]] = {}
        for match in re.finditer(TERM, text):
            terms.setdefault(match[1] or "", []).append(match[2])
        return [
            each
            for each in records
            if all(self._fits(each, "", [word]) for word in terms.get("", []))
            and all(self._fits(each, name, some) for name, some in terms.items() if name)
        ]

    def _fits(self, record: Record, name: str, values: list[str]) -> bool:
        match name:
            case "":
                said = " ".join(each["body"] for each in self.comments[record["id"]])
                return any(_in_words(value, f"{record['subject']} {said}") for value in values)
            case "type":
                return values == ["ticket"]
            case "name":
                return any(_in_words(value, record["name"]) for value in values)
            case "email":
                return (record["email"] or "").casefold() in [
                    _bare(each).casefold() for each in values
                ]
            case "phone":
                return any(_is_number(value, record["phone"]) for value in values)
            case "status":
                return record["status"] in map(_bare, values)
            case "ticket_type":
                return record["type"] in map(_bare, values)
            case "requester" | "assignee" | "organization":
                return str(record[f"{name}_id"]) in map(_bare, values)
            case "cc":
                return not {*map(_bare, values)}.isdisjoint(map(str, record["collaborator_ids"]))
            case unexpected:
                raise AssertionError(unexpected)

    def _present(self) -> list[Record]:
        return [
            {
                "id": f"agent_availabilities|{each['id']}",
                "type": "agent_availabilities",
                "attributes": {"agent_id": each["id"], "version": 1},
            }
            for each in self.there(self.users)
            if each["role"] == "agent" and each.get("line", {}).get("agent_state") != "offline"
        ]

    def _open(self, draft: Record) -> int | None:
        """Open a ticket; None where Zendesk would not."""
        values = {**draft}
        said = values.pop("comment")
        named = values.pop("requester", None)
        if named is not None:
            assert named.keys() == {"name", "email"}
            known = [each for each in self.there(self.users) if each["email"] == named["email"]]
            values["requester_id"] = known[0]["id"] if known else self.add_user(**named)
        whose = values.setdefault("requester_id", self.us)
        if whose not in self.users or values.get("priority") == "urgent!":
            return None
        number = self.add_ticket(**values)
        self.say(number, self.us, said["body"], public=said.get("public", True))
        return number

    def _change(self, number: int, change: Record) -> list[Record] | None:
        """Change a ticket, and return what happened; None where there is none."""
        found = self.tickets.get(number)
        if found is None or found.get("deleted"):
            return None
        values, events = {**change}, list[Record]()
        more, fewer = values.pop("additional_tags", []), values.pop("remove_tags", [])
        found["tags"] = [
            each for each in dict.fromkeys([*found["tags"], *more]) if each not in fewer
        ]
        if said := values.pop("comment", None):
            assert said.keys() == {"body", "public"}
            made = self.say(number, self.us, said["body"], public=said["public"])
            events.append({"id": made, "type": "Comment", "body": said["body"]})
        found.update(values, updated_at=_now())
        return [{"id": next(self.numbers), "type": "Change"}, *events]

    def _changed(self, number: int, events: list[Record], status: int = 200) -> httpx2.Response:
        audit = {"id": next(self.numbers), "ticket_id": number, "events": events}
        return _json({"ticket": self.tickets[number], "audit": audit}, status)

    def _merge(self, target: int, body: Record) -> httpx2.Response:
        assert body.keys() == {"ids", "target_comment", "source_comment"}
        if target not in self.tickets:
            return _missing()
        done: list[Record] = []
        for each in body["ids"]:
            there = self._change(each, {"status": "closed"}) is not None
            if there:
                self.say(each, self.us, body["source_comment"])
            done.append(_updated(each, [] if there else None))
        self.say(target, self.us, body["target_comment"])
        return self._job(done)

    def _delete(self, records: dict[int, Record], number: int) -> list[Record] | None:
        if number not in records or records[number].get("deleted"):
            return None
        records[number]["deleted"] = True
        return []

    def _keep(self, draft: Record, *, update: bool) -> httpx2.Response:
        values = {**draft}
        # Nobody is written to because of a call.
        assert values.pop("skip_verify_email", False) is ("email" in values)
        known = [
            each
            for each in self.there(self.users)
            if "email" in values and each["email"] == values["email"]
        ]
        if known and not update:
            return _invalid()
        if known:
            known[0].update(values)
            return _json({"user": known[0]})
        return _json({"user": self.users[self.add_user(**values)]}, 201)

    def _person(self, number: int, change: Record) -> list[Record] | None:
        if number not in self.users or self.users[number].get("deleted"):
            return None
        values = {name: value for name, value in change.items() if name != "skip_verify_email"}
        self.users[number].update(values)
        return []

    def _job(self, results: Iterable[Record]) -> httpx2.Response:
        name = f"{next(self.numbers):032x}"
        there = {"id": name, "url": f"{self.base}/api/v2/job_statuses/{name}.json", "total": 1}
        self.jobs[name] = {**there, "status": "completed", "results": [*results]}
        if self.slow_jobs:
            self.jobs[name] = {**there, "status": "working", "results": None}
        return _json({"job_status": {**there, "status": "queued", "results": None}})


def _json(body: Record, status: int = 200) -> httpx2.Response:
    return httpx2.Response(status, json=body)


def _missing() -> httpx2.Response:
    return _json({"error": "RecordNotFound", "description": "Not found"}, 404)


def _invalid() -> httpx2.Response:
    return _json({"error": "RecordInvalid", "description": "Record validation errors"}, 422)


def _refused(place: int) -> Record:
    return {"index": place, "error": "TicketCreateError", "details": "Requester: is invalid"}


def _updated(number: int, events: list[Record] | None) -> Record:
    if events is None:
        return {"id": number, "action": "update", "success": False, "status": "Failed"}
    return {"id": number, "action": "update", "success": True, "status": "Updated"}


def _has(ticket: Record, part: str, user: int) -> bool:
    return user in ticket["collaborator_ids"] if part == "ccd" else ticket[_PARTS[part]] == user


def _newest_first(tickets: list[Record]) -> list[Record]:
    return sorted(
        tickets, key=lambda each: datetime.fromisoformat(each["updated_at"]), reverse=True
    )


def _bare(value: str) -> str:
    return value.strip('"').casefold()


def _in_words(value: str, text: str) -> bool:
    """Say whether words begin so."""
    return f" {folded(_bare(value))}" in f" {folded(text)}"


def _is_number(value: str, number: str | None) -> bool:
    if number is None:
        return False
    if value.startswith("*"):
        return digits(number).endswith(digits(value))
    return digits(_bare(value)) == digits(number)


def _now() -> str:
    return now().isoformat()
