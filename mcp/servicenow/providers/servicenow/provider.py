"""ServiceNow: incidents, tasks and people by its Table API, cases and knowledge by theirs.

https://www.servicenow.com/docs/r/api-reference/rest-apis/case-api.html,
https://www.servicenow.com/docs/r/api-reference/rest-apis/knowledge-api.html.
"""

from collections.abc import Mapping, Sequence
from typing import Annotated, ClassVar

from pydantic import BaseModel, Field

from config.security.vault import Account
from servicenow.provider import (
    Article,
    Change,
    Draft,
    Group,
    Kind,
    Party,
    Record,
    RecordPage,
    Reference,
    User,
    Wanted,
)
from servicenow.providers.servicenow import search as queries
from servicenow.providers.servicenow.client import Instance, ServiceNowCredentials
from servicenow.providers.servicenow.html import plain
from servicenow.providers.servicenow.mapping import (
    CONTACTS,
    FIELDS,
    GROUP_FIELDS,
    GROUPS,
    PEOPLE,
    TABLES,
    USER_FIELDS,
    GroupRow,
    Named,
    Row,
    UserRow,
    changed,
    new,
)
from toolkit.errors import NotFound, Rejected
from toolkit.tenancy import Credentials, ToolCall

_CANDIDATES = 100  # people and groups from whom the one who is meant is chosen
_GROUPS_HOLD = 300.0  # seconds
_KEY = 64  # characters of a call's key; a correlation id has room for a hundred
_CASES = ("sn_customerservice", "case")
_ARTICLES = ("sn_km_api", "knowledge", "articles")


class _Settings(BaseModel):
    task_table: Annotated[str, Field(pattern=r"^[a-z0-9_]{1,80}$")] = "task"
    close_code: str = "Solution provided"
    resolution_code: str | None = None


class _Hit(BaseModel):
    id: str
    number: str = ""
    title: str = ""
    snippet: str = ""


class _Hits(BaseModel):
    articles: list[_Hit]


class _Article(BaseModel):
    sys_id: str
    number: str = ""
    short_description: str = ""
    content: str | None = None


