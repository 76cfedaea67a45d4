"""What a tenant says about their Jira, and which issue a caller means by it."""

import re

from pydantic import BaseModel, Field

from tickets.provider import TicketType
from tickets.providers.jira.search import equals

_KEY = re.compile(r"([A-Za-z][A-Za-z0-9_]{0,99})[\s-]+([0-9]{1,12})")
_NUMBER = re.compile(r"[0-9]{1,12}")


class Settings(BaseModel):
    """What a tenant may say about their projects."""

    project: str | None = Field(None, pattern=r"^[A-Za-z][A-Za-z0-9_]{0,99}$")
    issue_type: str = "Task"
    problem_type: str = "Problem"

    def kind(self, type: TicketType | None) -> str:
        """Return the issue type: sites call theirs what they like, and two are known."""
        return self.problem_type if type == "problem" else self.issue_type

    def bound(self) -> str:
        """Return the clause that Jira demands of a search, that it be not about everything."""
        return equals("project", self.project) if self.project else "updated >= -365d"

    def key(self, ticket_id: str) -> str | None:
        """Return an issue's key; None where an id is of another form.

        A number alone is the ticket's in the project: Jira's own numbers are nobody's words.
        """
        said = ticket_id.strip()
        if self.project and _NUMBER.fullmatch(said):
            return f"{self.project}-{int(said)}".upper()
        found = _KEY.fullmatch(said)
        return f"{found[1]}-{int(found[2])}".upper() if found else None
