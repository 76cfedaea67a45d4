"""`POST /api/webhooks/{source}/{integration}`: a vendor says that something was written.

It is answered at once. What has to be done about it is a job, stored with the note that the event
was taken, so that a vendor that repeats itself, or somebody who repeats a vendor, changes nothing.
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
from config.security.vault import NoAccountError, opened
from config.tables import BusinessIntegration, WebhookEvent
from orchestrator.api.dependencies import Dependencies
from orchestrator.api.errors import ApiError, not_found
from orchestrator.api.reading import read_bytes
from orchestrator.api.webhooks.signatures import Received
from orchestrator.api.webhooks.sources import SOURCES, Commented, Source

logger = logging.getLogger("antiphon.webhooks")

SECRET = "webhook_secret"  # noqa: S105 - the name of the secret, among an account's
JOB = "channels.answer_ticket"
_LARGEST = 256 * 1024  # bytes
_FIND = text("select find_integration(:integration)")


def webhooks(dependencies: Dependencies) -> list[BaseRoute]:
    """Return the routes that vendors call."""

    async def receive(request: Request) -> Response:
        source = SOURCES.get(request.path_params["source"])
        if source is None:
            raise not_found("source of webhooks")
        body = await read_bytes(request, _LARGEST)
        account = await _account(dependencies, request)
        headers: dict[str, list[str]] = {}
        for name, value in request.headers.items():
            headers.setdefault(name, []).append(value)
        # Whether there is such an account is not to be heard from how long this takes, either.
        secret = account.secret if account else secrets.token_hex()
        fits = source.signature.fits(secret, Received(headers, body, now()))
        if account is None or not fits:
            raise _unsigned()
        commented = source.read(body)
        taken = commented is not None and await _take(dependencies.database, account, commented)
        return JSONResponse({"taken": taken}, 202)

    return [Route("/api/webhooks/{source}/{integration}", receive, methods=["POST"])]


@dataclass(frozen=True)
class _Account:
    business_id: UUID
    integration_id: UUID
    secret: str


async def _account(dependencies: Dependencies, request: Request) -> _Account | None:
    """Return the account that the address names, if this source may send for it."""
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
    if row is None or not row.enabled or not _sends(row, source, SOURCES[source]):
        return None
    secret = _secret(row, dependencies.terms.keyring)
    return _Account(business_id, integration_id, secret) if secret else None


def _sends(row: BusinessIntegration, name: str, source: Source) -> bool:
    return (row.server, row.integration_type) == (source.server, name)


def _secret(row: BusinessIntegration, keyring: Keyring | None) -> str | None:
    if keyring is None:
        logger.error("webhooks cannot be checked: VAULT_KEYS is not set")
        return None
    try:
        return opened(row, keyring).secrets.get(SECRET)
    except NoAccountError:
        return None


async def _take(database: Database, account: _Account, commented: Commented) -> bool:
    """Store that something was written, and what is to be done; say whether that is new."""
    ticket = f"{account.integration_id}:{commented.ticket}"
    payload = {
        "business_id": str(account.business_id),
        "integration_id": str(account.integration_id),
        "ticket": commented.ticket,
    }
    async with database.tenant(account.business_id) as session:
        if commented.comment is not None:
            # A source that names no comment is told apart later, by who has written last.
            event = f"{commented.ticket}/{commented.comment}"
            new = (
                insert(WebhookEvent)
                .values(
                    business_id=account.business_id,
                    integration_id=account.integration_id,
                    event=event,
                )
                .on_conflict_do_nothing()
                .returning(col(WebhookEvent.event))
            )
            if (await session.execute(new)).scalar() is None:
                return False
        # One waits for each ticket, as it reads all that was written; the next one waits for it.
        return await enqueue(session, JOB, payload, key=ticket, lock=ticket)


def _unsigned() -> ApiError:
    """Return the one refusal for whatever is not known to be the vendor's."""
    return ApiError(401, "unauthorized", "That is not signed by an account that is known here.")