class ServiceNow:
    """A tenant's ServiceNow instance: as a user, or as an OAuth application.

    The user needs the role `itil`, and `csm_ws_integration` for cases. The setting `task_table`
    says where tasks are (`task`), `close_code` as what an incident is solved (`Solution provided`)
    and `resolution_code` as what a case is (nothing).
    """

    credentials: ClassVar[type[Credentials]] = ServiceNowCredentials
    unsupported: ClassVar[Mapping[str, str]] = {}

    def __init__(self, account: Account, call: ToolCall) -> None:
        self._account = account
        self._call = call
        self._settings = _Settings.model_validate(account.settings)
        self._instance = Instance.of(account, call)

    async def check(self) -> None:
        """Read one user."""
        await self._instance.rows(PEOPLE, UserRow, ("sys_id",), "active=true", 1)

    async def record(self, kind: Kind, reference: Reference) -> Record | None:
        """Return a record."""
        row = await (self._case(reference) if kind == "case" else self._row(kind, reference))
        return row.record(kind) if row else None

    async def anything(self, reference: Reference) -> Party | None:
        """Return a record of whatever extends `task`."""
        row = await self._found(TABLES["task"], reference, FIELDS["task"])
        return Party(id=row.sys_id.value, name=row.number.value) if row else None

    async def query(self, wanted: Wanted) -> RecordPage:
        """Return the records that are wanted; cases are in a table like the others."""
        pointed = queries.pointed(wanted)
        query = queries.newest_first(wanted, pointed)
        rows = await self._rows(wanted.kind, query, wanted.limit + 1)
        # A condition on a field that the user may not read counts for nothing.
        fit = [row for row in rows if row.points_to(pointed)]
        found = tuple(row.record(wanted.kind) for row in fit[: wanted.limit])
        return RecordPage(records=found, more=len(fit) > wanted.limit)

    async def create(self, draft: Draft) -> Record:
        """Create a record that carries the key of this call."""
        body = new(draft, self._key())
        if draft.kind != "case":
            table = self._table(draft.kind)
            row = await self._instance.insert(table, Row, FIELDS[draft.kind], body)
            return row.record(draft.kind)
        case = await self._instance.ask("POST", _CASES, Named, json=body)
        return Record(
            kind="case",
            id=case.sys_id.value,
            number=case.number.value,
            summary=draft.summary,
            state="new",
        )

    async def find_lost_create(self, kind: Kind) -> Record | None:
        """Return the record that carries the key of this call; only a lost try is looked for."""
        key = self._key()
        if key is None or not self._call.is_retry:
            return None
        rows = await self._rows(kind, queries.condition("correlation_id", "=", key), 1)
        if rows and rows[0].correlation_id.value != key:
            self._call.refuse_if_retry("ServiceNow")  # its user may not read these: nobody can tell
        return rows[0].record(kind) if rows else None

    async def update(self, record: Record, change: Change) -> Record:
        """Change a record; a note that an earlier try has added is not added again."""
        if record.kind == "task" and change.state:
            await self._require_states(record)
        codes = {"incident": self._settings.close_code, "case": self._settings.resolution_code}
        body = changed(record.kind, change, code=codes.get(record.kind))
        if self._call.is_retry and "comments" in body:
            await self._require_added(record, body.pop("comments"))
        if not body:
            return record
        if record.kind != "case":
            table = self._table(record.kind)
            row = await self._instance.patch(table, Row, FIELDS[record.kind], record.id, body)
            return row.record(record.kind)
        await self._instance.ask("PUT", (*_CASES, record.id), Named, json=body)
        after = {"state": change.state, "priority": change.priority}
        return record.model_copy(update={name: value for name, value in after.items() if value})

    async def user(self, user_id: str, *, contact: bool = False) -> User | None:
        """Return a user, or a customer's contact, by the sys_id."""
        table = CONTACTS if contact else PEOPLE
        row = await self._instance.row(table, UserRow, USER_FIELDS, user_id)
        return row.user() if row else None

    async def users(
        self,
        *,
        email: str | None = None,
        phone: str | None = None,
        name: str | None = None,
        contact: bool = False,
    ) -> list[User]:
        """Return active users, or customers' contacts, who may be meant."""
        table = CONTACTS if contact else PEOPLE
        query = queries.people(email=email, phone=phone, name=name)
        rows = await self._instance.rows(table, UserRow, USER_FIELDS, query, _CANDIDATES)
        return [row.user() for row in rows]

    async def groups(self, words: tuple[str, ...] = ()) -> list[Group]:
        """Return active groups; what is asked for without words is kept for a while."""
        if words:
            return await self._groups(words)
        return await self._call.cached(
            self._account, "groups", _GROUPS_HOLD, lambda: self._groups(())
        )

    async def articles(self, words: tuple[str, ...], limit: int) -> list[Article]:
        """Return the articles that fit the words best."""
        params = {"query": queries.literal(" ".join(words)), "limit": str(limit)}
        answer = await self._instance.ask("GET", _ARTICLES, _Hits, params=params)
        return [
            Article(
                id=hit.id.rpartition(":")[2],
                number=hit.number,
                title=plain(hit.title),
                text=plain(hit.snippet),
            )
            for hit in answer.articles
        ]

    async def article(self, reference: Reference) -> Article | None:
        """Return an article by its sys_id or its number."""
        for name in (reference.id,) if reference.id else reference.numbers:
            try:
                answer = await self._instance.ask("GET", (*_ARTICLES, name), _Article)
            except NotFound:
                continue
            return Article(
                id=answer.sys_id,
                number=answer.number,
                title=plain(answer.short_description),
                text=plain(answer.content or ""),
            )
        return None

    async def _groups(self, words: tuple[str, ...]) -> list[Group]:
        query = queries.named(words)
        rows = await self._instance.rows(GROUPS, GroupRow, GROUP_FIELDS, query, _CANDIDATES)
        return [row.group() for row in rows]

    async def _case(self, reference: Reference) -> Row | None:
        for name in (reference.id,) if reference.id else reference.numbers:
            params = {"sysparm_display_value": "all"}
            try:
                return await self._instance.ask("GET", (*_CASES, name), Row, params=params)
            except NotFound:
                continue
        return None

    async def _row(self, kind: Kind, reference: Reference) -> Row | None:
        row = await self._found(self._table(kind), reference, FIELDS[kind])
        return None if row and kind == "task" and not row.is_task() else row

    async def _found(self, table: str, reference: Reference, fields: Sequence[str]) -> Row | None:
        """Return a record of a table by its sys_id, or by its number."""
        if reference.id:
            return await self._instance.row(table, Row, fields, reference.id)
        if not reference.numbers:
            return None
        query = queries.one_of("number", reference.numbers)
        found = await self._instance.rows(table, Row, fields, query, len(reference.numbers))
        by_number = {row.number.value: row for row in found}
        return next((by_number[each] for each in reference.numbers if each in by_number), None)

    async def _rows(self, kind: Kind, query: str, limit: int) -> list[Row]:
        return await self._instance.rows(self._table(kind), Row, FIELDS[kind], query, limit)

    def _table(self, kind: Kind) -> str:
        return self._settings.task_table if kind == "task" else TABLES[kind]

    def _key(self) -> str | None:
        key = self._call.idempotency_key
        return key[:_KEY] if key else None

    async def _require_states(self, record: Record) -> None:
        """Make sure that a task has the states that we know.

        Raises:
            Rejected: it has its own.
        """
        row = await self._row("task", Reference(id=record.id))
        if row is None or not row.is_plain_task():
            raise Rejected("This kind of task has states of its own, which cannot be set here.")

    async def _require_added(self, record: Record, note: str) -> None:
        """Make sure that an earlier try has added a note.

        Raises:
            OutcomeUnknown: it cannot be seen there; another try could add it twice.
        """
        reference = Reference(id=record.id)
        if record.kind == "case":
            row = await self._case(reference)
        else:
            fields = ("sys_id", "comments")
            row = await self._found(self._table(record.kind), reference, fields)
        told = " ".join((row.comments.label if row else "").split())
        if " ".join(note.split()) not in told:
            self._call.refuse_if_retry("ServiceNow")
