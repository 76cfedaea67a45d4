"""Webhooks over HTTP: only what the vendor has signed is taken, and once."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx2
import pytest
import pytest_asyncio

from config.columns import now
from config.database import Database
from config.tables import BusinessIntegration
from orchestrator.api.app import create_app
from orchestrator.api.dependencies import Dependencies, LiveKitAccess
from orchestrator.api.webhooks.sources import SOURCES
from orchestrator.jobs.webhook_retention import FORGET
from orchestrator.mcp_client.external.registration import RegistrationContext
from orchestrator.mcp_client.router import Router
from tests.conftest import Tenant, fetch, new_tenant
from tests.orchestrator.api.webhooks.senders import SECRET, SENDERS, Headers, Sender
from tests.support.accounts import connect
from tests.support.servers import KEYRING

FOR_EACH_SENDER = pytest.mark.parametrize("sender", SENDERS.values(), ids=lambda each: each.source)


@dataclass(frozen=True)
class WebhookSender:
    """Sends webhooks to the API."""

    http: httpx2.AsyncClient
    database: Database

    async def __call__(
        self, source: str, integration: UUID | str, body: bytes, headers: Any
    ) -> httpx2.Response:
        """Send one."""
        return await self.http.post(
            f"/api/webhooks/{source}/{integration}", content=body, headers=headers
        )

    async def jobs(self, integration: UUID) -> list[Any]:
        """Return what waits to be done for an integration."""
        query = (
            "select args, lock from procrastinate_jobs where task_name = 'channels.answer_ticket'"
            " and args->'payload'->>'integration_id' = :id and status = 'todo'"
        )
        return await fetch(self.database, Tenant(), query, id=str(integration))


@pytest.fixture(scope="module")
def database(jobs_database: Database) -> Database:
    """A database whose jobs nobody runs."""
    return jobs_database


@pytest_asyncio.fixture(scope="module")
async def post(signer: Any, database: Database, cache: Any) -> Any:
    """A way to send webhooks."""
    router = Router(signer, lambda name: f"http://127.0.0.1:9/{name}/mcp")
    async with httpx2.AsyncClient() as http:
        app = create_app(
            Dependencies(
                database,
                cache,
                router,
                signer,
                LiveKitAccess("ws://127.0.0.1:9", "key", "secret"),
                http,
                registration=RegistrationContext(KEYRING),
            )
        )
        transport = httpx2.ASGITransport(app=app)
        async with httpx2.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
            yield WebhookSender(client, database)
    await router.aclose()


async def integration(
    database: Database, source: str, tenant: Tenant | None = None, **columns: Any
) -> BusinessIntegration:
    """Store an account that webhooks may come from."""
    tenant = tenant or await new_tenant(database)
    secrets = columns.pop("secrets", {"webhook_secret": SECRET, "api_token": "t"})
    server = columns.pop("server", "tickets")
    return await connect(database, tenant, server, source, secrets, **columns)


def test_each_source_has_a_sender_here() -> None:
    assert SENDERS.keys() == SOURCES.keys()


@FOR_EACH_SENDER
async def test_a_signed_comment_is_taken_and_becomes_a_job(
    post: WebhookSender, database: Database, sender: Sender
) -> None:
    row = await integration(database, sender.source)
    answer = await post(sender.source, row.id, *sender.request("35", "812"))
    assert (answer.status_code, answer.json()) == (202, {"taken": True})
    (job,) = await post.jobs(row.id)
    assert job["args"]["payload"] == {
        "business_id": str(row.business_id),
        "integration_id": str(row.id),
        "ticket": "35",
    }
    assert job["lock"] == f"{row.id}:35"


@FOR_EACH_SENDER
async def test_fifty_at_once_are_one(
    post: WebhookSender, database: Database, sender: Sender
) -> None:
    row = await integration(database, sender.source)
    body, headers = sender.request("35", "812")
    answers = await asyncio.gather(*(post(sender.source, row.id, body, headers) for _ in range(50)))
    assert {answer.status_code for answer in answers} == {202}
    assert [answer.json()["taken"] for answer in answers].count(True) == 1
    assert len(await post.jobs(row.id)) == 1


@FOR_EACH_SENDER
async def test_two_tickets_are_two_jobs(
    post: WebhookSender, database: Database, sender: Sender
) -> None:
    row = await integration(database, sender.source)
    for ticket in ("35", "36"):
        await post(sender.source, row.id, *sender.request(ticket, f"{ticket}1"))
    assert len(await post.jobs(row.id)) == 2


async def test_a_comment_is_not_taken_again_when_its_job_is_done(
    post: WebhookSender, database: Database
) -> None:
    row = await integration(database, "jira")
    request = SENDERS["jira"].request("35", "812")
    assert (await post("jira", row.id, *request)).json()["taken"]
    done = "update procrastinate_jobs set status = 'succeeded', queueing_lock = null"
    await fetch(database, Tenant(), f"{done} where lock = :lock returning id", lock=f"{row.id}:35")
    assert not (await post("jira", row.id, *request)).json()["taken"]
    assert await post.jobs(row.id) == []


Mutation = Callable[[Sender, bytes, Headers], tuple[bytes, Any]]


def _sign_with(**changes: Any) -> Mutation:
    return lambda sender, _, __: sender.request("35", "812", **changes)


def _change_header(change: Callable[[str], Any]) -> Mutation:
    def mutated(sender: Sender, body: bytes, headers: Headers) -> tuple[bytes, Any]:
        return body, headers | {sender.header: change(headers[sender.header])}

    return mutated


def _unsigned(sender: Sender, body: bytes, headers: Headers) -> tuple[bytes, Any]:
    return body, {name: value for name, value in headers.items() if name != sender.header}


def _signed_twice(sender: Sender, body: bytes, headers: Headers) -> tuple[bytes, Any]:
    return body, [*headers.items(), (sender.header, headers[sender.header])]


def _change_body(_: Sender, body: bytes, headers: Headers) -> tuple[bytes, Any]:
    return body.replace(b"35", b"36"), headers


def _change_timestamp(sender: Sender, body: bytes, headers: Headers) -> tuple[bytes, Any]:
    return body, headers | {f"{sender.header}-Timestamp": now().isoformat()}


MUTATIONS: dict[str, Mutation] = {
    "another secret": _sign_with(secret="another"),
    "no secret": _sign_with(secret=""),
    "no signature": _unsigned,
    "an empty signature": _change_header(lambda _: ""),
    "half a signature": _change_header(lambda value: value[: len(value) // 2]),
    "a longer signature": _change_header(lambda value: f"{value}00"),
    "no text": _change_header(lambda _: b"\xff\xfe"),
    "the prefix alone": _change_header(lambda _: "sha256="),
    "signed twice": _signed_twice,
}
WHERE_THE_BODY_IS_SIGNED: dict[str, Mutation] = {"another body": _change_body}
WHERE_THE_TIME_IS_SIGNED: dict[str, Mutation] = {
    "an old one": _sign_with(age=timedelta(minutes=6)),
    "one from the future": _sign_with(age=-timedelta(minutes=6)),
    "another time": _change_timestamp,
}


def _mutations(sender: Sender) -> dict[str, Mutation]:
    """Return what breaks a signature of this vendor's."""
    return {
        **MUTATIONS,
        **(WHERE_THE_BODY_IS_SIGNED if sender.signs_body else {}),
        **(WHERE_THE_TIME_IS_SIGNED if sender.timed else {}),
    }


