"""ServiceNow: incidents, tasks and users over the Table API, cases and articles over their own.

https://www.servicenow.com/docs/r/api-reference/rest-apis/case-api.html,
https://www.servicenow.com/docs/r/api-reference/rest-apis/knowledge-api.html.
"""

from collections.abc import Mapping, Sequence
from typing import Annotated, ClassVar

from pydantic import BaseModel, Field

from config.security.vault import Account
from servicenow.provider import (
    Article,
    Group,
    Kind,
    NewRecord,
    Record,
    RecordChange,
    RecordKey,
    RecordPage,
    RecordReference,
    SearchQuery,
    User,
)
from servicenow.providers.servicenow import search
from servicenow.providers.servicenow.client import ServiceNowClient, ServiceNowCredentials
from servicenow.providers.servicenow.mapping import (
    CONTACTS,
    FIELDS,
    GROUP_FIELDS,
    GROUPS,
    PEOPLE,
    TABLES,
    USER_FIELDS,
    GroupRows,
    RowId,
    TaskRow,
    TaskRows,
    UserRow,
    UserRows,
    to_create_payload,
    to_update_payload,
)
from toolkit.errors import NotFound, Rejected, Unavailable
from toolkit.html import html_to_text
from toolkit.http.records import RecordList, Records
from toolkit.tenancy import Credentials, ToolCall

_MAX_CANDIDATES = 100  # users or groups that are read for one search
_GROUPS_TTL = 300.0  # seconds
_KEY_LENGTH = 64  # characters of an idempotency key; a correlation id has room for a hundred
_CASES = ("sn_customerservice", "case")
_ARTICLES = ("sn_km_api", "knowledge", "articles")


class _Settings(BaseModel):
    task_table: Annotated[str, Field(pattern=r"^[a-z0-9_]{1,80}$")] = "task"
    close_code: str = "Solution provided"
    resolution_code: str | None = None


class _ArticleHit(BaseModel):
    id: str
    number: str = ""
    title: str = ""
    snippet: str = ""


class _ArticleSearch(BaseModel):
    articles: Records[_ArticleHit]


class _Article(BaseModel):
    sys_id: str
    number: str = ""
    short_description: str = ""
    content: str | None = None


