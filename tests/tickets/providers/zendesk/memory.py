"""The records of the fake Zendesk; deleted ones are marked as deleted."""

from datetime import datetime
from itertools import count
from typing import Any

from config.columns import now
from tests.tickets.double import ORGANIZATION, PEOPLE, TICKETS, Seed, TicketVendor

EMAIL = "bot@acme.example"
Record = dict[str, Any]


class ZendeskMemory(TicketVendor):
    """Tickets, people and jobs."""

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
        """Store the seeded records and return their ids."""
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
                self.add_comment(number, ids[author], text)
        people = {key: str(ids[key]) for key in ("agent", "katherine", "tomasz")}
        both = {key: str(cases[key]) for key in ("oven", "scale")}
        return Seed(organization=str(company), **people, **both)

    def list_tickets(self) -> list[dict[str, Any]]:
        """Return the stored tickets."""
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
            for each in self.existing(self.tickets)
        ]

    def list_comments(self, ticket: str) -> list[dict[str, Any]]:
        """Return a ticket's comments, oldest first."""
        found = self.comments[int(ticket)]
        return [{"text": each["body"], "public": each["public"]} for each in found]

    def list_users(self) -> list[dict[str, Any]]:
        """Return the stored users."""
        keys = ("name", "email", "phone")
        return [
            {"id": str(each["id"]), **{key: each[key] for key in keys}}
            for each in self.existing(self.users)
        ]

    @staticmethod
    def existing(records: dict[int, Record]) -> list[Record]:
        """Return the records that are not deleted."""
        return [each for each in records.values() if not each.get("deleted")]

    def add_user(self, name: str, email: str | None = None, **values: Any) -> int:
        """Add a user and return the id."""
        number = next(self.numbers)
        empty = {"phone": None, "role": "end-user", "organization_id": None, "active": True}
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

    def add_comment(self, ticket: int, author: int, text: str, *, public: bool = True) -> int:
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

    def create_ticket(self, draft: Record) -> int | None:
        """Add a ticket with its first comment; None if Zendesk would refuse it."""
        values = {**draft}
        comment = values.pop("comment")
        requester = values.pop("requester", None)
        if requester is not None:
            assert requester.keys() == {"name", "email"}
            known = [
                each for each in self.existing(self.users) if each["email"] == requester["email"]
            ]
            values["requester_id"] = known[0]["id"] if known else self.add_user(**requester)
        requester_id = values.setdefault("requester_id", self.us)
        if requester_id not in self.users or values.get("priority") == "urgent!":
            return None
        number = self.add_ticket(**values)
        self.add_comment(number, self.us, comment["body"], public=comment.get("public", True))
        return number

    def change_ticket(self, number: int, change: Record) -> list[Record] | None:
        """Change a ticket and return the events; None if it does not exist."""
        found = self.tickets.get(number)
        if found is None or found.get("deleted"):
            return None
        values, events = {**change}, list[Record]()
        more, fewer = values.pop("additional_tags", []), values.pop("remove_tags", [])
        found["tags"] = [
            each for each in dict.fromkeys([*found["tags"], *more]) if each not in fewer
        ]
        if comment := values.pop("comment", None):
            assert comment.keys() == {"body", "public"}
            added = self.add_comment(number, self.us, comment["body"], public=comment["public"])
            events.append({"id": added, "type": "Comment", "body": comment["body"]})
        found.update(values, updated_at=_now())
        return [{"id": next(self.numbers), "type": "Change"}, *events]

    def delete(self, records: dict[int, Record], number: int) -> list[Record] | None:
        if number not in records or records[number].get("deleted"):
            return None
        records[number] |= {"deleted": True, "active": False}
        return []

    def change_user(self, number: int, change: Record) -> list[Record] | None:
        """Change a user; whether Zendesk refuses to change a deleted one is not documented."""
        if number not in self.users:
            return None
        values = {name: value for name, value in change.items() if name != "skip_verify_email"}
        self.users[number].update(values)
        return []

    def online_agents(self) -> list[Record]:
        return [
            {
                "id": f"agent_availabilities|{each['id']}",
                "type": "agent_availabilities",
                "attributes": {"agent_id": each["id"], "version": 1},
            }
            for each in self.existing(self.users)
            if each["role"] == "agent" and each.get("line", {}).get("agent_state") != "offline"
        ]


def newest_first(tickets: list[Record]) -> list[Record]:
    return sorted(
        tickets, key=lambda each: datetime.fromisoformat(each["updated_at"]), reverse=True
    )


def _now() -> str:
    return now().isoformat()
