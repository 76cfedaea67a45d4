"""What a played Freshdesk remembers: records by number, in Freshdesk's own words."""

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
from tests.tickets.double import ORGANIZATION, PEOPLE, TICKETS, Desk, Seed

Record = dict[str, Any]

ME = 5  # the agent whose key it is
STATUSES = {2: "open", 3: "pending", 4: "solved", 5: "closed"}
PRIORITIES = {1: "low", 2: "normal", 3: "high", 4: "urgent"}


class FreshdeskMemory(Desk):
    """Remembers what it was told."""

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
        self.tells_of_each = True  # whether a job does
        self.at_once = self.most_at_once = 0
        self._ids = count(1001)
        self._start = now().replace(microsecond=0) - timedelta(minutes=10)
        self._ticks = count()

    def seed(self) -> Seed:
        self.agent(ME, "Our Account", "bot@desk.example", available=False)
        company = self.add(self.companies, name=ORGANIZATION, note=None, description="Bread.")
        ids: dict[str, int] = {}
        for key, person in PEOPLE.items():
            if person.role == "agent":
                ids[key] = next(self._ids)
                self.agent(ids[key], person.name, person.email)
            else:
                ids[key] = self.contact(
                    person.name,
                    email=person.email,
                    phone=person.phone,
                    company_id=company if person.member else None,
                )
        for key, case in TICKETS.items():
            ids[key] = self.ticket(
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
                self.comment(ids[key], f"<div>{text}</div>", ids[author], incoming=incoming)
        named = {key: str(ids[key]) for key in ("agent", "katherine", "tomasz", "oven", "scale")}
        return Seed(organization=str(company), **named)

    def transport(self) -> httpx2.MockTransport:
        async def serve(request: httpx2.Request) -> httpx2.Response:
            self.at_once += 1
            self.most_at_once = max(self.most_at_once, self.at_once)
            await asyncio.sleep(0)
            self.at_once -= 1
            return self._serve(request)

        return httpx2.MockTransport(serve)

    def agent(self, number: int, name: str, email: str, *, available: bool = True) -> None:
        """Add an agent."""
        contact = {"name": name, "email": email, "phone": None, "mobile": None}
        self.agents[number] = {"id": number, "available": available, "contact": contact}

    def contact(self, name: str, **values: Any) -> int:
        """Add a contact."""
        blank = dict.fromkeys(("email", "phone", "mobile", "company_id"))
        return self.add(self.contacts, **{**blank, "name": name, "deleted": False, **values})

    def ticket(self, subject: str, text: str, **values: Any) -> int:
        """Add a ticket."""
        common: Record = {
            **{"subject": subject, "description": f"<div>{text}</div>", "description_text": text},
            **{"status": 2, "priority": 1, "source": 3, "type": None, "tags": []},
            **{"responder_id": None, "custom_fields": {}, "deleted": False},
        }
        added = self.add(self.tickets, **{**common, **values})
        requester = self.contacts.get(self.tickets[added].get("requester_id") or 0, {})
        self.tickets[added].setdefault("company_id", requester.get("company_id"))
        return added

    def comment(
        self,
        ticket: int,
        body: str,
        user: int = ME,
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
            body_text=as_text(body),
            incoming=incoming,
            private=private,
        )

    def held(self) -> list[Record]:
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

    def said(self, ticket: str) -> list[Record]:
        return [
            {"text": each["body_text"], "public": not each["private"]}
            for each in self.conversations.values()
            if str(each["ticket_id"]) == ticket
        ]

    def people(self) -> list[Record]:
        found = [each for each in self.contacts.values() if not each["deleted"]]
        found += [{"id": each["id"], **each["contact"]} for each in self.agents.values()]
        return [
            {"id": str(each["id"]), **{key: each[key] for key in ("name", "email", "phone")}}
            for each in found
        ]

    def listed(self, ticket: Record, include: str | None) -> Record:
        """Return a ticket as a list shows it."""
        without = {"description", "description_text"} if include != "description" else set[str]()
        shown = {name: value for name, value in ticket.items() if name not in without}
        if include == "requester":
            who = self.contacts[ticket["requester_id"]]
            shown["requester"] = {key: who[key] for key in ("id", "name", "email", "phone")}
        return shown

    def look(self, job: str) -> Record:
        """Return how far a job is: it takes two looks."""
        found = self.jobs[job]
        looks, found["looks"] = found["looks"], found["looks"] + 1
        if looks == 0 or self.slow_jobs:
            return {"id": job, "status": "in_progress"}
        data = {"data": found["data"]} if self.tells_of_each else {}
        return {"id": job, "status": "completed", **data}

    def asked(self, path: str) -> list[dict[str, str]]:
        """Return what was asked of a path."""
        return [
            dict(each.url.params)
            for each in self.requests
            if each.url.path.removeprefix("/api/v2/") == path
        ]

    def bodies(self) -> list[Record]:
        """Return what was to be changed."""
        return [json.loads(each.content) for each in self.written() if each.content]

    def present(self, records: dict[int, Record]) -> Iterable[Record]:
        """Return the records that are not in the trash."""
        return (each for each in records.values() if not each["deleted"])

    def add(self, records: dict[int, Record], **values: Any) -> int:
        """Add a record and return its number."""
        number = next(self._ids)
        moment = self.tick()
        records[number] = {"id": number, "created_at": moment, "updated_at": moment, **values}
        return number

    def tick(self) -> str:
        """Return a moment that is later than all before."""
        return written(self._start + timedelta(seconds=next(self._ticks)))


def written(moment: datetime) -> str:
    """Return a moment as Freshdesk writes it."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def as_text(body: str) -> str:
    """Return what Freshdesk makes of a text in HTML, which may hold no markup but lines."""
    assert re.fullmatch(r"<div>.*</div>", body, re.DOTALL), body
    lines = body.removeprefix("<div>").removesuffix("</div>").split("<br>")
    assert not any("<" in line or ">" in line for line in lines), body
    return " ".join(html.unescape(line) for line in lines)