class ServiceNow:
    """A tenant's ServiceNow instance, reached as a user or as an OAuth application.

    The user needs the role `itil`, and `csm_ws_integration` for cases. Settings: `task_table`, the
    table of tasks (`task`); `close_code` of solved incidents (`Solution provided`);
    `resolution_code` of solved cases (none).
    """

    credentials: ClassVar[type[Credentials]] = ServiceNowCredentials
    unsupported: ClassVar[Mapping[str, str]] = {}

    def __init__(self, account: Account, call: ToolCall) -> None:
        self._account = account
        self._call = call
        self._settings = _Settings.model_validate(account.settings)
        self._client = ServiceNowClient.from_account(account, call)

    async def check(self) -> None:
        """Read one user."""
        await self._client.query_rows(PEOPLE, UserRows, ("sys_id",), "active=true", 1)

    async def get_record(self, kind: Kind, key: RecordKey) -> Record | None:
        """Return a record."""
        row = await (self._get_case(key) if kind == "case" else self._get_row(kind, key))
        return row.to_record(kind) if row else None

    async def find_task_record(self, key: RecordKey) -> RecordReference | None:
        """Return a reference to a row of `task` or of any table that extends it."""
        row = await _find_row(self._client, TABLES["task"], key, FIELDS["task"])
        return RecordReference(id=row.sys_id.value, name=row.number.value) if row else None

    async def query(self, query: SearchQuery) -> RecordPage:
        """Return the records that a query finds; cases are read from their table, too."""
        references = search.reference_fields(query)
        encoded = search.records_query(query, references)
        rows = await self._query_rows(query.kind, encoded, query.limit + 1)
        # ServiceNow ignores conditions on fields that the user may not read.
        matching = [row for row in rows.root if row.has_references(references)]
        unreadable = rows.count - len(rows.root)
        records = tuple(row.to_record(query.kind) for row in matching[: query.limit])
        return RecordPage(records=records, more=len(matching) + unreadable > query.limit)

    async def create(self, new: NewRecord) -> Record:
        """Create a record whose correlation id is the idempotency key of this tool call."""
        body = to_create_payload(new, self._key())
        if new.kind != "case":
            table = self._table(new.kind)
            row = await self._client.insert(table, TaskRow, FIELDS[new.kind], body)
            return row.to_record(new.kind)
        case = await self._client.request("POST", _CASES, RowId, json=body)
        return Record(
            kind="case",
            id=case.sys_id.value,
            number=case.number.value,
            summary=new.summary,
            state="new",
        )

    async def find_lost_create(self, kind: Kind) -> Record | None:
        """Return the record whose correlation id is this call's key. Only a retry looks for it."""
        key = self._key()
        if key is None or not self._call.is_retry:
            return None
        found = await self._query_rows(kind, search.condition("correlation_id", "=", key), 1)
        rows = found.root
        if len(rows) < found.count:
            self._call.refuse_if_retry("ServiceNow")  # it may be the record, and cannot be read
        if rows and rows[0].correlation_id.value != key:
            self._call.refuse_if_retry("ServiceNow")  # our user may not read the correlation id
        return rows[0].to_record(kind) if rows else None

    async def update(self, record: Record, change: RecordChange) -> Record:
        """Change a record; a note that an earlier attempt added is not added again."""
        if record.kind == "task" and change.state:
            await self._require_task_states(record)
        codes = {"incident": self._settings.close_code, "case": self._settings.resolution_code}
        body = to_update_payload(record.kind, change, code=codes.get(record.kind))
        if self._call.is_retry and "comments" in body:
            await self._require_note_added(record, body.pop("comments"))
        if not body:
            return record
        if record.kind != "case":
            table = self._table(record.kind)
            row = await self._client.patch(table, TaskRow, FIELDS[record.kind], record.id, body)
            return row.to_record(record.kind)
        await self._client.request("PUT", (*_CASES, record.id), RowId, json=body)
        changes = {"state": change.state, "priority": change.priority}
        return record.model_copy(update={name: value for name, value in changes.items() if value})

    async def get_user(self, user_id: str, *, contact: bool = False) -> User | None:
        """Return a user, or a customer's contact, by the sys_id."""
        table = CONTACTS if contact else PEOPLE
        row = await self._client.get_row(table, UserRow, USER_FIELDS, user_id)
        return row.to_user() if row else None

    async def find_users(
        self,
        *,
        email: str | None = None,
        phone: str | None = None,
        name: str | None = None,
        contact: bool = False,
    ) -> list[User]:
        """Return active users, or customers' contacts, by one of the three.

        ServiceNow ignores a condition that our user may not set.
        """
        table = CONTACTS if contact else PEOPLE
        query = search.users_query(email=email, phone=phone, name=name)
        rows = await self._client.query_rows(table, UserRows, USER_FIELDS, query, _MAX_CANDIDATES)
        return [user for row in rows.root if (user := row.to_user()).active]

    async def find_groups(self, words: tuple[str, ...] = ()) -> list[Group]:
        """Return active groups; the list of all groups is cached."""
        if words:
            return await _query_groups(self._client, words)
        return await self._call.cached(
            self._account, "groups", _GROUPS_TTL, lambda: _query_groups(self._client, ())
        )

    async def search_articles(self, words: tuple[str, ...], limit: int) -> list[Article]:
        """Return the articles that match the words best, best first."""
        params = {"query": search.literal(" ".join(words)), "limit": str(limit)}
        answer = await self._client.request("GET", _ARTICLES, _ArticleSearch, params=params)
        return [
            Article(
                id=hit.id.rpartition(":")[2],
                number=hit.number,
                title=html_to_text(hit.title),
                text=html_to_text(hit.snippet),
            )
            for hit in answer.articles
        ]

    async def get_article(self, key: RecordKey) -> Article | None:
        """Return an article by its sys_id or its number."""
        for name in (key.id,) if key.id else key.numbers:
            try:
                answer = await self._client.request("GET", (*_ARTICLES, name), _Article)
            except NotFound:
                continue
            return Article(
                id=answer.sys_id,
                number=answer.number,
                title=html_to_text(answer.short_description),
                text=html_to_text(answer.content or ""),
            )
        return None

    async def _get_case(self, key: RecordKey) -> TaskRow | None:
        for name in (key.id,) if key.id else key.numbers:
            params = {"sysparm_display_value": "all"}
            try:
                return await self._client.request("GET", (*_CASES, name), TaskRow, params=params)
            except NotFound:
                continue
        return None

    async def _get_row(self, kind: Kind, key: RecordKey) -> TaskRow | None:
        row = await _find_row(self._client, self._table(kind), key, FIELDS[kind])
        return None if row and kind == "task" and not row.is_task() else row

    async def _query_rows(self, kind: Kind, query: str, limit: int) -> RecordList[TaskRow]:
        table = self._table(kind)
        return await self._client.query_rows(table, TaskRows, FIELDS[kind], query, limit)

    def _table(self, kind: Kind) -> str:
        return self._settings.task_table if kind == "task" else TABLES[kind]

    def _key(self) -> str | None:
        key = self._call.idempotency_key
        return key[:_KEY_LENGTH] if key else None

    async def _require_task_states(self, record: Record) -> None:
        """Make sure that a task has the states of `task` itself.

        Raises:
            Rejected: its table defines states of its own.
        """
        row = await self._get_row("task", RecordKey(id=record.id))
        if row is None or not row.is_plain_task():
            raise Rejected("This kind of task has states of its own, which cannot be set here.")

    async def _require_note_added(self, record: Record, note: str) -> None:
        """Make sure that an earlier attempt added a note.

        Raises:
            OutcomeUnknown: the record does not show it; a retry could add it twice.
        """
        key = RecordKey(id=record.id)
        if record.kind == "case":
            row = await self._get_case(key)
        else:
            fields = ("sys_id", "comments")
            row = await _find_row(self._client, self._table(record.kind), key, fields)
        comments = " ".join((row.comments.label if row else "").split())
        if " ".join(note.split()) not in comments:
            self._call.refuse_if_retry("ServiceNow")


async def _find_row(
    client: ServiceNowClient, table: str, key: RecordKey, fields: Sequence[str]
) -> TaskRow | None:
    """Return a row of a table by its sys_id, or by its number."""
    if key.id:
        return await client.get_row(table, TaskRow, fields, key.id)
    if not key.numbers:
        return None
    query = search.one_of("number", key.numbers)
    rows = await client.query_rows(table, TaskRows, fields, query, len(key.numbers))
    by_number = {row.number.value: row for row in rows.root}
    if rows.count and not by_number:
        raise Unavailable("ServiceNow answered in a form we do not know.")
    return next((by_number[each] for each in key.numbers if each in by_number), None)


async def _query_groups(client: ServiceNowClient, words: tuple[str, ...]) -> list[Group]:
    query = search.groups_query(words)
    rows = await client.query_rows(GROUPS, GroupRows, GROUP_FIELDS, query, _MAX_CANDIDATES)
    return [row.to_group() for row in rows.root if row.is_active()]
