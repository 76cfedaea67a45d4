"""The records of the fake Freshdesk, by number."""

import asyncio
import html
import json
import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import httpx2

from config.columns import now
from tests.tickets.double import ORGANIZATION, PEOPLE, TICKETS, Seed, TicketVendor

Record = dict[str, Any]

OWN_AGENT = 5  # the agent whose key we have
STATUSES = {2: "open", 3: "pending", 4: "solved", 5: "closed"}
PRIORITIES = {1: "low", 2: "normal", 3: "high", 4: "urgent"}


class FreshdeskMemory(TicketVendor):
    """Stores records as Freshdesk does.

    It has many methods because it is the interface of every ticket double.
    """

    def __init__(self) -> None:
        super().__init__()
        self.tickets: dict[int, Record] = {}
        self.contacts: dict[int, Record] = {}
        self.agents: dict[int, Record] = {}
        self.companies: dict[int, Record] = {}
        self.conversations: dict[int, Record] = {}
        self.entries: dict[int, Record] = {}
        self.jobs: dict[str, Record] = {}
        self.fields: list[Record] = []
        self.admin = True  # whether the key may see other agents and the fields
        self.job_lists_records = True  # in its state
        self.concurrency = self.max_concurrency = 0  # requests
        self._ids = count(1001)
        self._start = now().replace(microsecond=0) - timedelta(minutes=10)
        self._ticks = count()

    def seed(self) -> Seed:
        self.add_agent(OWN_AGENT, "Our Account", "bot@desk.example", available=False)
        company = self.add(self.companies, name=ORGANIZATION, note=None, description="Bread.")
        ids: dict[str, int] = {}
        for key, person in PEOPLE.items():
            if person.role == "agent":
                ids[key] = next(self._ids)
                self.add_agent(ids[key], person.name, person.email)
            else:
                ids[key] = self.add_contact(
                    person.name,
                    email=person.email,
                    phone=person.phone,
                    company_id=company if person.member else None,
                )
        for key, case in TICKETS.items():
            ids[key] = self.add_ticket(
                case.subject,
                case.text,
                status=next(n for n, name in STATUSES.items() if name == case.status),
                priority=next(n for n, name in PRIORITIES.items() if name == case.priority),
                type=case.type.capitalize(),
                requester_id=ids[case.requester],
                responder_id=ids[case.assignee] if case.assignee else None,
                tags=[*case.tags],
            )
            for author, text in case.comments:
                incoming = PEOPLE[author].role == "customer"
                self.add_comment(ids[key], f"<div>{text}</div>", ids[author], incoming=incoming)
        named = {key: str(ids[key]) for key in ("agent", "katherine", "tomasz", "oven", "scale")}
        return Seed(organization=str(company), **named)

    def transport(self) -> httpx2.MockTransport:
        async def serve(request: httpx2.Request) -> httpx2.Response:
            self.concurrency += 1
            self.max_concurrency = max(self.max_concurrency, self.concurrency)
            await asyncio.sleep(0)
            self.concurrency -= 1
            return self._serve(request)

        return httpx2.MockTransport(serve)

    def add_agent(self, number: int, name: str, email: str, *, available: bool = True) -> None:
        """Add an agent."""
        contact = {"name": name, "email": email, "phone": None, "mobile": None}
        self.agents[number] = {"id": number, "available": available, "contact": contact}

    def add_contact(self, name: str, **values: Any) -> int:
        """Add a contact."""
        blank = dict.fromkeys(("email", "phone", "mobile", "company_id"))
        return self.add(self.contacts, **{**blank, "name": name, "deleted": False, **values})

    def add_ticket(self, subject: str, text: str, **values: Any) -> int:
        """Add a ticket."""
        common: Record = {
            **{"subject": subject, "description": f"<div>{text}</div>", "description_text": text},
            **{"status": 2, "priority": 1, "source": 3, "type": None, "tags": []},
            **{"responder_id": None, "custom_fields": {}, "deleted": False, "spam": False},
        }
        added = self.add(self.tickets, **{**common, **values})
        requester = self.contacts.get(self.tickets[added].get("requester_id") or 0, {})
        self.tickets[added].setdefault("company_id", requester.get("company_id"))
        return added

    def add_comment(
        self,
        ticket: int,
        body: str,
        user: int = OWN_AGENT,
        *,
        incoming: bool = False,
        private: bool = False,
    ) -> int:
        """Add a reply or a note."""
        return self.add(
            self.conversations,
            ticket_id=ticket,
            user_id=user,
            body=body,
            body_text=html_to_text(body),
            incoming=incoming,
            private=private,
        )

    def list_tickets(self) -> list[Record]:
        return [
            {
                "id": str(each["id"]),
                "subject": each["subject"],
                "text": each["description_text"],
                "status": STATUSES.get(each["status"], each["status"]),
                "priority": PRIORITIES[each["priority"]],
                "tags": sorted(each["tags"]),
                "requester": str(each["requester_id"]),
                "assignee": str(each["responder_id"]) if each["responder_id"] else None,
            }
            for each in self.tickets.values()
            if not each["deleted"]
        ]

    def list_comments(self, ticket: str) -> list[Record]:
        return [
            {"text": each["body_text"], "public": not each["private"]}
            for each in self.conversations.values()
            if str(each["ticket_id"]) == ticket
        ]

    def list_users(self) -> list[Record]:
        found = [each for each in self.contacts.values() if not each["deleted"]]
        found += [{"id": each["id"], **each["contact"]} for each in self.agents.values()]
        return [
            {"id": str(each["id"]), **{key: each[key] for key in ("name", "email", "phone")}}
            for each in found
        ]

    def list_row(self, ticket: Record, include: str | None) -> Record:
        """Return a ticket as it is in a list."""
        without = {"description", "description_text"} if include != "description" else set[str]()
        shown = {name: value for name, value in ticket.items() if name not in without}
        if include == "requester":
            who = self.contacts[ticket["requester_id"]]
            shown["requester"] = {key: who[key] for key in ("id", "name", "email", "phone")}
        return shown

    def job_state(self, job: str) -> Record:
        """Return a job's state; it ends with the second request."""
        found = self.jobs[job]
        requests, found["requests"] = found["requests"], found["requests"] + 1
        if requests == 0 or self.slow_jobs:
            return {"id": job, "status": "in_progress"}
        data = {"data": found["data"]} if self.job_lists_records else {}
        return {"id": job, "status": "completed", **data}

    def queries_of(self, path: str) -> list[dict[str, str]]:
        """Return the queries of all requests to a path."""
        return [
            dict(each.url.params)
            for each in self.requests
            if each.url.path.removeprefix("/api/v2/") == path
        ]

    def written_bodies(self) -> list[Record]:
        """Return the bodies of all requests that write."""
        return [json.loads(each.content) for each in self.written() if each.content]

    def existing(self, records: dict[int, Record]) -> Iterable[Record]:
        """Return the records that are neither in the trash nor spam."""
        found = records.values()
        return (each for each in found if not each["deleted"] and not each.get("spam"))

    def add(self, records: dict[int, Record], **values: Any) -> int:
        """Add a record and return its number."""
        number = next(self._ids)
        moment = self.next_moment()
        records[number] = {"id": number, "created_at": moment, "updated_at": moment, **values}
        return number

    def next_moment(self) -> str:
        """Return a moment later than all before."""
        return to_timestamp(self._start + timedelta(seconds=next(self._ticks)))


def to_timestamp(moment: datetime) -> str:
    """Return a moment as Freshdesk writes it."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def html_to_text(body: str) -> str:
    """Return HTML as the plain text that Freshdesk makes of it; only line breaks are allowed."""
    assert re.fullmatch(r"<div>.*</div>", body, re.DOTALL), body
    lines = body.removeprefix("<div>").removesuffix("</div>").split("<br>")
    assert not any("<" in line or ">" in line for line in lines), body
    return " ".join(html.unescape(line) for line in lines)
