"""`POST /api/webhooks/{source}/{integration}`: a vendor tells that a comment was written.

It is answered at once. The work is a job, stored in one transaction with the event's id, so a
repeated event, by the vendor or by somebody who replays it, changes nothing.
"""

import logging
import secrets
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.dialects.postgresql import insert
from sqlmodel import col
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from config.columns import now
from config.database import Database
from config.queue import enqueue
from config.security.encryption import Keyring
from config.security.vault import NoAccountError, open_account
from config.tables import BusinessIntegration, WebhookEvent
from orchestrator.api.dependencies import Dependencies
from orchestrator.api.errors import ApiError, not_found
from orchestrator.api.requests import read_bytes
from orchestrator.api.webhooks.signatures import SignedRequest
from orchestrator.api.webhooks.sources import SOURCES, CommentEvent, Source

logger = logging.getLogger("antiphon.webhooks")

SECRET = "webhook_secret"  # noqa: S105 - the name of the secret, among an account's
JOB = "channels.answer_ticket"
_MAX_BODY_SIZE = 256 * 1024  # bytes
_FIND = text("select find_integration(:integration)")


def webhook_routes(dependencies: Dependencies) -> list[BaseRoute]:
    """Return the routes that vendors call."""

    async def receive(request: Request) -> Response:
        source = SOURCES.get(request.path_params["source"])
        if source is None:
            raise not_found("source of webhooks")
        body = await read_bytes(request, _MAX_BODY_SIZE)
        account = await _find_account(dependencies, request)
        headers: dict[str, list[str]] = {}
        for name, value in request.headers.items():
            headers.setdefault(name, []).append(value)
        # Verified against a random secret, too: else the time taken would tell whether it exists.
        secret = account.secret if account else secrets.token_hex()
        genuine = source.signature.verify(secret, SignedRequest(headers, body, now()))
        if account is None or not genuine:
            raise _unsigned()
        event = source.parse(body)
        taken = event is not None and await _store_event(dependencies.database, account, event)
        return JSONResponse({"taken": taken}, 202)

    return [Route("/api/webhooks/{source}/{integration}", receive, methods=["POST"])]


@dataclass(frozen=True)
class _Account:
    business_id: UUID
    integration_id: UUID
    secret: str


async def _find_account(dependencies: Dependencies, request: Request) -> _Account | None:
    """Return the account that the URL names, if this source may send for it."""
    source = request.path_params["source"]
    try:
        integration_id = UUID(request.path_params["integration"])
    except ValueError:
        return None
    async with dependencies.database.unscoped() as session:
        business_id: UUID | None = await session.scalar(_FIND, {"integration": integration_id})
    if business_id is None:
        return None
    async with dependencies.database.tenant(business_id) as session:
        row = await session.get(BusinessIntegration, integration_id)
    if row is None or not row.enabled or not _belongs_to(row, source, SOURCES[source]):
        return None
    secret = _secret(row, dependencies.registration.keyring)
    return _Account(business_id, integration_id, secret) if secret else None


def _belongs_to(row: BusinessIntegration, name: str, source: Source) -> bool:
    return (row.server, row.integration_type) == (source.server, name)


def _secret(row: BusinessIntegration, keyring: Keyring | None) -> str | None:
    if keyring is None:
        logger.error("webhooks cannot be checked: VAULT_KEYS is not set")
        return None
    try:
        return open_account(row, keyring).secrets.get(SECRET)
    except NoAccountError:
        return None


async def _store_event(database: Database, account: _Account, event: CommentEvent) -> bool:
    """Store an event and enqueue its job; say whether the event is new."""
    ticket = f"{account.integration_id}:{event.ticket}"
    payload = {
        "business_id": str(account.business_id),
        "integration_id": str(account.integration_id),
        "ticket": event.ticket,
    }
    async with database.tenant(account.business_id) as session:
        if event.comment is not None:
            # A source that names no comment is told apart later, by who has written last.
            insert_new = (
                insert(WebhookEvent)
                .values(
                    business_id=account.business_id,
                    integration_id=account.integration_id,
                    event=f"{event.ticket}/{event.comment}",
                )
                .on_conflict_do_nothing()
                .returning(col(WebhookEvent.event))
            )
            if (await session.execute(insert_new)).scalar() is None:
                return False
        # At most one job waits for each ticket, as it reads all that was written until it runs.
        return await enqueue(session, JOB, payload, key=ticket, lock=ticket)


def _unsigned() -> ApiError:
    """Return the refusal, which is the same whatever it is that is wrong."""
    return ApiError(401, "unauthorized", "That is not signed by an account that is known here.")