@pytest.mark.parametrize(
    ("sender", "mutation"),
    [
        pytest.param(sender, mutation, id=f"{sender.source}-{name}")
        for sender in SENDERS.values()
        for name, mutation in _mutations(sender).items()
    ],
)
async def test_what_is_not_signed_as_it_should_be_is_refused(
    post: WebhookSender, database: Database, sender: Sender, mutation: Mutation
) -> None:
    row = await integration(database, sender.source)
    mutated = mutation(sender, *sender.request("35", "812"))
    answer = await post(sender.source, row.id, *mutated)
    assert answer.status_code == 401, answer.text
    assert SECRET not in answer.text
    assert await post.jobs(row.id) == []


@FOR_EACH_SENDER
async def test_what_belongs_to_no_such_account_looks_the_same(
    post: WebhookSender, database: Database, sender: Sender
) -> None:
    body, headers = sender.request("35", "812")
    other = next(each for each in SENDERS if each != sender.source)
    wrong: dict[str, UUID | str] = {
        "unknown": uuid4(),
        "no id": "nobody",
        "of another vendor": (await integration(database, other)).id,
        "of another server": (await integration(database, sender.source, server="crm")).id,
        "switched off": (await integration(database, sender.source, enabled=False)).id,
        "without a secret": (await integration(database, sender.source, secrets={"k": "v"})).id,
        "with an empty one": (
            await integration(database, sender.source, secrets={"webhook_secret": ""})
        ).id,
    }
    signed_with_nothing = sender.request("35", "812", secret="")
    answers = [await post(sender.source, each, body, headers) for each in wrong.values()]
    answers += [await post(sender.source, each, *signed_with_nothing) for each in wrong.values()]
    assert {answer.status_code for answer in answers} == {401}
    assert len({answer.text for answer in answers}) == 1


async def test_a_source_that_does_not_exist_is_not_found(
    post: WebhookSender, database: Database
) -> None:
    row = await integration(database, "zendesk")
    answer = await post("nobody", row.id, *SENDERS["zendesk"].request("35", "812"))
    assert answer.status_code == 404


async def test_a_body_that_is_too_large_is_not_read(
    post: WebhookSender, database: Database
) -> None:
    row = await integration(database, "jira")
    answer = await post("jira", row.id, b" " * 300_000, {})
    assert answer.status_code == 413


def _deleted(*_: str) -> dict[str, Any]:
    return {"webhookEvent": "comment_deleted"}


async def test_other_events_are_taken_note_of_and_nothing_else(
    post: WebhookSender, database: Database
) -> None:
    row = await integration(database, "jira")
    deleted = replace(SENDERS["jira"], event=_deleted)
    answer = await post("jira", row.id, *deleted.request("35", "812"))
    assert (answer.status_code, answer.json()) == (202, {"taken": False})
    assert await post.jobs(row.id) == []


async def test_events_are_forgotten_after_a_month(post: WebhookSender, database: Database) -> None:
    row = await integration(database, "jira")
    tenant = Tenant(business_id=row.business_id)
    for comment in ("1", "2"):
        await post("jira", row.id, *SENDERS["jira"].request("35", comment))
    old = "update webhook_event set created_at = created_at - interval '31 days'"
    await fetch(database, tenant, f"{old} where event = '35/1' returning event")
    await FORGET.run(database, {})
    assert await fetch(database, tenant, "select event from webhook_event") == [{"event": "35/2"}]
