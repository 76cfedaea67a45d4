"""A fake Jira Cloud: a project with its workflow, and accounts that may hide their addresses.

Requests are checked against Atlassian's own OpenAPI. Errors, bulk operations and the search with
tokens follow facts/vendors.md, "Jira Cloud v3".
"""

import json
import re
from base64 import b64encode
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar
from urllib.parse import unquote

import httpx2

from tests.tickets.double import PEOPLE, TICKETS, Seed, TicketVendor
from tests.tickets.providers.jira import memory

SECRETS = {"site": "acme", "email": "bot@acme.example", "api_token": "token-canary-7f3a9"}
SETTINGS = {"project": memory.PROJECT}
LOGIN = b64encode(f"{SECRETS['email']}:{SECRETS['api_token']}".encode()).decode()
ROOT = "/rest/api/3/"

Body = dict[str, Any]
Query = dict[str, list[str]]


class FakeJira(TicketVendor):
    """Answers requests from a `JiraMemory`: a refused field is a 400, a missing record a 404."""

    base = "https://acme.atlassian.net"
    specification = "jira/openapi-v3.json"
    reading_posts: ClassVar[re.Pattern[str] | None] = re.compile(
        r"POST /rest/api/3/(?:issue/bulkfetch|comment/list)"
    )

    def __init__(self) -> None:
        super().__init__()
        self.memory = memory.JiraMemory()

    def seed(self) -> Seed:
        for name, person in PEOPLE.items():
            kind = "atlassian" if person.role == "agent" else "customer"
            self.memory.add_account(f"5f0-{name}", person.name, person.email, kind)
        for name, case in TICKETS.items():
            fields: Body = {
                "project": {"key": memory.PROJECT},
                "issuetype": {"name": "Problem" if case.type == "problem" else "Task"},
                "summary": case.subject,
                "description": memory.to_adf(case.text),
                "priority": {"name": memory.PRIORITIES[case.priority]},
                "reporter": {"id": f"5f0-{case.requester}"},
                "labels": [*case.tags],
            }
            if case.assignee:
                fields["assignee"] = {"id": f"5f0-{case.assignee}"}
            issue = self.memory.create(fields)
            issue["fields"]["status"] = memory.STATUSES["21"]
            issue["watchers"] = {f"5f0-{each}" for each in case.copied}
            issue["name"], issue["creator"] = name, f"5f0-{case.requester}"
            for author, text in case.comments:
                self.memory.add_comment(issue, {"body": memory.to_adf(text)}, f"5f0-{author}")
        ids = {name: f"5f0-{name}" for name in PEOPLE}
        keys = {each["name"]: each["key"] for each in self.memory.issues.values()}
        return Seed(organization="none", **ids, **keys)

    def list_tickets(self) -> list[Body]:
        return [self._ticket(each) for each in self.memory.issues.values()]

    def list_comments(self, ticket: str) -> list[Body]:
        issue = self.memory.find_issue(ticket)
        return [
            {"text": memory.to_text(each["body"]), "public": each["jsdPublic"]}
            for each in (issue or {"comments": []})["comments"]
        ]

    def list_users(self) -> list[Body]:
        return [
            {
                "id": each["accountId"],
                "name": each["displayName"],
                "email": each["emailAddress"],
                "phone": None,
            }
            for each in self.memory.accounts.values()
            if each["accountType"] != "app"
        ]

    def answer(self, request: httpx2.Request) -> httpx2.Response:
        assert request.headers["Authorization"] == f"Basic {LOGIN}"
        assert request.headers["X-Atlassian-Token"] == "no-check"
        raw = request.url.raw_path.decode().partition("?")[0]
        path = [unquote(part) for part in raw.removeprefix(ROOT).split("/")]
        body: Body = json.loads(request.content) if request.content else {}
        query = {name: request.url.params.get_list(name) for name in request.url.params}
        try:
            return self._answer(request.method, path, query, body)
        except memory.RefusedError as refusal:
            return _json({"errorMessages": [], "errors": {refusal.field: "is wrong"}}, 400)
        except memory.MissingError:
            return _json({"errorMessages": ["It does not exist."], "errors": {}}, 404)

    def _check(self, request: httpx2.Request) -> None:
        """Allow one thing: the start of a worklog is no `date-time`, as in Atlassian's example."""
        if request.method == "POST" and request.url.path.endswith("/worklog"):
            body = json.loads(request.content)
            body["started"] = re.sub(r"(?<=[+-]\d\d)(?=\d\d$)", ":", body["started"])
            login = {"Authorization": request.headers["Authorization"]}
            request = httpx2.Request("POST", request.url, headers=login, json=body)
        super()._check(request)

    def _answer(self, method: str, path: list[str], query: Query, body: Body) -> httpx2.Response:
        match method, path:
            case "GET", ["myself"]:
                return _json(self.memory.accounts[memory.OWN_ACCOUNT])
            case "GET", ["search", "jql"]:
                return _json(self._search(query))
            case "POST", ["issue"]:
                issue = self.memory.create(body["fields"], body.get("properties", []))
                return _json(_named(issue), 201)
            case "POST", ["issue", "bulk"]:
                return self._create_many(body["issueUpdates"])
            case "POST", ["issue", "bulkfetch"]:
                return _json({"issues": self._fetched(body), "issueErrors": []})
            case "GET", ["issue", key]:
                if (found := self.memory.look_up(key)) is None:
                    raise memory.MissingError
                return _json(_shown(found, query["fields"], query.get("expand", [])))
            case _, ["issue", key, *rest]:
                return self._issue(method, self.memory.get_issue(key), rest, query, body)
            case "POST", ["comment", "list"]:
                assert query == {"expand": ["properties"]}
                wanted = {str(each) for each in body["ids"]}
                every = [
                    each for issue in self.memory.issues.values() for each in issue["comments"]
                ]
                return _json({"values": [each for each in every if each["id"] in wanted]})
            case "POST", ["bulk", "issues", "delete"]:
                assert body["sendBulkNotification"] is False
                return _json(self.memory.delete_many(body["selectedIssueIdsOrKeys"]), 201)
            case "GET", ["bulk", "queue", task]:
                return _json(self.memory.progress(task, slow=self.slow_jobs))
            case _, ["user" | "users", *rest]:
                return self._users(method, path[0], rest, query, body)
            case unexpected:
                raise AssertionError(unexpected)

    def _issue(
        self, method: str, issue: Body, rest: list[str], query: Query, body: Body
    ) -> httpx2.Response:
        match method, rest:
            case "PUT", []:
                self.memory.edit(issue, body.get("fields", {}), body.get("update", {}))
            case "DELETE", []:
                del self.memory.issues[issue["id"]]
            case "POST", ["transitions"]:
                assert body.keys() == {"transition"}
                self.memory.apply_transition(issue, body["transition"]["id"])
            case "GET", ["comment"]:
                assert query.keys() == {"orderBy", "startAt", "maxResults"}
                assert query["orderBy"] == ["-created"]
                start, most = int(query["startAt"][0]), int(query["maxResults"][0])
                newest = [*reversed(issue["comments"])]
                bare: list[Body] = [
                    {**each, "properties": []} for each in newest[start : start + most]
                ]
                return _json({"comments": bare, "startAt": start, "total": len(newest)})
            case "POST", ["comment"]:
                return _json(self.memory.add_comment(issue, body, memory.OWN_ACCOUNT), 201)
            case "GET", ["worklog"]:
                assert query["expand"] == ["properties"]
                since = datetime.fromtimestamp(int(query["startedAfter"][0]) / 1000, UTC)
                assert since < datetime.now(UTC) - timedelta(hours=23)
                return _json({"worklogs": issue["worklogs"]})
            case "POST", ["worklog"]:
                assert query == {"adjustEstimate": ["leave"]}
                return _json(self.memory.add_worklog(issue, body), 201)
            case unexpected:
                raise AssertionError(unexpected)
        return httpx2.Response(204)

    def _users(
        self, method: str, kind: str, rest: list[str], query: Query, body: Body
    ) -> httpx2.Response:
        accounts = self.memory.accounts
        match method, kind, rest:
            case "GET", "user", []:
                return _json(self.memory.get_account(query["accountId"][0]))
            case "GET", "user", ["bulk"]:
                assert int(query["maxResults"][0]) >= len(query["accountId"])
                found = [accounts[each] for each in query["accountId"] if each in accounts]
                return _json({"values": found, "isLast": True})
            case "GET", "user", ["search"]:
                assert query["maxResults"] == ["50"]
                return _json(self.memory.search_accounts(query["query"][0]))
            case "GET", "users", ["search"]:
                return _json([*accounts.values()][: int(query["maxResults"][0])])
            case "POST", "user", []:
                assert body.keys() == {"emailAddress", "products"}
                assert body["products"] == []
                name = body["emailAddress"].partition("@")[0]  # until they choose one
                account_id = f"5f0-{len(accounts)}-new"
                return _json(
                    self.memory.add_account(account_id, name, body["emailAddress"], "atlassian"),
                    201,
                )
            case "DELETE", "user", []:
                del accounts[self.memory.get_account(query["accountId"][0])["accountId"]]
                return httpx2.Response(204)
            case unexpected:
                raise AssertionError(unexpected)

    def _search(self, query: Query) -> Body:
        assert query.keys() <= {"jql", "fields", "maxResults", "properties"}
        found, most = self.memory.search(query["jql"][0]), int(query["maxResults"][0])
        shown = [
            {
                **_shown(each, query["fields"], []),
                "properties": {
                    name: each["properties"][name]
                    for name in query.get("properties", [])
                    if name in each["properties"]
                },
            }
            for each in found[:most]
        ]
        more = {"nextPageToken": "CAEaAggD", "isLast": False} if found[most:] else {"isLast": True}
        return {"issues": shown, **more}

    def _fetched(self, body: Body) -> list[Body]:
        assert 0 < len(body["issueIdsOrKeys"]) <= 100
        found = [issue for key in body["issueIdsOrKeys"] if (issue := self.memory.look_up(key))]
        found.sort(key=lambda issue: int(issue["id"]))
        return [_shown(each, body["fields"], body["expand"]) for each in found]

    def _create_many(self, wanted: list[Body]) -> httpx2.Response:
        assert 0 < len(wanted) <= 50
        created: list[Body] = []
        errors: list[Body] = []
        for n, each in enumerate(wanted):
            try:
                created.append(_named(self.memory.create(each["fields"], each["properties"])))
            except memory.RefusedError as refusal:
                elements: Body = {"errors": {refusal.field: "is wrong"}, "errorMessages": []}
                errors.append({"status": 400, "elementErrors": elements, "failedElementNumber": n})
        return _json({"issues": created, "errors": errors}, 201 if created else 400)

    def _ticket(self, issue: Body) -> Body:
        fields = issue["fields"]
        ours: dict[str, str] = {name: our for our, name in memory.PRIORITIES.items()}
        statuses = {"To Do": "new", "In Progress": "open", "Done": "solved"}
        return {
            "id": issue["key"],
            "subject": fields["summary"],
            "text": memory.to_text(fields["description"]),
            "status": statuses.get(fields["status"]["name"], fields["status"]["name"]),
            "priority": ours[fields["priority"]["name"]],
            "tags": sorted(fields["labels"]),
            "requester": (fields.get("reporter") or {}).get("accountId"),
            "assignee": (fields.get("assignee") or {}).get("accountId"),
        }


def _json(data: Any, status: int = 200) -> httpx2.Response:
    return httpx2.Response(status, json=data)


def _named(issue: Body) -> Body:
    return {"id": issue["id"], "key": issue["key"], "self": f"{FakeJira.base}/{issue['id']}"}


def _shown(issue: Body, fields: list[str], expand: list[str]) -> Body:
    shown = {name: value for name, value in issue["fields"].items() if name in fields}
    transitions = {"transitions": memory.transitions_from(issue)} if "transitions" in expand else {}
    return {"id": issue["id"], "key": issue["key"], "fields": shown, **transitions}
