"""The settings of a tenant's Jira account, and the issue keys that callers mean."""

import re

from pydantic import BaseModel, Field

from tickets.provider import TicketType
from tickets.providers.jira.search import equals

_KEY = re.compile(r"([A-Za-z][A-Za-z0-9_]{0,99})[\s-]+([0-9]{1,12})")
_NUMBER = re.compile(r"[0-9]{1,12}")


class JiraSettings(BaseModel):
    """New tickets are created in `project`; without it none can be.

    Sites name their issue types as they like: `problem_type` is used for problems, `issue_type`
    for all other tickets.
    """

    project: str | None = Field(None, pattern=r"^[A-Za-z][A-Za-z0-9_]{0,99}$")
    issue_type: str = "Task"
    problem_type: str = "Problem"

    def issue_type_of(self, type: TicketType | None) -> str:
        """Return the name of the issue type for a ticket's type."""
        return self.problem_type if type == "problem" else self.issue_type

    def scope(self) -> str:
        """Return the clause that bounds a search: Jira refuses one that is unbounded."""
        return equals("project", self.project) if self.project else "updated >= -365d"

    def issue_key(self, ticket_id: str) -> str | None:
        """Return the key of an issue; None if the id has another form.

        A number alone is taken for one of the project's keys, not for Jira's internal id, which
        callers do not know.
        """
        id = ticket_id.strip()
        if self.project and _NUMBER.fullmatch(id):
            return f"{self.project}-{int(id)}".upper()
        key = _KEY.fullmatch(id)
        return f"{key[1]}-{int(key[2])}".upper() if key else None
